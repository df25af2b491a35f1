import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { call, type Json, makeCluster, type TestCluster } from './cluster.suite.ts'
import type { AccessEntry, EksIdentity } from './eks-access.ts'

const ROLE = 'arn:aws:iam::111122223333:role/team/reader'
const IDENTITY: EksIdentity = {
  accountId: '111122223333',
  arn: 'arn:aws:sts::111122223333:assumed-role/reader/jane@example.com',
  principalArn: ROLE,
  uniqueId: 'AROAONE',
  sessionName: 'jane@example.com',
  accessKeyId: 'ASIA1',
}
const USERNAME = 'arn:aws:sts::111122223333:assumed-role/reader/{{SessionName}}'

let entry: AccessEntry | undefined
let bound = 'AROAONE'
let cluster: TestCluster

beforeAll(async () => {
  cluster = await makeCluster({
    eks: {
      eksTokens: async (token) => (token === 'k8s-aws-v1.good' ? IDENTITY : undefined),
      entries: {
        find: ({ principalArn, uniqueId }) =>
          principalArn === ROLE && uniqueId === bound ? entry : undefined,
      },
    },
  })
})
afterAll(() => cluster.stop())

const policy = (name: string, ...namespaces: string[]): AccessEntry['policies'][number] => ({
  policyArn: `arn:aws:eks::aws:cluster-access-policy/${name}`,
  name,
  scope: namespaces.length === 0 ? { type: 'cluster' } : { type: 'namespace', namespaces },
})

function give(policies: AccessEntry['policies'], groups: readonly string[] = []): void {
  entry = { username: USERNAME, groups, policies }
}

const ask = (method: string, path: string, body?: object): Promise<Json> =>
  call(cluster, method, path, { token: 'k8s-aws-v1.good', ...(body && { body }) })
const statusOf = async (path: string): Promise<number> => (await ask('GET', path)).status

describe('an EKS token', () => {
  test('is the user that the entry names', async () => {
    give([], ['readers'])
    const answer = await ask('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {})
    expect(answer.body.status.userInfo).toEqual({
      username: 'arn:aws:sts::111122223333:assumed-role/reader/jane-example.com',
      uid: 'aws-iam-authenticator:111122223333:AROAONE',
      groups: ['readers', 'system:authenticated'],
      extra: {
        accessKeyId: ['ASIA1'],
        arn: [IDENTITY.arn],
        canonicalArn: [ROLE],
        principalId: ['AROAONE'],
        sessionName: ['jane@example.com'],
      },
    })
  })

  test('without an entry, of a role made again, or not verified is nobody', async () => {
    entry = undefined
    expect(await statusOf('/version')).toBe(401)
    expect(cluster.decisions().at(-1)?.reason).toBe(`no access entry is bound to ${ROLE} (AROAONE)`)
    give([policy('AmazonEKSClusterAdminPolicy')])
    bound = 'AROATWO'
    expect(await statusOf('/version')).toBe(401)
    bound = 'AROAONE'
    expect(await statusOf('/version')).toBe(200)
    const bad = await call(cluster, 'GET', '/version', { token: 'k8s-aws-v1.bad' })
    expect(bad.status).toBe(401)
  })

  test('means nothing to a cluster that is not of EKS', async () => {
    const plain = await makeCluster()
    expect((await call(plain, 'GET', '/api', { token: 'k8s-aws-v1.good' })).status).toBe(401)
    await plain.stop()
  })
})

describe('access policies', () => {
  const PODS = '/api/v1/namespaces/default/pods'
  const SECRETS = '/api/v1/namespaces/default/secrets'

  test('AmazonEKSViewPolicy has neither nodes nor secrets', async () => {
    give([policy('AmazonEKSViewPolicy')])
    expect(await statusOf(PODS)).toBe(200)
    expect(await statusOf('/api/v1/nodes')).toBe(403)
    expect(await statusOf(SECRETS)).toBe(403)
  })

  test('AmazonEKSAdminViewPolicy reads secrets too and writes nothing', async () => {
    give([policy('AmazonEKSAdminViewPolicy')])
    expect(await statusOf(SECRETS)).toBe(200)
    expect(await statusOf('/api/v1/nodes')).toBe(200)
    expect((await ask('POST', SECRETS, { metadata: { name: 'x' } })).status).toBe(403)
  })

  test('a namespace scope, with a wildcard', async () => {
    give([policy('AmazonEKSEditPolicy', 'kube-*')])
    const create = async (namespace: string): Promise<number> => {
      const body = { metadata: { generateName: 'x-' } }
      return (await ask('POST', `/api/v1/namespaces/${namespace}/configmaps`, body)).status
    }
    expect([await create('kube-public'), await create('default')]).toEqual([201, 403])
    expect(await statusOf('/api/v1/configmaps')).toBe(403)
  })

  test('nodes come by a group and a role of the cluster', async () => {
    give([policy('AmazonEKSViewPolicy')], ['node-readers'])
    const rbac = '/apis/rbac.authorization.k8s.io/v1'
    const metadata = { name: 'node-reader' }
    const rules = [{ apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] }]
    const roleRef = {
      kind: 'ClusterRole',
      name: 'node-reader',
      apiGroup: 'rbac.authorization.k8s.io',
    }
    const subjects = [{ kind: 'Group', name: 'node-readers' }]
    await call(cluster, 'POST', `${rbac}/clusterroles`, { body: { metadata, rules } })
    await call(cluster, 'POST', `${rbac}/clusterrolebindings`, {
      body: { metadata, roleRef, subjects },
    })
    expect(await statusOf('/api/v1/nodes')).toBe(200)
  })

  test('the review of rules says that it cannot see them', async () => {
    give([policy('AmazonEKSClusterAdminPolicy')])
    const path = '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews'
    const answer = await ask('POST', path, { spec: { namespace: 'default' } })
    expect(answer.body.status).toMatchObject({
      incomplete: true,
      evaluationError: 'webhook authorizer does not support user rule resolution',
    })
  })
})
