import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { decodeToken } from '../../token/verify.ts'
import {
  addNode,
  call,
  type Json,
  makeCluster,
  podOf,
  PODS_PATH,
  settle,
  type TestCluster,
} from './cluster.suite.ts'

const API = 'https://kubernetes.default.svc'
const ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts'
const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews'
const START = Date.UTC(2026, 0, 1) / 1000

let cluster: TestCluster
beforeAll(async () => {
  cluster = await makeCluster({ apiAudiences: [API, 'sts.amazonaws.com'] })
  await addNode(cluster, 'n1')
  await addNode(cluster, 'n2')
  for (const name of ['app', 'other']) {
    await call(cluster, 'POST', ACCOUNTS, { body: { metadata: { name } } })
  }
  const token = { serviceAccountToken: { path: 'token', audience: 'pods.eks.amazonaws.com' } }
  const spec = {
    serviceAccountName: 'app',
    nodeName: 'n1',
    volumes: [{ name: 'token', projected: { sources: [token] } }],
  }
  await call(cluster, 'POST', PODS_PATH, { body: podOf('p', spec) })
  await settle()
})
afterAll(() => cluster.stop())

const request = (spec: object, options: object = {}, name = 'app'): ReturnType<typeof call> =>
  call(cluster, 'POST', `${ACCOUNTS}/${name}/token`, { body: { spec }, ...options })
const claimsOf = (answer: { body: Json }): Json => decodeToken(answer.body.status.token).claims.raw
const uidOf = async (path: string): Promise<string> =>
  (await call(cluster, 'GET', path)).body.metadata.uid
const podRef = { apiVersion: 'v1', kind: 'Pod', name: 'p' }

describe('TokenRequest', () => {
  test('audiences are the API’s by default, and the life an hour', async () => {
    const answer = await request({})
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      spec: { audiences: [API, 'sts.amazonaws.com'], expirationSeconds: 3600 },
      status: { expirationTimestamp: '2026-01-01T01:00:00Z' },
    })
    const uid = await uidOf(`${ACCOUNTS}/app`)
    const claims = claimsOf(answer)
    expect(claims).toEqual({
      aud: [API, 'sts.amazonaws.com'],
      exp: START + 3600,
      iat: START,
      nbf: START,
      iss: cluster.issuer,
      jti: claims.jti,
      sub: 'system:serviceaccount:default:app',
      'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'app', uid } },
    })
    expect(claims.jti).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('a pod’s token names the pod and its node', async () => {
    const answer = await request({ audiences: ['pods.eks.amazonaws.com'], boundObjectRef: podRef })
    expect(claimsOf(answer)['kubernetes.io']).toEqual({
      namespace: 'default',
      serviceaccount: { name: 'app', uid: await uidOf(`${ACCOUNTS}/app`) },
      pod: { name: 'p', uid: await uidOf(`${PODS_PATH}/p`) },
      node: { name: 'n1', uid: await uidOf('/api/v1/nodes/n1') },
    })
  })

  test.each([
    [3607, undefined, true],
    [3607, ['sts.amazonaws.com'], true],
    [3607, ['elsewhere'], false],
    [3607, [API, 'elsewhere'], false],
    [3600, undefined, false],
  ])('%d seconds for %p: extended %p', async (expirationSeconds, audiences, isExtended) => {
    const answer = await request({ expirationSeconds, audiences, boundObjectRef: podRef })
    const claims = claimsOf(answer)
    expect(claims.exp - START).toBe(isExtended ? 365 * 24 * 3600 : expirationSeconds)
    expect(claims['kubernetes.io'].warnafter).toBe(isExtended ? START + 3607 : undefined)
    const shown = Date.parse(answer.body.status.expirationTimestamp) / 1000
    expect(shown - START).toBe(expirationSeconds)
  })

  test('a token that is not bound to a pod is never extended', async () => {
    expect(claimsOf(await request({ expirationSeconds: 3607 })).exp).toBe(START + 3607)
  })

  test.each([
    [
      { expirationSeconds: 599 },
      422,
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
    ],
    [
      { expirationSeconds: 2 ** 32 + 1 },
      422,
      'may not specify a duration larger than 2^32 seconds',
    ],
    [{ expirationSeconds: 'x' }, 400, 'cannot unmarshal string'],
    [{ boundObjectRef: { ...podRef, name: 'gone' } }, 404, 'pods "gone" not found'],
    [{ boundObjectRef: { ...podRef, uid: 'wrong' } }, 409, 'does not match the UID in record'],
    [
      { boundObjectRef: { apiVersion: 'v1', kind: 'ConfigMap', name: 'x' } },
      400,
      'cannot bind token for serviceaccount "app" to type /v1, Kind=ConfigMap',
    ],
    [
      { boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 'x' } },
      404,
      'secrets "x" not found',
    ],
  ])('%j is refused', async (spec, status, message) => {
    const answer = await request(spec)
    expect(answer.body.message).toContain(message)
    expect(answer.status).toBe(status)
  })

  test('an account that is not there, and a pod of another account', async () => {
    expect((await request({}, {}, 'gone')).body.message).toBe('serviceaccounts "gone" not found')
    const answer = await request({ boundObjectRef: podRef }, {}, 'other')
    expect(answer.body.message).toBe(
      'cannot bind token for serviceaccount "other" to pod running with different serviceaccount name.',
    )
  })
})

