import { beforeEach, describe, expect, test } from 'bun:test'
import { createEksAuthClient } from '../aws/eks-auth.ts'
import { jwksOf } from '../issuer/documents.ts'
import { generateSigningKey } from '../issuer/keys.ts'
import { Secret } from '../lib/secret.ts'
import { serveHttp } from '../lib/serve.ts'
import { createKeySet } from '../token/jwks.ts'
import { verifyToken } from '../token/verify.ts'
import {
  addKey,
  admin,
  agentToken,
  ask,
  ASK,
  associate,
  clock,
  FLEET,
  fleetKey,
  handle,
  ISSUER,
  log,
  manage,
  nowSeconds,
  otherKey,
  podToken,
  REGION,
  resetBroker,
  role,
  send,
  sign,
  store,
  sts,
  stsFault,
  useOptions,
  type Answer,
} from './broker.suite.ts'
import type { StsSession } from './sts.ts'

beforeEach(resetBroker)

describe('credentials for a pod', () => {
  test("are EKS Auth's answer, for a fleet token that STS would take", async () => {
    const associationId = await associate()
    const answer = await ask(await podToken())
    expect(answer.status).toBe(200)
    const [call] = sts.calls
    expect(answer.body).toEqual({
      subject: { namespace: 'shop', serviceAccount: 'worker' },
      audience: 'pods.eks.amazonaws.com',
      podIdentityAssociation: {
        associationId,
        associationArn: `arn:aws:podrole:eu-west-1:111122223333:podidentityassociation/edge/${associationId}`,
      },
      assumedRoleUser: {
        arn: `arn:aws:sts::111122223333:assumed-role/worker/${call?.sessionName}`,
        assumeRoleId: `AROAFAKE:${call?.sessionName}`,
      },
      credentials: {
        accessKeyId: 'ASIAFAKE',
        secretAccessKey: 'fake-secret-access-key',
        sessionToken: 'fake-session-token',
        expiration: nowSeconds() + 3600,
      },
    })
    expect(call).toMatchObject({ roleArn: role, durationSeconds: 3600 })
    expect(call?.sessionName).toMatch(/^podrole-edge-worker-1-[0-9a-f-]{36}$/)
    const { claims } = await verifyToken(call!.token.reveal(), {
      keys: createKeySet(jwksOf([fleetKey])),
      nowMs: clock.now(),
      issuer: FLEET,
      audience: 'sts.amazonaws.com',
    })
    expect(claims.sub).toBe('cluster:edge:system:serviceaccount:shop:worker')
    expect(claims.raw['https://aws.amazon.com/roles']).toEqual([role])
  })

  test('are recorded before they go out, and no secret is recorded or logged', async () => {
    const associationId = await associate()
    const [token, own] = [await podToken(), await agentToken()]
    await ask(token, own)
    await ask(token, await agentToken('n2'))
    const [issuance] = await store.listIssuances(10)
    expect(issuance).toMatchObject({
      atMs: clock.now(),
      clusterName: 'edge',
      namespace: 'shop',
      serviceAccount: 'worker',
      podName: 'worker-1',
      podUid: 'pod-1',
      nodeName: 'n1',
      agent: 'podrole-system/podrole-agent@n1',
      associationId,
      roleArn: role,
      assumedRoleArn: expect.stringContaining('assumed-role/worker/'),
    })
    expect(await store.listIssuances(10)).toHaveLength(1)
    expect(log).toContain('credentials issued')
    expect(log).toContain('credentials refused')
    const fleetToken = sts.calls[0]!.token.reveal()
    const secrets = [
      token,
      own,
      fleetToken,
      'fake-secret',
      'fake-session',
      admin.secretAccessKey.reveal(),
    ]
    for (const secret of secrets) {
      const last = secret.split('.').at(-1)!
      expect(log).not.toContain(last)
      expect(JSON.stringify(issuance)).not.toContain(last)
    }
  })

  test('through a target role: external id, session policy and one hour', async () => {
    const targetRoleArn = 'arn:aws:iam::444455556666:role/b'
    const policy =
      '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    await associate({ targetRoleArn, disableSessionTags: true, policy })
    const answer = await ask(await podToken())
    expect(answer.body.assumedRoleUser.arn).toContain('assumed-role/b/')
    expect(sts.calls[0]).toMatchObject({ roleArn: role, durationSeconds: 900 })
    expect(sts.calls[0]?.policy).toBeUndefined()
    expect(sts.targets[0]).toMatchObject({
      roleArn: targetRoleArn,
      durationSeconds: 3600,
      externalId: 'eu-west-1/111122223333/edge/shop/worker',
      policy,
    })
    expect(sts.targets[0]?.session.accessKeyId).toBe('ASIAFAKE')
  })

  test('without a target role the session policy restricts the role itself', async () => {
    const policy =
      '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    await associate({ disableSessionTags: true, policy })
    await ask(await podToken())
    expect(sts.calls[0]?.policy).toBe(policy)
  })

  test('a duration that the role refuses falls back once to an hour', async () => {
    await associate({ tags: { 'podrole:session-seconds': '21600' } })
    sts.faults = [stsFault('ValidationError', 400)]
    expect((await ask(await podToken())).status).toBe(200)
    expect(sts.calls.map((call) => call.durationSeconds)).toEqual([21_600, 3600])
    sts.faults = [stsFault('ValidationError', 400), stsFault('ValidationError', 400)]
    expect((await ask(await podToken())).status).toBe(400)
    expect(sts.calls).toHaveLength(4)
  })

  test('an hour that is refused is not asked for again', async () => {
    await associate()
    sts.faults = [stsFault('ValidationError', 400)]
    expect(await ask(await podToken())).toMatchObject({ error: 'InvalidRequestException' })
    expect(sts.calls).toHaveLength(1)
  })

  test("podrole's own client and a stock agent's SigV4 key both work over HTTP", async () => {
    await associate()
    const server = serveHttp({ hostname: '127.0.0.1', port: 0, handler: handle })
    try {
      const token = new Secret(await podToken())
      const key = await addKey({ kind: 'agent', clusterName: 'edge' })
      for (const authorization of [
        { kind: 'bearer', token: async () => new Secret(await agentToken()) },
        { kind: 'sigv4', credentials: () => Promise.resolve(key) },
      ] as const) {
        const eksAuth = createEksAuthClient({
          endpoint: server.url,
          region: REGION,
          authorization,
          clock,
          attempts: 1,
        })
        const given = await eksAuth.assumeRoleForPodIdentity({ clusterName: 'edge', token })
        expect(given.accessKeyId).toBe('ASIAFAKE')
      }
      expect((await store.listIssuances(1))[0]?.agent).toBe(`key:${key.accessKeyId}`)
    } finally {
      await server.stop()
    }
  })
})

