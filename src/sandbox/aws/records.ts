/**
 * What the sandbox's AWS keeps: plain JSON records in the state's tables. Times are milliseconds
 * since the epoch. Names that AWS compares without case are keyed in lower case.
 */
import type { Association } from '../../associations/association.ts'
import type { State, Table } from '../state.ts'

export type Tags = Readonly<Record<string, string>>

/** An IAM user: only the sandbox's own administrators, for now. */
export interface UserRecord {
  readonly accountId: string
  readonly userName: string
  readonly userId: string
  readonly arn: string
  readonly inlinePolicies: Readonly<Record<string, string>>
}

export interface RoleRecord {
  readonly accountId: string
  readonly roleName: string
  readonly path: string
  readonly roleId: string
  readonly arn: string
  readonly description?: string
  readonly maxSessionSeconds: number
  readonly trustPolicy: string
  /** Unique ids of the roles and users that its trust policy named, at the time of the write. */
  readonly trustPrincipalIds: Readonly<Record<string, string>>
  readonly boundaryArn?: string
  readonly inlinePolicies: Readonly<Record<string, string>>
  readonly attachedPolicyArns: readonly string[]
  readonly tags: Tags
  readonly createdAtMs: number
  readonly lastUsedAtMs?: number
  readonly lastUsedRegion?: string
}

export interface PolicyVersion {
  readonly versionId: string
  readonly document: string
  readonly createdAtMs: number
}

/** A managed policy; `accountId` is `aws` for AWS's own. */
export interface PolicyRecord {
  readonly accountId: string
  readonly policyName: string
  readonly path: string
  readonly policyId: string
  readonly arn: string
  readonly description?: string
  readonly versions: readonly PolicyVersion[]
  readonly defaultVersionId: string
  readonly nextVersion: number
  readonly tags: Tags
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

/** An IAM OIDC provider; `url` has no `https://`. */
export interface ProviderRecord {
  readonly accountId: string
  readonly arn: string
  readonly url: string
  readonly clientIds: readonly string[]
  readonly thumbprints: readonly string[]
  readonly tags: Tags
  readonly createdAtMs: number
}

/** An access key that was given out, with what its session may do where it is temporary. */
export interface KeyRecord {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly accountId: string
  readonly userName?: string
  readonly session?: SessionRecord
}

/** A role's session. */
export interface SessionRecord {
  readonly sessionToken: string
  readonly expiresAtMs: number
  readonly issuedAtMs: number
  readonly roleArn: string
  readonly roleName: string
  readonly roleId: string
  readonly sessionName: string
  readonly tags: Tags
  readonly transitiveTagKeys: readonly string[]
  readonly sourceIdentity?: string
  /** Session policies: JSON texts, inline and managed. */
  readonly policies: readonly string[]
  /** Further keys of the session's requests: `ISSUER:sub`, `aws:FederatedProvider`. */
  readonly context: Readonly<Record<string, string | readonly string[]>>
}

export interface ClusterRecord {
  readonly accountId: string
  readonly region: string
  readonly name: string
  readonly arn: string
  readonly status: 'CREATING' | 'ACTIVE' | 'DELETING' | 'FAILED'
  readonly kubernetesVersion: string
  readonly roleArn: string
  readonly issuer?: string
  readonly endpoint?: string
  /** PEM. */
  readonly certificateAuthority?: string
  readonly clientRequestToken?: string
  readonly tags: Tags
  readonly createdAtMs: number
}

/** An association with the account and region of its cluster, which its own record has not. */
export interface AssociationRecord {
  readonly accountId: string
  readonly region: string
  readonly clientRequestToken?: string
  readonly association: Association
}

export interface PublicAccessBlock {
  readonly BlockPublicAcls: boolean
  readonly IgnorePublicAcls: boolean
  readonly BlockPublicPolicy: boolean
  readonly RestrictPublicBuckets: boolean
}

export interface BucketRecord {
  readonly name: string
  readonly accountId: string
  readonly region: string
  readonly policy?: string
  /** Unique ids of the roles and users that its policy named, at the time of the write. */
  readonly policyPrincipalIds?: Readonly<Record<string, string>>
  readonly publicAccessBlock?: PublicAccessBlock
  readonly createdAtMs: number
}

export interface ObjectRecord {
  readonly bucket: string
  readonly key: string
  /** Base64. */
  readonly body: string
  readonly size: number
  /** With its quotes. */
  readonly etag: string
  /** Response headers that the writer chose: content-type, cache-control, `x-amz-meta-…`. */
  readonly headers: Readonly<Record<string, string>>
  readonly modifiedAtMs: number
}

/** The tables of the sandbox's AWS. */
export interface Tables {
  readonly users: Table<UserRecord>
  readonly roles: Table<RoleRecord>
  readonly policies: Table<PolicyRecord>
  readonly providers: Table<ProviderRecord>
  readonly keys: Table<KeyRecord>
  readonly clusters: Table<ClusterRecord>
  readonly associations: Table<AssociationRecord>
  readonly buckets: Table<BucketRecord>
  readonly objects: Table<ObjectRecord>
}

export function openTables(state: State): Tables {
  return {
    users: state.table('iam.users'),
    roles: state.table('iam.roles'),
    policies: state.table('iam.policies'),
    providers: state.table('iam.providers'),
    keys: state.table('sts.keys'),
    clusters: state.table('eks.clusters'),
    associations: state.table('eks.associations'),
    buckets: state.table('s3.buckets'),
    objects: state.table('s3.objects'),
  }
}

/** Role and user names are unique in an account without regard to case. */
export const nameKey = (accountId: string, name: string): string =>
  `${accountId}/${name.toLowerCase()}`

export const clusterKey = (accountId: string, region: string, name: string): string =>
  `${accountId}/${region}/${name}`

/** Bucket names hold no slash. */
export const objectKey = (bucket: string, key: string): string => `${bucket}/${key}`

/** The document that a policy's default version holds. */
export function defaultDocument(policy: PolicyRecord): string {
  const version = policy.versions.find(({ versionId }) => versionId === policy.defaultVersionId)
  return version?.document ?? ''
}
