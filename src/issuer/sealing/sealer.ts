/** Private keys at rest: the port that seals them before they are stored. */
import { PodroleError } from '../../lib/errors.ts'
import type { Secret } from '../../lib/secret.ts'

/** Which key of which issuer is sealed; what was sealed for one opens for no other. */
export interface SealedFor {
  /** The issuer's URL. */
  readonly issuer: string
  readonly kid: string
}

/** Seals a private key into text that may lie in a database, and opens that again. */
export interface KeySealer {
  /** What it seals with, for messages and logs: a file, or a key of KMS. */
  readonly name: string
  /** Whether a text was sealed by a sealer of this kind. */
  seals(text: string): boolean
  /** @throws PodroleError `SealingFailed` */
  seal(key: Secret, of: SealedFor): Promise<string>
  /** @throws PodroleError `SealedKeyUnreadable`: another key's, changed, or it may not open it */
  open(text: string, of: SealedFor): Promise<Secret>
}

/** Whether a stored private key is as `exportSigningKey` gives it, sealed by nobody. */
export const isUnsealed = (text: string): boolean => text.startsWith('-----BEGIN ')

export const unreadable = (
  { issuer, kid }: SealedFor,
  why: string,
  hint: string,
  cause?: unknown,
): PodroleError =>
  new PodroleError('SealedKeyUnreadable', `key ${kid} of ${issuer} cannot be opened: ${why}`, {
    hint,
    ...(cause !== undefined && { cause }),
  })
