/**
 * `podrole apply --hand-over` as typed: somebody with EKS alone applies, somebody with IAM runs the
 * files with the AWS CLI, and the apply ends whole.
 */
import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  DeleteUserPolicyCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CLUSTER, type EksSandbox, REGION, startEksSandbox } from '../support/eks-sandbox.ts'
import type { Ran } from '../support/podrole.ts'
import { findPython } from '../support/python.ts'
import { lacks } from '../support/tools.ts'

const STEP_MS = 240_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const READ_S3 = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
const READ_IAM = 'arn:aws:iam::aws:policy/IAMReadOnlyAccess'
const EKS_ALONE = ['eks:*', 'iam:Get*', 'iam:List*', 'iam:PassRole', 'servicequotas:Get*']

const python = await findPython()
const hasNoCli = lacks('steps run by the AWS CLI', python.missing)

let here: EksSandbox
/** Of whoever has EKS alone. */
let keys = ''
/** Who asked IAM and EKS for what, but for reads. */
const writes: string[] = []

beforeAll(async () => {
  here = await startEksSandbox()
  const UserName = 'dev'
  await here.iam.send(new CreateUserCommand({ UserName }))
  await allow(EKS_ALONE)
  const { AccessKey } = await here.iam.send(new CreateAccessKeyCommand({ UserName }))
  keys = `AWS_ACCESS_KEY_ID=${AccessKey?.AccessKeyId ?? ''} AWS_SECRET_ACCESS_KEY=${AccessKey?.SecretAccessKey ?? ''}`
  here.sandbox.aws.decisions.listen(({ action, allowed, caller }) => {
    if (!/^(?:iam|eks):(?!Get|List|Describe|PassRole|Simulate)/.test(action)) return
    if (allowed) writes.push(`${caller.split('/').at(-1) ?? ''} ${action}`)
  })
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

const allow = (Action: readonly string[]): Promise<unknown> =>
  here.iam.send(
    new PutUserPolicyCommand({
      UserName: 'dev',
      PolicyName: 'own',
      PolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action, Resource: '*' }],
      }),
    }),
  )

const writeFile = (iam: object): void => {
  const metadata = { name: CLUSTER, region: REGION }
  const file = { apiVersion: 'eksctl.io/v1alpha5', kind: 'ClusterConfig', metadata, iam }
  here.desk.write('cluster.yaml', JSON.stringify(file))
}
const asDev = (line: string): Promise<Ran> =>
  here.desk.shell(`unset AWS_PROFILE; export ${keys}; exec podrole ${line}`)
/** Whoever has IAM, with the AWS CLI. */
const asIam = (line: string): Promise<Ran> =>
  here.desk.shell(`export PATH="${python.bin ?? ''}${delimiter}$PATH"; ${line}`)
const inFolder = (...parts: string[]): string => join(here.desk.folder, ...parts)
const seen = async (path: string): Promise<void> => {
  const until = performance.now() + STEP_MS
  while (!existsSync(path)) {
    if (performance.now() > until) throw new Error(`${path} never came`)
    await Bun.sleep(50)
  }
}
const plan = async (): Promise<string> => (await here.desk.run('plan -f cluster.yaml')).out

