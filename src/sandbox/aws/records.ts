/**
 * What the sandbox's AWS keeps: plain JSON records in the state's tables. Times are milliseconds
 * since the epoch. Names that AWS compares without case are keyed in lower case.
 */
import type { Association } from '../../associations/association.ts'
import type { State, Table } from '../state.ts'
import type * as Eks from './eks/records.ts'
import type { InstanceRecord } from './ec2/records.ts'
import type { KmsAliasRecord, KmsKeyRecord } from './kms/records.ts'
import type { QuotaRequestRecord } from './quotas/quota-requests.ts'
import type { QuotaSetting } from './quotas/quotas.ts'

export type Tags = Readonly<Record<string, string>>

/** An IAM user. */
export interface UserRecord {
  readonly accountId: string
  readonly userName: string
  readonly path: string
  readonly userId: string
  readonly arn: string
  readonly boundaryArn?: string
  readonly inlinePolicies: Readonly<Record<string, string>>
  readonly attachedPolicyArns: readonly string[]
  readonly tags: Tags
  readonly createdAtMs: number
}

/** An IAM group; its members by unique id, so that they stay when a user gets another name. */
export interface GroupRecord {
  readonly accountId: string
  readonly groupName: string
  readonly path: string
  readonly groupId: string
  readonly arn: string
  readonly inlinePolicies: Readonly<Record<string, string>>
  readonly attachedPolicyArns: readonly string[]
  readonly userIds: readonly string[]
  readonly createdAtMs: number
}

/** What carries one role to an EC2 instance. */
export interface InstanceProfileRecord {
  readonly accountId: string
  readonly profileName: string
  readonly path: string
  readonly profileId: string
  readonly arn: string
  /** None, or the name of the one. */
  readonly roleName?: string
  readonly tags: Tags
  readonly createdAtMs: number
}

/** A policy of an organization. */
export interface ServiceControlPolicy {
  /** How decisions name it. */
  readonly name: string
  /** JSON. */
  readonly document: string
}

/** Policies of an organization that limit an account; `*` limits all. */
export interface OrganizationRecord {
  readonly accountId: string
  /** Each must allow. */
  readonly serviceControlPolicies: readonly ServiceControlPolicy[]
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

/** The deletion of a service-linked role: refused where something still used it. */
export interface DeletionTaskRecord {
  readonly accountId: string
  /** Region → ARNs. */
  readonly usage: Readonly<Record<string, readonly string[]>>
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
  /** Keys of users only; one that is inactive signs nothing. */
  readonly inactive?: boolean
  readonly createdAtMs?: number
  /** Keys of users only. */
  readonly lastUse?: { readonly atMs: number; readonly service: string; readonly region: string }
  /** A user's temporary credentials: they end, and with the user of that id too. */
  readonly temporary?: TemporaryRecord
  readonly session?: SessionRecord
}

/** A user's session. */
export interface TemporaryRecord {
  readonly userId: string
  readonly sessionToken: string
  readonly issuedAtMs: number
  readonly expiresAtMs: number
  /** Of GetFederationToken: another name, and less than the user may. */
  readonly federated?: FederationRecord
}

export interface FederationRecord {
  readonly name: string
  readonly tags: Tags
  /** Session policies: JSON texts; without one nothing is allowed by the user's own. */
  readonly policies: readonly string[]
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
  readonly status: 'CREATING' | 'ACTIVE' | 'DELETING' | 'FAILED' | 'PENDING'
  readonly kubernetesVersion: string
  readonly roleArn: string
  readonly issuer?: string
  readonly endpoint?: string
  /** PEM. */
  readonly certificateAuthority?: string
  readonly clientRequestToken?: string
  readonly tags: Tags
  readonly createdAtMs: number
  readonly authenticationMode?: Eks.AuthenticationMode
  readonly bootstrapCreatorAdmin?: boolean
  /** The role (not its session) or user that made it. */
  readonly creatorArn?: string
  readonly deletionProtection?: boolean
  /** A cluster that runs elsewhere and was registered. */
  readonly connector?: Eks.WireMembers
  /** Further members as UpdateClusterConfig set them: `logging`, `upgradePolicy`, … */
  readonly members?: Eks.WireMembers
}

/** An association with the account and region of its cluster, which its own record has not. */
export interface AssociationRecord {
  readonly accountId: string
  readonly region: string
  readonly clientRequestToken?: string
  readonly association: Association
}

export type ObjectOwnership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter'

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
  /** `BucketOwnerEnforced` where it is not there; null where it was taken away. */
  readonly objectOwnership?: ObjectOwnership | null
  readonly tags?: Tags
  /** Where it is not there, nobody ever asked for versions. */
  readonly versioning?: 'Enabled' | 'Suspended'
  readonly createdAtMs: number
}

