/**
 * What the Kubernetes side of a cluster reads of EKS: who may come in with an EKS token, as whom,
 * and with which access policies. Source: EKS User Guide, "Grant IAM users access to Kubernetes
 * with EKS access entries".
 */
import { uniqueIdOf } from '../iam/principals.ts'
import { clusterKey, type ClusterRecord, type Tables } from '../records.ts'
import type { AccessEntryRecord, AccessScope, AuthenticationMode } from './records.ts'

/** Whose EKS token it is: what STS says of the presigned GetCallerIdentity. */
export interface TokenCaller {
  /** Of the role, with its path, or of the user: never a session's. */
  readonly principalArn: string
  /** `AROA…` or `AIDA…`: a role made again under its old name has another. */
  readonly uniqueId: string
  /** Of a role's session. */
  readonly sessionName?: string
}

/** An access policy that an entry has. */
export interface GrantedAccessPolicy {
  readonly policyArn: string
  /** `AmazonEKSViewPolicy` */
  readonly name: string
  /** Namespaces may end in `*`. */
  readonly scope: AccessScope
}

/** Whom a caller is to Kubernetes. */
export interface AccessEntryView {
  readonly accessEntryArn: string
  readonly principalArn: string
  readonly uniqueId: string
  /** `STANDARD`, `EC2_LINUX`, … */
  readonly type: string
  /**
   * May hold `{{AccountID}}`, `{{SessionName}}` (`@` becomes `-`), `{{SessionNameRaw}}` and
   * `{{EC2PrivateDNSName}}`.
   */
  readonly username: string
  readonly groups: readonly string[]
  readonly policies: readonly GrantedAccessPolicy[]
}

/** Reads one cluster's access entries as they are now. */
export interface AccessEntrySource {
  /** Undefined where the cluster is gone. */
  authenticationMode(): AuthenticationMode | undefined
  /**
   * The caller's entry; undefined for strangers, for a role made again under the name of one that
   * had an entry, and where the mode is `CONFIG_MAP` (then for everybody but the cluster's creator,
   * who is `system:masters` without an entry).
   */
  find(caller: TokenCaller): AccessEntryView | undefined
}

/** The access entries of the EKS cluster of that account, region and name. */
export function accessEntrySource(
  tables: Tables,
  place: { readonly accountId: string; readonly region: string; readonly name: string },
): AccessEntrySource {
  const key = clusterKey(place.accountId, place.region, place.name)
  return {
    authenticationMode: () => {
      const cluster = tables.clusters.get(key)
      return cluster && authenticationModeOf(cluster)
    },
    find: (caller) => {
      const cluster = tables.clusters.get(key)
      if (cluster === undefined) return undefined
      if (authenticationModeOf(cluster) === 'CONFIG_MAP')
        return creatorView(tables, cluster, caller)
      const entry = tables.accessEntries.get(accessEntryKey(key, caller.principalArn))
      return entry?.uniqueId === caller.uniqueId ? viewOf(entry) : undefined
    },
  }
}

/** Without a word of its own a cluster speaks EKS's API only. */
export const authenticationModeOf = (cluster: ClusterRecord): AuthenticationMode =>
  cluster.authenticationMode ?? 'API'

/** An entry's place in its table; `cluster` is a `clusterKey`. */
export const accessEntryKey = (cluster: string, principalArn: string): string =>
  `${cluster}/${principalArn}`

/** `AmazonEKSViewPolicy` of `arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy`. */
export const accessPolicyName = (arn: string): string => arn.slice(arn.lastIndexOf('/') + 1)

function viewOf(entry: AccessEntryRecord): AccessEntryView {
  return {
    accessEntryArn: entry.accessEntryArn,
    principalArn: entry.principalArn,
    uniqueId: entry.uniqueId,
    type: entry.type,
    username: entry.username,
    groups: entry.kubernetesGroups,
    policies: entry.policies.map(({ policyArn, accessScope }) => ({
      policyArn,
      name: accessPolicyName(policyArn),
      scope: accessScope,
    })),
  }
}

function creatorView(
  tables: Tables,
  cluster: ClusterRecord,
  caller: TokenCaller,
): AccessEntryView | undefined {
  const { creatorArn } = cluster
  if (creatorArn === undefined || creatorArn !== caller.principalArn) return undefined
  if (uniqueIdOf(tables, creatorArn) !== caller.uniqueId) return undefined
  return {
    accessEntryArn: cluster.arn,
    principalArn: creatorArn,
    uniqueId: caller.uniqueId,
    type: 'STANDARD',
    username: 'kubernetes-admin',
    groups: ['system:masters'],
    policies: [],
  }
}
