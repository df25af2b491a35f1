import { createHash, createHmac } from 'node:crypto'
import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { Secret } from '../lib/secret.ts'
import { signRequest } from './sign.ts'
import { readSignature, verifySignature, type WireRequest } from './sigv4-verify.ts'
import {
  ACCESS_KEY_ID,
  type Captured,
  componentOf,
  isClaims,
  NOW,
  presigned,
  REGION,
  S3,
  SCALE,
  SECRET,
  secretAccessKey,
  SESSION_TOKEN,
  type Shape,
  SHAPES,
  signed,
  STS,
  verdictOf,
  wireOf,
} from './sigv4-requests.suite.ts'
import alterations from './testdata/alterations.json'
import malformedCases from './testdata/malformed-signatures.json'

/** The data file's changes to a request that was signed. */
function alter(request: Captured, change: (typeof alterations)[number]): Captured {
  const { wire } = request
  const headers = new Headers(wire.headers)
  if (change.header !== undefined) headers.set(change.header, change.value ?? '')
  if (change.drop !== undefined) headers.delete(change.drop)
  return {
    wire: {
      method: change.method ?? wire.method,
      path: change.path ?? wire.path,
      query: change.query ?? wire.query,
      headers,
    },
    body: change.body === undefined ? request.body : new TextEncoder().encode(change.body),
  }
}

describe('an altered request is refused', () => {
  test.each(alterations)('$service: $name', async (change) => {
    const request = await signed(SHAPES[change.service]!)
    expect(verdictOf(request, { nowMs: NOW })).toBe('ok')
    expect(verdictOf(alter(request, change), { nowMs: NOW })).toBe(change.code)
  })

  test.each(['sts', 'eks', 's3'])('%s: a wrong secret', async (service) => {
    const request = await signed(SHAPES[service]!)
    expect(verdictOf(request, { nowMs: NOW, secret: `${SECRET}x` })).toBe('SignatureDoesNotMatch')
  })

  test('another service or region than the one that is asked', async () => {
    const request = await signed(STS)
    expect(verdictOf(request, { nowMs: NOW, service: 'iam' })).toBe('SignatureDoesNotMatch')
    expect(verdictOf(request, { nowMs: NOW, region: 'us-east-1' })).toBe('SignatureDoesNotMatch')
    const object = await signed(S3)
    expect(verdictOf(object, { nowMs: NOW, region: 'us-east-1' })).toBe(
      'AuthorizationHeaderMalformed',
    )
  })
})

/** A signature over what no library would sign. */
function handSigned(options: { readonly day: string; readonly signedHeaders: string }): Captured {
  const headers = new Headers({ host: 'a.example', 'x-amz-date': '20260131T235930Z' })
  const { day, signedHeaders } = options
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
  const lines = signedHeaders.split(';').map((name) => `${name}:${headers.get(name)}\n`)
  const canonical = `GET\n/\n\n${lines.join('')}\n${signedHeaders}\n${hash('')}`
  const scope = `${day}/${REGION}/sts/aws4_request`
  const toSign = `AWS4-HMAC-SHA256\n20260131T235930Z\n${scope}\n${hash(canonical)}`
  const signature = [...scope.split('/'), toSign].reduce<string | Buffer>(
    (key, part) => createHmac('sha256', key).update(part).digest(),
    `AWS4${SECRET}`,
  )
  headers.set(
    'authorization',
    `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY_ID}/${scope},SignedHeaders=${signedHeaders},Signature=${Buffer.from(signature).toString('hex')}`,
  )
  return { wire: { method: 'GET', path: '/', query: '', headers }, body: new Uint8Array() }
}

describe('a good signature over too little', () => {
  test.each([
    ['20260131', 'host;x-amz-date', 'ok'],
    ['20260131', 'x-amz-date', 'SignatureDoesNotMatch'],
    ['20260131', 'host', 'SignatureDoesNotMatch'],
    ['20260130', 'host;x-amz-date', 'SignatureDoesNotMatch'],
  ])('of day %s over %s: %s', (day, signedHeaders, code) => {
    expect(verdictOf(handSigned({ day, signedHeaders }), { nowMs: NOW })).toBe(code)
  })
})

