import { inspect } from 'node:util'
import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { createCertificateAuthority } from '../lib/certificates.ts'
import { systemClock } from '../lib/clock.ts'
import { Secret } from '../lib/secret.ts'
import { type Listening, serveHttp, serveTls } from '../lib/serve.ts'
import { createEksAuthClient, type EksAuthClientOptions, ServiceFault } from './eks-auth.ts'
import { readSignature, verifySignature } from './sigv4-verify.ts'
import errorCases from './testdata/eks-auth-errors.json'

const TOKEN = 'head.body.signature'
const ANSWER = {
  subject: { namespace: 'shop', serviceAccount: 'cart' },
  audience: 'pods.eks.amazonaws.com',
  podIdentityAssociation: {
    associationArn:
      'arn:aws:eks:eu-central-1:111122223333:podidentityassociation/c1/a-kyevsbqhrnchy79jw',
    associationId: 'a-kyevsbqhrnchy79jw',
  },
  assumedRoleUser: { arn: 'arn:aws:sts::111122223333:assumed-role/r/s', assumeRoleId: 'AROA:s' },
  credentials: {
    sessionToken: 'a-session',
    secretAccessKey: 'a-secret',
    accessKeyId: 'ASIA1',
    expiration: 1767225600.5,
  },
}

interface Asked {
  readonly request: Request
  readonly body: Uint8Array
}

const asked: Asked[] = []
let answer: () => Response | Promise<Response> = () => Response.json(ANSWER)
const handler = async (request: Request): Promise<Response> => {
  asked.push({ request, body: await request.bytes() })
  return answer()
}
const servers: Listening[] = [serveHttp({ hostname: '127.0.0.1', port: 0, handler })]
const { url } = servers[0]!
afterAll(() => Promise.all(servers.map((server) => server.stop(100))))
beforeEach(() => {
  asked.length = 0
  answer = () => Response.json(ANSWER)
})

const credentials = {
  accessKeyId: 'AKIANODE',
  secretAccessKey: new Secret('node-secret'),
  sessionToken: new Secret('node-session'),
}
const client = (options: Partial<EksAuthClientOptions> = {}) =>
  createEksAuthClient({
    endpoint: url,
    region: 'eu-central-1',
    authorization: { kind: 'sigv4', credentials: () => Promise.resolve(credentials) },
    clock: systemClock,
    ...options,
  })

const ask = (options: Partial<EksAuthClientOptions> = {}, signal?: AbortSignal) =>
  client(options).assumeRoleForPodIdentity({
    clusterName: 'c1',
    token: new Secret(TOKEN),
    ...(signal && { signal }),
  })

async function faultOf(call: Promise<unknown>): Promise<ServiceFault> {
  try {
    await call
  } catch (error) {
    expect(error).toBeInstanceOf(ServiceFault)
    return error as ServiceFault
  }
  throw new Error('the call went well')
}

describe('AssumeRoleForPodIdentity', () => {
  test('sends the token, signed for eks-auth, and reads the credentials', async () => {
    const found = await ask()
    expect({
      ...found,
      secretAccessKey: found.secretAccessKey.reveal(),
      sessionToken: found.sessionToken.reveal(),
    }).toEqual({
      accessKeyId: 'ASIA1',
      secretAccessKey: 'a-secret',
      sessionToken: 'a-session',
      expirationMs: 1767225600500,
      assumedRoleArn: ANSWER.assumedRoleUser.arn,
      associationId: ANSWER.podIdentityAssociation.associationId,
      associationArn: ANSWER.podIdentityAssociation.associationArn,
    })
    expect(inspect(found) + JSON.stringify(found)).not.toMatch(/a-secret|a-session/)
    const { request, body } = asked[0]!
    const { pathname: path } = new URL(request.url)
    expect([request.method, path]).toEqual(['POST', '/clusters/c1/assume-role-for-pod-identity'])
    expect(request.headers.get('content-type')).toBe('application/json')
    expect(JSON.parse(Buffer.from(body).toString())).toEqual({ token: TOKEN })
    const wire = { method: 'POST', path, query: '', headers: request.headers }
    const claims = readSignature(wire)
    if (claims === undefined || 'ok' in claims) throw new Error('the request is not signed')
    expect(claims.sessionToken).toBe('node-session')
    const verdict = verifySignature(wire, body, claims, {
      secretAccessKey: new Secret('node-secret'),
      nowMs: Date.now(),
      expectedService: 'eks-auth',
      expectedRegion: 'eu-central-1',
    })
    expect(verdict).toEqual({ ok: true })
  })

  test('sends Bearer to a broker, over TLS with its own authority, under a path', async () => {
    const ca = await createCertificateAuthority({ commonName: 'test' })
    const certificate = await ca.issue({ names: ['127.0.0.1'] })
    const server = await serveTls({ hostname: '127.0.0.1', port: 0, handler, certificate })
    servers.push(server)
    const authorization = {
      kind: 'bearer',
      token: () => Promise.resolve(new Secret('agent')),
    } as const
    const endpoint = `${server.url}/base/`
    await ask({ authorization, endpoint, ca: ca.cert })
    expect(asked[0]!.request.headers.get('authorization')).toBe('Bearer agent')
    expect(new URL(asked[0]!.request.url).pathname).toBe(
      '/base/clusters/c1/assume-role-for-pod-identity',
    )
    const fault = await faultOf(ask({ authorization, endpoint, attempts: 1 }))
    expect(fault).toMatchObject({ code: 'ServiceUnreachable', fault: 'unknown', status: undefined })
    expect(asked).toHaveLength(1)
  })

  test.each(['', 'a/b', '..', '-a', 'a'.repeat(101), 'a?b'])(
    'cluster name %j is refused',
    async (name) => {
      const call = client().assumeRoleForPodIdentity({
        clusterName: name,
        token: new Secret(TOKEN),
      })
      await expect(call).rejects.toMatchObject({ code: 'InvalidClusterName' })
      expect(asked).toBeEmpty()
    },
  )
})

