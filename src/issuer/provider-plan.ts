import { issuerHostPath, oidcProviderArn } from '../iam/arn.ts'
import { missingTags, OWNER_TAG, type Tags } from '../iam/tags.ts'
import { PodroleError } from '../lib/errors.ts'

/** What an account's IAM OIDC provider for an issuer is to be. */
export interface DesiredProvider {
  /** `https://…`, as in the tokens' `iss`. */
  readonly issuer: string
  readonly clientIds: readonly string[]
  /** 40 hexadecimal digits each, in small letters. */
  readonly thumbprints: readonly string[]
  readonly tags: Tags
}

/** An IAM OIDC provider as it is. */
export interface ObservedProvider {
  readonly arn: string
  readonly issuer: string
  readonly clientIds: readonly string[]
  readonly thumbprints: readonly string[]
  readonly tags: Tags
}

/** What is there before a plan is made. */
export interface ProviderSurroundings {
  readonly partition: string
  readonly accountId: string
  /** The provider of the issuer, where the account has one. */
  readonly provider: ObservedProvider | undefined
  /** How many providers the account has, and how many it may have. */
  readonly used: number
  readonly quota: { readonly value: number; readonly isLive: boolean; readonly text: string }
}

export type ProviderStep =
  | { readonly step: 'create'; readonly provider: DesiredProvider }
  | { readonly step: 'add-client-id'; readonly clientId: string }
  | { readonly step: 'set-thumbprints'; readonly thumbprints: readonly string[] }
  | { readonly step: 'tag'; readonly tags: Tags }

export interface ProviderPlan {
  readonly arn: string
  /** None where everything is there. */
  readonly steps: readonly ProviderStep[]
}

const MAX_CLIENT_IDS = 100
const MAX_THUMBPRINTS = 5

/**
 * Checks what is asked for by IAM's rules, before any call.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
 * @throws PodroleError `InvalidIssuerUrl`, `InvalidClientId`, `InvalidThumbprint`
 */
export function checkDesiredProvider(desired: DesiredProvider): void {
  checkProviderIssuer(desired.issuer)
  const { clientIds, thumbprints } = desired
  const odd = clientIds.find((id) => !/^[\x21-\x7e]{1,255}$/.test(id))
  if (odd !== undefined || clientIds.length > MAX_CLIENT_IDS) {
    throw new PodroleError(
      'InvalidClientId',
      odd === undefined
        ? `${clientIds.length} client ids are given, a provider has at most ${MAX_CLIENT_IDS}`
        : `client id ${JSON.stringify(odd.slice(0, 100))} is not one: wanted 1 to 255 printable characters without space`,
      { hint: 'It is the audience of the tokens: sts.amazonaws.com, if nothing was changed.' },
    )
  }
  const broken = thumbprints.find((one) => !/^[0-9a-f]{40}$/.test(one))
  if (broken !== undefined || thumbprints.length > MAX_THUMBPRINTS) {
    throw new PodroleError(
      'InvalidThumbprint',
      broken === undefined
        ? `${thumbprints.length} thumbprints are given, a provider has at most ${MAX_THUMBPRINTS}`
        : `thumbprint ${JSON.stringify(broken.slice(0, 100))} is not one: wanted 40 hexadecimal digits`,
      { hint: 'It is the SHA-1 of the last certificate that the issuer sends.' },
    )
  }
}

/**
 * An issuer by IAM's rules, and without a slash at its end: STS compares `iss` byte for byte, and
 * the slash is soon forgotten in one place.
 * @throws PodroleError `InvalidIssuerUrl`
 */
export function checkProviderIssuer(issuer: string): void {
  issuerHostPath(issuer)
  if (!issuer.endsWith('/')) return
  throw new PodroleError(
    'InvalidIssuerUrl',
    `Cannot use issuer URL ${JSON.stringify(issuer)}: it ends with a slash`,
    { hint: "Leave the slash out, here and in the API server's --service-account-issuer." },
  )
}

/**
 * What is to be done so that the account has the provider: made, or given what it lacks. What it
 * has besides stays.
 * @throws PodroleError `ProviderQuotaReached`, `InvalidClientId`, `InvalidThumbprint`
 */
export function planProvider(desired: DesiredProvider, around: ProviderSurroundings): ProviderPlan {
  const arn = oidcProviderArn({ ...around, issuer: desired.issuer })
  const { provider, quota, used } = around
  if (provider !== undefined) return { arn, steps: amend(desired, provider) }
  if (quota.isLive && used >= quota.value) {
    throw new PodroleError(
      'ProviderQuotaReached',
      `account ${around.accountId} has ${used} IAM OIDC providers, as many as it may have: quota ${quota.text}`,
      {
        hint: "Delete one that nothing uses ('podrole issuer provider status' lists them), or ask for more: AWS grants up to 700 at once.",
      },
    )
  }
  const tags = { ...desired.tags, ...OWNER_TAG }
  return { arn, steps: [{ step: 'create', provider: { ...desired, tags } }] }
}

function amend(desired: DesiredProvider, found: ObservedProvider): readonly ProviderStep[] {
  const clientIds = desired.clientIds.filter((id) => !found.clientIds.includes(id))
  const thumbprints = [...new Set([...found.thumbprints, ...desired.thumbprints])]
  const tags = missingTags(desired.tags, found.tags)
  checkDesiredProvider({
    ...desired,
    clientIds: [...found.clientIds, ...clientIds],
    thumbprints,
  })
  return [
    ...clientIds.map((clientId): ProviderStep => ({ step: 'add-client-id', clientId })),
    ...(thumbprints.length > found.thumbprints.length
      ? [{ step: 'set-thumbprints' as const, thumbprints }]
      : []),
    ...(Object.keys(tags).length > 0 ? [{ step: 'tag' as const, tags }] : []),
  ]
}

/** A step in words: what was done, or would be. */
export function describeProviderStep(step: ProviderStep): string {
  switch (step.step) {
    case 'create':
      return `created for client ids ${step.provider.clientIds.join(', ')}`
    case 'add-client-id':
      return `client id ${step.clientId} added`
    case 'set-thumbprints':
      return `thumbprints set: ${step.thumbprints.join(', ')}`
    case 'tag':
      return `tagged ${Object.entries(step.tags)
        .map(([key, value]) => `${key}=${value}`)
        .join(', ')}`
    default:
      return step satisfies never
  }
}