const orders = {
  namespace: 'shop',
  serviceAccountName: 'orders',
  createServiceAccount: true,
  permissionPolicyARNs: [READ_S3],
  permissionPolicy: {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:Put*', Resource: "arn:aws:s3:::it's/*" }],
  },
  tags: { team: 'tea + coffee' },
}
const reports = { metadata: { namespace: 'shop', name: 'reports' }, attachPolicyARNs: [READ_S3] }

test.skipIf(hasNoCli)(
  'what AWS refuses is handed over, all of IAM at once, and awaited',
  async () => {
    writeFile({ withOIDC: true, serviceAccounts: [reports], podIdentityAssociations: [orders] })
    const applying = asDev('apply -f cluster.yaml --yes --hand-over for-iam --hand-over-timeout 3m')
    await seen(inFolder('for-iam', 'hand-over.json'))
    const index = readFileSync(inFolder('for-iam', 'hand-over.json'), 'utf8')
    const script = readFileSync(inFolder('for-iam', 'run.sh'), 'utf8')
    expect(script.match(/^step .*$/gm)?.length).toBe(6)
    expect(script).toContain(
      `step 001-create-open-id-connect-provider aws iam create-open-id-connect-provider --region ${REGION} --cli-input-json file://001-create-open-id-connect-provider.json\n`,
    )
    const ran = await asIam('sh for-iam/run.sh > handed.txt')
    expect([ran.code, ran.err]).toEqual([0, expect.stringContaining('006-')])
    const { code, err, out } = await applying
    expect([code, err, out]).toEqual([0, expect.any(String), expect.stringContaining(' done.\n')])
    expect(err).toContain('6 step(s) are for somebody who may do them: for-iam/run.sh (001-')
    expect(await plan()).toBe(NOTHING)
    expect(writes.filter((one) => one.startsWith('dev iam:'))).toEqual([])
    expect(writes.filter((one) => one.startsWith('dev eks:'))).not.toEqual([])
    expect(writes.filter((one) => one.endsWith(' iam:CreateRole')).length).toBe(2)
    expect(index).not.toContain('SECRET')
    const again = await asIam('sh for-iam/run.sh')
    expect([again.code, again.out, again.err]).toEqual([0, '', ''])
  },
  STEP_MS,
)

test.skipIf(hasNoCli)(
  "what IAM's simulator tells is handed over without being tried; an apply that was stopped goes on",
  async () => {
    await allow([...EKS_ALONE, 'iam:SimulatePrincipalPolicy', 'iam:TagRole'])
    const changed = { ...orders, permissionPolicyARNs: [READ_S3, READ_IAM], tags: { team: 'milk' } }
    writeFile({ withOIDC: true, serviceAccounts: [], podIdentityAssociations: [changed] })
    const refused: string[] = []
    const stop = here.sandbox.aws.decisions.listen(({ action, allowed }) => {
      if (!allowed) refused.push(action)
    })
    const first = here.desk.shell(
      `unset AWS_PROFILE; export ${keys}; podrole apply -f cluster.yaml --yes --force --hand-over second & echo $! > pid; wait $!`,
    )
    await seen(inFolder('second', 'hand-over.json'))
    await here.desk.shell('kill -INT $(cat pid)')
    const stopped = await first
    expect([stopped.code, stopped.out]).toEqual([130, expect.stringContaining('handed over: ')])
    expect(stopped.out).toContain('Go on with the same command and --resume')
    expect(refused).toEqual([])
    stop()
    const applying = asDev('apply -f cluster.yaml --resume --hand-over second')
    for (let runs = 0; ; runs += 1) {
      const ran = await asIam('sh second/run.sh > handed.txt')
      expect([ran.code, ran.err]).toEqual([0, expect.any(String)])
      const end = await Promise.race([applying, Bun.sleep(500)])
      if (end !== undefined) {
        expect([end.code, end.err]).toEqual([0, expect.any(String)])
        break
      }
      expect(runs).toBeLessThan(100)
    }
    expect(await plan()).toBe(NOTHING)
  },
  STEP_MS,
)

test(
  'what nobody does in time is told, and what depends on it is not begun',
  async () => {
    await here.iam.send(new DeleteUserPolicyCommand({ UserName: 'dev', PolicyName: 'own' }))
    await allow(EKS_ALONE)
    const more = { ...orders, serviceAccountName: 'more' }
    writeFile({ withOIDC: true, podIdentityAssociations: [more] })
    const { code, err, out } = await asDev(
      'apply -f cluster.yaml --yes --force --hand-over third --hand-over-timeout 1s',
    )
    expect([code, err, out]).toEqual([
      1,
      expect.any(String),
      expect.stringContaining('handed over: create-role'),
    ])
    expect(out).toContain('not started: create-association')
  },
  STEP_MS,
)
