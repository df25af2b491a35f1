import type { KeyObject } from 'node:crypto'
import { compactVerify, errors } from 'jose'
import { PodroleError } from '../lib/errors.ts'
import { readClaims, type TokenClaims } from './claims.ts'
import { isTokenAlgorithm, type KeySet, TOKEN_ALGORITHMS, type TokenAlgorithm } from './jwks.ts'

export type TokenFaultReason =
  | 'malformed'
  | 'unsupported-algorithm'
  | 'unknown-key'
  | 'too-many-keys'
  | 'bad-signature'
  | 'missing-claim'
  | 'wrong-issuer'
  | 'wrong-audience'
  | 'expired'
  | 'not-yet-valid'

/** Why a token was refused. Neither the message nor the cause holds the token or a part of it. */
export class TokenFault extends PodroleError {
  readonly reason: TokenFaultReason
  /** The claim that the fault is about. */
  readonly claim?: string
  /** Only where the signature was good: what an unverified token says is nobody's word. */
  readonly claims?: TokenClaims

  constructor(
    reason: TokenFaultReason,
    message: string,
    details: { readonly claim?: string; readonly claims?: TokenClaims } = {},
  ) {
    super('TokenFault', message, { status: 401 })
    this.name = 'TokenFault'
    this.reason = reason
    if (details.claim !== undefined) this.claim = details.claim
    if (details.claims !== undefined) this.claims = details.claims
  }
}

/** What is read from a token without verifying it. */
export interface DecodedToken {
  readonly header: { readonly alg: string; readonly kid?: string }
  readonly claims: TokenClaims
}

/** What a token is held against; unset options check nothing. */
export interface VerifyOptions {
  readonly keys: KeySet
  readonly nowMs: number
  readonly issuer?: string
  readonly audience?: string
  /** Seconds that a token is still taken after `exp`; default 0. AWS STS gives 300. */
  readonly expiryLeewaySeconds?: number
  /** Seconds that `nbf` and `iat` may lie in the future; default 0. */
  readonly futureLeewaySeconds?: number
  /** Claims besides `iss`, `sub`, `aud` and `exp` that must be there. */
  readonly requiredClaims?: readonly string[]
}

/** The length of `WebIdentityToken` in the API of AWS STS. */
const MIN_CHARACTERS = 4
const MAX_CHARACTERS = 20_000
const MAX_KID_CHARACTERS = 1000

/**
 * Reads a JWS in compact form (RFC 7515 section 7.1) without verifying anything: use what it says
 * only to find whose keys to verify with. 4 to 20,000 characters, strict base64url (RFC 4648
 * section 5 without padding, canonical), UTF-8 JSON objects, claims of the right types.
 * @throws TokenFault `malformed` or `missing-claim`
 */
export function decodeToken(token: string): DecodedToken {
  if (token.length < MIN_CHARACTERS || token.length > MAX_CHARACTERS) {
    throw malformed(`has ${token.length} characters: wanted ${MIN_CHARACTERS} to ${MAX_CHARACTERS}`)
  }
  const segments = token.split('.')
  const [first, second, third] = segments
  if (segments.length !== 3 || first === undefined || second === undefined || third === undefined) {
    throw malformed(`has ${segments.length} segments: wanted three`)
  }
  const header = readHeader(decodeObject(first, 'header'))
  const raw = decodeObject(second, 'payload')
  // An empty signature is how `alg: none` is written; it is refused by its algorithm.
  if (third !== '') decodeBase64url(third, 'signature')
  const claims = readClaims(raw)
  if ('wanted' in claims) {
    const { claim, missing, wanted } = claims
    throw missing
      ? new TokenFault('missing-claim', `the token lacks the claim ${claim}`, { claim })
      : new TokenFault('malformed', `the token's claim ${claim} is not ${wanted}`, { claim })
  }
  return { header, claims }
}

/**
 * Verifies a token: RS256/384/512 and ES256/384/512 only, by the issuer's keys alone; nothing in
 * the token (`kid`, `jku`, `jwk`, `x5u`) makes anything fetch or adds a key. Order: form, algorithm,
 * key, signature, required claims, issuer, audience, times.
 * @throws TokenFault
 */
