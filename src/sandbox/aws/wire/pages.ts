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
  const sorted = [...all]
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === undefined || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const page = sorted.slice(0, ask.limit)
  const last = page.at(-1)
  return {
    items: page.map(({ item }) => item),
    next: sorted.length > page.length && last !== undefined ? encodeToken(last.key) : undefined,
  }
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
