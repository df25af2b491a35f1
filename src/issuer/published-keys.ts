import { PodroleError } from '../lib/errors.ts'
import { type Jwks, parseJwks } from '../token/jwks.ts'
import { checkJwksUri, DISCOVERY_PATH, issuerBase } from './documents.ts'
import { fetchOutside, textMember } from './outside-fetch.ts'
import type { IssuerNames } from './outside/issuer-names.ts'

/**
 * The keys that an issuer publishes, read from outside as STS reads them: its discovery document,
 * which has to name the same issuer, then `jwks_uri` (OpenID Connect Discovery 1.0 section 4).
 * @throws PodroleError `InvalidIssuer`, `IssuerUnreachable`, `InvalidIssuerDocument`, `InvalidJwks`
 */
export async function readPublishedKeys(issuer: string, names: IssuerNames): Promise<Jwks> {
  const url = issuerBase(issuer) + DISCOVERY_PATH
  const document = await fetchOutside(names, url, { isVerified: true })
  const named = textMember(document, 'issuer')
  if (named !== issuer) {
    throw new PodroleError(
      'InvalidIssuerDocument',
      `${url} names issuer ${JSON.stringify(named)?.slice(0, 300) ?? 'nowhere'}: wanted ${issuer}`,
    )
  }
  const uri = textMember(document, 'jwks_uri')
  if (uri === undefined) {
    throw new PodroleError('InvalidIssuerDocument', `${url} has no jwks_uri`)
  }
  checkJwksUri(uri)
  return parseJwks(JSON.stringify(await fetchOutside(names, uri, { isVerified: true })))
}
