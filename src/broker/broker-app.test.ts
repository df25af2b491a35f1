import { beforeEach, describe, expect, test } from 'bun:test'
import { signRequest } from '../aws/sign.ts'
import { jwksOf } from '../issuer/documents.ts'
import { PodroleError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import type { Jwks } from '../token/jwks.ts'
import {
  addKey,
  admin,
  ASK,
  associate,
  BASE,
  clock,
  edgeKey,
  otherKey,
  FLEET,
  fleetKey,
  ISSUER,
  log,
  manage,
  nowSeconds,
  REGION,
  resetBroker,
  role,
  send,
  sign,
  store,
  useOptions,
} from './broker.suite.ts'

beforeEach(resetBroker)

describe('management', () => {
  test('clusters are registered, described on both wires, listed and removed', async () => {
    const { body } = await manage('GET', '/podrole/v1/clusters/edge')
    expect(body).toMatchObject({
      name: 'edge',
      arn: 'arn:aws:podrole:eu-west-1:111122223333:cluster/edge',
      issuer: ISSUER,
      audiences: ['pods.eks.amazonaws.com'],
      oidcProviderUrl: FLEET,
      createdAt: nowSeconds(),
    })
    expect((await manage('GET', '/clusters/edge')).body.cluster).toMatchObject({
      name: 'edge',
      arn: body.arn,
      status: 'ACTIVE',
      identity: { oidc: { issuer: ISSUER } },
    })
    expect((await manage('GET', '/clusters')).body).toEqual({ clusters: ['edge', 'other'] })
    const first = await manage('GET', '/clusters?maxResults=1')
    expect(first.body.clusters).toEqual(['edge'])
    const second = await manage('GET', `/clusters?maxResults=1&nextToken=${first.body.nextToken}`)
    expect(second.body).toEqual({ clusters: ['other'] })
    expect((await manage('GET', '/podrole/v1/clusters')).body.clusters).toHaveLength(2)

    await associate()
    const used = await manage('DELETE', '/podrole/v1/clusters/edge')
    expect(used).toMatchObject({ status: 409, error: 'ResourceInUseException' })
    const agent = await addKey({ kind: 'agent', clusterName: 'other' })
    expect((await manage('DELETE', '/podrole/v1/clusters/other')).status).toBe(200)
    expect(await store.getKey(agent.accessKeyId)).toBeUndefined()
    expect(await manage('GET', '/clusters/other')).toMatchObject({ status: 404 })
  })

  test('a registration answers 201 at first and 200 later', async () => {
    const body = { issuer: 'https://a.example', jwks: JSON.stringify(jwksOf([fleetKey])) }
    expect((await manage('PUT', '/podrole/v1/clusters/a', body)).status).toBe(201)
    expect((await manage('PUT', '/podrole/v1/clusters/a', body)).status).toBe(200)
  })

  test('two clusters whose tokens could not be told apart are refused', async () => {
    const same = {
      issuer: ISSUER,
      jwks: jwksOf([{ publicJwk: { ...edgeKey.publicJwk, kid: 'z' } }]),
    }
    expect(await manage('PUT', '/podrole/v1/clusters/twin', same)).toMatchObject({
      status: 409,
      error: 'ResourceInUseException',
    })
    // The same numbers, written in another way.
    const { x = '', y = '' } = edgeKey.publicJwk
    const zero = Buffer.concat([Buffer.alloc(1), Buffer.from(x, 'base64url')])
    for (const change of [{ x: `${x}=` }, { x: zero.toString('base64url') }, { y: `${y}==` }]) {
      const keys = jwksOf([{ publicJwk: { ...edgeKey.publicJwk, ...change } }])
      const answer = await manage('PUT', '/podrole/v1/clusters/twin', {
        issuer: ISSUER,
        jwks: keys,
      })
      expect(answer).toMatchObject({ status: 409, error: 'ResourceInUseException' })
    }
    const otherIssuer = { ...same, issuer: 'https://twin.example' }
    expect((await manage('PUT', '/podrole/v1/clusters/twin', otherIssuer)).status).toBe(201)
  })

  test('and so are two of them at once', async () => {
    const body = { issuer: 'https://twin.example', jwks: jwksOf([fleetKey]) }
    const paths = ['a', 'b', 'c'].map((name) => `/podrole/v1/clusters/${name}`)
    const answers = await Promise.all(paths.map((path) => manage('PUT', path, body)))
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 409, 409])
  })

  const jwks = jwksOf([fleetKey])
  for (const [name, path, body, words] of [
    ['no issuer', 'a', { jwks }, /issuer/],
    ['no keys', 'a', { issuer: 'https://a', jwks: { keys: [] } }, /jwks/],
    [
      'a symmetric key',
      'a',
      { issuer: 'https://a', jwks: { keys: [{ kty: 'oct', k: 'AA' }] } },
      /symmetric/,
    ],
    ['keys that are no JSON', 'a', { issuer: 'https://a', jwks: 'x' }, /jwks/],
    ['an unknown member', 'a', { issuer: 'https://a', jwks, audience: 'x' }, /audience/],
    [
      "the agents' audience",
      'a',
      { issuer: 'https://a', jwks, audiences: ['podrole-broker'] },
      /agents/,
    ],
    ['neither keys nor an issuer to follow', 'a', { issuer: 'https://a' }, /jwks/],
    [
      'keys beside an issuer to follow',
      'a',
      { issuer: 'https://a', jwks, followIssuer: true },
      /jwks: wanted none/,
    ],
    [
      'an issuer to follow that is not on https',
      'a',
      { issuer: 'http://a', followIssuer: true },
      /wanted an https URL/,
    ],
    [
      'an issuer to follow at a broker that reads none',
      'a',
      { issuer: 'https://a', followIssuer: true },
      /reads no issuers/,
    ],
    ['a name with a slash', 'a%2Fb', { issuer: 'https://a', jwks }, /cluster name/],
    ['a body that is null', 'a', null, /JSON object/],
  ] as const) {
    test(`a registration with ${name} is refused`, async () => {
      const answer = await manage('PUT', `/podrole/v1/clusters/${path}`, body)
      expect(answer).toMatchObject({ status: 400, error: 'InvalidParameterException' })
      expect(answer.body.message).toMatch(words)
    })
  }

  test('an issuer to follow is read at once, and has to have keys that are of no other cluster', async () => {
    const published = new Map<string, Jwks>([
      ['https://a', jwksOf([fleetKey])],
      [ISSUER, jwksOf([otherKey])],
    ])
    const readIssuerKeys = async (issuer: string): Promise<Jwks> => {
      const keys = published.get(issuer)
      if (keys === undefined) throw new PodroleError('IssuerUnreachable', `${issuer} is down`)
      return keys
    }
    useOptions({ readIssuerKeys })
    const register = (issuer: string) =>
      manage('PUT', '/podrole/v1/clusters/a', { issuer, followIssuer: true })
    expect(await register('https://b')).toMatchObject({
      status: 400,
      body: { message: 'followIssuer: https://b is down' },
    })
    expect(await register(ISSUER)).toMatchObject({ status: 409, error: 'ResourceInUseException' })
    expect(await register('https://a')).toMatchObject({
      status: 201,
      body: { followIssuer: true, jwks: jwksOf([fleetKey]) },
    })
    const answer = await manage('PUT', '/podrole/v1/clusters/a', { issuer: 'https://a', jwks })
    expect(answer.body).toMatchObject({ followIssuer: false })
  })

  test('a private key in a registration is not kept', async () => {
    const { d } = edgeKey.privateKey.export({ format: 'jwk' })
    const key = { ...fleetKey.publicJwk, d }
    await manage('PUT', '/podrole/v1/clusters/a', { issuer: 'https://a', jwks: { keys: [key] } })
    expect((await store.getCluster('a'))?.jwks).not.toContain(String(d))
  })

  test('keys are made, listed without their secret, and revoked', async () => {
    const scope = { kind: 'agent', clusterName: 'edge' }
    const made = await manage('POST', '/podrole/v1/keys', { scope, description: 'stock' })
    expect(made).toMatchObject({ status: 201, body: { scope, description: 'stock' } })
    expect(made.body.accessKeyId).toMatch(/^PRBK[A-Z2-7]{16}$/)
    expect(made.body.secretAccessKey).toMatch(/^[\w-]{40}$/)
    const listed = await manage('GET', '/podrole/v1/keys')
    expect(listed.body.keys).toHaveLength(2)
    expect(JSON.stringify(listed.body)).not.toContain(made.body.secretAccessKey)
    expect(log).not.toContain(made.body.secretAccessKey)
    const path = `/podrole/v1/keys/${made.body.accessKeyId}`
    expect((await manage('DELETE', path)).status).toBe(200)
    expect((await manage('DELETE', path)).status).toBe(404)
    expect(await manage('DELETE', `/podrole/v1/keys/${admin.accessKeyId}`)).toMatchObject({
      error: 'InvalidRequestException',
    })
    for (const wrong of [
      {},
      { scope: 'admin' },
      { scope: { kind: 'agent' } },
      { scope: { kind: 'root' } },
    ]) {
      expect((await manage('POST', '/podrole/v1/keys', wrong)).status).toBe(400)
    }
    const unknown = { scope: { kind: 'agent', clusterName: 'none' } }
    expect((await manage('POST', '/podrole/v1/keys', unknown)).status).toBe(404)
  })

  test('a revoked key opens nothing', async () => {
    const second = await addKey({ kind: 'admin' })
    await manage('DELETE', `/podrole/v1/keys/${second.accessKeyId}`)
    expect(await manage('GET', '/clusters', undefined, second)).toMatchObject({
      status: 403,
      error: 'UnrecognizedClientException',
    })
  })

  test("an agent's key manages nothing; a webhook's reads its cluster's associations", async () => {
    const agent = await addKey({ kind: 'agent', clusterName: 'edge' })
    const webhook = await addKey({ kind: 'webhook', clusterName: 'edge' })
    const list = '/clusters/edge/pod-identity-associations'
    for (const [key, method, path, status] of [
      [agent, 'GET', list, 403],
      [agent, 'GET', '/podrole/v1/keys', 403],
      [webhook, 'GET', list, 200],
      [webhook, 'POST', list, 403],
      [webhook, 'GET', list.replace('edge', 'other'), 403],
      [webhook, 'GET', '/clusters/edge', 403],
      [webhook, 'GET', '/podrole/v1/clusters/edge', 403],
    ] as const) {
      expect((await manage(method, path, undefined, key)).status).toBe(status)
    }
  })

  test('tags of an association are read and changed by admins alone', async () => {
    const { body } = await manage('POST', '/clusters/edge/pod-identity-associations', {
      namespace: 'shop',
      serviceAccount: 'tagged',
      roleArn: role,
      tags: { a: '1' },
    })
    const arn: string = body.association.associationArn
    const path = `/tags/${encodeURIComponent(arn)}`
    expect(await manage('POST', path, { tags: { b: '2' } })).toMatchObject({
      status: 200,
      body: {},
    })
    expect((await manage('GET', path)).body).toEqual({ tags: { a: '1', b: '2' } })
    expect((await manage('DELETE', `${path}?tagKeys=a&tagKeys=none`)).status).toBe(200)
    expect((await manage('GET', path)).body).toEqual({ tags: { b: '2' } })
    expect(log).toContain('association tagged')
    for (const kind of ['agent', 'webhook'] as const) {
      const key = await addKey({ kind, clusterName: 'edge' })
      for (const method of ['GET', 'POST', 'DELETE']) {
        const refused = await manage(method, path, undefined, key)
        expect(refused).toMatchObject({ status: 403, error: 'AccessDeniedException' })
      }
    }
    for (const [method, wrong, sent, error] of [
      ['GET', path.replace('edge', 'other'), undefined, 'NotFoundException'],
      ['GET', path.replace('111122223333', '444455556666'), undefined, 'NotFoundException'],
      ['GET', '/tags/x', undefined, 'NotFoundException'],
      ['POST', path, { tags: {} }, 'BadRequestException'],
      ['POST', path, { tags: { c: 1 } }, 'BadRequestException'],
      ['POST', path, { tags: { 'aws:c': '1' } }, 'BadRequestException'],
      ['DELETE', path, undefined, 'BadRequestException'],
      ['PUT', path, undefined, 'UnknownOperationException'],
    ] as const) {
      expect(await manage(method, wrong, sent)).toMatchObject({ error })
    }
    expect((await manage('GET', path)).body).toEqual({ tags: { b: '2' } })
  })

  test('unsigned, presigned, altered and late calls are refused', async () => {
    expect(await send('GET', '/clusters')).toMatchObject({
      status: 403,
      error: 'MissingAuthenticationTokenException',
    })
    expect(
      await send('GET', '/clusters', { headers: { authorization: 'Bearer x' } }),
    ).toMatchObject({
      error: 'MissingAuthenticationTokenException',
    })
    const wrong = { ...admin, secretAccessKey: new Secret('wrong') }
    expect(await manage('GET', '/clusters', undefined, wrong)).toMatchObject({
      status: 403,
      error: 'InvalidSignatureException',
    })
    const elsewhere = { key: admin, service: 'eks', region: 'us-east-1' }
    expect((await sign('GET', '/clusters', elsewhere)).error).toBe('InvalidSignatureException')
    const headers = await signRequest(
      { method: 'POST', url: `${BASE}/podrole/v1/keys`, headers: {}, body: '{}' },
      admin,
      { service: 'eks', region: REGION, clock },
    )
    const altered = { headers, body: '{"scope":{"kind":"admin"}}' }
    expect((await send('POST', '/podrole/v1/keys', altered)).error).toBe(
      'InvalidSignatureException',
    )
    clock.advance(6 * 60_000)
    expect((await send('POST', '/podrole/v1/keys', { headers, body: '{}' })).status).toBe(403)
    expect(await store.listKeys()).toHaveLength(1)
  })

  test('signed paths that are none are an unknown operation', async () => {
    for (const [method, path] of [
      ['GET', '/podrole/v1/none'],
      ['POST', '/clusters'],
      ['PATCH', '/podrole/v1/clusters/edge'],
      ['GET', '/clusters/edge/access-entries'],
    ] as const) {
      expect(await manage(method, path)).toMatchObject({
        status: 404,
        error: 'UnknownOperationException',
      })
    }
    expect((await send('GET', ASK)).status).toBe(404)
    expect((await send('GET', '/')).status).toBe(404)
  })
})

describe('documents and probes', () => {
  test("the fleet issuer's documents are there for all", async () => {
    const discovery = await send('GET', '/x/.well-known/openid-configuration')
    expect(discovery.body).toMatchObject({ issuer: FLEET, jwks_uri: `${FLEET}/keys.json` })
    const published = await send('GET', '/x/keys.json')
    expect(published.body.keys).toEqual([fleetKey.publicJwk])
    expect(JSON.stringify(published.body)).not.toContain('"d"')
    expect((await send('GET', '/healthz')).status).toBe(200)
    expect((await send('GET', '/readyz')).body).toEqual({ ready: true })
  })

  test('a database that does not answer is not ready', async () => {
    store.readIssuerState = () => Promise.reject(new Error('gone'))
    expect(await send('GET', '/readyz')).toMatchObject({ status: 503, body: { ready: false } })
  })
})
