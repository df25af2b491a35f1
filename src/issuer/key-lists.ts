import { PodroleError } from '../lib/errors.ts'
import { type Jwks, MAX_KEYS_OF_A_TYPE } from '../token/jwks.ts'
import { type PublicSigningKey, withKid } from './keys.ts'

/**
 * The keys of several sources, each once, in their order; copies with an empty kid come last.
 * @throws PodroleError `TooManyKeys`: over 100 of a type; STS then refuses every token of that type
 *   ("Create an OpenID Connect (OIDC) identity provider in IAM")
 */
export function mergeKeys(
  sources: readonly (readonly PublicSigningKey[])[],
): readonly PublicSigningKey[] {
  const merged = new Map<string, PublicSigningKey>()
  for (const key of sources.flat()) {
    const { n, e, crv, x, y } = key.publicJwk
    const name = JSON.stringify([key.kid, n, e, crv, x, y])
    if (!merged.has(name)) merged.set(name, key)
  }
  const keys = [...merged.values()]
  for (const type of ['RSA', 'EC'] as const) {
    const count = keys.filter(({ publicJwk }) => publicJwk.kty === type).length
    if (count > MAX_KEYS_OF_A_TYPE) {
      throw new PodroleError(
        'TooManyKeys',
        `there are ${count} ${type} keys: AWS STS takes at most ${MAX_KEYS_OF_A_TYPE} of a type`,
        { hint: 'leave out those that no token is signed with any more' },
      )
    }
  }
  return [...keys.filter(({ kid }) => kid !== ''), ...keys.filter(({ kid }) => kid === '')]
}

/**
 * The keys and a copy of the first one with an empty kid, for tokens without a kid: STS takes those
 * as signed by the key whose kid is empty, and compares exactly. Clusters before Kubernetes 1.16
 * sign such tokens (aws/amazon-eks-pod-identity-webhook, SELF_HOSTED_SETUP.md).
 */
export function withLegacyEmptyKid(keys: readonly PublicSigningKey[]): readonly PublicSigningKey[] {
  const [first] = keys
  return first === undefined ? keys : mergeKeys([keys, [withKid(first, '')]])
}

/** The JWK Set that is published for these keys. */
export const publishedJwks = (keys: readonly PublicSigningKey[]): Jwks => ({
  keys: keys.map(({ publicJwk }) => publicJwk),
})