describe('credentials that are refused', () => {
  beforeEach(async () => {
    await associate()
  })

  const cases: [
    name: string,
    () => Promise<Answer>,
    status: number,
    error: string,
    words: RegExp,
  ][] = [
    [
      'an agent on another node',
      async () => ask(await podToken(), await agentToken('n2')),
      400,
      'AccessDeniedException',
      /node n1.*node n2/,
    ],
    [
      "another cluster's token",
      async () => ask(await podToken({ key: otherKey })),
      400,
      'InvalidTokenException',
      /cluster edge/,
    ],
    [
      "another cluster's agent",
      async () => ask(await podToken(), await agentToken('n1', { key: otherKey })),
      403,
      'UnrecognizedClientException',
      /agent's own token/,
    ],
    [
      'a token that expired a second ago',
      async () => ask(await podToken({ claims: { exp: nowSeconds() - 1 } })),
      400,
      'ExpiredTokenException',
      /expired at/,
    ],
    [
      'a token that expires this very second',
      async () => ask(await podToken({ claims: { exp: nowSeconds() } })),
      400,
      'ExpiredTokenException',
      /expired at/,
    ],
    [
      'a token of the future',
      async () => ask(await podToken({ claims: { nbf: nowSeconds() + 31 } })),
      400,
      'InvalidTokenException',
      /valid from/,
    ],
    [
      'another issuer',
      async () => ask(await podToken({ claims: { iss: 'https://evil.example' } })),
      400,
      'InvalidTokenException',
      /issuer/,
    ],
    [
      'another audience',
      async () => ask(await podToken({ claims: { aud: ['sts.amazonaws.com'] } })),
      400,
      'InvalidTokenException',
      /audience/,
    ],
    [
      "an agent's token for a pod's",
      async () => ask(await agentToken()),
      400,
      'InvalidTokenException',
      /audience/,
    ],
    [
      'one token for both, with both audiences',
      async () => {
        const both = await agentToken('n1', {
          claims: { aud: ['pods.eks.amazonaws.com', 'podrole-broker'] },
        })
        return ask(both, both)
      },
      400,
      'InvalidTokenException',
      /podrole-broker/,
    ],
    [
      "another service account's pod with an agent's audience",
      async () => ask(await podToken(), await podToken({ claims: { aud: ['podrole-broker'] } })),
      403,
      'UnrecognizedClientException',
      /is no agent of cluster edge: wanted podrole-system\/podrole-agent/,
    ],
    [
      "an agent's token that is bound to no pod",
      async () => {
        const kubernetes = { namespace: 'default', serviceaccount: { name: 'x' }, pod: undefined }
        const claims = { sub: 'system:serviceaccount:default:x', aud: ['podrole-broker'] }
        return ask(await podToken(), await podToken({ claims, kubernetes }))
      },
      403,
      'UnrecognizedClientException',
      /not bound to a pod/,
    ],
    [
      "a pod's token for an agent's",
      async () => ask(await podToken(), await podToken()),
      403,
      'UnrecognizedClientException',
      /audience/,
    ],
    [
      "an agent's token that expired",
      async () =>
        ask(await podToken(), await agentToken('n1', { claims: { exp: nowSeconds() - 1 } })),
      403,
      'UnrecognizedClientException',
      /expired/,
    ],
    [
      'a token that is bound to no pod',
      async () => ask(await podToken({ kubernetes: { pod: undefined } })),
      400,
      'InvalidTokenException',
      /not bound to a pod/,
    ],
    [
      'claims of another service account than sub',
      async () => ask(await podToken({ kubernetes: { serviceaccount: { name: 'root' } } })),
      400,
      'InvalidTokenException',
      /not a service account token/,
    ],
    [
      'another service account',
      async () =>
        ask(
          await podToken({
            claims: { sub: 'system:serviceaccount:shop:else' },
            kubernetes: { serviceaccount: { name: 'else' } },
          }),
        ),
      404,
      'ResourceNotFoundException',
      /No association.*shop\/else/,
    ],
    [
      'an unknown cluster',
      async () => ask(await podToken(), await agentToken(), ASK.replace('edge', 'none')),
      404,
      'ResourceNotFoundException',
      /none/,
    ],
    [
      'a cluster that the token is not of',
      async () => ask(await podToken(), await agentToken(), ASK.replace('edge', 'other')),
      403,
      'UnrecognizedClientException',
      /cluster other/,
    ],
    [
      'an altered signature',
      async () => ask(alter(await podToken())),
      400,
      'InvalidTokenException',
      /signature/,
    ],
    ['no token', async () => ask(''), 400, 'InvalidParameterException', /token/],
    ['garbage for a token', async () => ask('a.b.c'), 400, 'InvalidTokenException', /token/],
    [
      'no agent at all',
      async () => send('POST', ASK, { body: JSON.stringify({ token: await podToken() }) }),
      403,
      'MissingAuthenticationTokenException',
      /Missing/,
    ],
    [
      "an admin's key",
      async () =>
        sign('POST', ASK, { body: { token: await podToken() }, key: admin, service: 'eks-auth' }),
      400,
      'AccessDeniedException',
      /scope admin/,
    ],
    [
      "an agent's key of another cluster",
      async () =>
        sign('POST', ASK, {
          body: { token: await podToken() },
          key: await addKey({ kind: 'agent', clusterName: 'other' }),
          service: 'eks-auth',
        }),
      400,
      'AccessDeniedException',
      /cluster other/,
    ],
    [
      "an agent's key signed for another service",
      async () =>
        sign('POST', ASK, {
          body: { token: await podToken() },
          key: await addKey({ kind: 'agent', clusterName: 'edge' }),
          service: 'eks',
        }),
      403,
      'InvalidSignatureException',
      /service/,
    ],
  ]
  for (const [name, run, status, error, words] of cases) {
    test(name, async () => {
      const answer = await run()
      expect(answer).toMatchObject({ status, error })
      expect(answer.body.message).toMatch(words)
      expect(sts.calls).toEqual([])
      expect(await store.listIssuances(1)).toEqual([])
    })
  }

  test('a deleted association opens nothing any more', async () => {
    const token = await podToken()
    expect((await ask(token)).status).toBe(200)
    const path = '/clusters/edge/pod-identity-associations'
    const { body } = await manage('GET', path)
    await manage('DELETE', `${path}/${body.associations[0].associationId}`)
    expect(await ask(token)).toMatchObject({ status: 404, error: 'ResourceNotFoundException' })
  })

  test('a cluster whose keys change takes the new ones alone', async () => {
    const newKey = await generateSigningKey('ES256')
    await manage('PUT', '/podrole/v1/clusters/edge', { issuer: ISSUER, jwks: jwksOf([newKey]) })
    const old = await ask(await podToken(), await agentToken('n1', { key: newKey }))
    expect(old).toMatchObject({ error: 'InvalidTokenException' })
    const fresh = await ask(
      await podToken({ key: newKey }),
      await agentToken('n1', { key: newKey }),
    )
    expect(fresh.status).toBe(200)
  })

  for (const [name, status, error, wireStatus] of [
    ['AccessDenied', 403, 'AccessDeniedException', 400],
    ['IDPRejectedClaim', 403, 'AccessDeniedException', 400],
    ['InvalidIdentityToken', 400, 'InvalidRequestException', 400],
    ['PackedPolicyTooLarge', 400, 'InvalidRequestException', 400],
    ['MalformedPolicyDocument', 400, 'InvalidRequestException', 400],
    ['RegionDisabledException', 403, 'InvalidRequestException', 400],
    ['ExpiredTokenException', 400, 'InternalServerException', 500],
    ['Throttling', 400, 'ThrottlingException', 429],
    ['IDPCommunicationError', 400, 'ServiceUnavailableException', 503],
    ['InternalFailure', 500, 'ServiceUnavailableException', 503],
    ['TimeoutError', undefined, 'ServiceUnavailableException', 503],
  ] as const) {
    test(`STS' ${name} is ${error}, with its reason`, async () => {
      sts.faults = [stsFault(name, status)]
      const answer = await ask(await podToken())
      expect(answer).toMatchObject({ status: wireStatus, error })
      expect(answer.body.message).toContain(name)
      expect(answer.body.message).toContain(role)
      if (status !== undefined && status < 500) {
        expect(answer.body.message).toContain('why STS refused')
      }
      expect(await store.listIssuances(1)).toEqual([])
    })
  }

  test('too many at once are throttled', async () => {
    const gate = Promise.withResolvers<StsSession>()
    const asked = Promise.withResolvers<boolean>()
    sts.assumeRoleWithWebIdentity = () => {
      asked.resolve(true)
      return gate.promise
    }
    useOptions({ maxConcurrent: 1 })
    const [token, own] = [await podToken(), await agentToken()]
    const first = ask(token, own)
    await asked.promise
    expect(await ask(token, own)).toMatchObject({ status: 429, error: 'ThrottlingException' })
    gate.reject(stsFault('InternalFailure', 500))
    expect((await first).status).toBe(503)
  })
})

function alter(token: string): string {
  const [header, payload, signature = ''] = token.split('.')
  return `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
}
