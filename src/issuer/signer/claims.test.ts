import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { decideClaims } from './claims.ts'
import { segmentOf, tokenClaims } from './signer.suite.ts'

const NOW_MS = 1_800_000_000_000
const LIMITS = { nowMs: NOW_MS, maxTokenSeconds: 86_400 }
const NOT_BASE64URL = { refusal: 'claims are not base64url without padding' }

test('a segment is taken in the one form that its bytes have', () => {
  const characters = 'ABCQgwxyz019-_+/= '.split('')
  const segment = fc.string({ unit: fc.constantFrom(...characters), maxLength: 12 })
  fc.assert(
    fc.property(segment, (text) => {
      const isCanonical =
        text !== '' && Buffer.from(text, 'base64url').toString('base64url') === text
      expect('refusal' in decideClaims(text, LIMITS)).toBe(true)
      if (isCanonical) expect(decideClaims(text, LIMITS)).not.toEqual(NOT_BASE64URL)
      else expect(decideClaims(text, LIMITS)).toEqual(NOT_BASE64URL)
    }),
    { numRuns: 5000 },
  )
})

test('bits that belong to no byte are refused, also where the claims are good', () => {
  const claims: Readonly<Record<string, unknown>> = tokenClaims(NOW_MS)
  const segments = ['', 'x', 'xx'].map((jti) => segmentOf({ ...claims, jti }))
  for (const good of segments) {
    expect(decideClaims(good, LIMITS)).toMatchObject({ claims: { iss: claims['iss'] } })
    if (good.length % 4 === 0) continue
    const last = good.at(-1) === 'Q' ? 'R' : 'B'
    expect(decideClaims(`${good.slice(0, -1)}${last}`, LIMITS)).toEqual(NOT_BASE64URL)
  }
  expect(new Set(segments.map(({ length }) => length % 4))).toEqual(new Set([0, 2, 3]))
})
