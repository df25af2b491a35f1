/** `podrole plan --out` and `podrole apply PLANFILE` as typed: by one person, and by two with a half each. */
import { ListPodIdentityAssociationsCommand } from '@aws-sdk/client-eks'
import { TagRoleCommand, UpdateAssumeRolePolicyCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ServiceAccount } from '../../src/kube/objects.ts'
import type { PlanFile } from '../../src/manage/plan-file/plan-file.ts'
import { ACCOUNT, CLUSTER, type EksSandbox, startEksSandbox } from '../support/eks-sandbox.ts'
import type { Ran } from '../support/podrole.ts'
import { podsTrust } from '../support/shop-journey.ts'

const STEP_MS = 120_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const READ_S3 = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
const READ_IAM = 'arn:aws:iam::aws:policy/IAMReadOnlyAccess'

let here: EksSandbox
beforeAll(async () => {
  here = await startEksSandbox()
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

const fileOf = (serviceAccounts: readonly object[], associations: readonly object[]): string =>
  JSON.stringify({
    apiVersion: 'eksctl.io/v1alpha5',
    kind: 'ClusterConfig',
    metadata: { name: CLUSTER, region: 'eu-central-1' },
    iam: { withOIDC: true, serviceAccounts, podIdentityAssociations: associations },
    addons: [{ name: 'eks-pod-identity-agent' }],
  })
const reports = {
  metadata: { name: 'reports', namespace: 'shop' },
  attachPolicyARNs: [READ_S3],
}
const orders = {
  namespace: 'shop',
  serviceAccountName: 'orders',
  createServiceAccount: true,
  permissionPolicyARNs: [READ_S3],
}

/** Whoever has AWS has no kubeconfig at all, whoever has the cluster no AWS credentials at all. */
const WITHOUT = {
  aws: 'unset AWS_PROFILE AWS_SHARED_CREDENTIALS_FILE AWS_CONFIG_FILE AWS_REGION; export AWS_EC2_METADATA_DISABLED=true HOME=/nonexistent AWS_ENDPOINT_URL=http://127.0.0.1:1',
  kubernetes: 'unset KUBECONFIG; export HOME=/nonexistent',
}
/** Each on a machine of their own. */
const asAws = (line: string): Promise<Ran> =>
  here.desk.shell(`${WITHOUT.kubernetes} XDG_STATE_HOME=$PWD/state-aws; podrole ${line}`)
const asKubernetes = (line: string): Promise<Ran> =>
  here.desk.shell(`${WITHOUT.aws} XDG_STATE_HOME=$PWD/state-kube; podrole ${line}`)

const planTo = async (path: string): Promise<PlanFile> => {
  for (const half of ['aws', 'kubernetes']) {
    rmSync(join(here.desk.folder, `${path}.${half}-done`), { force: true })
  }
  const { code, err } = await here.desk.run(`plan -f cluster.yaml --out ${path}`)
  expect([code, err]).toEqual([0, expect.stringContaining(`the plan is in ${path}`)])
  return JSON.parse(readFileSync(join(here.desk.folder, path), 'utf8')) as PlanFile
}
const expectNothing = async (): Promise<void> => {
  const { code, out } = await here.desk.run('plan -f cluster.yaml')
  expect([code, out]).toEqual([0, NOTHING])
}
const annotationOf = async (name: string): Promise<string | undefined> => {
  const ref = { namespace: 'shop', name }
  const { metadata } = await here.cluster.client.get<ServiceAccount>(SERVICE_ACCOUNTS, ref)
  return metadata.annotations?.['eks.amazonaws.com/role-arn']
}

test(
  'whoever has the cluster begins: service accounts name roles that are not there yet',
  async () => {
    here.desk.write('cluster.yaml', fileOf([reports], [orders]))
    const file = await planTo('plan.json')
    expect(file).toMatchObject({ account: { id: ACCOUNT }, clusters: [{ name: CLUSTER }] })
    const cluster = await asKubernetes('apply plan.json --kubernetes-only --yes')
    expect([cluster.code, cluster.err]).toEqual([0, expect.any(String)])
    expect(cluster.out).toContain('Left for whoever has AWS')
    expect(cluster.out).toContain('By: podrole apply plan.json --aws-only')
    const twice = await asKubernetes('apply plan.json --kubernetes-only --yes')
    expect([twice.code, twice.out]).toEqual([0, expect.stringMatching(/^Left for whoever has AWS/)])
    expect(await annotationOf('reports')).toContain(`:${ACCOUNT}:role/podrole-${CLUSTER}-`)
    const aws = await asAws('apply plan.json --aws-only --yes')
    expect([aws.code, aws.err]).toEqual([0, expect.any(String)])
    expect(aws.out).not.toContain('Left for')
    await expectNothing()
    const again = await asAws('apply plan.json --aws-only --yes')
    expect([again.code, again.out]).toEqual([0, NOTHING])
  },
  STEP_MS,
)

test(
  'whoever has AWS begins, and takes nothing away that a service account has still',
  async () => {
    here.desk.write(
      'cluster.yaml',
      fileOf([{ ...reports, metadata: { namespace: 'shop', name: 'audit' } }], [orders]),
    )
    const file = await planTo('plan.json')
    const ids = file.plan.steps.map(({ id }) => id)
    const [gone] = ids.filter((id) => id.startsWith('delete-role'))
    expect(gone).toBeDefined()
    const first = await asAws('apply plan.json --aws-only --yes')
    expect([first.code, first.err]).toEqual([1, expect.any(String)])
    expect(first.out).toContain('wait for the other one')
    expect(first.out).toContain(`${gone ?? ''} (after delete-service-account`)
    const cluster = await asKubernetes('apply plan.json --kubernetes-only --yes')
    expect([cluster.code, cluster.err]).toEqual([0, expect.any(String)])
    const second = await asAws('apply plan.json --aws-only --yes')
    expect([second.code, second.err]).toEqual([0, expect.any(String)])
    await expectNothing()
  },
  STEP_MS,
)

test(
  'both at the same time: one waits for what it needs of the other',
  async () => {
    here.desk.write('cluster.yaml', fileOf([reports], []))
    await planTo('plan.json')
    const [aws, cluster] = await Promise.all([
      asAws('apply plan.json --aws-only --yes --wait 60s'),
      asKubernetes('apply plan.json --kubernetes-only --yes --wait 60s'),
    ])
    expect([aws.code, aws.err]).toEqual([0, expect.any(String)])
    expect([cluster.code, cluster.err]).toEqual([0, expect.any(String)])
    await expectNothing()
    const { associations } = await here.eks.send(
      new ListPodIdentityAssociationsCommand({ clusterName: CLUSTER }),
    )
    expect(associations).toEqual([])
  },
  STEP_MS,
)

test(
  'a whole plan file is refused, by name, where what it saw has changed since',
  async () => {
    const tagged = { ...reports, attachPolicyARNs: [READ_S3, READ_IAM], tags: { team: 'tea' } }
    here.desk.write('cluster.yaml', fileOf([tagged], []))
    const file = await planTo('plan.json')
    const step = file.plan.steps.find(({ action }) => action.do === 'tag-role')
    if (step?.action.do !== 'tag-role') throw new Error('no tag-role')
    const RoleName = step.action.role
    await here.iam.send(
      new TagRoleCommand({ RoleName, Tags: [{ Key: 'team', Value: 'somebody' }] }),
    )
    const before = here.writes.length
    const stale = await here.desk.run('apply plan.json --yes')
    expect([stale.code, stale.err]).toEqual([1, expect.stringContaining(`tag-role ${RoleName}`)])
    expect(stale.err).toContain('nothing was changed')
    expect(stale.err).toContain('"team":"somebody"')
    expect(here.writes.slice(before)).toEqual([])
    await planTo('plan.json')
    const done = await here.desk.run('apply plan.json --yes')
    expect([done.code, done.err]).toEqual([0, expect.any(String)])
    await expectNothing()
  },
  STEP_MS,
)

test(
  'a whole plan file that was applied says so when it is applied again',
  async () => {
    const team = { ...orders, roleName: 'team' }
    here.desk.write('cluster.yaml', fileOf([], [team]))
    const first = await here.desk.run('apply -f cluster.yaml --yes')
    expect([first.code, first.err]).toEqual([0, expect.any(String)])
    const billing = { ...team, serviceAccountName: 'billing' }
    here.desk.write('cluster.yaml', fileOf([], [billing]))
    const { plan } = await planTo('plan.json')
    // One trust policy is changed twice: neither text is what the first step saw.
    expect(plan.steps.filter(({ action }) => action.do === 'put-trust').length).toBe(2)
    const done = await here.desk.run('apply plan.json --yes')
    expect([done.code, done.err]).toEqual([0, expect.any(String)])
    const before = here.writes.length
    const again = await here.desk.run('apply plan.json')
    expect([again.code, again.out]).toEqual([
      0,
      'Nothing to do: plan.json was applied already, all of it is there.\n',
    ])
    const json = await here.desk.run('apply plan.json --yes -o json')
    expect([json.code, JSON.parse(json.out)]).toMatchObject([
      0,
      { outcome: 'nothing-to-do', steps: [] },
    ])
    expect(here.writes.slice(before)).toEqual([])
    const mine = JSON.parse(podsTrust()) as object
    const PolicyDocument = JSON.stringify({ ...mine, Id: 'by-hand' })
    await here.iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: 'team', PolicyDocument }))
    const changed = await here.desk.run('apply plan.json --yes')
    expect([changed.code, changed.err]).toEqual([1, expect.stringContaining('put-trust team')])
    const mended = await here.desk.run('apply -f cluster.yaml --yes --force')
    expect([mended.code, mended.err]).toEqual([0, expect.any(String)])
  },
  STEP_MS,
)

