import { describe, expect, test } from 'bun:test'
import type { PodIdentityCredentials } from '../aws/eks-auth.ts'
import { ServiceFault } from '../aws/service-fault.ts'
import { ManualClock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import { Secret } from '../lib/secret.ts'
import { allowedHostsOf } from './addresses.ts'
import { credentialsApp } from './credentials-app.ts'

const clock = new ManualClock(Date.UTC(2026, 0, 1))
const now = clock.now() / 1000
const client = { address: '10.0.0.7', port: 4 }

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function tokenWith(claims: object, header: object = { alg: 'RS256', kid: 'k' }): string {
  return `${encode(header)}.${encode(claims)}.${Buffer.from('signature').toString('base64url')}`
}

const goodClaims = {
  iss: 'https://issuer.example',
  sub: 'system:serviceaccount:shop:worker',
  aud: ['pods.eks.amazonaws.com'],
  exp: now + 3600,
  'kubernetes.io': {
    namespace: 'shop',
    serviceaccount: { name: 'worker', uid: 'u' },
    pod: { name: 'worker-1', uid: 'p-1' },
  },
}
const goodToken = tokenWith(goodClaims)

const credentials: PodIdentityCredentials = {
  accessKeyId: 'ASIAEXAMPLE',
  secretAccessKey: new Secret('the-secret-key'),
  sessionToken: new Secret('the-session-token'),
  expirationMs: Date.UTC(2026, 0, 1, 6),
  assumedRoleArn: 'arn:aws:sts::111122223333:assumed-role/r/s',
  associationId: 'a-00000000000000001',
  associationArn: 'arn:x',
}

interface Asked {
  readonly status: number
  readonly text: string
  readonly headers: Headers
  readonly log: string
  readonly tokens: readonly string[]
}

async function ask(
  change: { path?: string; method?: string; host?: string; authorization?: string | null } = {},
  upstream: () => Promise<PodIdentityCredentials> = () => Promise.resolve(credentials),
): Promise<Asked> {
  let log = ''
  const tokens: string[] = []
  const app = credentialsApp({
    allowedHosts: allowedHostsOf(['169.254.170.23', 'fd00:ec2::23']),
    clock,
    log: createLog('debug', { write: (line) => (log += line) }),
    answerWithinMs: 30,
    cache: {
      get: ({ token }) => {
        tokens.push(token.reveal())
        return upstream()
      },
    },
  })
  const { path = '/v1/credentials', method = 'GET', host = '169.254.170.23' } = change
  const authorization = change.authorization === undefined ? goodToken : change.authorization
  const headers = new Headers({ host, ...(authorization !== null && { authorization }) })
  const response = await app(
    new Request(`http://169.254.170.23${path}`, { method, headers }),
    client,
  )
  return {
    status: response.status,
    headers: response.headers,
    text: await response.text(),
    log,
    tokens,
  }
}

const bodyOf = (asked: Asked): { Code: string; Message: string } =>
  JSON.parse(asked.text) as { Code: string; Message: string }

describe('credentials that are served', () => {
  test('are the five members in their order, the time in Z', async () => {
    const asked = await ask()
    expect(asked.status).toBe(200)
    expect(asked.headers.get('content-type')).toBe('application/json')
    expect(asked.text).toBe(
      '{"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"the-secret-key","Token":"the-session-token","AccountId":"111122223333","Expiration":"2026-01-01T06:00:00Z"}',
    )
  })

  test('keep the fraction of a second of their expiry', async () => {
    const expirationMs = credentials.expirationMs + 250
    const asked = await ask({}, () => Promise.resolve({ ...credentials, expirationMs }))
    expect(asked.text).toContain('"Expiration":"2026-01-01T06:00:00.250Z"')
  })

  for (const [name, change] of [
    ['with Bearer in front', { authorization: `Bearer ${goodToken}` }],
    ['with bearer in small letters', { authorization: `bearer  ${goodToken}` }],
    ['with any query', { path: '/v1/credentials?x=1' }],
    ['with the port in the Host', { host: '169.254.170.23:80' }],
    ['over IPv6', { host: '[fd00:ec2::23]' }],
    ['over IPv6, written otherwise', { host: '[FD00:0EC2:0:0::0023]:80' }],
  ] as const) {
    test(name, async () => {
      const asked = await ask(change)
      expect(asked.status).toBe(200)
      expect(asked.tokens).toEqual([goodToken])
    })
  }

  test('leave a log line that names who and what, and holds no secret', async () => {
    const { log } = await ask()
    expect(JSON.parse(log)).toMatchObject({
      message: 'credentials served',
      client: '10.0.0.7',
      associationId: 'a-00000000000000001',
      roleArn: credentials.assumedRoleArn,
      unverified: { serviceAccount: 'shop/worker', pod: 'worker-1', podUid: 'p-1' },
    })
    for (const secret of [goodToken, goodToken.split('.')[2]!, 'the-secret-key', 'the-session']) {
      expect(log).not.toContain(secret)
    }
  })
})

describe('requests that are refused without asking upstream', () => {
  const cases: [string, Parameters<typeof ask>[0], number, string, string][] = [
    ['another path', { path: '/' }, 404, 'NotFound', '/v1/credentials'],
    ['a path below', { path: '/v1/credentials/x' }, 404, 'NotFound', '/v1/credentials'],
    ['another method', { method: 'POST' }, 405, 'MethodNotAllowed', 'GET'],
    ['a name as Host', { host: 'evil.example' }, 403, 'AccessDenied', 'invalid address'],
    ['localhost as Host', { host: 'localhost' }, 403, 'AccessDenied', 'localhost'],
    ['loopback as Host', { host: '127.0.0.1' }, 403, 'AccessDenied', '169.254.170.23'],
    ['an address with a tail', { host: '169.254.170.23.evil.example' }, 403, 'AccessDenied', ''],
    ['no Host', { host: '' }, 403, 'AccessDenied', ''],
    ['no token', { authorization: null }, 400, 'InvalidTokenException', 'cannot be empty'],
    ['Bearer alone', { authorization: 'Bearer ' }, 400, 'InvalidTokenException', ''],
    ['no JWT', { authorization: 'abcdef' }, 400, 'InvalidTokenException', 'segments'],
    ['a long token', { authorization: 'a'.repeat(20_001) }, 400, 'InvalidTokenException', '20000'],
    [
      'an expired token',
      { authorization: tokenWith({ ...goodClaims, exp: now }) },
      400,
      'ExpiredTokenException',
      'token is expired',
    ],
    [
      'a token without an expiry',
      { authorization: tokenWith({ ...goodClaims, exp: undefined }) },
      400,
      'InvalidTokenException',
      'exp',
    ],
  ]
  for (const [name, change, status, code, words] of cases) {
    test(name, async () => {
      const asked = await ask(change)
      expect(asked.status).toBe(status)
      expect(asked.headers.get('content-type')).toBe('application/json')
      expect(bodyOf(asked).Code).toBe(code)
      expect(bodyOf(asked).Message).toContain(words)
      expect(asked.tokens).toEqual([])
      expect(asked.log).not.toContain(goodToken.split('.')[1]!)
    })
  }
})

describe('faults of upstream', () => {
  const service = (code: string, status?: number): Error =>
    new ServiceFault(code, 'upstream says why', {
      fault: 'client',
      requestId: 'r-1',
      ...(status !== undefined && { status }),
    })

  for (const [code, status] of [
    ['AccessDeniedException', 400],
    ['AccessDeniedException', 403],
    ['InvalidTokenException', 400],
    ['ResourceNotFoundException', 404],
    ['ThrottlingException', 429],
    ['InternalServerException', 500],
    ['ServiceUnavailableException', 503],
  ] as const) {
    test(`${code} keeps its status ${status} and its reason`, async () => {
      const asked = await ask({}, () => Promise.reject(service(code, status)))
      expect(asked.status).toBe(status)
      expect(bodyOf(asked)).toEqual({
        Code: code,
        Message: `[r-1]: (${code}): upstream says why`,
      })
    })
  }

  test('no answer at all is 503 with words', async () => {
    const fault = new ServiceFault('ServiceUnreachable', 'EKS Auth cannot be reached', {
      fault: 'unknown',
    })
    const asked = await ask({}, () => Promise.reject(fault))
    expect(asked.status).toBe(503)
    expect(bodyOf(asked).Message).toContain('cannot be reached')
  })

  test("a fault that calls itself a success isn't one", async () => {
    const fault = new ServiceFault('InvalidServiceAnswer', 'is not JSON', {
      fault: 'server',
      status: 200,
    })
    expect((await ask({}, () => Promise.reject(fault))).status).toBe(503)
  })

  test('a node without AWS credentials says what to do', async () => {
    const fault = new PodroleError('NoAwsCredentials', 'no AWS credentials', { hint: 'Set some.' })
    expect(bodyOf(await ask({}, () => Promise.reject(fault))).Message).toContain('Set some.')
  })

  test('a slow upstream is 504 in time', async () => {
    const asked = await ask({}, () => Promise.withResolvers<never>().promise)
    expect(asked.status).toBe(504)
    expect(bodyOf(asked).Code).toBe('UpstreamTimeout')
  })

  test('anything else is 500 in JSON', async () => {
    const asked = await ask({}, () => Promise.reject(new Error('boom')))
    expect(asked.status).toBe(500)
    expect(bodyOf(asked).Message).toContain('boom')
    const late = new DOMException('late', 'TimeoutError')
    expect((await ask({}, () => Promise.reject(late))).status).toBe(504)
  })
})
