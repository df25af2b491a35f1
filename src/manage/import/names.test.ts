import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { nameFrom } from './names.ts'

const part = fc.string({ unit: fc.constantFrom(...'aA1_-.+=,@/é'.split('')), maxLength: 6 })

for (const style of ['terraform', 'kubernetes'] as const) {
  describe(style, () => {
    test('names hold what they may', () => {
      const allowed =
        style === 'terraform' ? /^[A-Za-z][\w-]{0,99}$/ : /^[a-z](?:[a-z0-9.-]{0,198}[a-z0-9])?$/
      fc.assert(
        fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
          expect(nameFrom(parts, { style, identity: parts.join('\n') })).toMatch(allowed)
        }),
        { numRuns: 2000 },
      )
    })

    test('no two objects have the same, whatever their parts are joined of', () => {
      const pair = fc.tuple(part, part)
      fc.assert(
        fc.property(pair, pair, (one, other) => {
          // IAM does not tell capitals from small letters.
          const lower = (parts: readonly string[]): string => parts.join('\n').toLowerCase()
          fc.pre(lower(one) !== lower(other))
          const name = (parts: readonly string[]): string =>
            nameFrom(parts, { style, identity: parts.join('\n') })
          expect(name(one)).not.toBe(name(other))
        }),
        { numRuns: 5000 },
      )
    })
  })
}

test('a plain name is as it is, a long one is cut', () => {
  const of = { style: 'kubernetes', identity: 'x' } as const
  expect(nameFrom(['shop', 'orders-api', 'web'], of)).toBe('shop.orders-api.web')
  expect(nameFrom(['Orders'], of)).toMatch(/^orders\.[0-9a-f]{8}$/)
  expect(nameFrom(['a'.repeat(300)], of).length).toBe(200)
  expect(nameFrom(['shop'], { ...of, isAmbiguous: true })).toMatch(/^shop\.[0-9a-f]{8}$/)
})
