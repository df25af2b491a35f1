import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { PodroleError } from '../lib/errors.ts'
import { createKeySet, parseJwks } from './jwks.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const full = { ...privateKey.export({ format: 'jwk' }), kid: 'a', use: 'sig', alg: 'ES256' }

test('private and unknown members are dropped', () => {
  const text = JSON.stringify({ keys: [{ ...full, x5u: 'http://x', x5c: ['y'] }], other: 1 })
  expect(parseJwks(text)).toEqual({
    keys: [{ kty: 'EC', kid: 'a', use: 'sig', alg: 'ES256', crv: 'P-256', x: full.x!, y: full.y! }],
  })
})

test('keys of other types are left out, where one is left', () => {
  const others = [
    { kty: 'OKP', crv: 'Ed25519', x: 'AA' },
    { kty: 'EC', crv: 'secp256k1', x: 'AA', y: 'AA' },
    { kty: 'RSA', n: 'AA' },
    null,
    'x',
  ]
  expect(parseJwks(JSON.stringify({ keys: [...others, full] })).keys).toHaveLength(1)
  expect(() => parseJwks(JSON.stringify({ keys: others }))).toThrow('no RSA or EC')
})

test.each([
  ['not JSON', '{'],
  ['a list', '[]'],
  ['no keys', '{}'],
  ['keys that are no list', '{"keys":{}}'],
  ['an empty list', '{"keys":[]}'],
  ['a symmetric key', JSON.stringify({ keys: [full, { kty: 'oct', k: 'AAAA' }] })],
  ['a symmetric member', JSON.stringify({ keys: [{ ...full, k: 'AAAA' }] })],
  ['a document over the limit', JSON.stringify({ keys: [full], x: 'x'.repeat(1_000_000) })],
])('%s is refused', (_name, text) => {
  expect(() => parseJwks(text)).toThrow(expect.objectContaining({ code: 'InvalidJwks' }))
})

test('a point that is not on its curve verifies nothing', () => {
  const bad = { kty: 'EC', kid: 'bad', crv: 'P-256', x: full.y!, y: full.x! } as const
  const set = createKeySet({ keys: [bad] })
  expect(set.size).toBe(0)
  expect(set.choose('ES256', 'bad')).toMatchObject({ reason: 'unknown-key' })
})

test('any document is a key set or an InvalidJwks', () => {
  const value = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.constant(null),
    fc.constantFrom('RSA', 'EC', 'P-256'),
  )
  const key = fc.dictionary(
    fc.constantFrom('kty', 'kid', 'crv', 'x', 'y', 'n', 'e', 'alg', 'use', '__proto__'),
    value,
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.array(key).map((keys) => JSON.stringify({ keys })),
      ),
      (text) => {
        try {
          createKeySet(parseJwks(text)).choose('RS256', undefined)
        } catch (error) {
          expect(error).toBeInstanceOf(PodroleError)
        }
      },
    ),
    { numRuns: Math.ceil(500 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1)) },
  )
})