describe('faults', () => {
  test.each(errorCases)('$name', async ({ status, headers, body, attempts, ...wanted }) => {
    answer = () =>
      new Response(body, {
        status,
        headers: { 'x-amzn-requestid': 'r-1', ...(headers as Record<string, string>) },
      })
    const fault = await faultOf(ask())
    expect(fault).toMatchObject({
      code: wanted.code,
      message: wanted.message,
      fault: wanted.fault as 'client',
    })
    if (status !== 200) expect([fault.status, fault.requestId]).toEqual([status, 'r-1'])
    expect(asked).toHaveLength(attempts ?? 1)
    expect(inspect(fault)).not.toContain(TOKEN)
  })

  test('a passing one is not seen, and each attempt is signed anew', async () => {
    let left = 2
    answer = () => (left-- > 0 ? new Response(null, { status: 500 }) : Response.json(ANSWER))
    expect((await ask()).accessKeyId).toBe('ASIA1')
    expect(asked).toHaveLength(3)
  })

  test('a connection that nobody takes', async () => {
    const fault = await faultOf(ask({ endpoint: 'http://127.0.0.1:1' }))
    expect(fault).toMatchObject({ code: 'ServiceUnreachable', fault: 'unknown' })
    expect(fault.message).toContain('ECONNREFUSED')
  })

  test('no answer in time is tried again, then told', async () => {
    answer = async () => {
      await Bun.sleep(1000)
      return new Response()
    }
    const fault = await faultOf(ask({ attemptTimeoutMs: 300, attempts: 2 }))
    expect(fault).toMatchObject({ code: 'ServiceTimeout', fault: 'unknown' })
    expect(asked).toHaveLength(2)
  })

  test('an expiry that is no time', async () => {
    const { credentials } = ANSWER
    answer = () => Response.json({ ...ANSWER, credentials: { ...credentials, expiration: 1e15 } })
    expect(await faultOf(ask())).toMatchObject({ code: 'InvalidServiceAnswer' })
  })

  test('an answer over 64 kB', async () => {
    answer = () => Response.json({ ...ANSWER, more: 'x'.repeat(65_536) })
    const fault = await faultOf(ask())
    expect(fault.code).toBe('InvalidServiceAnswer')
    expect(fault.message).toContain('65536')
    expect(asked).toHaveLength(1)
  })

  test('a redirect is not followed', async () => {
    answer = () =>
      asked.length === 1 ? Response.redirect(`${url}/elsewhere`, 307) : Response.json(ANSWER)
    expect((await faultOf(ask({ attempts: 1 }))).code).toBe('ServiceUnreachable')
    expect(asked).toHaveLength(1)
  })

  test('a caller that gives up ends it at once, between attempts too', async () => {
    const controller = new AbortController()
    answer = () => {
      controller.abort(new Error('gave up'))
      return new Response(null, { status: 500 })
    }
    await expect(ask({}, controller.signal)).rejects.toThrow('gave up')
    expect(asked).toHaveLength(1)
    await expect(ask({}, AbortSignal.abort(new Error('never')))).rejects.toThrow('never')
  })

  test('no credentials is the fault of the provider, untouched', async () => {
    const credentials = () => Promise.reject(new Error('none'))
    await expect(ask({ authorization: { kind: 'sigv4', credentials } })).rejects.toThrow('none')
  })
})
