import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { call, type Json, makeCluster, settle, type TestCluster } from './cluster.suite.ts'
import type { Decision } from './decisions.ts'
import { SANDBOX_PARTS } from './users.ts'

const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const PODS_AT = '/api/v1/namespaces/default/pods'
const PRINCIPAL = 'arn:aws:iam::111122223333:role/reader'
const POLICY = 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy'

let cluster: TestCluster
const told: Decision[] = []

beforeAll(async () => {
  cluster = await makeCluster({
    onDecision: (decision) => void told.push(decision),
    eks: {
      eksTokens: async () => ({
        accountId: '111122223333',
        arn: 'arn:aws:sts::111122223333:assumed-role/reader/jane',
        principalArn: PRINCIPAL,
        uniqueId: 'AROAONE',
        accessKeyId: 'ASIA1',
      }),
      entries: {
        find: () => ({
          username: 'jane',
          groups: [],
          policies: [
            { policyArn: POLICY, name: 'AmazonEKSViewPolicy', scope: { type: 'cluster' } },
          ],
        }),
      },
    },
  })
  const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'team' }
  const rules = [
    { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
    { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] },
    { apiGroups: [''], resources: ['users'], verbs: ['impersonate'], resourceNames: ['ann'] },
    { apiGroups: ['rbac.authorization.k8s.io'], resources: ['clusterroles'], verbs: ['create'] },
  ]
  await call(cluster, 'POST', `${RBAC}/clusterroles`, {
    body: { metadata: { name: 'team' }, rules },
  })
  await call(cluster, 'POST', `${RBAC}/clusterrolebindings`, {
    body: {
      metadata: { name: 'team-of-bob' },
      roleRef: role,
      subjects: [{ kind: 'User', apiGroup: role.apiGroup, name: 'bob' }],
    },
  })
  await settle()
})
afterAll(() => cluster.stop())
beforeEach(() => void told.splice(0))

const as = (user: string, ...groups: string[]): string => cluster.tokenFor(user, groups).reveal()
const tokenOf: Readonly<Record<string, () => string>> = {
  bob: () => as('bob'),
  admin: () => cluster.adminToken.reveal(),
  'an EKS token': () => 'k8s-aws-v1.any',
  'a node': () => as('system:node:n', 'system:nodes'),
  'a part of the sandbox': () => as('bob', SANDBOX_PARTS),
}

const BINDING =
  'RBAC: allowed by ClusterRoleBinding "team-of-bob" of ClusterRole "team" to User "bob"'
const DISCOVERY = expect.stringMatching(/^RBAC: allowed by ClusterRoleBinding "system:/)

const cases: readonly (readonly [who: string, path: string, decision: Json])[] = [
  [
    'bob',
    PODS_AT,
    {
      outcome: 'allowed',
      user: 'bob',
      subject: 'list pods default',
      reason: BINDING,
      rule: { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] },
    },
  ],
  [
    'admin',
    '/api/v1/namespaces/default',
    {
      outcome: 'allowed',
      subject: 'get namespaces default/default',
      reason: 'members of system:masters may do everything',
    },
  ],
  [
    'an EKS token',
    PODS_AT,
    {
      outcome: 'allowed',
      user: 'jane',
      reason: `EKS Access Policy: allowed by ClusterRoleBinding "${PRINCIPAL}+${POLICY}" of ClusterRole "${POLICY}" to User "${PRINCIPAL}"`,
      rule: { verbs: expect.arrayContaining(['list']) },
    },
  ],
  [
    'bob',
    '/version',
    { outcome: 'allowed', subject: 'get /version', reason: DISCOVERY, isRoutine: true },
  ],
  ['a node', '/api/v1/nodes/n', { outcome: 'allowed', reason: 'node n', isRoutine: true }],
  ['a node', '/api/v1/secrets', { outcome: 'denied' }],
  ['a part of the sandbox', PODS_AT, { outcome: 'allowed', reason: BINDING, isRoutine: true }],
  ['bob', '/api/v1/nodes', { outcome: 'denied' }],
]
for (const [who, path, decision] of cases) {
  test(`${who}, ${path}: ${decision.outcome}, and told why`, async () => {
    const before = cluster.decisions().length
    await call(cluster, 'GET', path, { token: tokenOf[who]!() })
    const { isRoutine, ...rest } = decision
    expect(told).toMatchObject([{ kind: 'authorization', ...rest }])
    expect(told[0]?.isRoutine).toBe(isRoutine)
    // What is allowed takes no room among the refusals.
    expect(cluster.decisions().length - before).toBe(decision.outcome === 'denied' ? 1 : 0)
  })
}

test('impersonation is a decision of its own, either way', async () => {
  const list = (user: string): ReturnType<typeof call> =>
    call(cluster, 'GET', PODS_AT, { token: as('bob'), headers: { 'impersonate-user': user } })
  await list('ann')
  expect(told.map(({ outcome, user, subject }) => [outcome, user, subject])).toEqual([
    ['allowed', 'bob', 'impersonate users ann'],
    ['denied', 'ann', 'list pods default'],
  ])
  told.splice(0)
  await list('eve')
  expect(told).toMatchObject([{ outcome: 'denied', user: 'bob', subject: 'impersonate users eve' }])
})

test('rights that somebody gives without having them are refused, and told', async () => {
  const make = (name: string, verb: string): ReturnType<typeof call> =>
    call(cluster, 'POST', `${RBAC}/clusterroles`, {
      token: as('bob'),
      body: {
        metadata: { name },
        rules: [{ apiGroups: [''], resources: ['pods'], verbs: [verb] }],
      },
    })
  expect((await make('more', 'delete')).status).toBe(403)
  expect(told.at(-1)).toMatchObject({
    kind: 'authorization',
    outcome: 'denied',
    user: 'bob',
    subject: 'create clusterroles.rbac.authorization.k8s.io more',
    reason: expect.stringContaining('attempting to grant RBAC permissions not currently held'),
  })
  told.splice(0)
  expect((await make('same', 'list')).status).toBe(201)
  expect(told.map(({ outcome }) => outcome)).toEqual(['allowed'])
})
