import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { conditionHolds } from './condition.ts'
import { lookUpContext } from './context-lookup.ts'
import { compileText, matchesPattern } from './pattern.ts'
import { readOperator } from './policy-conditions.ts'

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
const numRuns = (runs: number): number => Math.ceil(runs * SCALE)

const holds = (operatorName: string, wanted: string | readonly string[], actual: string): boolean =>
  conditionHolds(
    {
      operatorName,
      operator: readOperator(operatorName),
      key: 'a:k',
      values: typeof wanted === 'string' ? [wanted] : wanted,
    },
    lookUpContext({ 'A:K': actual }),
    '2012-10-17',
  )

type Row = readonly [operator: string, wanted: string, actual: string, expected: boolean]

test.each<Row>([
  ['StringEquals', 'a', 'a', true],
  ['StringEquals', 'a', 'A', false],
  ['StringEqualsIgnoreCase', 'a', 'A', true],
  ['StringNotEqualsIgnoreCase', 'a', 'A', false],
  ['StringNotLike', 'a*', 'abc', false],
  ['stringlike', 'a?c', 'abc', true],
  ['NumericEquals', '10', '10.0', true],
  ['NumericEquals', '1e1', '10', true],
  ['NumericEquals', '9007199254740993', '9007199254740992', false],
  ['NumericEquals', '', '0', false],
  ['NumericNotEquals', '10', 'ten', true],
  ['NumericLessThan', '10', '9.99', true],
  ['NumericLessThan', '10', '10', false],
  ['NumericLessThan', '0', '-1', true],
  ['NumericLessThanEquals', '10', '10', true],
  ['NumericGreaterThan', '10', '9', false],
  ['NumericGreaterThan', '9', '10', true],
  ['NumericGreaterThanEquals', '10', '10', true],
  ['NumericLessThan', '10', 'x', false],
  ['DateEquals', '2026-01-01T00:00:00Z', '2026-01-01T01:00:00+01:00', true],
  ['DateEquals', '1767225600', '2026-01-01T00:00:00Z', true],
  ['DateEquals', '2026', '2026-01-01T00:00:00Z', true],
  ['DateEquals', '2026-01', '2026-01-01', true],
  ['DateNotEquals', '2026-01', '2026-02', true],
  ['DateLessThan', '2026-01-01T00:00:00Z', '2025-12-31T23:59:59.999Z', true],
  ['DateLessThanEquals', '2026-01-01T00:00Z', '2026-01-01T00:00:00Z', true],
  ['DateGreaterThan', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00.001Z', true],
  ['DateGreaterThanEquals', '2026-01-01T00:00:00Z', '2025-12-31T23:59:59Z', false],
  ['DateLessThan', '2026-02-30T00:00:00Z', '2001-01-01', false],
  ['DateLessThan', 'soon', '2001-01-01', false],
  ['Bool', 'true', 'true', true],
  ['Bool', 'True', 'true', true],
  ['Bool', 'yes', 'yes', false],
  ['BinaryEquals', 'cmVk', 'cmVk', true],
  ['BinaryEquals', 'cmVk', 'cmVl', false],
  ['BinaryEquals', 'c', 'c', false],
  ['IpAddress', '192.0.2.0/24', '192.0.2.255', true],
  ['IpAddress', '192.0.2.0/24', '192.0.3.0', false],
  ['IpAddress', '192.0.2.77/24', '192.0.2.1', true],
  ['IpAddress', '192.0.2.1', '192.0.2.1', true],
  ['IpAddress', '192.0.2.1', '192.0.2.2', false],
  ['IpAddress', '0.0.0.0/0', '255.255.255.255', true],
  ['IpAddress', '0.0.0.0/0', '::1', false],
  ['IpAddress', '::/0', '192.0.2.1', false],
  ['IpAddress', '2001:db8::/32', '2001:DB8:1::5', true],
  ['IpAddress', '2001:db8::/32', '2001:db9::', false],
  ['IpAddress', '2001:db8::1', '2001:0db8:0:0:0:0:0:1', true],
  ['IpAddress', '::ffff:192.0.2.0/120', '::ffff:192.0.2.9', true],
  ['IpAddress', '192.0.2.0/33', '192.0.2.0', false],
  ['IpAddress', '192.0.2.0/', '192.0.2.0', false],
  ['IpAddress', '192.0.02.0', '192.0.2.0', false],
  ['IpAddress', '192.0.2.256', '192.0.2.256', false],
  ['IpAddress', '1::2::3', '1::2::3', false],
  ['IpAddress', '1:2:3:4:5:6:7:8::', '1:2:3:4:5:6:7:8', false],
  ['NotIpAddress', '192.0.2.0/24', '198.51.100.1', true],
  ['NotIpAddress', '192.0.2.0/24', '192.0.2.9', false],
  ['ArnLike', 'arn:aws:iam::*:role/*', 'arn:aws:iam::111122223333:role/a/b', true],
  ['ArnLike', '*', 'arn:aws:iam::111122223333:role/a', false],
  ['ArnEquals', 'arn:aws:iam::111122223333:role/a', 'arn:aws:iam::111122223333:role/a', true],
  ['ArnNotEquals', 'arn:aws:iam::111122223333:role/a', 'arn:aws:iam::111122223333:role/b', true],
  ['ArnNotLike', 'arn:aws:iam::*:role/*', 'arn:aws:iam::111122223333:role/a', false],
])('%s, policy %p, request %p: %p', (operator, wanted, actual, expected) => {
  expect(holds(operator, wanted, actual)).toBe(expected)
})

test('an operator without values: positive false, negated true', () => {
  expect(holds('StringEquals', [], 'a')).toBe(false)
  expect(holds('StringNotEquals', [], 'a')).toBe(true)
})

test.each([
  '',
  'StringEqual',
  'Foo:StringEquals',
  'ForAllValues:',
  'IfExists',
  'ForAnyValue:Null',
  ':StringEquals',
])('no operator: %p', (name) => {
  expect(() => readOperator(name)).toThrow('Invalid Condition type')
})

test('a pattern matches what a plain recursive matcher says', () => {
  const matches = (pattern: string, text: string): boolean => {
    if (pattern === '') return text === ''
    const rest = pattern.slice(1)
    if (pattern.startsWith('*'))
      return matches(rest, text) || (text !== '' && matches(pattern, text.slice(1)))
    return (
      text !== '' && (pattern[0] === '?' || pattern[0] === text[0]) && matches(rest, text.slice(1))
    )
  }
  const letters = (chars: string, maxLength: number): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...chars.split('')), maxLength })
  fc.assert(
    fc.property(letters('ab*?:', 8), letters('ab:', 8), (pattern, text) => {
      expect(matchesPattern(compileText(pattern), text)).toBe(matches(pattern, text))
    }),
    { numRuns: numRuns(5000) },
  )
})

test('? is one character beyond the basic plane too', () => {
  expect(matchesPattern(compileText('?'), '\u{1F600}')).toBe(true)
  expect(matchesPattern(compileText('??'), '\u{1F600}')).toBe(false)
})
