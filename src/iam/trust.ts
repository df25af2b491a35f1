import type { ServiceAccountName } from './service-account-name.ts'
import { checkServiceAccountName } from './service-account-name.ts'
import { trustDocument } from './trust-document.ts'
import type { TrustPolicyDocument } from './trust-document.ts'
import { checkClusterName, grantedStatements, statementOf } from './trust-grant.ts'
import type { TrustGrant } from './trust-grant.ts'

export type { TrustPolicyDocument } from './trust-document.ts'

/** Who may take a role through a cluster's own issuer. */
export interface IrsaTrustInput {
  readonly partition: string
  readonly accountId: string
  /** `https://…`, as registered with IAM. */
  readonly issuer: string
  /** At least one; a name may hold `*`. */
  readonly subjects: readonly ServiceAccountName[]
  /** Default `sts.amazonaws.com`. */
  readonly audience?: string
}

/**
 * The trust policy of an IRSA role: these service accounts' own tokens, by audience and subject.
 * @throws PodroleError `InvalidTrust`, `InvalidServiceAccountName`, `InvalidIssuerUrl`,
 * `InvalidArn`, `InvalidAudience`.
 */
export function irsaTrust(input: IrsaTrustInput): TrustPolicyDocument {
  return onlyStatement({ way: 'irsa', ...input, serviceAccounts: input.subjects })
}

/** Who may take a role through the fleet issuer. */
export interface FleetTrustInput {
  readonly partition: string
  readonly accountId: string
  /** The fleet issuer, `https://…`. */
  readonly issuer: string
  /** Names of clusters, or one pattern with `*` that later clusters fall into. */
  readonly clusters: readonly string[] | { readonly pattern: string }
  readonly serviceAccount: ServiceAccountName
  /** Default `sts.amazonaws.com`. */
  readonly audience?: string
}

/**
 * The trust policy of a role that a broker's fleet tokens open: audience, cluster and service
 * account by subject, and only tokens that name this role (`sts:RoleAuthorizedByIdp`).
 * @throws PodroleError `InvalidTrust`, `InvalidClusterName`, `InvalidServiceAccountName`,
 * `InvalidIssuerUrl`, `InvalidArn`, `InvalidAudience`.
 */
export function fleetTrust(input: FleetTrustInput): TrustPolicyDocument {
  const { clusters, serviceAccount } = input
  checkServiceAccountName(serviceAccount)
  if (!('pattern' in clusters)) for (const cluster of clusters) checkClusterName(cluster)
  return onlyStatement({
    way: 'fleet',
    ...input,
    clusters: 'pattern' in clusters ? [clusters.pattern] : clusters,
    serviceAccounts: [serviceAccount],
  })
}

/** Who may take a role through EKS Pod Identity. */
export interface PodIdentityTrustInput {
  /** `arn:PARTITION:eks:REGION:ACCOUNT:cluster/NAME`. */
  readonly clusterArn: string
  readonly serviceAccount: ServiceAccountName
  /** As in the association: no tag reaches the role then, and the account alone is left. */
  readonly disableSessionTags?: boolean
  /** The account of the cluster. */
  readonly accountId: string
}

/**
 * The trust policy of an EKS Pod Identity role, narrowed by the session tags to one service
 * account of one cluster.
 * https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
 * @throws PodroleError `InvalidTrust`, `InvalidArn`, `InvalidServiceAccountName`.
 */
export function podIdentityTrust(input: PodIdentityTrustInput): TrustPolicyDocument {
  checkServiceAccountName(input.serviceAccount)
  const serviceAccounts = [input.serviceAccount]
  return onlyStatement({ way: 'pod-identity', ...input, serviceAccounts })
}

/** A new document with the one statement of a grant. */
function onlyStatement(grant: TrustGrant): TrustPolicyDocument {
  const [granted] = grantedStatements(grant)
  return trustDocument(statementOf(granted, granted.sidPrefix))
}
