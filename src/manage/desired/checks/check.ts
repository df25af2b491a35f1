import type { FaultPath } from '../faults.ts'

/** Fields as they were written: a check looks at those that have the right type. */
export type Fields = Readonly<Record<string, unknown>>

/** Where a document's cluster is, as far as it says so, and whom to tell of faults. */
export interface CheckContext {
  readonly partition: string | undefined
  readonly accountId: string | undefined
  /** `metadata.tags`: everything that is made has them too. */
  readonly tags: Readonly<Record<string, string>>
  readonly complain: (path: FaultPath, message: string | undefined) => void
}

/** The text, where it is one and not empty: what is empty is the shape's fault. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {})

export const itemsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** Texts of a list with their places. */
export const textsOf = (value: unknown): readonly (readonly [number, string])[] =>
  itemsOf(value).flatMap((item, at) => (typeof item === 'string' ? [[at, item] as const] : []))

/** Texts by their keys. */
export const textsByKey = (value: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(fieldsOf(value)).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )

/** Whether the field is there and says something. */
export const isSet = (value: unknown): boolean =>
  value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)

/** Tells of every key that came before, by the path of the first one. */
export function uniqueness(
  context: CheckContext,
  what: string,
): (key: string, path: FaultPath, first: string) => void {
  const seen = new Map<string, string>()
  return (key, path, name) => {
    const before = seen.get(key)
    if (before === undefined) seen.set(key, name)
    else context.complain(path, `${what} is given twice, first at ${before}`)
  }
}
