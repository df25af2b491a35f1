/** `podrole delete` as typed: document 004's cluster config, applied and taken away again. */
import { ListPodIdentityAssociationsCommand } from '@aws-sdk/client-eks'
import {
  GetRoleCommand,
  ListOpenIDConnectProvidersCommand,
  ListRolesCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ChangeReport } from '../../src/cli/apply-report.ts'
import {
  DOCUMENT_CLUSTER,
  IMPORTED_ROLE,
  readDocument,
  startDocument004,
} from '../support/document-004.ts'
import type { EksSandbox } from '../support/eks-sandbox.ts'

const STEP_MS = 60_000
const clusterName = DOCUMENT_CLUSTER
const NOTHING = 'Nothing to do: nothing is left of what the files made.\n'
/** Of others. */
const ROLES = ['AWSServiceRoleForAmazonEKS', 'demo-eks-full', IMPORTED_ROLE]
const THEIRS = { namespace: 'rafay-demo', name: 'demo-test' }

let here: EksSandbox

beforeAll(async () => {
  here = await startDocument004()
  here.desk.write('day-0.yaml', readDocument('document-004-day-0.yaml'))
  const kube = here.cluster.client
  await kube.create(NAMESPACES, { metadata: { name: THEIRS.namespace } })
  await kube.create(SERVICE_ACCOUNTS, { metadata: { ...THEIRS, labels: { app: 'theirs' } } })
  const applied = await here.desk.run('apply -f cluster.yaml --yes')
  expect([applied.code, applied.err]).toEqual([0, expect.any(String)])
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

const roleNames = async (): Promise<readonly string[]> =>
  ((await here.iam.send(new ListRolesCommand({}))).Roles ?? [])
    .map(({ RoleName = '' }) => RoleName)
    .sort()
const associations = async (): Promise<readonly string[]> => {
  const answer = await here.eks.send(new ListPodIdentityAssociationsCommand({ clusterName }))
  return (answer.associations ?? []).map((one) => `${one.namespace}/${one.serviceAccount}`).sort()
}

test(
  'a block alone takes what it names, and nothing of the rest',
  async () => {
    const part = `iam:\n  podIdentityAssociations:\n    - { namespace: rafay-demo, serviceAccountName: rafay-demo3, createServiceAccount: true, permissionPolicyARNs: [arn:aws:iam::679196758854:policy/demo-eks-full] }\n`
    here.desk.write('part.yaml', part)
    const { code, out } = await here.desk.run(
      `delete -f part.yaml --cluster ${clusterName} --region us-west-2 --yes`,
    )
    expect([code, out]).toEqual([0, expect.stringContaining('Nothing is left of what')])
    expect(await associations()).toEqual(['rafay-demo/rafay-demo', 'rafay-demo/rafay-demo2'])
    expect(await roleNames()).toEqual(ROLES)
    const back = await here.desk.run('apply -f cluster.yaml --yes')
    expect(back.code).toBe(0)
    expect((await associations()).length).toBe(3)
  },
  STEP_MS,
)

test(
  'what podrole made goes; the roles and the service account of others stay, and are told of',
  async () => {
    const unasked = await here.desk.run('delete -f cluster.yaml --force')
    expect(unasked.err).toContain('there is nobody to ask')
    const refused = await here.desk.run('delete -f cluster.yaml --yes -o json')
    const { outcome, plan } = JSON.parse(refused.out) as ChangeReport
    expect([refused.code, outcome]).toEqual([1, 'refused'])
    expect(plan.refusals).toMatchObject([
      { code: 'ProviderInUse', text: expect.stringContaining(IMPORTED_ROLE) },
    ])
    expect((await associations()).length).toBe(3)
    const { code, err, out } = await here.desk.run('delete -f cluster.yaml --yes --force -o json')
    expect([code, err]).toEqual([0, expect.stringContaining('done')])
    const report = JSON.parse(out) as ChangeReport
    expect(report.outcome).toBe('done')
    expect(report.steps.map(({ id, outcome }) => [id, outcome])).toEqual(
      report.plan.steps.map(({ id }) => [id, 'done']),
    )
    expect(report.left?.steps).toEqual([])
    const told = report.plan.remarks.map(({ text }) => text).join('\n')
    expect(told).toContain('service account rafay-demo/demo-test: podrole did not make it')
    expect(told).toContain('role demo-eks-full: podrole did not make it')
    expect(await associations()).toEqual([])
    expect(await roleNames()).toEqual(ROLES)
    const { OpenIDConnectProviderList } = await here.iam.send(
      new ListOpenIDConnectProvidersCommand({}),
    )
    expect(OpenIDConnectProviderList).toEqual([])
    await here.iam.send(new GetRoleCommand({ RoleName: IMPORTED_ROLE }))
    const left = await here.cluster.client.list(SERVICE_ACCOUNTS, { namespace: 'rafay-demo' })
    expect(left.items.map(({ metadata: { name = '' } }) => name).sort()).toEqual([
      'default',
      'demo-test',
    ])
    const theirs = await here.cluster.client.get(SERVICE_ACCOUNTS, THEIRS)
    expect(theirs.metadata.labels).toEqual({ app: 'theirs' })
    expect(theirs.metadata.annotations ?? {}).toEqual({})
  },
  STEP_MS,
)

test(
  'deleted twice there is nothing to do',
  async () => {
    const again = await here.desk.run('delete -f cluster.yaml --yes')
    expect([again.code, again.out]).toEqual([0, NOTHING])
    expect(again.err).toContain('left alone: role demo-eks-full')
    const resumed = await here.desk.run('delete -f cluster.yaml --resume')
    expect(resumed).toMatchObject({ code: 1, out: '' })
    expect(resumed.err).toContain('no delete on account 679196758854 was left unfinished')
  },
  STEP_MS,
)

test(
  'what fails half way is told apart, and goes on by its own command alone',
  async () => {
    expect((await here.desk.run('apply -f cluster.yaml --yes')).code).toBe(0)
    here.sandbox.aws.faults.replace(['iam:DeleteRole=error:AccessDenied:403'])
    const failed = await here.desk.run('delete -f cluster.yaml --yes --force -o json')
    here.sandbox.aws.faults.replace([])
    const report = JSON.parse(failed.out) as ChangeReport
    expect([failed.code, report.outcome]).toEqual([1, 'incomplete'])
    const outcomes = new Map(report.steps.map((step) => [step.id.split(' ')[0], step]))
    expect(outcomes.get('delete-association')?.outcome).toBe('done')
    expect(outcomes.get('delete-role')).toMatchObject({
      outcome: 'failed',
      error: { code: 'AccessDenied' },
    })
    const other = await here.desk.run('apply -f cluster.yaml --resume')
    expect([other.code, other.err]).toEqual([
      1,
      expect.stringContaining('podrole delete --resume goes on with it'),
    ])
    const resumed = await here.desk.run('delete -f cluster.yaml --resume')
    expect([resumed.code, resumed.out]).toEqual([
      0,
      expect.stringContaining('Nothing is left of what the files made.'),
    ])
    expect(await roleNames()).toEqual(ROLES)
  },
  STEP_MS,
)
