import { PodroleError } from '../lib/errors.ts'
import type { Jwk, Jwks } from '../token/jwks.ts'
import type { SigningKey } from './keys.ts'

/**
 * The discovery document, with the six members that IAM asks for ("Create an OpenID Connect (OIDC)
 * identity provider in IAM", prerequisites). kube-apiserver's own lacks `claims_supported`.
 */
export interface DiscoveryDocument {
  readonly issuer: string
  readonly jwks_uri: string
  readonly response_types_supported: readonly string[]
  readonly subject_types_supported: readonly string[]
  readonly id_token_signing_alg_values_supported: readonly string[]
  readonly claims_supported: readonly string[]
}

/** OpenID Connect Discovery 1.0 section 4: appended to the issuer, a terminating slash removed. */
export const DISCOVERY_PATH = '/.well-known/openid-configuration'
/** Where podrole publishes an issuer's keys, appended to the issuer in the same way. */
export const JWKS_PATH = '/keys.json'

/** The JWK Set of these keys, each kid once. */
export function jwksOf(keys: readonly Pick<SigningKey, 'publicJwk'>[]): Jwks {
  const byKid = new Map<string, Jwk>()
  for (const { publicJwk } of keys) byKid.set(publicJwk.kid ?? '', publicJwk)
  return { keys: [...byKid.values()] }
}

const EC_ALGORITHMS: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
}

/** The algorithms that these keys sign with, each once and sorted. */
export function algorithmsOf({ keys }: Jwks): readonly string[] {
  return [...new Set(keys.map((key) => algorithmOf(key)))].sort()
}

const algorithmOf = (key: Jwk): string =>
  key.alg ?? (key.kty === 'RSA' ? 'RS256' : (EC_ALGORITHMS[key.crv ?? ''] ?? 'ES256'))

/**
 * Where the keys of an issuer that podrole makes are, if not at its `JWKS_PATH`.
 * @throws PodroleError `InvalidJwksUri`: not an https URL without user and fragment
 */
export function checkJwksUri(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const plain = url !== undefined && `${url.username}${url.password}${url.hash}` === ''
  if (plain && url.protocol === 'https:' && !/[#\s]/.test(text)) return
  throw new PodroleError(
    'InvalidJwksUri',
    'the JWKS URI is not one: wanted an https URL without user and fragment',
    { hint: 'STS reads it over TLS as it stands in the discovery document' },
  )
}

/**
 * The discovery document of an issuer.
 * @throws PodroleError `InvalidIssuer`
 */
export function discoveryDocument(
  issuer: string,
  options: { readonly algorithms: readonly string[]; readonly jwksUri?: string },
): DiscoveryDocument {
  return {
    issuer,
    jwks_uri: options.jwksUri ?? issuerBase(issuer) + JWKS_PATH,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(options.algorithms)],
    claims_supported: ['aud', 'iat', 'iss', 'sub'],
  }
}

/**
 * The issuer without a terminating slash: what paths are appended to.
 * @throws PodroleError `InvalidIssuer`: not an https URL without user, query and fragment
 */
export function issuerBase(issuer: string): string {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined
  const extra = url && `${url.username}${url.password}${url.search}${url.hash}`
  if (url?.protocol !== 'https:' || extra !== '' || /[?#\s]/.test(issuer)) {
    throw new PodroleError(
      'InvalidIssuer',
      `issuer ${JSON.stringify(issuer)} is not one: wanted an https URL without query and fragment`,
    )
  }
  return issuer.replace(/\/$/, '')
}
