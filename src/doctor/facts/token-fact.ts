import { readAwsClaims } from '../../token/aws-claims.ts'
import { decodeToken, TokenFault } from '../../token/verify.ts'
import type { TokenFact } from './workload-facts.ts'

/** What a token says, believed by nobody; the token itself is not kept. */
export function tokenFact(text: string): TokenFact {
  try {
    const { claims, header } = decodeToken(text.trim())
    const { aud, azp, exp, iat, iss, nbf, raw, sub } = claims
    if (iat === undefined) throw new TokenFault('missing-claim', 'the token has no claim iat')
    const { amr, email } = raw
    const methods = [amr].flat().filter((method) => typeof method === 'string')
    return {
      source: 'given',
      issuer: iss,
      subject: sub,
      audiences: aud,
      algorithm: header.alg,
      expiresAt: exp,
      ...(azp !== undefined && { authorizedParty: azp }),
      issuedAt: iat,
      ...(nbf !== undefined && { notBefore: nbf }),
      ...(header.kid !== undefined && { keyId: header.kid }),
      aws: readAwsClaims(claims),
      ...(methods.length > 0 && { methods }),
      ...(typeof email === 'string' && { email }),
    }
  } catch (error) {
    if (!(error instanceof TokenFault)) throw error
    const { message: fault } = error
    return { source: 'given', issuer: '', subject: '', audiences: [], fault }
  }
}
