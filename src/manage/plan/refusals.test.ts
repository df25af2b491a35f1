import { describe, expect, test } from 'bun:test'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { readDesired } from '../desired/read-desired.ts'
import { newSid } from '../../iam/trust-statements.ts'
import { ACCOUNT, applySteps, emptyState } from './in-memory.suite.ts'
import { makeDeletePlan } from './make-delete-plan.ts'
import { makePlan } from './make-plan.ts'
import type { ObservedCluster, ObservedState } from './observed-state.ts'

const read = (blocks: string): readonly DesiredCluster[] =>
  readDesired([{ name: 'cluster.yaml', text: blocks }], { cluster: 'shop', region: 'eu-central-1' })
    .clusters

function stateWith(
  cluster: Partial<ObservedCluster>,
  more: Partial<ObservedState> = {},
): ObservedState {
  const empty = emptyState('shop')
  return { ...empty, ...more, clusters: empty.clusters.map((one) => ({ ...one, ...cluster })) }
}

const ONE_ASSOCIATION = `iam:
  podIdentityAssociations:
    - { namespace: kube-system, serviceAccountName: driver, permissionPolicyARNs: [arn:aws:iam::aws:policy/A] }
`

describe('an association of an add-on', () => {
  const association = {
    serviceAccount: { namespace: 'kube-system', name: 'driver' },
    associationId: 'a-1',
    arn: 'arn:aws:eks:eu-central-1:111122223333:podidentityassociation/shop/a-1',
    settings: { roleArn: `arn:aws:iam::${ACCOUNT}:role/driver`, disableSessionTags: false },
    ownerArn: 'arn:aws:eks:eu-central-1:111122223333:addon/shop/driver/1',
    tags: {},
  }

  test("is the add-on's to change", () => {
    const { refusals, steps } = makePlan(
      read(ONE_ASSOCIATION),
      stateWith({ associations: [association] }),
    )
    expect(refusals).toMatchObject([
      { code: 'OwnedByAddon', path: 'cluster.yaml: iam.podIdentityAssociations[0]' },
    ])
    expect(refusals[0]?.text).toContain('addon/shop/driver/1')
    expect(steps.map(({ action }) => action.do)).toEqual(['create-role', 'attach-policy'])
  })

  /** Whoever made the add-on, and whatever is asked for. */
  const any = { adopt: true, force: true }
  const ours = {
    ...association,
    tags: {
      'podrole.dev/managed-by': 'podrole',
      'podrole.dev/block': 'iam.podIdentityAssociations',
    },
  }

  test('is not adopted either', () => {
    for (const there of [association, ours]) {
      const plan = makePlan(read(ONE_ASSOCIATION), stateWith({ associations: [there] }), any)
      expect(plan.refusals.map(({ code }) => code)).toEqual(['OwnedByAddon'])
    }
  })

  test('is not deleted by a list that does not name it', () => {
    const empty = read('iam: { podIdentityAssociations: [] }')
    for (const there of [association, ours]) {
      expect(makePlan(empty, stateWith({ associations: [there] }), any).steps).toEqual([])
    }
  })

  test('is not deleted by name', () => {
    const { remarks, steps } = makeDeletePlan(
      read(ONE_ASSOCIATION),
      stateWith({ associations: [ours] }),
      any,
    )
    expect(steps).toEqual([])
    expect(remarks.map(({ text }) => text)).toContainEqual(
      expect.stringMatching(/^association kube-system\/driver: add-on .*addon\/shop\/driver\/1/),
    )
  })
})

describe('the agent', () => {
  const codes = (cluster: Partial<ObservedCluster>): readonly string[] =>
    makePlan(read(ONE_ASSOCIATION), stateWith(cluster)).remarks.map(({ code }) => code)

  test('is missed where associations are asked for', () => {
    expect(codes({})).toEqual(['no-agent'])
  })

  test('is not missed on Auto Mode, nor where it is', () => {
    expect(codes({ isAutoMode: true })).toEqual([])
    const settings = { version: 'v1.3.8-eksbuild.2', associations: [] }
    const agent = { name: 'eks-pod-identity-agent', arn: 'x', settings, tags: {} }
    expect(codes({ addons: [agent] })).toEqual([])
  })

  test('is told where it is and not ACTIVE', () => {
    const settings = { version: 'v1.3.8-eksbuild.2', associations: [] }
    const agent = { name: 'eks-pod-identity-agent', arn: 'x', settings, tags: {} }
    const addons = [{ ...agent, status: 'CREATE_FAILED' }]
    const { remarks } = makePlan(read(ONE_ASSOCIATION), stateWith({ addons }))
    expect(remarks.map(({ code, text }) => `${code}: ${text}`)).toEqual([
      'agent-not-active: the eks-pod-identity-agent add-on of cluster shop is CREATE_FAILED, not ACTIVE: until it is, pods may get no credentials',
    ])
    expect(codes({ isAutoMode: true, addons })).toEqual([])
  })
})

