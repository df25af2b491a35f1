/** What is to be, as typed values: the documents' common meaning. */
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import type { Tags } from '../../iam/tags.ts'

export interface DesiredState {
  readonly clusters: readonly DesiredCluster[]
  /** What podrole does not manage, once for each document: `cluster.yaml: vpc, nodeGroups`. */
  readonly leftAlone: readonly LeftAlone[]
}

export interface LeftAlone {
  readonly source: string
  /** Paths of fields; none where the whole document is left alone. */
  readonly paths: readonly string[]
}

/** Which cluster a fragment is about. */
export interface FragmentTarget {
  readonly cluster?: string
  readonly region?: string
}

/** A list or value that is undefined is not spoken of: what is there stays. */
export interface DesiredCluster {
  readonly source: string
  /** `workload-identity` is a cluster of which only document 002's add-on is spoken of. */
  readonly kind: 'eks' | 'self-managed' | 'workload-identity'
  readonly name: string
  readonly region?: string
  readonly accountId?: string
  /** Of everything that is made for the cluster. */
  readonly tags: Tags
  /** Its own issuer's URL, where it is not EKS. */
  readonly issuer?: string
  /** Its broker's URL. */
  readonly broker?: string
  readonly withOidc?: boolean
  readonly serviceAccounts?: readonly DesiredServiceAccount[]
  readonly associations?: readonly DesiredAssociation[]
  readonly access?: DesiredAccess
  readonly addons?: readonly DesiredAddon[]
  readonly workloadIdentity?: 'enabled' | 'disabled'
}

/** A role that is there, or one to be made. */
export type DesiredRole =
  | { readonly kind: 'given'; readonly arn: string }
  | ({ readonly kind: 'made' } & MadeRole)

export interface MadeRole {
  /** Undefined: podrole names it. */
  readonly name?: string
  readonly policyArns: readonly string[]
  /** Texts of inline policies by their names. */
  readonly inline: Readonly<Record<string, string>>
  readonly boundaryArn?: string
  readonly tags: Tags
  /** Operator, key, values: beside those that podrole writes. */
  readonly trustConditions: TrustConditions
}

export type TrustConditions = Readonly<
  Record<string, Readonly<Record<string, string | readonly string[]>>>
>

/** IRSA. */
export interface DesiredServiceAccount {
  readonly path: string
  readonly serviceAccount: ServiceAccountName
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** The role is made, the service account left alone. */
  readonly roleOnly: boolean
  /** Of the names in the namespace that may take the role, with `*`. */
  readonly subjectPattern?: string
  readonly role: DesiredRole
}

/** Pod Identity. */
export interface DesiredAssociation {
  readonly path: string
  readonly serviceAccount: ServiceAccountName
  readonly createServiceAccount: boolean
  readonly role: DesiredRole
  readonly targetRoleArn?: string
  readonly disableSessionTags: boolean
  /** Session policy, JSON text. */
  readonly policy?: string
  readonly tags: Tags
}

export interface DesiredAccess {
  readonly path: string
  readonly authenticationMode?: AuthenticationMode
  readonly entries?: readonly DesiredAccessEntry[]
}

export type AuthenticationMode = 'CONFIG_MAP' | 'API_AND_CONFIG_MAP' | 'API'

export interface DesiredAccessEntry {
  readonly path: string
  readonly principalArn: string
  readonly type: string
  /** Undefined: as EKS sets it. */
  readonly groups?: readonly string[]
  readonly username?: string
  readonly policies: readonly AccessPolicy[]
  readonly tags: Tags
}

export interface AccessPolicy {
  readonly policyArn: string
  /** Undefined: the whole cluster. */
  readonly namespaces?: readonly string[]
}

export interface DesiredAddon {
  readonly path: string
  readonly name: string
  /** A version, `latest` or `default`; undefined: as it is. */
  readonly version?: string
  readonly identity: AddonIdentity
  readonly tags: Tags
  /** Given when the add-on is made. */
  readonly configurationValues?: string
  readonly resolveConflicts?: 'NONE' | 'OVERWRITE' | 'PRESERVE'
  readonly namespace?: string
}

export type AddonIdentity =
  /** Nothing is said: what is there stays. */
  | { readonly kind: 'unspoken' }
  /** The whole truth, also where it is empty. */
  | { readonly kind: 'associations'; readonly associations: readonly AddonAssociation[] }
  /** What EKS recommends. */
  | { readonly kind: 'recommended' }
  | { readonly kind: 'irsa'; readonly role: DesiredRole }

export interface AddonAssociation {
  readonly path: string
  readonly serviceAccount: ServiceAccountName
  readonly role: DesiredRole
}
