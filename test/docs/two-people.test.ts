/** docs/operating/two-people.md: its commands as they are typed, each by whom the page gives it to. */
import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type EksSandbox, startEksSandbox } from '../support/eks-sandbox.ts'
import { pageBlocks } from '../support/page-commands.ts'
import type { Ran } from '../support/podrole.ts'
import { findPython } from '../support/python.ts'
import { lacks } from '../support/tools.ts'

const PAGE = 'operating/two-people.md'
const STEP_MS = 240_000
const LINES = pageBlocks(PAGE, 'sh').flatMap((block) =>
  block.split('\n').filter((line) => line !== ''),
)
const [handing = '', script = ''] = LINES.slice(-2)
const python = await findPython()

let here: EksSandbox
let keys = ''
beforeAll(async () => {
  here = await startEksSandbox()
  for (const block of pageBlocks(PAGE, 'yaml')) {
    here.desk.write(/^# (\S+)/.exec(block)?.[1] ?? '', block)
  }
  await here.iam.send(new CreateUserCommand({ UserName: 'dev' }))
  const Action = ['eks:*', 'iam:Get*', 'iam:List*', 'iam:PassRole', 'servicequotas:Get*']
  const Statement = [{ Effect: 'Allow', Action, Resource: '*' }]
  await here.iam.send(
    new PutUserPolicyCommand({
      UserName: 'dev',
      PolicyName: 'own',
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement }),
    }),
  )
  const { AccessKey } = await here.iam.send(new CreateAccessKeyCommand({ UserName: 'dev' }))
  keys = `AWS_ACCESS_KEY_ID=${AccessKey?.AccessKeyId ?? ''} AWS_SECRET_ACCESS_KEY=${AccessKey?.SecretAccessKey ?? ''}`
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

/** What whoever types the line does not have. */
const without = (line: string): string =>
  line.includes('--aws-only')
    ? 'unset KUBECONFIG; export HOME=/nonexistent'
    : line.includes('--kubernetes-only')
      ? 'unset AWS_PROFILE AWS_SHARED_CREDENTIALS_FILE AWS_CONFIG_FILE AWS_REGION; export AWS_EC2_METADATA_DISABLED=true HOME=/nonexistent AWS_ENDPOINT_URL=http://127.0.0.1:1'
      : ':'

test('the page hands over at its end', () => {
  expect(LINES.length).toBe(8)
  expect(handing).toContain('--hand-over for-iam')
  expect(script).toBe('sh for-iam/run.sh')
})

for (const line of LINES.slice(0, -2)) {
  test(
    line,
    async () => {
      const ran = await here.desk.shell(`${without(line)}; ${line}`)
      expect(ran).toMatchObject({ code: 0 })
      expect(ran.out).not.toContain('wait for the other one')
    },
    STEP_MS,
  )
}

test(
  'the halves came to one whole',
  async () => {
    const { out } = await here.desk.run('plan -f cluster.yaml')
    expect(out).toStartWith('Nothing to do')
  },
  STEP_MS,
)

test.skipIf(lacks(`${PAGE}: ${script}`, python.missing))(
  `${handing}, ${script}`,
  async () => {
    const applying: Promise<Ran> = here.desk.shell(`unset AWS_PROFILE; export ${keys}; ${handing}`)
    const until = performance.now() + STEP_MS / 2
    while (!existsSync(join(here.desk.folder, 'for-iam', 'hand-over.json'))) {
      if (performance.now() > until) throw new Error((await applying).err)
      await Bun.sleep(50)
    }
    const path = `export PATH="${python.bin ?? ''}${delimiter}$PATH"`
    expect(await here.desk.shell(`${path}; ${script}`)).toMatchObject({ code: 0 })
    expect(await applying).toMatchObject({ code: 0 })
    expect((await here.desk.run('plan -f more.yaml')).out).toStartWith('Nothing to do')
  },
  STEP_MS,
)
