/** Everything that decides whether a pod gets its role, as plain values that a file can hold. */
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import type { OutsideFacts } from '../../issuer/outside/facts.ts'
import type { Pod, ServiceAccount } from '../../kube/objects.ts'
import type { AwsClaims } from '../../token/aws-claims.ts'
import type { Jwks } from '../../token/jwks.ts'
import type { Fact } from './fact.ts'
import type { LabelSelector, NetworkPolicyFact, PolicyEnforcer } from './network-facts.ts'
import type { KnownSdk } from './sdk.ts'

export interface WorkloadFacts {
  readonly nowMs: number
  readonly subject: ServiceAccountName
  /** That the role is in, where credentials of it are given; else that of the credentials. */
  readonly account: AccountFact
  /** All whose credentials were given; `account` alone where absent. */
  readonly accounts?: readonly AccountFact[]
  readonly cluster: ClusterFact
  readonly serviceAccount: Fact<ServiceAccount | undefined>
  /** The pod that was asked about, or the newest one of the service account. */
  readonly pod: Fact<Pod | undefined>
  /** Which of its containers is meant; the first one by default. */
  readonly container?: string
  readonly webhooks: Fact<readonly WebhookFact[]>
  /** A token that was given, in place of the one that the pod's volume asks for. */
  readonly token?: TokenFact
  /** The issuer as STS sees it. */
  readonly outside: Fact<OutsideFacts | undefined>
  /** Of the ARN that the pod or the service account names. */
  readonly role: Fact<RoleFact | undefined>
  /** Of the token's issuer, in the role's account. */
  readonly provider: Fact<ProviderFact | undefined>
  /** ARNs of all providers of the account. */
  readonly providerArns: Fact<readonly string[]>
  /** Of the cluster that was named, on EKS or a broker. */
  readonly association: Fact<AssociationFact | undefined>
  /** That the association's role goes on to. */
  readonly targetRole: Fact<RoleFact | undefined>
  /** The Pod Identity agent on the pod's node. */
  readonly agent: Fact<AgentFact | undefined>
  /** Of the pod's namespace. */
  readonly networkPolicies: Fact<readonly NetworkPolicyFact[]>
  /** What is seen on the pod's node that enforces them. */
  readonly policyEnforcer: Fact<PolicyEnforcer | undefined>
  readonly question?: QuestionFact
  /** Of a message that was given. */
  readonly error?: ErrorFact
  /** That the container's program uses, as somebody says who knows. */
  readonly sdk?: KnownSdk
}

/** What an error's message says beyond that something was refused. */
export interface ErrorFact {
  /** Name of the role whose session asked. */
  readonly role?: string
  readonly action?: string
  readonly resource?: string
  /** That STS found no provider for. */
  readonly issuer?: string
  /** By the user agent, where there is one: an event of CloudTrail has it. */
  readonly sdk?: KnownSdk
  /** A policy of the organization is named. */
  readonly byOrganization: boolean
}

export interface AssociationFact {
  readonly id: string
  readonly roleArn: string
  readonly targetRoleArn?: string
  readonly externalId?: string
  readonly disableSessionTags: boolean
  /** Session policy, JSON text. */
  readonly policy?: string
  /** Milliseconds since the epoch. */
  readonly createdAtMs: number
}

export type AgentFact =
  /** EKS Auto Mode has it built in. */
  | { readonly kind: 'built-in' }
  | { readonly kind: 'pod'; readonly name: string; readonly node: string; readonly ready: boolean }

export interface AccountFact {
  readonly accountId: string
  readonly partition: string
  readonly region: string
  /** What commands have to name to reach it; undefined where they reach it anyhow. */
  readonly profile?: string
}

export interface ClusterFact {
  /** As EKS or the broker knows it; undefined where none was named. */
  readonly name?: string
  readonly kind: 'eks' | 'broker' | 'not-named'
  readonly arn?: string
  /** Of the tokens that its API server signs. */
  readonly issuer: Fact<string | undefined>
  /** The keys that its API server takes tokens of. */
  readonly keys: Fact<Jwks | undefined>
  /** EKS Auto Mode. */
  readonly isAutoMode: boolean
  /** Where a broker has the cluster: the issuer that it signs with. */
  readonly fleetIssuer?: string
}

/** A mutating webhook that is called for pods. */
export interface WebhookFact {
  readonly configuration: string
  readonly name: string
  readonly failurePolicy: string
  readonly namespaceSelector?: LabelSelector
  readonly objectSelector?: LabelSelector
}

/** What a token says, never the token itself. */
export interface TokenFact {
  /** `given`: read from a file. `expected`: what the pod's volume and the cluster make. */
  readonly source: 'given' | 'expected'
  readonly issuer: string
  readonly subject: string
  readonly audiences: readonly string[]
  readonly authorizedParty?: string
  /** Seconds since the epoch. */
  readonly expiresAt?: number
  readonly issuedAt?: number
  readonly notBefore?: number
  readonly keyId?: string
  /** Of its header. */
  readonly algorithm?: string
  /** Of `https://aws.amazon.com/…`, which a cluster's own tokens never have. */
  readonly aws?: AwsClaims
  /** `amr` */
  readonly methods?: readonly string[]
  readonly email?: string
  /** Why it cannot be read; all else is empty then. */
  readonly fault?: string
}

export interface RoleFact {
  readonly arn: string
  readonly name: string
  /** `AROA…` */
  readonly id: string
  /** Its exact text. */
  readonly trustPolicy: string
  readonly maxSessionSeconds: number
  readonly policies: Fact<readonly PolicyFact[]>
  readonly boundary?: Fact<PolicyFact>
}

export interface PolicyFact {
  /** `inline:NAME`, or its ARN. */
  readonly name: string
  /** JSON text. */
  readonly text: string
}

export interface ProviderFact {
  readonly arn: string
  readonly clientIds: readonly string[]
  readonly thumbprints: readonly string[]
}

/** What the pod wants to do. */
export interface QuestionFact {
  /** `s3:GetObject` */
  readonly action: string
  /** An ARN. */
  readonly resource: string
  /** The policy of the resource itself, where it has one that is read. */
  readonly resourcePolicy: Fact<PolicyFact | undefined>
  /** Of the resource, where one of the accounts could read its policy. */
  readonly ownerAccountId?: string
  /** False where a policy of the organization keeps the role from it, as IAM's simulator says. */
  readonly allowedByOrganization: Fact<boolean | undefined>
}