test(
  'the halves of files need no plan file, and nothing of the other side',
  async () => {
    here.desk.write(
      'cluster.yaml',
      fileOf([reports, { ...reports, metadata: { namespace: 'shop', name: 'more' } }], [orders]),
    )
    const aws = await asAws('apply -f cluster.yaml --aws-only --yes')
    expect([aws.code, aws.err]).toEqual([0, expect.any(String)])
    expect(aws.out).toContain('Kubernetes was not looked at')
    const lost = await asKubernetes('apply -f cluster.yaml --kubernetes-only --yes')
    expect([lost.code, lost.err]).toEqual([1, expect.stringContaining('nothing tells the account')])
    const named = readFileSync(join(here.desk.folder, 'cluster.yaml'), 'utf8').replace(
      '"metadata":{"name":"blue"',
      `"metadata":{"accountID":"${ACCOUNT}","name":"blue"`,
    )
    here.desk.write('cluster.yaml', named)
    const plan = await asKubernetes('plan -f cluster.yaml --kubernetes-only')
    expect([plan.code, plan.err, plan.out]).toEqual([
      0,
      expect.any(String),
      expect.stringContaining('shop/more'),
    ])
    const cluster = await asKubernetes('apply -f cluster.yaml --kubernetes-only --yes')
    expect([cluster.code, cluster.err]).toEqual([0, expect.any(String)])
    expect(await annotationOf('more')).toContain(':role/podrole-')
    const seen = (await here.desk.run('plan -f cluster.yaml')).out
    // What only a look at both sides can take away.
    if (seen !== NOTHING) {
      const rest = await here.desk.run('apply -f cluster.yaml --yes')
      expect([rest.code, rest.err]).toEqual([0, expect.any(String)])
    }
    await expectNothing()
  },
  STEP_MS,
)

test('what cannot be meant is refused', async () => {
  const both = await here.desk.run('apply plan.json -f cluster.yaml')
  expect(both.err).toContain('both are named')
  expect((await here.desk.run('apply')).err).toContain('neither is named')
  const halves = await here.desk.run('apply plan.json --aws-only --kubernetes-only')
  expect([halves.code, halves.err]).toEqual([1, expect.stringContaining('cannot be used with')])
  here.desk.write('broken.json', '{"kind":"podrole.dev/plan/v1"}')
  expect((await here.desk.run('apply broken.json')).err).toContain('observedAt')
  expect(existsSync(join(here.desk.folder, 'plan.json'))).toBe(true)
})

test(
  'credentials of another account are refused before anything is done',
  async () => {
    const text = readFileSync(join(here.desk.folder, 'plan.json'), 'utf8')
    here.desk.write('other.json', text.replaceAll(ACCOUNT, '999988887777'))
    const before = here.writes.length
    const { code, err } = await here.desk.run('apply other.json --yes')
    expect([code, err]).toEqual([
      1,
      expect.stringContaining(`is for account 999988887777, the credentials are of ${ACCOUNT}`),
    ])
    expect(here.writes.slice(before)).toEqual([])
  },
  STEP_MS,
)