describe('a kubelet', () => {
  const asNode = (name: string): { token: string } => ({
    token: cluster.tokenFor(`system:node:${name}`, ['system:nodes']).reveal(),
  })
  const spec = async (more: object = {}): Promise<object> => ({
    audiences: ['pods.eks.amazonaws.com'],
    boundObjectRef: { ...podRef, uid: await uidOf(`${PODS_PATH}/p`) },
    ...more,
  })

  test('asks for the tokens of its own pods alone', async () => {
    expect((await request(await spec(), asNode('n1'))).status).toBe(201)
    const stolen = await request(await spec(), asNode('n2'))
    expect(stolen.status).toBe(403)
    expect(stolen.body.message).toContain("no relationship found between node 'n2' and this object")
    expect((await request(await spec(), asNode('n1'), 'other')).status).toBe(403)
  })

  test('asks only for audiences that the pod has a volume for, bound to the pod', async () => {
    const other = await request(await spec({ audiences: ['sts.other'] }), asNode('n1'))
    expect(other.body.message).toContain('audience "sts.other" not found in pod spec volume')
    const free = await request({ audiences: [API] }, asNode('n1'))
    expect(free.body.message).toContain('node requested token not bound to a pod')
  })

  test('reads its own pods and reports them, and no others', async () => {
    const own = `${PODS_PATH}?fieldSelector=spec.nodeName%3Dn1`
    expect((await call(cluster, 'GET', own, asNode('n1'))).body.items).toHaveLength(1)
    expect((await call(cluster, 'GET', own, asNode('n2'))).status).toBe(403)
    expect((await call(cluster, 'GET', PODS_PATH, asNode('n1'))).status).toBe(403)
    const report = (node: string): ReturnType<typeof call> =>
      call(cluster, 'PATCH', `${PODS_PATH}/p/status`, {
        headers: { 'content-type': 'application/merge-patch+json' },
        body: { status: { phase: 'Running' } },
        ...asNode(node),
      })
    expect((await report('n1')).body.status.phase).toBe('Running')
    expect((await report('n2')).body.message).toContain('can only update pod status for pods')
  })

  test('changes its own node alone, and reads what its pods use alone', async () => {
    const patch = (node: string): ReturnType<typeof call> =>
      call(cluster, 'PATCH', '/api/v1/nodes/n1/status', {
        headers: { 'content-type': 'application/merge-patch+json' },
        body: { status: { phase: 'x' } },
        ...asNode(node),
      })
    expect((await patch('n1')).status).toBe(200)
    expect((await patch('n2')).body.message).toContain(
      'node "n2" is not allowed to modify node "n1"',
    )
    const root = '/api/v1/namespaces/default/configmaps/kube-root-ca.crt'
    expect((await call(cluster, 'GET', root, asNode('n1'))).status).toBe(200)
    expect((await call(cluster, 'GET', root, asNode('n2'))).status).toBe(403)
    expect((await call(cluster, 'GET', '/api/v1/secrets', asNode('n1'))).status).toBe(403)
  })
})

