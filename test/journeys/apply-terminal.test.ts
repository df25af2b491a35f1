/** `podrole apply` at a real terminal: the question, Ctrl-C in it and during a step, `--resume`. */
import { CreateRoleCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { LEASES } from '../../src/manage/apply/cluster-lease.ts'
import { CLUSTER, type EksSandbox, REGION, startEksSandbox } from '../support/eks-sandbox.ts'
import { lacks } from '../support/tools.ts'
import { podsTrust } from '../support/shop-journey.ts'

const STEP_MS = 120_000
const SCRIPT = join(import.meta.dir, '..', 'support', 'terminal.py')
const LEASE = { namespace: 'kube-system', name: 'podrole-apply' }
const isMissing = spawnSync('python3', ['--version']).status !== 0

let here: EksSandbox
const file = (name: string): string => `apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: { name: ${CLUSTER}, region: ${REGION} }
iam:
  podIdentityAssociations:
    - { namespace: shop, serviceAccountName: ${name}, createServiceAccount: true, permissionPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess] }
`

/** What to wait for and then type; or `signal:NAME`. */
type Typed = readonly (readonly [string, string])[]

/** podrole as typed at a terminal; its exit code and all that was shown. */
async function atTerminal(typed: Typed, line: string): Promise<{ code: number; shown: string }> {
  const child = Bun.spawn(
    ['python3', SCRIPT, JSON.stringify(typed), 'podrole', ...line.split(' ')],
    {
      cwd: here.desk.folder,
      env: here.desk.environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const shown = await child.stdout.text()
  return { code: await child.exited, shown }
}

const journals = (): readonly string[] =>
  readdirSync(join(here.desk.folder, 'state', 'podrole', 'apply', '111122223333')).filter(
    (name) => name === 'journal',
  )
const holder = async (): Promise<string> => {
  const lease = await here.cluster.client.get<{
    metadata: object
    spec?: { holderIdentity?: string }
  }>(LEASES, LEASE)
  return lease.spec?.holderIdentity ?? ''
}

describe.skipIf(
  lacks(
    'the terminal journey',
    isMissing ? { tool: 'python3', get: 'apt-get install python3' } : undefined,
  ),
)('at a terminal', () => {
  beforeAll(async () => {
    here = await startEksSandbox()
    here.desk.write('one.yaml', file('one'))
    const AssumeRolePolicyDocument = podsTrust()
    await here.iam.send(new CreateRoleCommand({ RoleName: 'other', AssumeRolePolicyDocument }))
  }, STEP_MS)
  afterAll(() => here.stop(), STEP_MS)

  test(
    'no, the end of input and Ctrl-C change nothing',
    async () => {
      const no = await atTerminal([['[y/N] ', 'n\r']], 'apply -f one.yaml')
      expect([no.code, no.shown]).toEqual([1, expect.stringContaining('nothing was changed')])
      const end = await atTerminal([['[y/N] ', '\u0004']], 'apply -f one.yaml')
      expect([end.code, end.shown]).toEqual([1, expect.stringContaining('nothing was changed')])
      const stopped = await atTerminal([['[y/N] ', '\u0003']], 'apply -f one.yaml')
      expect([stopped.code, stopped.shown]).toEqual([
        130,
        expect.stringContaining('nothing was changed'),
      ])
      expect(journals()).toEqual([])
      expect(here.writes).toEqual([])
    },
    STEP_MS,
  )

  test.each([
    ['Ctrl-C', '\u0003', 130],
    ['SIGINT', 'signal:SIGINT', 130],
    ['SIGTERM', 'signal:SIGTERM', 143],
  ])(
    '%s during a step ends it behind that step, lets go of the lease, and --resume goes on',
    async (name, typed, code) => {
      here.desk.write('two.yaml', file(`two-${name.toLowerCase()}`))
      // The role takes its time, so that all that comes behind it is not begun.
      here.sandbox.aws.faults.replace(['iam:CreateRole=delay:3s'])
      const stopped = await atTerminal(
        [
          ['[y/N] ', 'y\r'],
          ['podrole: [1/', typed],
        ],
        'apply -f two.yaml',
      )
      here.sandbox.aws.faults.replace([])
      expect([stopped.code, stopped.shown]).toEqual([code, expect.stringContaining('not started')])
      expect(stopped.shown).toContain('ends after the steps that are under way')
      expect(stopped.shown).toContain('create-role')
      expect(journals()).toEqual(['journal'])
      expect(await holder()).toBe('')
      const again = await here.desk.run('apply -f two.yaml --yes')
      expect(again.err).toContain('podrole apply --resume goes on with it')
      const resumed = await here.desk.run('apply -f two.yaml --resume')
      expect([resumed.code, resumed.out]).toEqual([0, expect.stringContaining('Nothing is left')])
      expect(journals()).toEqual([])
    },
    STEP_MS,
  )
})
