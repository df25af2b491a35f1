import type { ContextKeys } from './request.ts'

/** What a request's context holds under one key. */
export interface ContextEntry {
  readonly values: readonly string[]
  /** Whether the key is an array: policy variables cannot name it. */
  readonly multivalued: boolean
}

/** A request's context, by key name without regard to case. */
export interface ContextLookup {
  /** The entry under that name, or undefined when the key is absent. An empty array is absent. */
  find(key: string): ContextEntry | undefined
}

/** Where two names differ by case only, the first is taken. */
export function lookUpContext(context: ContextKeys): ContextLookup {
  const entries = new Map<string, ContextEntry>()
  for (const [key, value] of Object.entries(context)) {
    const folded = key.toLowerCase()
    const entry: ContextEntry =
      typeof value === 'string'
        ? { values: [value], multivalued: false }
        : { values: value, multivalued: true }
    if (entry.values.length > 0 && !entries.has(folded)) entries.set(folded, entry)
  }
  return { find: (key) => entries.get(key.toLowerCase()) }
}
