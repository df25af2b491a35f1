import type { Column } from '../resource-types.ts'

/** A duration as kubectl prints ages: `45s`, `3m12s`, `5h`, `12d`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`
  if (hours < 48) return `${hours}h`
  const days = Math.floor(hours / 24)
  if (days < 8) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`
  return days < 730 ? `${days}d` : `${Math.floor(days / 365)}y`
}

/** The age that a time gives. */
export function ageSince(timestamp: unknown, nowMs: number): string {
  const start = typeof timestamp === 'string' ? Date.parse(timestamp) : Number.NaN
  return Number.isNaN(start) ? '<unknown>' : formatAge(nowMs - start)
}

export const NAME_COLUMN: Column = {
  name: 'Name',
  type: 'string',
  cell: (object) => object.metadata.name ?? '',
}

export const AGE_COLUMN: Column = {
  name: 'Age',
  type: 'string',
  cell: (object, nowMs) => ageSince(object.metadata.creationTimestamp, nowMs),
}

/** A column of text or numbers. */
export function column(
  name: string,
  cell: Column['cell'],
  options: { readonly type?: Column['type']; readonly isWide?: boolean } = {},
): Column {
  return { name, type: options.type ?? 'string', priority: options.isWide === true ? 1 : 0, cell }
}

const SHOWN_MAX = 3

/** Items as kubectl shows a few of many: `a,b,c + 2 more...`. */
export function formatSome(items: readonly string[], empty = '<unset>'): string {
  const rest = items.length - SHOWN_MAX
  const shown = items.slice(0, SHOWN_MAX).join(',')
  return rest > 0 ? `${shown} + ${rest} more...` : shown || empty
}