test('a raw + in a query is a space, as the query is read', async () => {
  const sent = async (signedValue: string, query: string): Promise<string> => {
    const { wire, body } = await signed({ ...STS, query: { a: signedValue } })
    return verdictOf({ wire: { ...wire, query }, body }, { nowMs: NOW })
  }
  expect(await sent('b c', 'a=b+c')).toBe('ok')
  expect(await sent('b c', 'a=b%20c')).toBe('ok')
  expect(await sent('b+c', 'a=b%2Bc')).toBe('ok')
  expect(await sent('b+c', 'a=b+c')).toBe('SignatureDoesNotMatch')
})

describe('time', () => {
  const MINUTE = 60_000
  test.each([
    ['sts', 5 * MINUTE, 'ok'],
    ['sts', 5 * MINUTE + 1000, 'SignatureDoesNotMatch'],
    ['sts', 60 * MINUTE, 'SignatureDoesNotMatch'],
    ['sts', -5 * MINUTE, 'ok'],
    ['sts', -5 * MINUTE - 1000, 'SignatureDoesNotMatch'],
    ['sts', -60 * MINUTE, 'SignatureDoesNotMatch'],
    ['s3', 15 * MINUTE, 'ok'],
    ['s3', 15 * MINUTE + 1000, 'RequestTimeTooSkewed'],
    ['s3', -60 * MINUTE, 'RequestTimeTooSkewed'],
  ])('%s: read %d ms after it was signed: %s', async (service, later, code) => {
    expect(verdictOf(await signed(SHAPES[service]!), { nowMs: NOW + later })).toBe(code)
  })

  const messageAt = async (later: number): Promise<string> => {
    const { wire, body } = await signed(STS)
    const claims = readSignature(wire)
    isClaims(claims)
    const verdict = verifySignature(wire, body, claims, { secretAccessKey, nowMs: NOW + later })
    return verdict.ok ? 'ok' : verdict.message
  }

  test('the texts are those of AWS', async () => {
    expect(await messageAt(3_600_000)).toBe(
      'Signature expired: 20260131T235930Z is now earlier than 20260201T005430Z (20260201T005930Z - 5 min.)',
    )
    expect(await messageAt(-3_600_000)).toBe(
      'Signature not yet current: 20260131T235930Z is still later than 20260131T230430Z (20260131T225930Z + 5 min.)',
    )
  })
})

