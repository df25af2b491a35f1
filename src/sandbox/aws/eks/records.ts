/** EKS's records besides clusters and associations. Times are milliseconds since the epoch. */
import type { Tags } from '../records.ts'

export type AuthenticationMode = 'API' | 'API_AND_CONFIG_MAP' | 'CONFIG_MAP'

/** Where a record stands in its life: ready from a time on, gone from another on. */
export interface Lifecycle {
  readonly createdAtMs: number
  readonly modifiedAtMs: number
  /** Created until then. */
  readonly readyAtMs: number
  /** Updated until then. */
  readonly updatedAtMs?: number
  /** Deleted from then on, being deleted before. */
  readonly goneAtMs?: number
}

/** What everything inside a cluster has. */
export interface InCluster {
  /** The cluster's `clusterKey`. */
  readonly cluster: string
  readonly clusterName: string
  readonly tags: Tags
  readonly clientRequestToken?: string
}

/** Where an access policy holds. */
export type AccessScope =
  | { readonly type: 'cluster' }
  | { readonly type: 'namespace'; readonly namespaces: readonly string[] }

export interface AssociatedPolicy {
  readonly policyArn: string
  readonly accessScope: AccessScope
  readonly associatedAtMs: number
  readonly modifiedAtMs: number
}

export interface AccessEntryRecord extends InCluster {
  readonly principalArn: string
  /** The principal's unique id when the entry was made. */
  readonly uniqueId: string
  readonly accessEntryArn: string
  readonly type: string
  readonly username: string
  readonly kubernetesGroups: readonly string[]
  readonly policies: readonly AssociatedPolicy[]
  readonly createdAtMs: number
  readonly modifiedAtMs: number
}

export interface AddonRecord extends InCluster, Lifecycle {
  readonly addonName: string
  readonly addonVersion: string
  readonly addonArn: string
  readonly namespace: string
  readonly serviceAccountRoleArn?: string
  readonly configurationValues?: string
  /** Ids of the associations that it owns. */
  readonly associationIds: readonly string[]
}

/** Members that a caller wrote and Describe shows as they are. */
export type WireMembers = Readonly<Record<string, unknown>>

export interface NodegroupRecord extends InCluster, Lifecycle {
  readonly nodegroupName: string
  readonly nodegroupArn: string
  readonly nodeRole: string
  readonly version: string
  readonly releaseVersion: string
  readonly subnets: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly members: WireMembers
}

export interface FargateProfileRecord extends InCluster, Lifecycle {
  readonly fargateProfileName: string
  readonly fargateProfileArn: string
  readonly podExecutionRoleArn: string
  readonly subnets: readonly string[]
  readonly selectors: readonly WireMembers[]
}

export interface UpdateRecord {
  readonly cluster: string
  readonly id: string
  /** The node group or add-on that it is about; the cluster itself where neither is there. */
  readonly nodegroupName?: string
  readonly addonName?: string
  readonly type: string
  readonly params: readonly { readonly type: string; readonly value: string }[]
  readonly createdAtMs: number
  readonly doneAtMs: number
  readonly clientRequestToken?: string
}
