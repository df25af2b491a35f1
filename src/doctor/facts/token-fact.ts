import { decodeToken, TokenFault } from '../../token/verify.ts'
import type { TokenFact } from './workload-facts.ts'

/** What a token says, believed by nobody; the token itself is not kept. */
export function tokenFact(text: string): TokenFact {
  try {
    const { claims, header } = decodeToken(text.trim())
    const { aud, azp, exp, iat, iss, nbf, sub } = claims
    return {
      source: 'given',
      issuer: iss,
      subject: sub,
      audiences: aud,
      algorithm: header.alg,
      expiresAt: exp,
      ...(azp !== undefined && { authorizedParty: azp }),
      ...(iat !== undefined && { issuedAt: iat }),
      ...(nbf !== undefined && { notBefore: nbf }),
      ...(header.kid !== undefined && { keyId: header.kid }),
    }
  } catch (error) {
    if (!(error instanceof TokenFault)) throw error
    const { message: fault } = error
    return { source: 'given', issuer: '', subject: '', audiences: [], fault }
  }
}
