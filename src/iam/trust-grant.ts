import { PodroleError } from '../lib/errors.ts'
import { issuerHostPath, oidcProviderArn, parseArn } from './arn.ts'
import type { Caller, ContextKeys } from './request.ts'
import {
  checkServiceAccountName,
  checkServiceAccountPattern,
  fleetSubject,
  formatServiceAccountName,
  isServiceAccountPattern,
  subjectOf,
} from './service-account-name.ts'
import type { ServiceAccountName } from './service-account-name.ts'
import { checkAudience, checkNotEmpty, oneOrMany, STS_AUDIENCE } from './trust-document.ts'
import type { TrustConditions, TrustStatement } from './trust-document.ts'

/** The same in every region and partition. */
export const POD_IDENTITY_SERVICE = 'pods.eks.amazonaws.com'

/** A trusted issuer, and the account whose IAM OIDC provider it is. */
interface IssuerGrant {
  readonly partition: string
  readonly accountId: string
  /** `https://…`, as registered with IAM. */
  readonly issuer: string
  /** Default `sts.amazonaws.com`. */
  readonly audience?: string
  /** At least one; a name may hold `*`. */
  readonly serviceAccounts: readonly ServiceAccountName[]
}

/** Service accounts by their own tokens of a cluster's issuer. */
export interface IrsaGrant extends IssuerGrant {
  readonly way: 'irsa'
}

/** Service accounts of clusters by tokens of the fleet issuer. */
export interface FleetGrant extends IssuerGrant {
  readonly way: 'fleet'
  /** At least one name, or pattern with `*` that later clusters fall into. */
  readonly clusters: readonly string[]
  /** As in the association: the broker's token has no tags then. */
  readonly disableSessionTags?: boolean
}

/** Service accounts of one EKS cluster through EKS Pod Identity. */
export interface PodIdentityGrant {
  readonly way: 'pod-identity'
  /** `arn:PARTITION:eks:REGION:ACCOUNT:cluster/NAME`. */
  readonly clusterArn: string
  /** The account of the cluster. */
  readonly accountId: string
  /** At least one; a name may hold `*`. */
  readonly serviceAccounts: readonly ServiceAccountName[]
  /** As in the association: no tag reaches the role then, and the account alone is left. */
  readonly disableSessionTags?: boolean
}

/** Who is to be trusted, and by which way. */
export type TrustGrant = IrsaGrant | FleetGrant | PodIdentityGrant

/** One value of a statement's list, with what it means. */
export interface GrantedEntry {
  readonly value: string
  /** For people: `payments/worker`, or `payments/worker of cluster edge`. */
  readonly label: string
  /** The request that the value admits, in which a `*` stands for any characters. */
  readonly context: ContextKeys
}

/**
 * One statement of a grant: everything in it is fixed but a list of values under one condition
 * key, to which service accounts are added and from which they are removed.
 */
export interface GrantedStatement {
  /** What its Sid begins with. */
  readonly sidPrefix: string
  /** What tells it from others of its kind: the issuer, or cluster and namespace. */
  readonly scope: string
  readonly principal: TrustStatement['Principal']
  readonly actions: readonly string[]
  readonly fixed: TrustConditions
  readonly listKey: string
  readonly entries: readonly GrantedEntry[]
  /** Who asks, as the evaluator sees it, and of which account the role is. */
  readonly caller: Caller
  readonly accountId: string
}

/** At least one. */
export type GrantedStatements = readonly [GrantedStatement, ...GrantedStatement[]]

/**
 * The statements that a grant consists of: one for an issuer, one for each namespace of an EKS
 * cluster (its session tags are separate keys, and two lists would admit every combination).
 * @throws PodroleError `InvalidTrust`, `InvalidServiceAccountName`, `InvalidClusterName`,
 * `InvalidIssuerUrl`, `InvalidArn`, `InvalidAudience`.
 */
export function grantedStatements(grant: TrustGrant): GrantedStatements {
  checkNotEmpty(grant.serviceAccounts, 'service account')
  for (const serviceAccount of grant.serviceAccounts) {
    if (isServiceAccountPattern(serviceAccount)) checkServiceAccountPattern(serviceAccount)
    else checkServiceAccountName(serviceAccount)
  }
  switch (grant.way) {
    case 'irsa':
      return [irsaStatement(grant)]
    case 'fleet':
      return [fleetStatement(grant)]
    case 'pod-identity':
      return podIdentityStatements(grant)
    default:
      return grant satisfies never
  }
}

