/** What publishing does, decided before anything is written. */
import { PodroleError } from '../../lib/errors.ts'
import { algorithmsOf, DISCOVERY_PATH, discoveryDocument, JWKS_PATH } from '../documents.ts'
import { jwksEntries, readJwksKeys } from '../jwks-keys.ts'
import { mergeKeys, publishedJwks } from '../key-lists.ts'
import { isSameKey, type PublicSigningKey } from '../keys.ts'
import type { DocumentPath, PublishedDocument, StoredDocument } from './store.ts'

/** What is to be published. */
export interface Publication {
  /** As `parseIssuerUrl` takes it. */
  readonly issuer: string
  readonly keys: readonly PublicSigningKey[]
  /** Kids of published keys that no token in use names any more; an empty one is a key's too. */
  readonly mayDrop: readonly string[]
  /** Keys that are published and not among `keys` stay, but for those of `mayDrop`. */
  readonly keepPublished: boolean
  readonly maxAgeSeconds: number
}

/** What is published; undefined where nothing is. */
export type Published = Readonly<Record<DocumentPath, StoredDocument | undefined>>

/** The writes in their order; after each of them all that is published is of use to STS. */
export interface PublishPlan {
  readonly writes: readonly PlannedWrite[]
  /** The keys that are published in the end. */
  readonly keys: readonly PublicSigningKey[]
  /** Kids. */
  readonly added: readonly string[]
  readonly dropped: readonly string[]
}

export interface PlannedWrite {
  readonly path: DocumentPath
  readonly document: PublishedDocument
}

/** A key of the published JWKS; `key` is undefined where it is none that STS takes. */
interface PublishedKey {
  readonly kid: string
  readonly key: PublicSigningKey | undefined
}

/**
 * Decides on the writes. A key is in the JWKS before the discovery document names its algorithm,
 * and its algorithm is out of the discovery document before it leaves the JWKS; a key that somebody
 * may still sign with never leaves.
 * @throws PodroleError `KeyStillPublished`, `KeyGivenAndDropped`, `TooManyKeys`,
 *   `OtherIssuerPublished`, `PublishedUnreadable`
 */
export function planPublish(wanted: Publication, published: Published): PublishPlan {
  const before = publishedKeys(published[JWKS_PATH])
  const beforeDiscovery = publishedDiscovery(wanted.issuer, published[DISCOVERY_PATH])
  const keys = keysToPublish(wanted, before)
  const dropped = before.filter((one) => !isAmong(one, keys))
  const document = (value: unknown): PublishedDocument => ({
    text: `${JSON.stringify(value, null, 2)}\n`,
    contentType: 'application/json',
    cacheControl: `public, max-age=${wanted.maxAgeSeconds}`,
  })
  const jwksOf = (list: readonly PublicSigningKey[]): PlannedWrite => ({
    path: JWKS_PATH,
    document: document(publishedJwks(list)),
  })
  const algorithms = algorithmsOf(publishedJwks(keys))
  const discovery: PlannedWrite = {
    path: DISCOVERY_PATH,
    document: document(discoveryDocument(wanted.issuer, { algorithms })),
  }
  const jwks = jwksOf(keys)
  const isChanged = ({ path, document: next }: PlannedWrite): boolean =>
    !isUnchanged(published[path], next)
  const plan = {
    keys,
    added: keys.filter((key) => !before.some((one) => isSame(one, key))).map(({ kid }) => kid),
    dropped: dropped.map(({ kid }) => kid),
  }
  if (!isChanged(jwks) || !isChanged(discovery)) {
    return { ...plan, writes: [jwks, discovery].filter(isChanged) }
  }
  const usable = before.flatMap(({ key }) => key ?? [])
  const order = orderOf({
    drops: dropped.length > 0,
    loses: beforeDiscovery.some((name) => !algorithms.includes(name)),
    gains: algorithms.some((name) => !algorithmsOf(publishedJwks(usable)).includes(name)),
  })
  const writes = {
    'keys first': [jwks, discovery],
    'discovery first': [discovery, jwks],
    'all keys first': [jwksOf(mergeKeys([usable, keys])), discovery, jwks],
  }
  return { ...plan, writes: writes[order] }
}

/**
 * In which order both documents are written. Only where a publication gains an algorithm and loses
 * another one at once, neither order is right: then the keys of both are published in between.
 */
function orderOf(change: {
  readonly drops: boolean
  readonly loses: boolean
  readonly gains: boolean
}): 'keys first' | 'discovery first' | 'all keys first' {
  if (!change.drops || !change.loses) return 'keys first'
  return change.gains ? 'all keys first' : 'discovery first'
}