describe('a trust policy that is too long', () => {
  const names = Array.from({ length: 80 }, (_, at) => `worker-with-a-long-name-${at}`)
  const shared = `iam:\n  podIdentityAssociations:\n${names
    .map(
      (name) =>
        `    - { namespace: a, serviceAccountName: ${name}, roleName: many, permissionPolicyARNs: [arn:aws:iam::aws:policy/A] }\n`,
    )
    .join('')}`

  test('is refused or sharded by a live quota alone', () => {
    const trustQuota = { value: 2048, isLive: false, text: '2048 (documented)' }
    const { refusals, remarks, steps } = makePlan(read(shared), stateWith({}, { trustQuota }))
    expect(refusals).toEqual([])
    expect(remarks.map(({ code }) => code)).toContain('long-trust')
    expect(steps.filter(({ action }) => action.do === 'create-role')).toHaveLength(1)
  })

  test('of a single service account is refused with numbers', () => {
    const trustQuota = { value: 100, isLive: true, text: '100 (Service Quotas L-C07B4B0D)' }
    const { refusals } = makePlan(read(ONE_ASSOCIATION), stateWith({}, { trustQuota }))
    expect(refusals).toMatchObject([{ code: 'TrustPolicyTooLong' }])
    expect(refusals[0]?.text).toMatch(/would have \d+ characters .* quota is 100/)
  })

  test('leaves every shard within the quota, and each service account in one of them', () => {
    const { steps } = makePlan(read(shared), stateWith({}))
    const roles = steps.flatMap(({ action }) => (action.do === 'create-role' ? [action.role] : []))
    expect(roles.map(({ name }) => name)).toEqual(['many', 'many-2'])
    expect(Math.max(...roles.map(({ trustPolicy }) => trustPolicy.length))).toBeLessThanOrEqual(
      2048,
    )
    for (const { action } of steps) {
      if (action.do !== 'create-association') continue
      const { serviceAccount, settings } = action.association
      const holders = roles.filter(({ trustPolicy }) =>
        trustPolicy.includes(`"${serviceAccount.name}"`),
      )
      expect(holders.map(({ arn }) => arn)).toEqual([settings.roleArn])
    }
  })
})

describe('what a step needs', () => {
  test('is told by action and resource', () => {
    const { steps } = makePlan(read(ONE_ASSOCIATION), emptyState('shop'))
    const needs = steps.flatMap((step) =>
      step.needs.map(({ action, resource }) => `${action} ${resource}`),
    )
    const role = steps.flatMap(({ action }) =>
      action.do === 'create-role' ? [action.role.arn] : [],
    )[0]
    const cluster = `arn:aws:eks:eu-central-1:${ACCOUNT}:cluster/shop`
    expect(needs).toEqual([
      `iam:CreateRole ${role}`,
      `iam:TagRole ${role}`,
      `iam:AttachRolePolicy ${role}`,
      `eks:CreatePodIdentityAssociation ${cluster}`,
      `eks:TagResource ${cluster}`,
      `iam:PassRole ${role}`,
      `iam:GetRole ${role}`,
    ])
  })
})

describe('a statement on a role that podrole made', () => {
  const made = applySteps(
    emptyState('shop'),
    makePlan(read(ONE_ASSOCIATION), emptyState('shop')).steps,
  )
  const withStatement = (statement: object): ReturnType<typeof makePlan> => {
    const roles = made.roles.map((role) => {
      const policy = JSON.parse(role.trustPolicy) as { Statement: object[] }
      const trustPolicy = JSON.stringify({ ...policy, Statement: [...policy.Statement, statement] })
      return { ...role, trustPolicy }
    })
    return makePlan(read(ONE_ASSOCIATION), { ...made, roles })
  }
  const anybody = { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' }
  const pods = { Service: 'pods.eks.amazonaws.com' }
  const other = 'arn:aws:eks:eu-central-1:111122223333:cluster/other'

  test.each([
    ['without a Sid', anybody, '#2'],
    [
      'with a Sid like its own',
      { Sid: 'PodrolePodIdentity0123abcd', ...anybody },
      'PodrolePodIdentity0123abcd',
    ],
    ['with a Sid like one of its issuers', { Sid: 'PodroleIrsa', ...anybody }, 'PodroleIrsa'],
  ])('%s is told of and stays', (_, statement, name) => {
    const { remarks, steps } = withStatement(statement)
    expect(steps).toEqual([])
    expect(remarks.find(({ code }) => code === 'foreign-statement')?.text).toContain(name)
  })

  test("that it wrote for another cluster stays, and is nobody else's", () => {
    const [sid] = [newSid([], { sidPrefix: 'PodrolePodIdentity', scope: `${other} apps` })]
    const equals = {
      'aws:RequestTag/eks-cluster-arn': other,
      'aws:RequestTag/kubernetes-namespace': 'apps',
      'aws:RequestTag/kubernetes-service-account': 'a',
    }
    const { remarks, steps } = withStatement({
      Sid: sid,
      Effect: 'Allow',
      Principal: pods,
      Action: ['sts:AssumeRole', 'sts:TagSession'],
      Condition: { StringEquals: equals },
    })
    expect(steps).toEqual([])
    expect(remarks.map(({ code }) => code)).toEqual(['no-agent'])
  })
})

test('the marks of single commands stay on what a file comes to speak of', () => {
  const files = read(ONE_ASSOCIATION)
  const state = applySteps(emptyState('shop'), makePlan(files, emptyState('shop')).steps)
  const marked = { 'podrole.dev/association': 'x', 'aws:cloudformation:stack-name': 'y' }
  const roles = state.roles.map((role) => ({ ...role, tags: { ...role.tags, ...marked } }))
  expect(makePlan(files, { ...state, roles }).steps).toEqual([])
})
