/** What is, as far as a plan looks at it: IAM of one account, EKS or a broker, Kubernetes. */
import type { QuotaReading } from '../../aws/iam-quotas.ts'
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import type { Tags } from '../../iam/tags.ts'
import type { AccessPolicy, AuthenticationMode } from '../desired/desired-state.ts'

export interface ObservedState {
  readonly partition: string
  readonly accountId: string
  /** Characters of a role's trust policy. */
  readonly trustQuota: QuotaReading
  /** Every role of the account. */
  readonly roles: readonly PlanRole[]
  readonly providers: readonly PlanProvider[]
  readonly clusters: readonly ObservedCluster[]
}

/** A role with everything that a plan may change of it. */
export interface PlanRole {
  readonly name: string
  readonly arn: string
  /** Its exact text. */
  readonly trustPolicy: string
  readonly tags: Tags
  readonly policyArns: readonly string[]
  /** Texts of its inline policies by their names. */
  readonly inline: Readonly<Record<string, string>>
  readonly boundaryArn?: string
}

/** An IAM OIDC provider. */
export interface PlanProvider {
  readonly arn: string
  readonly clientIds: readonly string[]
  readonly tags: Tags
  /** IAM finds them itself where a new one is asked for without any. */
  readonly thumbprints?: readonly string[]
}

/** Whether the kubeconfig leads to the cluster that is meant. */
export type KubeIdentity =
  | { readonly kind: 'same' }
  | {
      readonly kind: 'other'
      readonly server: string
      readonly issuer: string
      readonly wanted: string
    }
  | { readonly kind: 'unknown'; readonly server: string; readonly why: string }

export interface ObservedCluster {
  readonly arn: string
  readonly name: string
  readonly region: string
  /** Of its API server, as EKS names it. */
  readonly endpoint?: string
  /** Its API server is reached from its own network alone. */
  readonly isPrivate?: boolean
  /** Of the service accounts' own tokens; an EKS cluster has one. */
  readonly issuer?: string
  /** Where a broker has the cluster: the fleet's issuer. */
  readonly fleetIssuer?: string
  /** EKS Auto Mode has the agent built in. */
  readonly isAutoMode: boolean
  readonly authenticationMode?: AuthenticationMode
  readonly associations: readonly PlanAssociation[]
  readonly accessEntries: readonly PlanAccessEntry[]
  readonly addons: readonly PlanAddon[]
  /** What EKS has to offer of the add-ons that are asked for. */
  readonly offers: readonly AddonOffer[]
  readonly serviceAccounts: readonly PlanServiceAccount[]
  readonly namespaces: readonly string[]
  readonly workloadIdentity: WorkloadIdentity
  /** Where its Kubernetes was to be read and something else was found. */
  readonly kubeFault?: string
  /** EKS has no such cluster: seen for a delete alone. */
  readonly isGone?: boolean
}

export interface PlanAssociation {
  readonly serviceAccount: ServiceAccountName
  readonly associationId: string
  readonly arn: string
  readonly settings: AssociationSettings
  /** The add-on that made it. */
  readonly ownerArn?: string
  readonly tags: Tags
}

/** What an update changes. */
export interface AssociationSettings {
  readonly roleArn: string
  readonly targetRoleArn?: string
  readonly disableSessionTags: boolean
  /** Session policy, JSON text. */
  readonly policy?: string
}

export interface PlanAccessEntry {
  readonly principalArn: string
  readonly arn: string
  readonly type: string
  readonly groups: readonly string[]
  readonly username: string
  readonly policies: readonly AccessPolicy[]
  readonly tags: Tags
}

export interface PlanAddon {
  readonly name: string
  readonly arn: string
  readonly settings: AddonSettings
  readonly tags: Tags
  /** Where it is another one than `ACTIVE`: `CREATING`, `DEGRADED`, `CREATE_FAILED`, … */
  readonly status?: string
}

/** What an update changes. */
export interface AddonSettings {
  readonly version: string
  readonly associations: readonly AddonRole[]
  readonly serviceAccountRoleArn?: string
}

/** EKS takes the name of the service account; its namespace is the add-on's. */
export interface AddonRole {
  readonly serviceAccount: string
  readonly roleArn: string
}

export interface AddonOffer {
  readonly name: string
  readonly defaultVersion: string
  readonly latestVersion: string
  readonly namespace: string
  /** EKS API, DescribeAddonConfiguration: whom it recommends to give which policies. */
  readonly recommended: readonly {
    readonly serviceAccount: string
    readonly policyArns: readonly string[]
  }[]
}

export interface PlanServiceAccount {
  readonly serviceAccount: ServiceAccountName
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** Document 002's add-on. */
export interface WorkloadIdentity {
  /** `partial`: begun and not brought to its end, or changed since. */
  readonly status: 'enabled' | 'disabled' | 'partial'
  /** A file enabled it, so that a file without it disables it. */
  readonly isDeclared: boolean
  /** Of the service accounts' tokens, as the API server tells it. */
  readonly issuer?: string
  /** Whose webhook gives pods their tokens, or would. */
  readonly webhook?: WebhookOrigin
}

/**
 * `podrole`: the add-on's own; `found`: one of the same name that the add-on did not make, and
 * leaves alone; `eks`: EKS's, in its control plane.
 */
export type WebhookOrigin = 'podrole' | 'found' | 'eks'