/** Those that stay come first, in the order that they have. */
function keysToPublish(
  { keys, mayDrop, keepPublished }: Publication,
  before: readonly PublishedKey[],
): readonly PublicSigningKey[] {
  const contradiction = keys.find(
    (key) =>
      mayDrop.includes(key.kid) && !before.some((one) => one.kid === key.kid && !isSame(one, key)),
  )
  if (contradiction !== undefined) {
    throw new PodroleError(
      'KeyGivenAndDropped',
      `key ${JSON.stringify(contradiction.kid)} is to be published and to be dropped`,
      { hint: 'leave it out of one of the two' },
    )
  }
  const stays = (one: PublishedKey): boolean =>
    isAmong(one, keys) || (keepPublished && !mayDrop.includes(one.kid))
  const lost = before.filter(
    (one) => !mayDrop.includes(one.kid) && (one.key === undefined || !stays(one)),
  )
  if (lost.length > 0) throw stillPublished(lost)
  const staying = before
    .filter(stays)
    .flatMap((one) => keys.find((key) => isSame(one, key)) ?? one.key ?? [])
  return mergeKeys([staying, keys])
}

function stillPublished(lost: readonly PublishedKey[]): PodroleError {
  const names = lost.map(({ kid }) => JSON.stringify(kid.slice(0, 200)))
  const list = names.slice(0, 100).join(', ')
  return new PodroleError(
    'KeyStillPublished',
    `${lost.length} published key(s) would be dropped: ${list}; tokens that they signed would be refused`,
    {
      hint: 'give those keys too, or --keep-published; --drop-key KID for each that signs no more and whose tokens have all expired',
    },
  )
}

const isSame = (one: PublishedKey, key: PublicSigningKey): boolean =>
  one.key !== undefined && one.kid === key.kid && isSameKey(one.key.publicJwk, key.publicJwk)

const isAmong = (one: PublishedKey, keys: readonly PublicSigningKey[]): boolean =>
  keys.some((key) => isSame(one, key))

/** @throws PodroleError `PublishedUnreadable` */
function publishedKeys(stored: StoredDocument | undefined): readonly PublishedKey[] {
  if (stored === undefined) return []
  return entriesOf(stored).map((entry) => {
    const kid = typeof entry['kid'] === 'string' ? entry['kid'] : ''
    try {
      // A key without a kid verifies what has none; an own one would make it another key.
      const text = JSON.stringify({ keys: [{ ...entry, kid }] })
      return { kid, key: readJwksKeys(text, 'the published JWKS', { kids: 'any' })[0] }
    } catch {
      return { kid, key: undefined }
    }
  })
}

function entriesOf(stored: StoredDocument): readonly Readonly<Record<string, unknown>>[] {
  try {
    return jwksEntries(stored.text, 'the published JWKS')
  } catch (error) {
    throw unreadable('JWKS', error)
  }
}

/**
 * The algorithms that the published discovery document names.
 * @throws PodroleError `OtherIssuerPublished`, `PublishedUnreadable`
 */
function publishedDiscovery(issuer: string, stored: StoredDocument | undefined): readonly string[] {
  if (stored === undefined) return []
  const found = parsed(stored.text)
  if (typeof found !== 'object' || found === null) throw unreadable('discovery document')
  const [other, uri, names]: unknown[] = [
    'issuer',
    'jwks_uri',
    'id_token_signing_alg_values_supported',
  ].map((name) => Reflect.get(found, name))
  if (other !== issuer) throw otherIssuer('issuer', other, issuer)
  const { jwks_uri: ownUri } = discoveryDocument(issuer, { algorithms: [] })
  if (uri !== ownUri) throw otherIssuer('jwks_uri', uri, ownUri)
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
}

const otherIssuer = (member: string, found: unknown, wanted: string): PodroleError =>
  new PodroleError(
    'OtherIssuerPublished',
    `the discovery document that is published there has the ${member} ${(JSON.stringify(found) ?? 'undefined').slice(0, 300)}: wanted ${JSON.stringify(wanted)}`,
    {
      hint: 'each issuer has a place of its own: choose another prefix, or take that document away if nobody uses it',
    },
  )

const unreadable = (what: string, cause?: unknown): PodroleError =>
  new PodroleError(
    'PublishedUnreadable',
    `the ${what} that is published there cannot be read: what it names would be lost`,
    { hint: 'look at it; take it away if nobody uses it', cause },
  )

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The same members and keys in any order, and the same headers where the store keeps them. */
function isUnchanged(stored: StoredDocument | undefined, next: PublishedDocument): boolean {
  return (
    stored !== undefined &&
    (stored.contentType ?? next.contentType) === next.contentType &&
    (stored.cacheControl ?? next.cacheControl) === next.cacheControl &&
    canonical(parsed(stored.text)) === canonical(parsed(next.text))
  )
}

/** Deeper than both documents are. */
const MAX_DEPTH = 8

/** One text for all spellings of a value, whatever order its members and items have. */
function canonical(value: unknown, depth = 0): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined'
  if (depth === MAX_DEPTH) return 'deeper'
  if (Array.isArray(value)) {
    return `[${value
      .map((item) => canonical(item, depth + 1))
      .sort()
      .join()}]`
  }
  const members = Object.entries(value).map(
    ([name, item]) => `${JSON.stringify(name)}:${canonical(item, depth + 1)}`,
  )
  return `{${members.sort().join()}}`
}