describe('presigned', () => {
  const GET: Shape = {
    ...STS,
    method: 'GET',
    query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
    headers: { 'x-k8s-aws-id': 'c1' },
  }
  delete (GET as { body?: string }).body
  const get = () => presigned(GET)

  test('GET and POST verify, and say so', async () => {
    const request = await get()
    expect(verdictOf(request, { nowMs: NOW + 30_000, service: 'sts' })).toBe('ok')
    expect(readSignature(request.wire)).toMatchObject({
      presigned: true,
      expiresSeconds: 60,
      sessionToken: SESSION_TOKEN,
      timestampMs: NOW,
    })
    const post = await presigned(STS)
    expect(verdictOf(post, { nowMs: NOW })).toBe('ok')
    expect(verdictOf({ ...post, body: Buffer.from('Action=X') }, { nowMs: NOW })).toBe(
      'SignatureDoesNotMatch',
    )
  })

  test('STS takes it for 15 minutes, whatever its expiry says; a signed one holds elsewhere', async () => {
    const request = await get()
    expect(verdictOf(request, { nowMs: NOW + 900_000 })).toBe('ok')
    expect(verdictOf(request, { nowMs: NOW + 901_000 })).toBe('SignatureDoesNotMatch')
    expect(verdictOf(request, { nowMs: NOW - 3_600_000 })).toBe('SignatureDoesNotMatch')
    const longer = {
      ...request.wire,
      query: request.wire.query.replace('Expires=60', 'Expires=600'),
    }
    expect(verdictOf({ ...request, wire: longer }, { nowMs: NOW })).toBe('SignatureDoesNotMatch')
    const object = await presigned({ ...S3, method: 'GET', body: '' })
    expect(verdictOf(object, { nowMs: NOW + 61_000 })).toBe('AccessDenied')
    const other = await presigned({ ...GET, service: 'iam' })
    expect(verdictOf(other, { nowMs: NOW + 60_000 })).toBe('ok')
    expect(verdictOf(other, { nowMs: NOW + 61_000 })).toBe('SignatureDoesNotMatch')
  })

  test('altered parameters, headers and method are refused', async () => {
    const { wire, body } = await get()
    const changed: WireRequest[] = [
      { ...wire, method: 'PUT' },
      { ...wire, path: '/x' },
      { ...wire, query: wire.query.replace('GetCallerIdentity', 'GetSessionToken') },
      { ...wire, query: `${wire.query}&Extra=1` },
      { ...wire, query: wire.query.replace('host%3B', '') },
      { ...wire, headers: new Headers({ host: 'other.example' }) },
      { ...wire, headers: new Headers({ host: 'service.example', 'x-k8s-aws-id': 'c2' }) },
    ]
    for (const request of changed) {
      expect(verdictOf({ wire: request, body }, { nowMs: NOW })).toBe('SignatureDoesNotMatch')
    }
  })

  test('S3: what is uploaded to a presigned URL is not signed, unless its hash is', async () => {
    const free = await presigned({ ...S3, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } })
    expect(verdictOf({ ...free, body: Buffer.from('other') }, { nowMs: NOW })).toBe('ok')
    const hash = createHash('sha256').update('text').digest('hex')
    const bound = await presigned({ ...S3, headers: { 'x-amz-content-sha256': hash } })
    expect(verdictOf(bound, { nowMs: NOW })).toBe('ok')
    expect(verdictOf({ ...bound, body: Buffer.from('other') }, { nowMs: NOW })).toBe(
      'XAmzContentSHA256Mismatch',
    )
  })

  test.each([
    ['X-Amz-Expires=0', 'AuthorizationQueryParametersError'],
    ['X-Amz-Expires=604801', 'AuthorizationQueryParametersError'],
    ['X-Amz-Expires=-1', 'AuthorizationQueryParametersError'],
    ['X-Amz-Expires=6e1', 'AuthorizationQueryParametersError'],
    ['Other=1', 'AuthorizationQueryParametersError'],
  ])('S3: %s in place of the expiry', async (text, code) => {
    const { wire, body } = await presigned({ ...S3, method: 'GET', body: '' })
    const query = wire.query.replace('X-Amz-Expires=60', text)
    expect(verdictOf({ wire: { ...wire, query }, body }, { nowMs: NOW })).toBe(code)
  })
})

