import { expect, test } from 'bun:test'
import { renewalTime } from './token-renewal.ts'

const HOUR = 3_600_000
const token = (claims: object): string =>
  `h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`

test.each([
  ['at 80 % of its life', token({ iat: 1000, exp: 4600 }), 3600, 0.8 * HOUR],
  ['after 24 hours at most', token({ iat: 0, exp: 1_000_000 }), 1_000_000, 24 * HOUR],
  ['by what was given where that is less', token({ iat: 0, exp: 600 }), 3600, 480_000],
  [
    'by what was asked for where the API extends it',
    token({ iat: 0, exp: 31_536_000 }),
    3607,
    2_885_600,
  ],
  ['by what was asked for where the token cannot be read', 'opaque', 600, 480_000],
  [
    'by what was asked for where the claims are no numbers',
    token({ iat: 'x', exp: null }),
    600,
    480_000,
  ],
  ['at once where it has no life', token({ iat: 10, exp: 5 }), 600, 0],
])('a token is renewed %s', (_when, text, requested, after) => {
  expect(renewalTime(text, 5000, requested)).toBe(5000 + after)
})

test('an hour is what a projection has that says nothing', () => {
  expect(renewalTime(token({ iat: 0, exp: 3600 }), 0)).toBe(0.8 * HOUR)
})
