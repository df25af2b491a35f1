import { describe, expect, test } from 'bun:test'
import {
  type Arbitrary,
  assert,
  constant,
  integer,
  oneof,
  property,
  string,
  tuple,
} from 'fast-check'
import { parseSchedule } from './cron-schedule.ts'

const next = (text: string, after: string, zone = 'UTC'): string => {
  const schedule = parseSchedule(text)
  if (typeof schedule === 'string') throw new Error(schedule)
  const at = schedule.nextAfter(Date.parse(after), zone)
  return at === undefined ? 'never' : new Date(at).toISOString().replace('.000Z', 'Z')
}

describe('the next time', () => {
  test.each([
    ['* * * * *', '2026-01-01T00:00:30Z', '2026-01-01T00:01:00Z'],
    ['* * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z'],
    ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
    ['0 0 31 2 *', '2026-01-01T00:00:00Z', 'never'],
    ['15,45 8-10/2 * * *', '2026-01-01T08:45:00Z', '2026-01-01T10:15:00Z'],
    ['0 12 * * mon-fri', '2026-01-02T12:00:00Z', '2026-01-05T12:00:00Z'],
    // Both kinds of day: either will do.
    ['0 0 13 * fri', '2026-01-03T00:00:00Z', '2026-01-09T00:00:00Z'],
    ['0 0 1 JAN ?', '2026-01-02T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['@weekly', '2026-01-01T00:00:00Z', '2026-01-04T00:00:00Z'],
    ['@every 90m', '2026-01-01T00:00:00Z', '2026-01-01T01:30:00Z'],
    ['5/20 * * * *', '2026-01-01T00:30:00Z', '2026-01-01T00:45:00Z'],
  ])('%s after %s is %s', (text, after, wanted) => {
    expect(next(text, after)).toBe(wanted)
  })

  test.each([
    ['0 9 * * *', '2026-01-01T00:00:00Z', 'America/New_York', '2026-01-01T14:00:00Z'],
    ['0 9 * * *', '2026-07-01T00:00:00Z', 'America/New_York', '2026-07-01T13:00:00Z'],
    // 2:30 is leapt over on 29 March 2026.
    ['30 2 * * *', '2026-03-28T12:00:00Z', 'Europe/Berlin', '2026-03-30T00:30:00Z'],
  ])('%s after %s in %s', (text, after, zone, wanted) => {
    expect(next(text, after, zone)).toBe(wanted)
  })

  test('is later than its start and has no seconds', () => {
    const field = (min: number, max: number): Arbitrary<string> =>
      oneof(
        constant('*'),
        integer({ min, max }).map(String),
        integer({ min: 1, max: 9 }).map((step) => `*/${step}`),
      )
    const text = tuple(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)).map(
      (fields) => fields.join(' '),
    )
    const runs = Math.ceil(200 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
    assert(
      property(text, integer({ min: 0, max: 4e12 }), (schedule, after) => {
        const parsed = parseSchedule(schedule)
        if (typeof parsed === 'string') throw new Error(parsed)
        const at = parsed.nextAfter(after, 'UTC')
        expect(at).toBeGreaterThan(after)
        expect((at ?? 1) % 60_000).toBe(0)
      }),
      { numRuns: runs },
    )
  })
})

describe('what is no schedule', () => {
  test.each([
    ['', 'expected exactly 5 fields, found 0'],
    ['* * * *', 'expected exactly 5 fields, found 4'],
    ['60 * * * *', 'end of range (60) above maximum (59)'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1)'],
    ['5-2 * * * *', 'beyond end of range'],
    ['*/0 * * * *', 'step of range should be a positive number'],
    ['a * * * *', 'failed to parse int from a'],
    ['1-2-3 * * * *', 'too many hyphens'],
    ['1/2/3 * * * *', 'too many slashes'],
    ['@never', 'unrecognized descriptor'],
    ['@every soon', 'failed to parse duration'],
    [`${'*'.repeat(2000)} * * * *`, 'longer than'],
  ])('%s', (text, says) => {
    expect(parseSchedule(text)).toContain(says)
  })

  test('any text gives a schedule or a reason', () => {
    assert(
      property(string({ maxLength: 40 }), (text) => {
        const parsed = parseSchedule(text)
        expect(typeof parsed === 'string' || typeof parsed.nextAfter === 'function').toBe(true)
      }),
    )
  })
})
