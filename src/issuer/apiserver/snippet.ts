/** What is written for a distribution of Kubernetes. */
import { PodroleError } from '../../lib/errors.ts'
import { JWKS_PATH } from '../documents.ts'
import type { ApiServerFlag, ApiServerSetting } from './setting.ts'

/** A setting in the words of one distribution. */
export interface Snippet {
  /** The parts of its configuration, each a YAML document; none where flags alone are printed. */
  readonly documents: readonly object[]
  /** What whoever applies it should know. */
  readonly notes: readonly string[]
  /** What is run with it then. */
  readonly commands: readonly string[]
}

/** Names that a snippet holds beside the setting. */
export interface SnippetNames {
  readonly cluster: string
}

/** `NAME=VALUE` of each flag. */
export const wordsOf = (flags: readonly ApiServerFlag[]): readonly string[] =>
  flags.map(({ name, value }) => `${name}=${value}`)

/**
 * Throws for the first thing of a setting that a distribution has no place for.
 * @param lacks what it has no place for, and what to do instead
 * @throws PodroleError `NotOfDistribution`
 */
export function refuse(
  setting: ApiServerSetting,
  distribution: string,
  lacks: Readonly<Partial<Record<Lacking, string>>>,
): void {
  for (const [what, hint] of Object.entries(lacks)) {
    const found = PRESENT[what as Lacking](setting)
    if (found === undefined) continue
    throw new PodroleError('NotOfDistribution', `${distribution} has no place for ${found}`, {
      hint,
    })
  }
}

type Lacking =
  | 'signingEndpoint'
  | 'keyFiles'
  | 'oldIssuers'
  | 'apiAudiences'
  | 'lifeOfTokens'
  | 'jwksUri'

const PRESENT: Readonly<Record<Lacking, (setting: ApiServerSetting) => string | undefined>> = {
  signingEndpoint: ({ signingEndpoint }) => signingEndpoint && '--service-account-signing-endpoint',
  keyFiles: ({ keyFiles }) => (keyFiles.length === 0 ? undefined : 'key files'),
  oldIssuers: ({ issuers }) => (issuers.length < 2 ? undefined : 'a second issuer'),
  apiAudiences: ({ apiAudiences }) => (apiAudiences.length === 0 ? undefined : '--api-audiences'),
  lifeOfTokens: ({ maxTokenSeconds, extendTokens }) =>
    maxTokenSeconds === undefined && extendTokens === undefined
      ? undefined
      : 'the life of tokens (--service-account-max-token-expiration, --service-account-extend-token-expiration)',
  jwksUri: ({ jwksUri, issuers }) =>
    jwksUri === undefined || issuers.some((issuer) => jwksUri === issuer + JWKS_PATH)
      ? undefined
      : '--jwks-uri',
}
