import { expect, test } from 'bun:test'
import { formatDuration, parseDurationMs } from './durations.ts'

test.each([
  [0, '0s'],
  [999, '0s'],
  [45_999, '45s'],
  [130_000, '2m10s'],
  [120_000, '2m'],
  [3_600_000 + 59_000, '1h'],
  [3 * 3_600_000 + 5 * 60_000 + 1000, '3h5m'],
  [86_400_000, '1d'],
  [90_000_000, '1d1h'],
  [100 * 86_400_000 + 23 * 3_600_000, '100d23h'],
])('%d ms are %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
  expect(parseDurationMs(text)).toBeLessThanOrEqual(ms)
})
