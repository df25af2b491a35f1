/** A plan: what is to be done, in which order and why, as one value. */
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import type { Tags } from '../../iam/tags.ts'
import type { AccessPolicy, AuthenticationMode } from '../desired/desired-state.ts'
import type {
  AddonSettings,
  AssociationSettings,
  PlanAccessEntry,
  PlanAddon,
  PlanAssociation,
  PlanProvider,
  PlanRole,
  PlanServiceAccount,
  WebhookOrigin,
} from './observed-state.ts'

export interface Plan {
  /** A step comes behind all that it depends on. */
  readonly steps: readonly PlanStep[]
  /** What cannot be done, or may not without being told to; with any, nothing is applied. */
  readonly refusals: readonly Refusal[]
  /** What is worth knowing and changes nothing. */
  readonly remarks: readonly Remark[]
}

/** Whether everything is as it is to be. */
export const isNothingToDo = ({ refusals, steps }: Plan): boolean =>
  steps.length === 0 && refusals.length === 0

export interface PlanStep {
  /** The same in every plan that has the step. */
  readonly id: string
  readonly action: PlanAction
  readonly dependsOn: readonly string[]
  readonly risk: Risk
  /** What undoes it, in order; nothing where nothing can. */
  readonly inverse: readonly PlanAction[]
  /** What the caller needs of AWS. */
  readonly needs: readonly NeededAction[]
}

export interface NeededAction {
  /** `iam:CreateRole` */
  readonly action: string
  readonly resource: string
}

export interface Risk {
  readonly level: 'none' | 'change' | 'loss'
  /** Who loses what. */
  readonly text?: string
}

export interface Refusal {
  /** Stable. */
  readonly code: RefusalCode
  /** `cluster.yaml: iam.podIdentityAssociations[2]`, where a file asks for it. */
  readonly path?: string
  /** Where else a file asks for the same; they do not get it either. */
  readonly others?: readonly string[]
  readonly text: string
  readonly hint: string
}

export type RefusalCode =
  | 'NoCluster'
  | 'OtherCluster'
  | 'WrongAccount'
  | 'NoRole'
  | 'NoIssuer'
  | 'NoProvider'
  | 'NoAddonOffer'
  | 'NotOwned'
  | 'OtherRole'
  | 'OwnedByAddon'
  | 'RoleTaken'
  | 'RoleDiffers'
  | 'RoleNotTrusting'
  | 'TrustPolicyTooLong'
  | 'TrustPolicyUnreadable'
  | 'ModeNotReversible'
  | 'AccessEntriesOff'
  | 'LosesAccess'
  | 'ProviderInUse'
  | 'IssuerDiffers'

export interface Remark {
  readonly code:
    | 'foreign-statement'
    | 'long-trust'
    | 'account-wide-trust'
    | 'no-agent'
    | 'agent-not-active'
    | 'still-trusted'
    | 'role-kept'
    | 'provider-kept'
    | 'not-declared'
    /** A delete leaves it, and why. */
    | 'left-alone'
    | 'cluster-gone'
    | 'trust'
    | 'half'
  readonly text: string
}

/** What one step does: one call. What it changes is there as it was and as it will be. */
export type PlanAction = RoleAction | ClusterAction | KubernetesAction

export type RoleAction =
  | { readonly do: 'create-provider'; readonly provider: PlanProvider }
  | { readonly do: 'delete-provider'; readonly provider: PlanProvider }
  | { readonly do: 'add-client-id'; readonly arn: string; readonly clientId: string }
  | { readonly do: 'remove-client-id'; readonly arn: string; readonly clientId: string }
  | { readonly do: 'create-role'; readonly role: NewPlanRole }
  /** Its policies are gone by then. */
  | { readonly do: 'delete-role'; readonly role: NewPlanRole }
  | {
      readonly do: 'put-trust'
      readonly role: string
      /** Who leaves a trust policy leaves it last, when nothing gives them the role any more. */
      readonly phase: 'admit' | 'trim'
      readonly before: string
      readonly after: string
    }
  | { readonly do: 'attach-policy'; readonly role: string; readonly policyArn: string }
  | { readonly do: 'detach-policy'; readonly role: string; readonly policyArn: string }
  | {
      readonly do: 'put-inline-policy'
      readonly role: string
      readonly name: string
      readonly before?: string
      readonly after: string
    }
  | {
      readonly do: 'delete-inline-policy'
      readonly role: string
      readonly name: string
      readonly before: string
    }
  | {
      readonly do: 'put-boundary'
      readonly role: string
      readonly before?: string
      readonly after: string
    }
  | { readonly do: 'delete-boundary'; readonly role: string; readonly before: string }
  | {
      readonly do: 'tag-role'
      readonly role: string
      /** Values that the same keys have. */
      readonly before: Tags
      readonly after: Tags
    }
  | { readonly do: 'untag-role'; readonly role: string; readonly before: Tags }

