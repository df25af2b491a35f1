import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type AwsFixture, CLUSTER, REGION, startAwsFixture } from './aws-fixture.suite.ts'
import { decodeChunks } from '../../aws/aws-chunked.ts'
import { AwsFault } from './wire/fault.ts'
import { parseQuery } from './wire/query.ts'
import { escapeXml, parseXml, writeElement } from './wire/xml.ts'

const runs = (count: number): { numRuns: number } => ({
  numRuns: Math.ceil(count * Number(process.env['PODROLE_TEST_SCALE'] ?? 1)),
})

let fixture: AwsFixture
beforeAll(async () => {
  fixture = await startAwsFixture()
})
afterAll(() => fixture.stop())

const CLIENT = { address: '127.0.0.1', port: 1 }

/** Arbitrary text, and text that looks like what the parsers read. */
const bodies = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.json(),
  fc
    .array(
      fc.tuple(
        fc.constantFrom(
          'Action',
          'Version',
          'RoleArn',
          'Tags.member.1.Key',
          'WebIdentityToken',
          'PolicyDocument',
          'RoleSessionName',
        ),
        fc.oneof(
          fc.string(),
          fc.constantFrom(
            'CreateRole',
            'AssumeRole',
            'AssumeRoleWithWebIdentity',
            '2011-06-15',
            '2010-05-08',
            `arn:aws:iam::111122223333:role/x`,
            'a.b.c',
            '__proto__',
            'constructor',
          ),
        ),
      ),
    )
    .map((pairs) => new URLSearchParams(pairs).toString()),
  fc.string().map((text) => `<Delete><Object><Key>${text}</Key></Object></Delete>`),
)
const paths = fc.oneof(
  fc.constantFrom(
    '/',
    '/clusters',
    `/clusters/${CLUSTER}/assume-role-for-pod-identity`,
    '/bucket?policy',
    '/b/%ff',
    '/bucket?delete',
    '/tags/x',
  ),
  fc.webPath(),
)
const scopes = fc.constantFrom('sts', 'iam', 'eks', 'eks-auth', 's3', 'lambda', '__proto__', '')

describe('arbitrary requests', () => {
  test('unsigned or with a made-up signature are answered, and never authorized', async () => {
    const methods = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD')
    const before = JSON.stringify(fixture.aws.issuedSecrets())
    await fc.assert(
      fc.asyncProperty(methods, paths, bodies, scopes, async (method, path, body, scope) => {
        const keyId = fixture.admin.accessKeyId
        const authorization = `AWS4-HMAC-SHA256 Credential=${keyId}/20260101/${REGION}/${scope}/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`
        for (const headers of [{}, { authorization, 'x-amz-date': '20260101T000000Z' }]) {
          const plain = method === 'GET' || method === 'HEAD'
          const request = new Request(`http://127.0.0.1${path}`, {
            method,
            headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
            ...(!plain && { body }),
          })
          const response = await fixture.aws.handler(request, CLIENT)
          expect(response.status).toBeGreaterThanOrEqual(400)
          expect([500, 502, 503]).not.toContain(response.status)
        }
      }),
      runs(300),
    )
    expect(JSON.stringify(fixture.aws.issuedSecrets())).toBe(before)
  })

  test('signed by the administrator never break the service', async () => {
    const requests = fc.constantFrom(
      { service: 'sts', path: '/' },
      { service: 'iam', path: '/' },
      { service: 'eks', path: '/clusters' },
      { service: 'eks', path: `/clusters/${CLUSTER}/pod-identity-associations` },
      { service: 'eks', path: '/tags/x' },
      { service: 'eks-auth', path: `/clusters/${CLUSTER}/assume-role-for-pod-identity` },
      { service: 's3', path: '/bucket?delete', method: 'POST' },
      { service: 's3', path: '/bucket?policy', method: 'PUT' },
      { service: 's3', path: '/some-bucket', method: 'PUT' },
    )
    await fc.assert(
      fc.asyncProperty(requests, bodies, async (request, body) => {
        // Lone surrogates and NUL do not survive the way onto the wire.
        const text = body.toWellFormed()
        const response = await fixture.call({ ...request, keys: fixture.admin, body: text })
        await response.arrayBuffer()
        expect(response.status).not.toBe(500)
      }),
      runs(300),
    )
  })
})

describe('parsers', () => {
  test('the query parser answers or refuses', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          const parameters = parseQuery(text)
          parameters.list('Tags')
          parameters.records('Tags', ['Key', 'Value'])
        } catch (error) {
          expect(error).toBeInstanceOf(AwsFault)
        }
      }),
      runs(1000),
    )
    expect(() => parseQuery('a=1&a=2')).toThrow('more than once')
    expect(() =>
      parseQuery('a=1'.repeat(1) + Array.from({ length: 2001 }, (_, i) => `&p${i}=`).join('')),
    ).toThrow('too many')
    const three = parseQuery('L.member.1=a&L.member.2=b&L.member.4=d')
    expect(three.list('L')).toEqual(['a', 'b'])
  })

  test('what the XML writer writes, the XML parser reads', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        // White space alone is no text to the parser.
        fc.pre(text.trim() !== '')
        const parsed = parseXml(`<a>${writeElement('b', `x${text}`)}</a>`)
        const read = (parsed as { a: { b: unknown } }).a.b
        const kept = `x${text}`.replaceAll(
          /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu,
          '',
        )
        expect(read).toBe(kept)
      }),
      runs(500),
    )
    expect(escapeXml('<&"\'>\u0000')).toBe('&lt;&amp;&quot;&apos;&gt;')
  })

  test('the XML parser takes no entities of the sender and no depth without end', () => {
    expect(parseXml('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>')).toBeUndefined()
    expect(parseXml('<a>'.repeat(100_000))).toBeUndefined()
    expect(parseXml('<a><b></a>')).toBeUndefined()
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const parsed = parseXml(text)
        expect(parsed === undefined || typeof parsed === 'object').toBe(true)
      }),
      runs(1000),
    )
  })

  test('aws-chunked framing is taken apart or refused', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 }),
        (chunks) => {
          const framed = Buffer.concat([
            ...chunks.flatMap((chunk) => [
              Buffer.from(`${chunk.length.toString(16)}\r\n`),
              Buffer.from(chunk),
              Buffer.from('\r\n'),
            ]),
            Buffer.from('0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n'),
          ])
          const decoded = decodeChunks(framed)
          expect(decoded?.trailers).toEqual({ 'x-amz-checksum-crc32': 'AAAA' })
          expect(Buffer.from(decoded?.body ?? [])).toEqual(Buffer.concat(chunks))
        },
      ),
      runs(200),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const decoded = decodeChunks(bytes)
        expect(decoded === undefined || decoded.body.length <= bytes.length).toBe(true)
      }),
      runs(1000),
    )
  })
})