describe('form', () => {
  const DEFAULT_HEADERS: Record<string, string> = { host: 'a', 'x-amz-date': '20260131T235930Z' }
  test.each(malformedCases)('$name', ({ headers, query, code }) => {
    const wire = {
      method: 'GET',
      path: '/',
      query: query ?? '',
      headers: new Headers({ ...DEFAULT_HEADERS, ...headers }),
    }
    expect(verdictOf({ wire, body: new Uint8Array() }, { nowMs: NOW })).toBe(code)
  })

  test('a Date header stands in for X-Amz-Date', () => {
    const Authorization = `AWS4-HMAC-SHA256 Credential=AKID/20260131/us-east-1/sts/aws4_request, SignedHeaders=host;date, Signature=${'0'.repeat(64)}`
    for (const date of ['Sat, 31 Jan 2026 23:59:30 GMT', '20260131T235930Z']) {
      const headers = new Headers({ host: 'a', Authorization, date })
      expect(readSignature({ method: 'GET', path: '/', query: '', headers })).toMatchObject({
        timestampMs: NOW,
      })
    }
  })

  test('a body without the chunks that its signature promises is refused', async () => {
    const request = await signed({
      ...S3,
      headers: { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' },
    })
    expect(verdictOf(request, { nowMs: NOW })).toBe('IncompleteBody')
    const ecdsa = await signed({
      ...S3,
      headers: { 'x-amz-content-sha256': 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD' },
    })
    expect(verdictOf(ecdsa, { nowMs: NOW })).toBe('NotImplemented')
    const unsigned = await signed({
      ...S3,
      headers: { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' },
    })
    expect(verdictOf(unsigned, { nowMs: NOW })).toBe('ok')
  })
})

test('signRequest makes what verifies', async () => {
  for (const [service, path] of [
    ['eks-auth', '/clusters/c1/assume-role-for-pod-identity'],
    ['eks', '/clusters/c1/access-entries/arn%3Aaws?a=b%20c&a=%2B&d='],
    ['s3', '/bucket/a%20b%2Bc?list-type=2'],
  ] as const) {
    const url = `http://service.example:8080${path}`
    const request = {
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json' },
      body: '{"a":"ä"}',
    }
    const credentials = {
      accessKeyId: ACCESS_KEY_ID,
      secretAccessKey,
      sessionToken: new Secret(SESSION_TOKEN),
    }
    const headers = await signRequest(request, credentials, {
      service,
      region: REGION,
      clock: { now: () => NOW },
    })
    const wire = wireOf(new Request(url, { method: 'POST', headers }))
    expect(headers['host']).toBe('service.example:8080')
    expect(verdictOf({ wire, body: Buffer.from(request.body) }, { nowMs: NOW, service })).toBe('ok')
  }
})

test('what smithy signs verifies, whatever path, query, headers and body', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 12 })
  const shape = fc.record({
    service: fc.constantFrom('s3', 'eks', 'sts'),
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
    path: fc.array(text.map(componentOf), { maxLength: 4 }).map((parts) => `/${parts.join('/')}`),
    query: fc.dictionary(
      // smithy keeps a query in a plain object, which has no such member of its own.
      text.filter((name) => !/^(?:x-amz-signature|__proto__)$/i.test(name)),
      fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 3 })),
      { maxKeys: 4, noNullPrototype: true },
    ),
    headers: fc.dictionary(
      fc.stringMatching(/^x-(?:amz-)?meta-[a-z]{1,8}$/),
      fc.stringMatching(/^[ -~]{0,20}$/),
      { maxKeys: 4, noNullPrototype: true },
    ),
    body: fc.string(),
  })
  await fc.assert(
    fc.asyncProperty(shape, async (one) => {
      expect(verdictOf(await signed(one), { nowMs: NOW })).toBe('ok')
    }),
    { numRuns: Math.ceil(300 * SCALE) },
  )
})

test('no hostile request crashes, and none is taken', () => {
  const headerText = fc.stringMatching(/^[!-~][ -~]{0,60}$/)
  const date = '20260131T235930Z'
  const authorization = fc.oneof(
    headerText,
    fc
      .array(
        fc.constantFrom(
          'AWS4-HMAC-SHA256',
          ' ',
          ',',
          'Credential=',
          'SignedHeaders=',
          'Signature=',
          'AKID/20260131/us-east-1/s3/aws4_request',
          'host',
          ';',
          'x-amz-date',
          '0'.repeat(64),
          '=',
          '/',
        ),
      )
      .map((parts) => `AWS4-HMAC-SHA256 ${parts.join('')}`),
  )
  const request = fc.record({
    method: fc.string(),
    path: fc.oneof(fc.string(), fc.constantFrom('%', '/%zz', '/%C0%AF', '//', '/..', '\uD800')),
    query: fc.oneof(
      fc.string(),
      fc
        .array(
          fc.constantFrom(
            'X-Amz-Algorithm=AWS4-HMAC-SHA256',
            'X-Amz-Credential=AKID%2F20260131%2Fus-east-1%2Fs3%2Faws4_request',
            `X-Amz-Date=${date}`,
            'X-Amz-SignedHeaders=host',
            `X-Amz-Signature=${'0'.repeat(64)}`,
            'X-Amz-Expires=60',
            '%',
            'a=%zz',
            '=',
          ),
        )
        .map((parts) => parts.join('&')),
    ),
    headers: fc.record(
      {
        authorization,
        'x-amz-date': fc.oneof(fc.constant(date), headerText),
        host: headerText,
        'x-amz-content-sha256': headerText,
      },
      { requiredKeys: [] },
    ),
  })
  fc.assert(
    fc.property(request, fc.uint8Array(), ({ headers, ...rest }, body) => {
      const wire = { ...rest, headers: new Headers(headers) }
      expect(verdictOf({ wire, body }, { nowMs: NOW })).not.toBe('ok')
    }),
    { numRuns: Math.ceil(1000 * SCALE) },
  )
})
