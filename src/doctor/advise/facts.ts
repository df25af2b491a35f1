/** What an advice is made of. */
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import type { ClusterKind } from './cluster-kind.ts'
import type { KnownSdk } from '../facts/sdk.ts'

/** The ways to credentials. */
export const WAYS = ['pod-identity', 'irsa', 'broker'] as const
export type Way = (typeof WAYS)[number]

/** What a workload wants that nothing in a cluster tells. */
export const NEEDS = [
  'session-tags',
  'role-before-cluster',
  'portable',
  'cross-account',
  'second-way',
] as const
export type Need = (typeof NEEDS)[number]

export interface AdviceFacts {
  readonly serviceAccount: ServiceAccountName
  readonly cluster: ClusterProfile
  /** Where its pods run; none where none runs yet. */
  readonly compute: readonly Compute[]
  readonly sdk?: KnownSdk
  readonly needs: readonly Need[]
  /** By which it has a role now. */
  readonly current: readonly Way[]
  readonly role?: RoleProfile
  readonly providers?: { readonly used: number; readonly limit: number }
}

export interface ClusterProfile {
  readonly name: string
  readonly kind: ClusterKind
  /** What told the kind. */
  readonly evidence: string
  /** `1.29`; undefined where nobody tells. */
  readonly version?: string
  /** Whether the Pod Identity agent is there, by add-on or built in; undefined where not known. */
  readonly hasAgent?: boolean
  /** Where the add-on's is another one than `ACTIVE`: `CREATING`, `DEGRADED`, `CREATE_FAILED`, … */
  readonly agentStatus?: string
  /** Whether the account has the OIDC provider of the cluster's issuer. */
  readonly hasProvider?: boolean
  /** Whether a broker knows the cluster. */
  readonly hasBroker?: boolean
}

export type Compute = 'linux' | 'fargate' | 'windows' | 'hybrid'

export interface RoleProfile {
  readonly arn: string
  /** Whether it, or the target role, is of another account than the cluster. */
  readonly isElsewhere: boolean
  /** Issuers and clusters that its trust policy names, or clusters that use it: the larger. */
  readonly clusters: number
  readonly trust: { readonly characters: number; readonly quota: number }
}