export async function verifyToken(
  token: string,
  options: VerifyOptions,
): Promise<{ claims: TokenClaims; kid?: string }> {
  const { header, claims } = decodeToken(token)
  const { alg, kid } = header
  if (!isTokenAlgorithm(alg)) {
    throw new TokenFault(
      'unsupported-algorithm',
      `the token's algorithm is ${JSON.stringify(alg.slice(0, 40))}: wanted one of ${TOKEN_ALGORITHMS.join(', ')}`,
    )
  }
  const choice = options.keys.choose(alg, kid)
  if ('reason' in choice) throw new TokenFault(choice.reason, choice.message)
  await verifySignature(token, alg, choice.keys)
  checkClaims(claims, options)
  return { claims, ...(kid !== undefined && { kid }) }
}

async function verifySignature(
  token: string,
  algorithm: TokenAlgorithm,
  keys: readonly KeyObject[],
): Promise<void> {
  for (const key of keys) {
    try {
      await compactVerify(token, key, { algorithms: [algorithm] })
      return
    } catch (error) {
      // Anything else than a wrong signature is our own fault, but the token stays unverified.
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) break
    }
  }
  throw new TokenFault('bad-signature', "the token's signature was not made by the issuer's key")
}

function checkClaims(claims: TokenClaims, options: VerifyOptions): void {
  for (const claim of options.requiredClaims ?? []) {
    if (Object.hasOwn(claims.raw, claim)) continue
    const message = `the token lacks the claim ${claim}`
    throw new TokenFault('missing-claim', message, { claim, claims })
  }
  if (options.issuer !== undefined && claims.iss !== options.issuer) {
    throw new TokenFault(
      'wrong-issuer',
      `the token's issuer is ${quote(claims.iss)}: wanted ${quote(options.issuer)}`,
      { claim: 'iss', claims },
    )
  }
  if (options.audience !== undefined && !claims.aud.includes(options.audience)) {
    throw new TokenFault(
      'wrong-audience',
      `the token's audience is ${claims.aud.slice(0, 5).map(quote).join(', ')}: wanted ${quote(options.audience)}`,
      { claim: 'aud', claims },
    )
  }
  checkTimes(claims, options)
}

/** RFC 7519 section 4.1: not accepted on or after `exp`, nor before `nbf`; `iat` as `nbf`. */
function checkTimes(claims: TokenClaims, options: VerifyOptions): void {
  const { nowMs } = options
  if (nowMs >= (claims.exp + (options.expiryLeewaySeconds ?? 0)) * 1000) {
    throw new TokenFault(
      'expired',
      `the token expired at ${timeOf(claims.exp)}; it is ${timeOf(nowMs / 1000)}`,
      { claim: 'exp', claims },
    )
  }
  for (const claim of ['nbf', 'iat'] as const) {
    const start = claims[claim]
    if (start === undefined) continue
    if (nowMs >= (start - (options.futureLeewaySeconds ?? 0)) * 1000) continue
    throw new TokenFault(
      'not-yet-valid',
      `the token is valid from ${timeOf(start)} (${claim}); it is ${timeOf(nowMs / 1000)}`,
      { claim, claims },
    )
  }
}

function readHeader(header: Readonly<Record<string, unknown>>): DecodedToken['header'] {
  const { alg, kid } = header
  if (typeof alg !== 'string') throw malformed('has no algorithm in its header')
  if (Object.hasOwn(header, 'crit') || header['b64'] === false) {
    throw malformed('asks for extensions in its header (crit, b64): none is supported')
  }
  if (!Object.hasOwn(header, 'kid')) return { alg }
  if (typeof kid !== 'string' || kid.length > MAX_KID_CHARACTERS) {
    throw malformed(`has a kid that is not a string of at most ${MAX_KID_CHARACTERS} characters`)
  }
  return { alg, kid }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeObject(segment: string, name: string): Readonly<Record<string, unknown>> {
  const bytes = decodeBase64url(segment, name)
  let value: unknown
  try {
    value = JSON.parse(UTF8.decode(bytes))
  } catch {
    // The parser's own message quotes the text: no cause.
    throw malformed(`has a ${name} that is not UTF-8 JSON`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`has a ${name} that is not a JSON object`)
  }
  return value as Readonly<Record<string, unknown>>
}

/** Decoders ignore stray characters and trailing bits: what does not encode back is refused. */
function decodeBase64url(segment: string, name: string): Buffer {
  const bytes = Buffer.from(segment, 'base64url')
  if (segment === '' || bytes.toString('base64url') !== segment) {
    throw malformed(`has a ${name} that is not base64url`)
  }
  return bytes
}

const malformed = (problem: string): TokenFault =>
  new TokenFault('malformed', `the token ${problem}`)

const quote = (text: string): string => JSON.stringify(text.slice(0, 255))

function timeOf(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString()
}