/**
 * The statement as IAM's JSON. One value with a `*` makes the comparison StringLike, in which the
 * others stay exact: a name holds no wildcard otherwise.
 * https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
 */
export function statementOf(granted: GrantedStatement, sid: string): TrustStatement {
  const { actions, entries, fixed, listKey, principal } = granted
  const values = [...new Set(entries.map(({ value }) => value))]
  const operator = values.some((value) => value.includes('*')) ? 'StringLike' : 'StringEquals'
  const { StringEquals, StringLike, ...others } = fixed
  const list = { [listKey]: oneOrMany(values) }
  const equals = operator === 'StringEquals' ? { ...StringEquals, ...list } : StringEquals
  const like = operator === 'StringLike' ? { ...StringLike, ...list } : StringLike
  return {
    Sid: sid,
    Effect: 'Allow',
    Principal: principal,
    Action: oneOrMany(actions),
    Condition: {
      ...(equals !== undefined && { StringEquals: equals }),
      ...(like !== undefined && { StringLike: like }),
      ...others,
    },
  }
}

function irsaStatement(grant: IrsaGrant): GrantedStatement {
  return {
    ...issuerStatement(grant),
    sidPrefix: 'PodroleIrsa',
    actions: ['sts:AssumeRoleWithWebIdentity'],
    entries: grant.serviceAccounts.map((serviceAccount) =>
      subjectEntry(grant, subjectOf(serviceAccount), {
        label: formatServiceAccountName(serviceAccount),
        context: { 'sts:RoleAuthorizedByIdp': 'false' },
      }),
    ),
  }
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html */
function fleetStatement(grant: FleetGrant): GrantedStatement {
  checkNotEmpty(grant.clusters, 'cluster')
  for (const cluster of grant.clusters) checkClusterPattern(cluster)
  const common = issuerStatement(grant)
  return {
    ...common,
    sidPrefix: 'PodroleFleet',
    actions: ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'],
    fixed: { ...common.fixed, Bool: { 'sts:RoleAuthorizedByIdp': 'true' } },
    entries: grant.serviceAccounts.flatMap((serviceAccount) =>
      grant.clusters.map((cluster) =>
        subjectEntry(grant, fleetSubject(cluster, serviceAccount), {
          label: `${formatServiceAccountName(serviceAccount)} of cluster ${cluster}`,
          context: {
            'sts:RoleAuthorizedByIdp': 'true',
            ...(grant.disableSessionTags !== true && {
              'aws:RequestTag/eks-cluster-name': cluster,
              ...serviceAccountTags(serviceAccount),
              ...TAG_KEYS,
            }),
          },
        }),
      ),
    ),
  }
}

function issuerStatement(
  grant: IrsaGrant | FleetGrant,
): Omit<GrantedStatement, 'sidPrefix' | 'actions' | 'entries'> {
  const { audience = STS_AUDIENCE, issuer, accountId } = grant
  checkAudience(audience)
  const host = issuerHostPath(issuer)
  const provider = oidcProviderArn(grant)
  return {
    scope: issuer,
    principal: { Federated: provider },
    fixed: { StringEquals: { [`${host}:aud`]: audience } },
    listKey: `${host}:sub`,
    caller: { kind: 'web-identity', provider },
    accountId,
  }
}

function subjectEntry(
  grant: IrsaGrant | FleetGrant,
  subject: string,
  entry: Omit<GrantedEntry, 'value'>,
): GrantedEntry {
  const { audience = STS_AUDIENCE, issuer } = grant
  const host = issuerHostPath(issuer)
  const context = { ...entry.context, [`${host}:aud`]: audience, [`${host}:sub`]: subject }
  return { ...entry, value: subject, context }
}

const CLUSTER_ARN_TAG = 'aws:RequestTag/eks-cluster-arn'
const NAMESPACE_TAG = 'aws:RequestTag/kubernetes-namespace'
const SERVICE_ACCOUNT_TAG = 'aws:RequestTag/kubernetes-service-account'

/**
 * What EKS Pod Identity tags a session with, as podrole's broker does.
 * https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
 */
export const SESSION_TAG_KEYS = [
  'eks-cluster-arn',
  'eks-cluster-name',
  'kubernetes-namespace',
  'kubernetes-service-account',
  'kubernetes-pod-name',
  'kubernetes-pod-uid',
] as const
const TAG_KEYS: ContextKeys = {
  'aws:TagKeys': SESSION_TAG_KEYS,
  'sts:TransitiveTagKeys': SESSION_TAG_KEYS,
}

const serviceAccountTags = ({ namespace, name }: ServiceAccountName): ContextKeys => ({
  [NAMESPACE_TAG]: namespace,
  [SERVICE_ACCOUNT_TAG]: name,
})

/**
 * Narrowed by the session tags to a cluster (by ARN: names repeat in other regions and accounts)
 * and its service accounts. `aws:SourceArn` is left out: its value is not documented.
 * https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
 */
function podIdentityStatements(grant: PodIdentityGrant): GrantedStatements {
  const { accountId, clusterArn, disableSessionTags = false, serviceAccounts } = grant
  const clusterName = checkClusterArn(clusterArn, accountId)
  if (disableSessionTags) return [untaggedStatement(grant)]
  const [first = '', ...others] = new Set(serviceAccounts.map(({ namespace }) => namespace))
  const statementFor = (namespace: string): GrantedStatement => ({
    sidPrefix: 'PodrolePodIdentity',
    scope: `${clusterArn} ${namespace}`,
    principal: { Service: POD_IDENTITY_SERVICE },
    actions: ['sts:AssumeRole', 'sts:TagSession'],
    fixed: clusterAndNamespace(clusterArn, namespace),
    listKey: SERVICE_ACCOUNT_TAG,
    entries: serviceAccounts
      .filter((serviceAccount) => serviceAccount.namespace === namespace)
      .map((serviceAccount) => ({
        value: serviceAccount.name,
        label: formatServiceAccountName(serviceAccount),
        context: {
          ...serviceAccountTags(serviceAccount),
          [CLUSTER_ARN_TAG]: clusterArn,
          'aws:RequestTag/eks-cluster-name': clusterName,
          'aws:SourceAccount': accountId,
          ...TAG_KEYS,
        },
      })),
    caller: { kind: 'service', service: POD_IDENTITY_SERVICE },
    accountId,
  })
  return [statementFor(first), ...others.map(statementFor)]
}

/** All that is left to ask for where the association disables session tags. */
function untaggedStatement({ accountId, serviceAccounts }: PodIdentityGrant): GrantedStatement {
  return {
    sidPrefix: 'PodrolePodIdentityUntagged',
    scope: accountId,
    principal: { Service: POD_IDENTITY_SERVICE },
    actions: ['sts:AssumeRole', 'sts:TagSession'],
    fixed: {},
    listKey: 'aws:SourceAccount',
    entries: serviceAccounts.map((serviceAccount) => ({
      value: accountId,
      label: formatServiceAccountName(serviceAccount),
      context: { 'aws:SourceAccount': accountId },
    })),
    caller: { kind: 'service', service: POD_IDENTITY_SERVICE },
    accountId,
  }
}

function clusterAndNamespace(clusterArn: string, namespace: string): TrustConditions {
  const cluster = { [CLUSTER_ARN_TAG]: clusterArn }
  const inNamespace = { [NAMESPACE_TAG]: namespace }
  return namespace.includes('*')
    ? { StringEquals: cluster, StringLike: inNamespace }
    : { StringEquals: { ...cluster, ...inNamespace } }
}

/** EKS's rule for cluster names; no colon, so that a star in a subject cannot leave its part. */
const CLUSTER_NAME = /^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$/
const CLUSTER_PATTERN = /^[0-9A-Za-z*][0-9A-Za-z_*-]{0,99}$/

/** @throws PodroleError `InvalidClusterName`, also for a pattern. */
export function checkClusterName(cluster: string): void {
  checkCluster(cluster, CLUSTER_NAME)
}

/** @throws PodroleError `InvalidClusterName`, for what is neither a name nor a pattern with `*`. */
export function checkClusterPattern(cluster: string): void {
  checkCluster(cluster, cluster.includes('*') ? CLUSTER_PATTERN : CLUSTER_NAME)
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

/**
 * The name of the EKS cluster with that ARN.
 * @throws PodroleError `InvalidTrust`, `InvalidArn`
 */
export function checkClusterArn(clusterArn: string, accountId: string): string {
  const arn = parseArn(clusterArn)
  const [, name] = /^cluster\/([0-9A-Za-z][0-9A-Za-z_-]{0,99})$/.exec(arn.resource) ?? []
  if (arn.service === 'eks' && name !== undefined && /^[0-9]{12}$/.test(accountId)) {
    if (arn.accountId === accountId) return name
  }
  throw new PodroleError(
    'InvalidTrust',
    `Cannot write a trust policy for cluster ${JSON.stringify(clusterArn)}: wanted the ARN of an EKS cluster of account ${accountId}`,
    { hint: 'Pod Identity roles are in the account of their cluster.', status: 400 },
  )
}
