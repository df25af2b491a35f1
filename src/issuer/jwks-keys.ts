import { createPublicKey, type KeyObject } from 'node:crypto'
import { PodroleError } from '../lib/errors.ts'
import { isTokenAlgorithm } from '../token/jwks.ts'
import { kidOfJwk, isSameKey, type PublicSigningKey, suitableKey, withKid } from './keys.ts'

/** Bytes of one text; 100 RSA keys of 4,096 bits have 80,000. */
export const MAX_KEY_TEXT = 1_000_000

/** RFC 7518 sections 6.2.2, 6.3.2 and 6.4: members that no public key has. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const

/** Whose kids a JWK Set has. */
export interface JwksReading {
  /**
   * `kubernetes`: each is what Kubernetes computes from the key. `any`: an API server's own answer,
   * whose external signer chooses the kids that its tokens name.
   */
  readonly kids: 'kubernetes' | 'any'
}

/** What more is not read of. */
export const tooLong = (from: string): PodroleError =>
  new PodroleError(
    'KeyTextTooLong',
    `${from} is longer than ${MAX_KEY_TEXT} bytes: wanted public keys in PEM, or a JWKS`,
  )

/**
 * The keys of a JWK Set. A key without a kid gets Kubernetes' own; one with an empty kid must be a
 * copy of another one. An API server's keys keep the kids that they have.
 * @throws PodroleError `InvalidJwks`, `PrivateKeyGiven`, `UnsuitableKey`, `WrongKid`, `NoKeyFound`,
 *   `KeyTextTooLong`
 */
export function readJwksKeys(
  text: string,
  from: string,
  { kids }: JwksReading,
): readonly PublicSigningKey[] {
  if (text.length > MAX_KEY_TEXT) throw tooLong(from)
  const entries = jwksEntries(text, from)
  if (entries.length === 0) throw new PodroleError('NoKeyFound', `${from} is a JWKS without a key`)
  const keys = entries.map((entry, at) => readJwk(entry, `key ${at + 1} of ${from}`, kids))
  for (const [at, { kid, publicJwk }] of keys.entries()) {
    if (kid !== '' || kids === 'any') continue
    const isCopy = keys.some((other) => other.kid !== '' && isSameKey(other.publicJwk, publicJwk))
    if (!isCopy) throw wrongKid(`key ${at + 1} of ${from}`, '', kidOfJwk(publicJwk))
  }
  return keys
}

/** The entries of a JWK Set as they stand. @throws PodroleError `InvalidJwks` */
export function jwksEntries(
  text: string,
  from: string,
): readonly Readonly<Record<string, unknown>>[] {
  const refuse = (problem: string): PodroleError =>
    new PodroleError('InvalidJwks', `${from} ${problem}: wanted {"keys": [{"kty": …}]}`)
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw refuse('is not JSON')
  }
  const keys = isRecord(document) ? document['keys'] : undefined
  if (!Array.isArray(keys)) throw refuse('is no JWKS')
  return keys.map((entry: unknown) => {
    if (!isRecord(entry)) throw refuse('has an entry that is no key')
    return entry
  })
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function readJwk(
  entry: Readonly<Record<string, unknown>>,
  what: string,
  kids: JwksReading['kids'],
): PublicSigningKey {
  const members = PRIVATE_MEMBERS.filter((name) => Object.hasOwn(entry, name))
  if (members.length > 0) {
    throw new PodroleError(
      'PrivateKeyGiven',
      `${what} is a private key (it has ${members.map((name) => `"${name}"`).join(', ')}): wanted public members alone`,
      { hint: 'whoever can read that file can sign tokens: if it was published, replace the key' },
    )
  }
  const { kty, n, e, crv, x, y, kid, use, alg } = entry
  const key = suitableKey(() => importJwk({ kty, n, e, crv, x, y }), what)
  if (use !== undefined && use !== 'sig') {
    throw new PodroleError('UnsuitableKey', `${what} is not for signatures: wanted "use": "sig"`)
  }
  const named = namedKey(key, kid, what, kids)
  return alg === undefined ? named : withAlgorithm(named, alg, what)
}

function importJwk(members: Readonly<Record<string, unknown>>): KeyObject {
  const present = Object.entries(members).filter(([, value]) => value !== undefined)
  if (present.some(([, value]) => typeof value !== 'string' || !/^[\w-]+$/.test(value))) {
    throw new Error('not base64url')
  }
  return createPublicKey({ key: Object.fromEntries(present), format: 'jwk' })
}

function namedKey(
  key: PublicSigningKey,
  kid: unknown,
  what: string,
  kids: JwksReading['kids'],
): PublicSigningKey {
  if (kid === undefined || kid === key.kid) return key
  if (typeof kid !== 'string' || kid.length > 1024) {
    throw new PodroleError(
      'InvalidJwks',
      `${what} has a kid that is no text of 1 to 1024 characters`,
    )
  }
  if (kid !== '' && kids === 'kubernetes') throw wrongKid(what, kid, key.kid)
  return withKid(key, kid)
}

const wrongKid = (what: string, kid: string, right: string): PodroleError =>
  new PodroleError(
    'WrongKid',
    `${what} has the kid ${JSON.stringify(kid.slice(0, 100))}: Kubernetes computes ${JSON.stringify(right)} for it`,
    {
      hint: 'STS looks for the kid that the tokens name; an external signer may choose its own: read those with --from-api-server',
    },
  )

function withAlgorithm(key: PublicSigningKey, alg: unknown, what: string): PublicSigningKey {
  const { publicJwk } = key
  const fits =
    typeof alg === 'string' &&
    isTokenAlgorithm(alg) &&
    (publicJwk.kty === 'RSA' ? alg.startsWith('RS') : alg === publicJwk.alg)
  if (fits) return { ...key, publicJwk: { ...publicJwk, alg } }
  const wanted = publicJwk.kty === 'RSA' ? 'RS256, RS384 or RS512' : publicJwk.alg
  throw new PodroleError(
    'UnsuitableKey',
    `${what} has the algorithm ${JSON.stringify(alg)?.slice(0, 40)}: wanted ${wanted}`,
  )
}
