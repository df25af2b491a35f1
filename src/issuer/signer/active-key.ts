import { PodroleError } from '../../lib/errors.ts'
import { isSameKey, type PublicSigningKey, type SigningKey } from '../keys.ts'
import { jwsHeader, signBytes } from '../sign.ts'
import type { ActiveKey } from './signing-source.ts'

/** A key whose private half is in this process. */
export const localKey = (key: SigningKey): ActiveKey => ({
  kid: key.kid,
  algorithm: key.algorithm,
  header: jwsHeader(key),
  sign: (data) => signBytes(key, data),
})

/**
 * Holds a private half against the public one that was published: a token that is signed with
 * another key is refused by everybody.
 * @throws PodroleError `SigningKeyMismatch`
 */
export function checkPair(own: PublicSigningKey, published: PublicSigningKey, from: string): void {
  if (own.kid === published.kid && isSameKey(own.publicJwk, published.publicJwk)) return
  throw new PodroleError(
    'SigningKeyMismatch',
    `${from} holds key ${own.kid}: wanted ${published.kid}, which is published`,
    { hint: 'put back the key that belongs there; tokens of this one would be refused' },
  )
}