describe('authentication', () => {
  const review = async (token: string, audiences?: string[]): Promise<Json> =>
    (await call(cluster, 'POST', REVIEWS, { body: { spec: { token, audiences } } })).body.status
  const tokenOf = async (spec: object, name = 'app'): Promise<string> =>
    (await request(spec, {}, name)).body.status.token

  test('a service account token opens what its groups may', async () => {
    const token = await tokenOf({ boundObjectRef: podRef })
    const self = await call(cluster, 'POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      body: {},
      token,
    })
    expect(self.body.status.userInfo).toMatchObject({
      username: 'system:serviceaccount:default:app',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
      extra: {
        'authentication.kubernetes.io/pod-name': ['p'],
        'authentication.kubernetes.io/node-name': ['n1'],
      },
    })
    expect((await call(cluster, 'GET', '/openid/v1/jwks', { token })).status).toBe(200)
    const refused = await call(cluster, 'GET', '/api/v1/secrets', { token })
    expect(refused.body.message).toBe(
      'secrets is forbidden: User "system:serviceaccount:default:app" cannot list resource "secrets" in API group "" at the cluster scope',
    )
  })

  test('TokenReview answers for the audiences it is asked about', async () => {
    const token = await tokenOf({ audiences: ['a', 'b'] })
    expect(await review(token, ['b', 'c'])).toMatchObject({ authenticated: true, audiences: ['b'] })
    const wrong = await review(token)
    expect(wrong).not.toHaveProperty('authenticated')
    expect(wrong.error).toContain(`the token's audiences are ["a","b"]`)
    expect(await review(cluster.adminToken.reveal())).toMatchObject({
      authenticated: true,
      user: { username: 'kubernetes-admin' },
    })
    expect((await review('nonsense')).error).toContain('the token is unknown')
    expect((await call(cluster, 'POST', REVIEWS, { body: {} })).status).toBe(400)
  })

  test('wrong tokens are 401, none at all is anonymous', async () => {
    const good = await tokenOf({})
    const [header, payload, signature] = good.split('.')
    const altered = `${header}.${payload}.${signature!.slice(0, -2)}${signature!.endsWith('AA') ? 'BB' : 'AA'}`
    const claims = decodeToken(good).claims.raw
    const expired = (await cluster.signToken({ ...claims, exp: START - 1 })).reveal()
    const elsewhere = (
      await cluster.signToken({ ...claims, iss: 'https://other.example' })
    ).reveal()
    const nobody = (
      await cluster.signToken({ ...claims, sub: 'system:serviceaccount:default:other' })
    ).reveal()
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`
    for (const token of ['x', altered, expired, elsewhere, nobody, none]) {
      const answer = await call(cluster, 'GET', '/api/v1/pods', { token })
      expect(answer.body).toMatchObject({ kind: 'Status', reason: 'Unauthorized', code: 401 })
    }
    const basic = { headers: { authorization: 'Basic YTpi' }, token: null }
    expect((await call(cluster, 'GET', '/api/v1/pods', basic)).status).toBe(401)
    const anonymous = await call(cluster, 'GET', '/api/v1/pods', { token: null })
    expect(anonymous.status).toBe(403)
    expect(anonymous.body.message).toContain('User "system:anonymous" cannot list resource "pods"')
    const log = JSON.stringify(cluster.decisions())
    for (const token of [good, altered, expired]) expect(log).not.toContain(token)
  })

  test('a token ends with its pod, its secret, its account', async () => {
    const secrets = '/api/v1/namespaces/default/secrets'
    await call(cluster, 'POST', secrets, { body: { metadata: { name: 'bond' } } })
    await call(cluster, 'POST', ACCOUNTS, { body: { metadata: { name: 'brief' } } })
    await call(cluster, 'POST', PODS_PATH, {
      body: podOf('brief', { serviceAccountName: 'brief' }),
    })
    const bind = (kind: string, name: string): Promise<string> =>
      tokenOf({ boundObjectRef: { apiVersion: 'v1', kind, name } }, 'brief')
    const tokens = [
      await bind('Pod', 'brief'),
      await bind('Secret', 'bond'),
      await tokenOf({}, 'brief'),
    ]
    for (const token of tokens) expect(await review(token)).toMatchObject({ authenticated: true })
    await call(cluster, 'DELETE', `${PODS_PATH}/brief?gracePeriodSeconds=0`)
    await call(cluster, 'DELETE', `${secrets}/bond`)
    await call(cluster, 'DELETE', `${ACCOUNTS}/brief`)
    for (const token of tokens)
      expect((await review(token)).error).toContain('has been invalidated')
    await call(cluster, 'POST', ACCOUNTS, { body: { metadata: { name: 'brief' } } })
    expect((await review(tokens[2]!)).error).toContain('has been invalidated')
  })

  test('a token ends with its time', async () => {
    const token = await tokenOf({ expirationSeconds: 600 })
    expect(await review(token)).toMatchObject({ authenticated: true })
    cluster.clock.advance(601_000)
    expect(await review(token)).not.toHaveProperty('authenticated')
  })
})

describe('authorization', () => {
  test('a group of the table opens what its rule names', async () => {
    const token = cluster.tokenFor('webhook', ['podrole:webhook']).reveal()
    expect((await call(cluster, 'GET', '/api/v1/serviceaccounts', { token })).status).toBe(200)
    expect((await call(cluster, 'DELETE', `${ACCOUNTS}/app`, { token })).status).toBe(403)
    expect((await call(cluster, 'GET', '/metrics', { token })).body.message).toBe(
      'forbidden: User "webhook" cannot get path "/metrics"',
    )
  })

  test('access reviews answer by the same table', async () => {
    const resourceAttributes = { verb: 'list', resource: 'serviceaccounts' }
    const ask = async (kind: string, spec: object, token?: string): Promise<Json> =>
      (
        await call(cluster, 'POST', `/apis/authorization.k8s.io/v1/${kind}`, {
          body: { spec },
          ...(token !== undefined && { token }),
        })
      ).body
    const token = cluster.tokenFor('webhook', ['podrole:webhook']).reveal()
    const self = await ask('selfsubjectaccessreviews', { resourceAttributes }, token)
    expect(self.status.allowed).toBe(true)
    const other = await ask('subjectaccessreviews', { user: 'nobody', resourceAttributes })
    expect(other.status.allowed).toBe(false)
    expect((await ask('subjectaccessreviews', { user: 'nobody' })).code).toBe(422)
  })
})
