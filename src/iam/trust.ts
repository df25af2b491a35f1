import { PodroleError } from '../lib/errors.ts'
import { issuerHostPath, oidcProviderArn, parseArn } from './arn.ts'
import {
  checkServiceAccountName,
  checkServiceAccountPattern,
  fleetSubject,
  isServiceAccountPattern,
  subjectOf,
} from './service-account-name.ts'
import type { ServiceAccountName } from './service-account-name.ts'
import {
  checkAudience,
  checkNotEmpty,
  oneOrMany,
  STS_AUDIENCE,
  trustDocument,
} from './trust-document.ts'
import type { TrustConditions, TrustPolicyDocument } from './trust-document.ts'

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
 * One subject with a `*` makes the comparison StringLike, in which the others stay exact: a name
 * holds no wildcard otherwise.
 * https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
 * @throws PodroleError `InvalidTrust`, `InvalidServiceAccountName`, `InvalidIssuerUrl`,
 * `InvalidArn`, `InvalidAudience`.
 */
export function irsaTrust(input: IrsaTrustInput): TrustPolicyDocument {
  const { audience = STS_AUDIENCE, issuer, subjects } = input
  checkAudience(audience)
  checkNotEmpty(subjects, 'service account')
  for (const subject of subjects) checkServiceAccountPattern(subject)
  const host = issuerHostPath(issuer)
  const aud = { [`${host}:aud`]: audience }
  const sub = { [`${host}:sub`]: oneOrMany(subjects.map(subjectOf)) }
  const condition: TrustConditions = subjects.some(isServiceAccountPattern)
    ? { StringEquals: aud, StringLike: sub }
    : { StringEquals: { ...aud, ...sub } }
  return trustDocument({
    Sid: 'PodroleIrsa',
    Principal: { Federated: oidcProviderArn(input) },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: condition,
  })
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

/** EKS's rule for cluster names; no colon, so that a star in a subject cannot leave its part. */
const CLUSTER_NAME = /^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$/
const CLUSTER_PATTERN = /^[0-9A-Za-z*][0-9A-Za-z_*-]{0,99}$/

/**
 * The trust policy of a role that a broker's fleet tokens open: audience, cluster and service
 * account by subject, and only tokens that name this role (`sts:RoleAuthorizedByIdp`).
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
 * @throws PodroleError `InvalidTrust`, `InvalidClusterName`, `InvalidServiceAccountName`,
 * `InvalidIssuerUrl`, `InvalidArn`, `InvalidAudience`.
 */
export function fleetTrust(input: FleetTrustInput): TrustPolicyDocument {
  const { audience = STS_AUDIENCE, issuer } = input
  checkAudience(audience)
  checkServiceAccountName(input.serviceAccount)
  const host = issuerHostPath(issuer)
  const aud = { [`${host}:aud`]: audience }
  const authorized = { 'sts:RoleAuthorizedByIdp': 'true' }
  const condition: TrustConditions =
    'pattern' in input.clusters
      ? {
          StringEquals: aud,
          StringLike: { [`${host}:sub`]: patternSubject(input.clusters.pattern, input) },
          Bool: authorized,
        }
      : {
          StringEquals: { ...aud, [`${host}:sub`]: listSubjects(input.clusters, input) },
          Bool: authorized,
        }
  return trustDocument({
    Sid: 'PodroleFleet',
    Principal: { Federated: oidcProviderArn(input) },
    Action: ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'],
    Condition: condition,
  })
}

function listSubjects(
  clusters: readonly string[],
  { serviceAccount }: FleetTrustInput,
): string | readonly string[] {
  checkNotEmpty(clusters, 'cluster')
  for (const cluster of clusters) checkCluster(cluster, CLUSTER_NAME)
  return oneOrMany(clusters.map((cluster) => fleetSubject(cluster, serviceAccount)))
}

function patternSubject(pattern: string, { serviceAccount }: FleetTrustInput): string {
  checkCluster(pattern, CLUSTER_PATTERN)
  return fleetSubject(pattern, serviceAccount)
}

function checkCluster(cluster: string, rule: RegExp): void {
  if (rule.test(cluster)) return
  throw new PodroleError(
    'InvalidClusterName',
    `Cannot use cluster ${JSON.stringify(cluster.slice(0, 120))}: wanted 1 to 100 letters, digits, "-" and "_", beginning with a letter or digit`,
    {
      hint: 'Only a pattern may hold "*".',
      status: 400,
    },
  )
}

/** The same in every region and partition. */
export const POD_IDENTITY_SERVICE = 'pods.eks.amazonaws.com'

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
 * account of one cluster (by ARN: names repeat in other regions and accounts). `aws:SourceArn` is
 * left out: its value is not documented.
 * https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
 * @throws PodroleError `InvalidTrust`, `InvalidArn`, `InvalidServiceAccountName`.
 */
export function podIdentityTrust(input: PodIdentityTrustInput): TrustPolicyDocument {
  checkServiceAccountName(input.serviceAccount)
  checkClusterArn(input)
  return trustDocument({
    Sid: 'PodrolePodIdentity',
    Principal: { Service: POD_IDENTITY_SERVICE },
    Action: ['sts:AssumeRole', 'sts:TagSession'],
    Condition: { StringEquals: stringConditions(input) },
  })
}

function stringConditions(input: PodIdentityTrustInput): TrustConditions[string] {
  if (input.disableSessionTags === true) return { 'aws:SourceAccount': input.accountId }
  return {
    'aws:RequestTag/eks-cluster-arn': input.clusterArn,
    'aws:RequestTag/kubernetes-namespace': input.serviceAccount.namespace,
    'aws:RequestTag/kubernetes-service-account': input.serviceAccount.name,
  }
}

function checkClusterArn({ clusterArn, accountId }: PodIdentityTrustInput): void {
  const arn = parseArn(clusterArn)
  const isCluster =
    arn.service === 'eks' && /^cluster\/[0-9A-Za-z][0-9A-Za-z_-]{0,99}$/.test(arn.resource)
  if (!isCluster || !/^[0-9]{12}$/.test(accountId) || arn.accountId !== accountId) {
    throw new PodroleError(
      'InvalidTrust',
      `Cannot write a trust policy for cluster ${JSON.stringify(clusterArn)}: wanted the ARN of an EKS cluster of account ${accountId}`,
      { hint: 'Pod Identity roles are in the account of their cluster.', status: 400 },
    )
  }
}
