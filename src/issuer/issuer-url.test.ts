import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { discoveryDocument, DISCOVERY_PATH } from './documents.ts'
import { faultOfIssuerUrl, parseIssuerUrl } from './issuer-url.ts'
import cases from './testdata/issuer-urls.json'

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)

test.each(cases)('$issuer: $fault', ({ issuer, fault }) => {
  expect(faultOfIssuerUrl(issuer)?.code ?? null).toBe(fault as never)
})

test('its parts', () => {
  expect(parseIssuerUrl('https://s3.us-east-1.amazonaws.com/b/c')).toEqual({
    issuer: 'https://s3.us-east-1.amazonaws.com/b/c',
    host: 's3.us-east-1.amazonaws.com',
    path: '/b/c',
    hostPath: 's3.us-east-1.amazonaws.com/b/c',
  })
  expect(parseIssuerUrl('https://a.example')).toMatchObject({ host: 'a.example', path: '' })
})

test('255 characters, and not 256; a password is not quoted', () => {
  const start = 'https://a.example/'
  const longest = start + 'x'.repeat(255 - start.length)
  expect(faultOfIssuerUrl(longest)).toBeUndefined()
  expect(faultOfIssuerUrl(`${longest}x`)?.code).toBe('IssuerTooLong')
  expect(() => parseIssuerUrl('https://u:hunter2@a.example')).not.toThrow(/hunter2/)
  expect(() => parseIssuerUrl('https://u:hunter2@a.example')).toThrow(PodroleError)
})

test('what is taken has one spelling, and its documents are where clients look', () => {
  let taken = 0
  const texts = fc.oneof(
    fc.webUrl({ validSchemes: ['https'], withFragments: true, withQueryParameters: true }),
    fc.webPath().map((path) => `https://a.example${path}`),
    fc.string({ unit: 'binary' }).map((text) => `https://a.example/${text}`),
    fc.string({ unit: 'binary' }),
  )
  fc.assert(
    fc.property(texts, (text) => {
      let parsed
      try {
        parsed = parseIssuerUrl(text)
      } catch (error) {
        expect(codeOf(error)).toBe(faultOfIssuerUrl(text)?.code)
        expect(messageOf(error).length).toBeLessThan(2000)
        return
      }
      taken += 1
      const { issuer, host, path, hostPath } = parsed
      expect(issuer).toBe(text)
      expect(hostPath).toBe(host + path)
      const url = new URL(issuer + DISCOVERY_PATH)
      expect([url.href, url.host]).toEqual([issuer + DISCOVERY_PATH, host])
      expect(discoveryDocument(issuer, { algorithms: [] }).jwks_uri).toBe(`${issuer}/keys.json`)
    }),
    { numRuns: Math.ceil(500 * SCALE) },
  )
  expect(taken).toBeGreaterThan(0)
})
