import { createKeySet, type KeySet, parseJwks } from '../../../token/jwks.ts'
import { PodroleError } from '../../../lib/errors.ts'
import type { IssuerNames } from '../../../issuer/outside/issuer-names.ts'
import { fetchIssuerDocument } from '../../issuer-names.ts'
import { isRecord } from '../wire/xml.ts'

const TIMEOUT_MS = 5000

/**
 * An issuer's keys, fetched anew: its discovery document with the six members that IAM asks for,
 * then its JWKS. Source: IAM User Guide, "Create an OpenID Connect (OIDC) identity provider in IAM".
 * Which claims `claims_supported` lists is not looked at: EKS's own documents list `sub` and `iss`.
 * @throws PodroleError whose message says what was wrong
 */
export async function fetchIssuerKeys(names: IssuerNames, issuer: string): Promise<KeySet> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const { json } = await fetchIssuerDocument(names, url, signal)
  const jwksUri = readJwksUri(json, issuer)
  const { text } = await fetchIssuerDocument(names, jwksUri, signal)
  return createKeySet(parseJwks(text))
}

function readJwksUri(document: unknown, issuer: string): string {
  if (!isRecord(document)) throw invalid('it is not a JSON object')
  if (document['issuer'] !== issuer) {
    throw invalid(`its issuer is not exactly ${JSON.stringify(issuer)}`)
  }
  checkList(document, 'claims_supported', [])
  checkList(document, 'response_types_supported', ['id_token'])
  checkList(document, 'subject_types_supported', ['public'])
  checkList(document, 'id_token_signing_alg_values_supported', [])
  const { jwks_uri: jwksUri } = document
  if (typeof jwksUri !== 'string' || !jwksUri.startsWith('https://')) {
    throw invalid('it has no jwks_uri of https')
  }
  return jwksUri
}

function checkList(
  document: Readonly<Record<string, unknown>>,
  name: string,
  wanted: readonly string[],
): void {
  const list = document[name]
  if (!Array.isArray(list) || list.length === 0) throw invalid(`it has no list ${name}`)
  const missing = wanted.filter((value) => !list.includes(value))
  if (missing.length > 0) throw invalid(`its ${name} lacks ${missing.join(', ')}`)
}

const invalid = (why: string): PodroleError =>
  new PodroleError('InvalidDiscoveryDocument', `the discovery document is of no use: ${why}`)
