import { createPublicKey, type KeyObject } from 'node:crypto'
import { PodroleError } from '../lib/errors.ts'

/** A public key (RFC 7517, RFC 7518 section 6); never one of its private members. */
export interface Jwk {
  readonly kty: 'RSA' | 'EC'
  readonly kid?: string
  readonly use?: string
  readonly alg?: string
  readonly n?: string
  readonly e?: string
  readonly crv?: string
  readonly x?: string
  readonly y?: string
}

/** A JWK Set, as an issuer publishes it. */
export interface Jwks {
  readonly keys: readonly Jwk[]
}

const MAX_JWKS_CHARACTERS = 1_000_000
/** "Create an OpenID Connect (OIDC) identity provider in IAM": 100 RSA and 100 EC keys. */
export const MAX_KEYS_OF_A_TYPE = 100
const MIN_RSA_BITS = 2048

/**
 * Reads a JWK Set of at most 1,000,000 characters. Private members are dropped; a key of a type or
 * curve that STS does not know, or that lacks a member, is left out (RFC 7517 section 5). More than
 * 100 keys of one type are kept: `createKeySet` then refuses tokens of that type alone.
 * @throws PodroleError `InvalidJwks`: not a JWK Set, a symmetric key in it, or no usable key
 */
export function parseJwks(text: string): Jwks {
  if (text.length > MAX_JWKS_CHARACTERS) {
    throw invalid(`is ${text.length} characters long: wanted at most ${MAX_JWKS_CHARACTERS}`)
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw invalid('is not JSON', error)
  }
  const list = member(document, 'keys')
  if (!Array.isArray(list)) throw invalid('has no list "keys"')
  const keys = list.map(readJwk).filter((key) => key !== undefined)
  if (keys.length === 0) {
    throw invalid(`has no RSA or EC (P-256, P-384, P-521) key among its ${list.length}`)
  }
  return { keys }
}

function invalid(problem: string, cause?: unknown): PodroleError {
  return new PodroleError('InvalidJwks', `the JWKS ${problem}`, { cause })
}

function readJwk(value: unknown): Jwk | undefined {
  const text = (name: string): string | undefined => {
    const found = member(value, name)
    return typeof found === 'string' ? found : undefined
  }
  const kty = text('kty')
  if (kty === 'oct' || member(value, 'k') !== undefined) {
    throw invalid('holds a symmetric key: wanted public keys alone')
  }
  const common = present({ kid: text('kid'), use: text('use'), alg: text('alg') })
  const [n, e, crv, x, y] = ['n', 'e', 'crv', 'x', 'y'].map(text)
  if (kty === 'RSA' && n && e) return { kty, ...common, n, e }
  const curve = crv === 'P-256' || crv === 'P-384' || crv === 'P-521'
  if (kty === 'EC' && curve && x && y) return { kty, ...common, crv, x, y }
  return undefined
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

const present = <T extends object>(values: T): Present<T> =>
  Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Present<T>

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return Reflect.get(value, name)
}

/** The type and, for EC, the curve of the keys that sign with each algorithm (RFC 7518 section 3.1). */
const KEY_OF_ALGORITHM = {
  RS256: 'RSA',
  RS384: 'RSA',
  RS512: 'RSA',
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
} as const

/** The algorithms that AWS STS takes ("Create an OIDC identity provider in IAM"), and no others. */
export type TokenAlgorithm = keyof typeof KEY_OF_ALGORITHM
export const TOKEN_ALGORITHMS = Object.keys(KEY_OF_ALGORITHM) as readonly TokenAlgorithm[]

export function isTokenAlgorithm(name: string): name is TokenAlgorithm {
  return Object.hasOwn(KEY_OF_ALGORITHM, name)
}

/** The keys that may verify a token, or why there are none. */
type KeyChoice =
  | { readonly keys: readonly KeyObject[] }
  | { readonly reason: 'unknown-key' | 'too-many-keys'; readonly message: string }

/** An issuer's keys, imported once. */
export interface KeySet {
  /** How many keys can verify. */
  readonly size: number
  /**
   * The keys of exactly this `kid` that fit the algorithm. Undefined and the empty `kid` are the
   * same, and match only keys that have none.
   */
  choose(algorithm: TokenAlgorithm, kid: string | undefined): KeyChoice
}

interface ImportedKey {
  readonly jwk: Jwk
  readonly key: KeyObject | undefined
  readonly problem: string | undefined
}

/** Imports the keys. One that is not a point of its curve, or RSA under 2,048 bits, verifies nothing. */
export function createKeySet(jwks: Jwks): KeySet {
  const byKid = new Map<string, ImportedKey[]>()
  const counts = { RSA: 0, EC: 0 }
  let size = 0
  for (const jwk of jwks.keys) {
    counts[jwk.kty] += 1
    // Past the limit the type is refused as a whole: no work for keys that can never be used.
    if (counts[jwk.kty] > MAX_KEYS_OF_A_TYPE) continue
    const imported = importKey(jwk)
    if (imported.key !== undefined) size += 1
    const kid = jwk.kid ?? ''
    byKid.set(kid, [...(byKid.get(kid) ?? []), imported])
  }
  return {
    size,
    choose: (algorithm, kid) => {
      const wanted = KEY_OF_ALGORITHM[algorithm]
      const kty = wanted === 'RSA' ? 'RSA' : 'EC'
      if (counts[kty] > MAX_KEYS_OF_A_TYPE) {
        const message = `the issuer has ${counts[kty]} ${kty} keys: at most ${MAX_KEYS_OF_A_TYPE} are taken`
        return { reason: 'too-many-keys', message }
      }
      return chooseAmong(byKid.get(kid ?? '') ?? [], algorithm, kid)
    },
  }
}

function importKey(jwk: Jwk): ImportedKey {
  let key: KeyObject
  try {
    key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
  } catch {
    return { jwk, key: undefined, problem: 'is not a valid public key' }
  }
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (jwk.kty === 'RSA' && (bits === undefined || bits < MIN_RSA_BITS)) {
    const problem = `is RSA with ${bits ?? 'unknown'} bits: wanted ${MIN_RSA_BITS} or more`
    return { jwk, key: undefined, problem }
  }
  return { jwk, key, problem: undefined }
}

function chooseAmong(
  candidates: readonly ImportedKey[],
  algorithm: TokenAlgorithm,
  kid: string | undefined,
): KeyChoice {
  const name = kid ? `key ${JSON.stringify(kid.slice(0, 100))}` : 'key without a kid'
  if (candidates.length === 0) {
    return { reason: 'unknown-key', message: `the issuer has no ${name}` }
  }
  const fitting = candidates.filter(({ jwk }) => fits(jwk, algorithm))
  const keys = fitting.flatMap(({ key }) => key ?? [])
  if (keys.length > 0) return { keys }
  const problem = fitting[0]?.problem ?? `is not one for ${algorithm} signatures`
  return { reason: 'unknown-key', message: `the issuer's ${name} ${problem}` }
}

function fits(jwk: Jwk, algorithm: TokenAlgorithm): boolean {
  const wanted = KEY_OF_ALGORITHM[algorithm]
  if (jwk.use !== undefined && jwk.use !== 'sig') return false
  if (jwk.alg !== undefined && jwk.alg !== algorithm) return false
  return wanted === 'RSA' ? jwk.kty === 'RSA' : jwk.crv === wanted
}