export type NewPlanRole = Pick<PlanRole, 'name' | 'arn' | 'trustPolicy' | 'tags' | 'boundaryArn'>

/** A call to EKS or a broker; `cluster` is an ARN. */
export type ClusterAction = { readonly cluster: string } & (
  | {
      readonly do: 'update-authentication-mode'
      readonly before: AuthenticationMode
      readonly after: AuthenticationMode
    }
  | { readonly do: 'create-addon'; readonly addon: NewAddon }
  | { readonly do: 'delete-addon'; readonly addon: NewAddon }
  | {
      readonly do: 'update-addon'
      readonly name: string
      readonly before: AddonSettings
      readonly after: AddonSettings
      readonly resolveConflicts?: string
    }
  | { readonly do: 'create-association'; readonly association: NewAssociation }
  | { readonly do: 'delete-association'; readonly association: OldAssociation }
  | {
      readonly do: 'update-association'
      readonly serviceAccount: ServiceAccountName
      readonly associationId: string
      readonly before: AssociationSettings
      readonly after: AssociationSettings
    }
  | { readonly do: 'create-access-entry'; readonly entry: NewAccessEntry }
  | { readonly do: 'delete-access-entry'; readonly entry: NewAccessEntry }
  | {
      readonly do: 'update-access-entry'
      readonly principalArn: string
      readonly before: AccessNames
      readonly after: AccessNames
    }
  | {
      readonly do: 'associate-access-policy'
      readonly principalArn: string
      readonly before?: AccessPolicy
      readonly after: AccessPolicy
    }
  | {
      readonly do: 'disassociate-access-policy'
      readonly principalArn: string
      readonly before: AccessPolicy
    }
  | {
      readonly do: 'tag-resource'
      readonly arn: string
      readonly what: string
      readonly before: Tags
      readonly after: Tags
    }
  | {
      readonly do: 'untag-resource'
      readonly arn: string
      readonly what: string
      readonly before: Tags
    }
  | {
      readonly do: 'enable-workload-identity'
      /** Of the API server, and whose webhook there will be; where they were seen. */
      readonly issuer?: string
      readonly webhook?: WebhookOrigin
    }
  | { readonly do: 'disable-workload-identity'; readonly losesAccess: readonly string[] }
)

export type NewAssociation = Pick<PlanAssociation, 'serviceAccount' | 'settings' | 'tags'>
/** One that a plan makes has no id yet: it is found by its service account. */
export type OldAssociation = NewAssociation & { readonly associationId?: string }
/** Policies are associated by steps of their own; EKS names what is left out. */
export type NewAccessEntry = Pick<PlanAccessEntry, 'principalArn' | 'type' | 'tags'> &
  Partial<AccessNames>
export interface AccessNames {
  readonly groups: readonly string[]
  readonly username: string
}
export type NewAddon = Pick<PlanAddon, 'name' | 'settings' | 'tags'> & {
  readonly namespace?: string
  readonly configurationValues?: string
  readonly resolveConflicts?: string
}

export type KubernetesAction = { readonly cluster: string } & (
  | { readonly do: 'create-namespace'; readonly namespace: string }
  | { readonly do: 'delete-namespace'; readonly namespace: string }
  | { readonly do: 'create-service-account'; readonly object: PlanServiceAccount }
  | { readonly do: 'delete-service-account'; readonly object: PlanServiceAccount }
  | {
      readonly do: 'patch-service-account'
      readonly serviceAccount: ServiceAccountName
      /** The keys that change, as they are: null where one is not there. */
      readonly before: KeyValues
      readonly after: KeyValues
    }
)

export interface KeyValues {
  readonly labels: Readonly<Record<string, string | null>>
  readonly annotations: Readonly<Record<string, string | null>>
}
