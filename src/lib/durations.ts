import { PodroleError } from './errors.ts'

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** `45s`, `2m10s`, `3h5m`: the two largest units, cut. */
export function formatDuration(ms: number): string {
  const [days, hours, minutes, seconds] = [86_400_000, 3_600_000, 60_000, 1000].map((unit) =>
    Math.floor(ms / unit),
  ) as [number, number, number, number]
  const parts = [`${days}d`, `${hours % 24}h`, `${minutes % 60}m`, `${seconds % 60}s`]
  const first = parts.findIndex((part) => !part.startsWith('0'))
  if (first === -1) return '0s'
  const shown = parts.slice(first, first + 2)
  return shown.filter((part) => !part.startsWith('0')).join('')
}

/**
 * Milliseconds of a duration in Go's and Kubernetes' form: `90s`, `1h30m`, `250ms`; a bare number
 * counts seconds.
 * @throws PodroleError `InvalidDuration`
 */
export function parseDurationMs(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  if (!/^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d)){1,6}$/.test(text)) {
    throw new PodroleError(
      'InvalidDuration',
      `duration ${JSON.stringify(text)} is not one: wanted a form such as 90s, 1h30m or 250ms`,
    )
  }
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0)
  }
  return total
}