/** What tells the versions of one key apart. */
interface VersionPlace {
  readonly bucket: string
  readonly key: string
  /** The version that S3 calls `null` has none. */
  readonly versionId?: string
  /** Counts up with each version of the key; 0 where it is not there. */
  readonly number?: number
  readonly modifiedAtMs: number
}

/** Stands for an object that was deleted while its bucket kept versions. */
export interface DeleteMarkerRecord extends VersionPlace {
  readonly isDeleteMarker: true
}

export interface ObjectRecord extends VersionPlace {
  /** Base64. */
  readonly body: string
  readonly size: number
  /** With its quotes. */
  readonly etag: string
  /** Response headers that the writer chose: content-type, cache-control, `x-amz-meta-…`. */
  readonly headers: Readonly<Record<string, string>>
  /** Its ACL is the canned one `public-read`; the owner's alone where it is not there. */
  readonly acl?: 'public-read'
  readonly tags?: Tags
}

/** An upload in parts that is not complete. */
export interface UploadRecord {
  readonly uploadId: string
  readonly bucket: string
  readonly key: string
  /** As an object's. */
  readonly headers: Readonly<Record<string, string>>
  readonly tags?: Tags
  readonly createdAtMs: number
}

export interface PartRecord {
  readonly uploadId: string
  readonly number: number
  /** Base64. */
  readonly body: string
  readonly size: number
  /** With its quotes. */
  readonly etag: string
  readonly modifiedAtMs: number
}

/** The tables of the sandbox's AWS. */
export interface Tables {
  readonly users: Table<UserRecord>
  readonly groups: Table<GroupRecord>
  readonly instanceProfiles: Table<InstanceProfileRecord>
  readonly organization: Table<OrganizationRecord>
  readonly roles: Table<RoleRecord>
  readonly deletionTasks: Table<DeletionTaskRecord>
  readonly policies: Table<PolicyRecord>
  readonly providers: Table<ProviderRecord>
  readonly keys: Table<KeyRecord>
  readonly clusters: Table<ClusterRecord>
  readonly associations: Table<AssociationRecord>
  readonly buckets: Table<BucketRecord>
  /** What each key gives. */
  readonly objects: Table<ObjectRecord>
  /** Versions that no key gives without its id: older ones, and delete markers. */
  readonly versions: Table<ObjectRecord | DeleteMarkerRecord>
  readonly uploads: Table<UploadRecord>
  readonly parts: Table<PartRecord>
  readonly accessEntries: Table<Eks.AccessEntryRecord>
  readonly addons: Table<Eks.AddonRecord>
  readonly nodegroups: Table<Eks.NodegroupRecord>
  readonly fargateProfiles: Table<Eks.FargateProfileRecord>
  readonly updates: Table<Eks.UpdateRecord>
  readonly instances: Table<InstanceRecord>
  readonly kmsKeys: Table<KmsKeyRecord>
  readonly kmsAliases: Table<KmsAliasRecord>
  readonly quotas: Table<QuotaSetting>
  readonly quotaRequests: Table<QuotaRequestRecord>
}

export function openTables(state: State): Tables {
  return {
    users: state.table('iam.users'),
    groups: state.table('iam.groups'),
    instanceProfiles: state.table('iam.instance-profiles'),
    organization: state.table('organizations.policies'),
    roles: state.table('iam.roles'),
    deletionTasks: state.table('iam.deletion-tasks'),
    policies: state.table('iam.policies'),
    providers: state.table('iam.providers'),
    keys: state.table('sts.keys'),
    clusters: state.table('eks.clusters'),
    associations: state.table('eks.associations'),
    buckets: state.table('s3.buckets'),
    objects: state.table('s3.objects'),
    versions: state.table('s3.versions'),
    uploads: state.table('s3.uploads'),
    parts: state.table('s3.parts'),
    accessEntries: state.table('eks.access-entries'),
    addons: state.table('eks.addons'),
    nodegroups: state.table('eks.nodegroups'),
    fargateProfiles: state.table('eks.fargate-profiles'),
    updates: state.table('eks.updates'),
    instances: state.table('ec2.instances'),
    kmsKeys: state.table('kms.keys'),
    kmsAliases: state.table('kms.aliases'),
    quotas: state.table('servicequotas.settings'),
    quotaRequests: state.table('servicequotas.requests'),
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
