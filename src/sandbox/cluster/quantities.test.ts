import { describe, expect, test } from 'bun:test'
import { assert, bigInt, constantFrom, property, tuple } from 'fast-check'
import { canonicalQuantity, parseQuantity, readQuantity } from './quantities.ts'

describe('the canonical form', () => {
  test.each([
    ['1000m', '1'],
    ['0.5', '500m'],
    ['1.5Gi', '1536Mi'],
    ['1024Mi', '1Gi'],
    ['1000Ki', '1000Ki'],
    ['1024', '1024'],
    ['100000', '100k'],
    ['0.5Ki', '512'],
    ['1.1Ki', '1126400m'],
    ['1e3', '1e3'],
    ['1500e0', '1500'],
    ['2E', '2E'],
    ['-1000m', '-1'],
    ['+5', '5'],
    ['.5', '500m'],
    ['5.', '5'],
    ['000', '0'],
    ['0Gi', '0'],
    ['0.1n', '1n'],
    ['1e999999999', '9223372036854775807'],
    ['1e-999999999', '1e-9'],
    ['999E', '9223372036854775807'],
  ])('of %s is %s', (text, wanted) => {
    expect(canonicalQuantity(text)).toBe(wanted)
  })

  test.each(['', '.', '-', '1K', '1 Gi', '1Gib', '0x1', '1e', '1ee3', 'Mi', '9'.repeat(300)])(
    'of %j is none',
    (text) => {
      expect(canonicalQuantity(text)).toBeUndefined()
    },
  )

  test.each([
    ['500m', 0.5],
    ['1Ki', 1024],
    ['2e3', 2000],
    ['-1k', -1000],
    ['some', undefined],
  ])('%s as a number is %p', (text, wanted) => {
    expect(readQuantity(text)).toBe(wanted as number)
  })

  test('keeps the amount, and is its own', () => {
    const suffix = constantFrom('n', 'u', 'm', '', 'k', 'M', 'Ki', 'Mi', 'Gi', 'e3', 'e-3')
    const runs = Math.ceil(300 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
    assert(
      property(tuple(bigInt(-(10n ** 9n), 10n ** 9n), suffix), ([number, unit]) => {
        const text = `${number}${unit}`
        const canonical = canonicalQuantity(text) ?? ''
        expect(parseQuantity(canonical)?.nanos).toBe(parseQuantity(text)?.nanos ?? -1n)
        expect(canonicalQuantity(canonical)).toBe(canonical)
        expect(canonical).not.toContain('.')
      }),
      { numRuns: runs },
    )
  })
})
