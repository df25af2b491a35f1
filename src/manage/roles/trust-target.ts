import { issuerHostPath } from '../../iam/arn.ts'
import {
  formatServiceAccountName,
  isServiceAccountPattern,
  parseServiceAccountPattern,
  type ServiceAccountName,
} from '../../iam/service-account-name.ts'
import { checkAudience } from '../../iam/trust-document.ts'
import { checkClusterPattern, type TrustGrant } from '../../iam/trust-grant.ts'
import { PodroleError } from '../../lib/errors.ts'

/** By which way service accounts are to get a role, as typed. */
export interface TargetWishes {
  readonly issuer?: string
  readonly cluster?: string
  readonly method?: 'irsa' | 'pod-identity'
  /** As in the association: no tag reaches the role then. */
  readonly disableSessionTags?: boolean
  readonly fleet: boolean
  readonly clusters: readonly string[]
  readonly broker?: string
  /** Of the tokens, with IRSA alone. */
  readonly audience?: string
}

/** The same, read; what AWS or a broker knows is not asked yet. */
export type TargetRequest =
  | { readonly kind: 'issuer'; readonly issuer: string; readonly audience?: string }
  | {
      readonly kind: 'cluster'
      readonly name: string
      readonly method: 'irsa' | 'pod-identity'
      readonly disableSessionTags?: boolean
      readonly audience?: string
    }
  | {
      readonly kind: 'fleet'
      /** Undefined where the broker has to tell it. */
      readonly issuer?: string
      /** None: all that the broker has. */
      readonly clusters: readonly string[]
      readonly disableSessionTags?: boolean
    }

/** A way with everything that a trust policy needs. */
export type TrustTarget =
  | { readonly way: 'irsa'; readonly issuer: string; readonly audience?: string }
  | {
      readonly way: 'fleet'
      readonly issuer: string
      readonly clusters: readonly string[]
      readonly disableSessionTags?: boolean
    }
  | {
      readonly way: 'pod-identity'
      readonly clusterArn: string
      readonly disableSessionTags?: boolean
    }

/**
 * Reads which way is asked for; one and only one.
 * @throws PodroleError `InvalidTarget`, `InvalidIssuerUrl`, `InvalidClusterName`, `InvalidAudience`
 */
export function readTarget(wishes: TargetWishes): TargetRequest {
  const { audience, broker, cluster, clusters, fleet, issuer, method } = wishes
  if (issuer !== undefined) issuerHostPath(issuer)
  clusters.forEach(checkClusterPattern)
  if (method !== undefined && cluster === undefined) {
    throw wrongTarget('--method goes with --cluster alone')
  }
  const disableSessionTags = wishes.disableSessionTags === true
  if (disableSessionTags && !fleet && (cluster === undefined || method === 'irsa')) {
    throw wrongTarget(
      '--disable-session-tags goes with --fleet, or --cluster and pod-identity, alone',
    )
  }
  if (audience !== undefined) {
    checkAudience(audience)
    if (fleet || (cluster !== undefined && method !== 'irsa')) {
      throw wrongTarget('--audience goes with IRSA alone')
    }
  }
  if (clusters.length > 0 && !fleet) throw wrongTarget('--clusters goes with --fleet alone')
  if (cluster !== undefined && (issuer !== undefined || fleet)) {
    throw wrongTarget('--cluster is given beside --issuer or --fleet')
  }
  if (fleet) {
    if (issuer === undefined && !broker) {
      throw wrongTarget(
        '--fleet is given without --broker, which knows the fleet issuer, or --issuer',
      )
    }
    if (issuer !== undefined && clusters.length === 0) {
      throw wrongTarget('--fleet with --issuer is given without --clusters')
    }
    return {
      kind: 'fleet',
      clusters,
      ...(issuer !== undefined && { issuer }),
      ...(disableSessionTags && { disableSessionTags }),
    }
  }
  if (cluster !== undefined) {
    return {
      kind: 'cluster',
      name: cluster,
      method: method ?? 'pod-identity',
      ...(disableSessionTags && { disableSessionTags }),
      ...(audience !== undefined && { audience }),
    }
  }
  if (issuer !== undefined) {
    return { kind: 'issuer', issuer, ...(audience !== undefined && { audience }) }
  }
  throw wrongTarget('neither --issuer, --cluster nor --fleet is given')
}

const wrongTarget = (problem: string): PodroleError =>
  new PodroleError('InvalidTarget', `cannot tell by which way: ${problem}`, {
    hint: 'Wanted --issuer URL (IRSA), --cluster NAME (EKS) or --fleet (a broker).',
  })

/**
 * Reads service accounts, none twice; patterns where they are asked for.
 * @throws PodroleError `InvalidServiceAccountName`, `NoServiceAccount`, `DuplicateServiceAccount`
 */
export function readServiceAccounts(
  texts: readonly string[],
  match: 'equals' | 'like',
): readonly ServiceAccountName[] {
  const serviceAccounts = texts.map(parseServiceAccountPattern)
  if (serviceAccounts.length === 0) {
    throw new PodroleError('NoServiceAccount', 'no service account is given', {
      hint: 'Name one with --service-account NAMESPACE/NAME.',
    })
  }
  const pattern = serviceAccounts.find(isServiceAccountPattern)
  if (pattern !== undefined && match === 'equals') {
    throw new PodroleError(
      'InvalidServiceAccountName',
      `${JSON.stringify(formatServiceAccountName(pattern))} holds "*", which no service account's name does`,
      { hint: '--match like takes it as a pattern for any characters.' },
    )
  }
  const twice = texts.find((text, at) => texts.indexOf(text) !== at)
  if (twice !== undefined) {
    throw new PodroleError('DuplicateServiceAccount', `service account ${twice} is given twice`)
  }
  return serviceAccounts
}

/** What the trust policy of a role in that account is to admit. */
export function grantOf(
  target: TrustTarget,
  account: { readonly partition: string; readonly accountId: string },
  serviceAccounts: readonly ServiceAccountName[],
): TrustGrant {
  const { accountId, partition } = account
  return target.way === 'pod-identity'
    ? { ...target, accountId, serviceAccounts }
    : { ...target, accountId, partition, serviceAccounts }
}
