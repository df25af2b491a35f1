import type { PublicSigningKey, SigningAlgorithm } from '../keys.ts'

/** What tokens are signed with, wherever its private half is. */
export interface ActiveKey {
  readonly kid: string
  readonly algorithm: SigningAlgorithm
  /** A token's first segment. */
  readonly header: string
  /** A JWS's signature over its first two segments (EC: r || s, RFC 7518 section 3.4). */
  sign(data: Buffer): Buffer | Promise<Buffer>
}

/** An issuer's keys as they were at one moment. */
export interface IssuerKeys {
  /** What tokens are verified with: prepared, active and retiring keys. */
  readonly published: readonly PublicSigningKey[]
  /** One of `published`. */
  readonly active: ActiveKey
  /** Seconds from now that a token may last at most. */
  readonly maxTokenSeconds: number
  /** Seconds that a new key is published before it signs; undefined where nobody says. */
  readonly settleSeconds?: number
}

/** Where an issuer's keys are kept. */
export interface SigningSource {
  /** For logs. */
  readonly name: string
  /**
   * Seconds that signing goes on while the source cannot be read: after them another signer may
   * have gone over to a new key, and the old one's time of retirement be counted from then.
   */
  readonly maxStaleSeconds: number
  /** Reads all anew. @throws PodroleError saying what is wrong; nothing of a set is then used */
  read(): Promise<IssuerKeys>
}

/** What tells two states of a source apart. */
export const issuerKeysFields = (keys: IssuerKeys): Readonly<Record<string, unknown>> => ({
  activeKid: keys.active.kid,
  kids: keys.published.map(({ kid }) => kid),
  maxTokenSeconds: keys.maxTokenSeconds,
  settleSeconds: keys.settleSeconds,
})
