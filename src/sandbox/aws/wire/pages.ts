import type { Table } from '../../state.ts'
import { AwsFault } from './fault.ts'

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[]
  /** Opaque; asks for what follows. */
  readonly next: string | undefined
}

/**
 * The items after the one that `token` names, in the order of `keyOf`, at most `limit`.
 * Pages stay right while items come and go: a token holds a key, not a position.
 * @throws AwsFault with `tokenFault`'s code where the token is not one of ours
 */
export function pageOf<T>(
  all: Iterable<T>,
  keyOf: (item: T) => string,
  ask: { readonly limit: number; readonly token: string | undefined; readonly fault: string },
): Page<T> {
  const after = ask.token === undefined ? undefined : decodeToken(ask.token, ask.fault)
  const page: Keyed<T>[] = []
  let hasMore = false
  let last = ''
  for (const item of all) {
    const key = keyOf(item)
    if (after !== undefined && key <= after) continue
    if (page.length >= ask.limit) {
      hasMore = true
      // Most items of a long list are behind the page: they cost this one comparison.
      if (key >= last) continue
      page.pop()
    }
    insert(page, { item, key })
    last = page.at(-1)?.key ?? ''
  }
  return {
    items: page.map(({ item }) => item),
    next: hasMore && page.length > 0 ? encodeToken(last) : undefined,
  }
}

/**
 * The same of a table that may be long, where the records that are meant are those whose place in
 * the order begins with `prefix` and goes on; a place is unique and a record never changes its own.
 */
export function pageOfTable<T>(
  table: Table<T>,
  placeOf: (record: T) => string,
  ask: {
    readonly limit: number
    readonly token: string | undefined
    readonly fault: string
    readonly prefix: string
    readonly isWanted: (record: T) => boolean
  },
): Page<T> {
  const { prefix, limit, isWanted } = ask
  const after = ask.token === undefined ? '' : decodeToken(ask.token, ask.fault)
  const places = placesOf(table, placeOf)
  const items: T[] = []
  let last = ''
  for (let at = placeBehind(places, prefix + after); at < places.length; at += 1) {
    const { place = '', key = '' } = places[at] ?? {}
    if (!place.startsWith(prefix)) break
    const record = table.get(key)
    if (record === undefined || !isWanted(record)) continue
    if (items.length >= limit) return { items, next: encodeToken(last) }
    items.push(record)
    last = place.slice(prefix.length)
  }
  return { items, next: undefined }
}

interface Place {
  readonly place: string
  readonly key: string
}

const orders = new WeakMap<object, { readonly comings: number; readonly places: Place[] }>()

/** All records in their order; kept until one comes or goes. */
function placesOf<T>(table: Table<T>, placeOf: (record: T) => string): readonly Place[] {
  const { comings } = table
  const known = orders.get(table)
  if (known !== undefined && known.comings === comings) return known.places
  const places = [...table.entries()].map(([key, record]) => ({ place: placeOf(record), key }))
  places.sort((one, other) => (one.place < other.place ? -1 : 1))
  if (comings !== undefined) orders.set(table, { comings, places })
  return places
}

/** The first place behind another. */
function placeBehind(places: readonly Place[], other: string): number {
  let [low, high] = [0, places.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((places[middle]?.place ?? '') <= other) low = middle + 1
    else high = middle
  }
  return low
}

interface Keyed<T> {
  readonly item: T
  readonly key: string
}

/** Into its place in a sorted list, behind those of the same key. */
function insert<T>(page: Keyed<T>[], entry: Keyed<T>): void {
  let [low, high] = [0, page.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((page[middle]?.key ?? '') <= entry.key) low = middle + 1
    else high = middle
  }
  page.splice(low, 0, entry)
}

const PREFIX = 'page:'

const encodeToken = (key: string): string => Buffer.from(PREFIX + key).toString('base64url')

function decodeToken(token: string, fault: string): string {
  const text = Buffer.from(token, 'base64url').toString('utf8')
  if (token.length > 4096 || !text.startsWith(PREFIX)) {
    throw new AwsFault(fault, 'Invalid value for the paging token')
  }
  return text.slice(PREFIX.length)
}
