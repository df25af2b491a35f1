/** What doctor judges: an account and its clusters, as plain values that a file can hold. */
import type { OutsideFacts } from '../../issuer/outside/facts.ts'
import type { PlanRole } from '../../manage/plan/observed-state.ts'
import type { Jwks } from '../../token/jwks.ts'
import type { Fact } from './fact.ts'

export interface DoctorFacts {
  readonly nowMs: number
  readonly accountId: string
  readonly partition: string
  readonly region: string
  /** Of podrole itself, as semver.org writes it. */
  readonly version: string
  /** Every role of the account. */
  readonly roles: Fact<readonly PlanRole[]>
  /** Texts of the managed policies that the clusters' own roles are judged by, by their ARNs. */
  readonly policyTexts: Readonly<Record<string, Fact<string | undefined>>>
  /** ARNs of all IAM OIDC providers of the account. */
  readonly providers: Fact<readonly string[]>
  /** Every EKS cluster of the account in the region. */
  readonly eksClusters: Fact<readonly EksClusterFact[]>
  /** Issuers of providers that none of these clusters has, as seen from outside, by their URLs. */
  readonly foreignIssuers: Readonly<Record<string, Fact<OutsideFacts>>>
  /** Of a broker's fleet issuer; undefined where no broker was named. */
  readonly signingKeys: Fact<readonly SigningKeyFact[] | undefined>
  /** Those that were asked about. */
  readonly clusters: readonly DoctorCluster[]
}

/** A cluster as DescribeCluster tells it. */
export interface EksClusterFact {
  readonly name: string
  readonly arn: string
  /** Of Kubernetes: `1.36`. */
  readonly version: string
  readonly issuer?: string
  readonly roleArn?: string
  /** EKS Auto Mode's own nodes. */
  readonly autoNodeRoleArn?: string
  readonly isAutoMode: boolean
}

export interface SigningKeyFact {
  readonly kid: string
  readonly state: string
  /** Since when it is in this state, ISO 8601. */
  readonly since: string
}

/** One cluster: what EKS says of it, and what its Kubernetes does. */
export interface DoctorCluster {
  readonly name: string
  /** Undefined where EKS has none of that name, or was not asked by name. */
  readonly eks: Fact<EksClusterFact | undefined>
  readonly nodegroups: Fact<readonly ComputeFact[]>
  readonly fargateProfiles: Fact<readonly ComputeFact[]>
  readonly associations: Fact<readonly AssociatedFact[]>
  readonly agentAddon: Fact<AgentAddonFact | undefined>
  readonly instances: Fact<readonly InstanceFact[]>
  readonly serviceAccounts: Fact<readonly AccountedFact[]>
  readonly namespaces: Fact<readonly string[]>
  readonly pods: Fact<readonly PodFact[]>
  readonly nodes: Fact<readonly NodeFact[]>
  readonly webhooks: Fact<readonly PodWebhookFact[]>
  /** Of the tokens of its service accounts; undefined where its API server names none. */
  readonly issuer: Fact<string | undefined>
  /** The keys that its API server takes tokens of. */
  readonly liveKeys: Fact<Jwks | undefined>
  /** Its issuer as STS sees it; undefined where it has none. */
  readonly outside: Fact<OutsideFacts | undefined>
}

/** A node group or a Fargate profile. */
export interface ComputeFact {
  readonly name: string
  readonly roleArn: string
}

export interface AssociatedFact {
  readonly id: string
  readonly namespace: string
  readonly serviceAccount: string
  /** An add-on's own. */
  readonly isOwned: boolean
}

export interface AgentAddonFact {
  readonly version: string
  readonly status: string
  /** That EKS has for the cluster's Kubernetes, the newest first. */
  readonly offered: readonly string[]
  /** Of those, what EKS installs where nobody says otherwise. */
  readonly usual?: string
}

/** An EC2 instance of the cluster that runs. */
export interface InstanceFact {
  readonly id: string
  readonly httpEndpoint: string
  readonly httpTokens: string
  readonly hopLimit: number
}

export interface AccountedFact {
  readonly namespace: string
  readonly name: string
  /** `eks.amazonaws.com/role-arn`, where it is not empty. */
  readonly roleArn?: string
}

/** A pod that has not ended. */
export interface PodFact {
  readonly namespace: string
  readonly name: string
  readonly serviceAccount: string
  readonly node?: string
  readonly isReady: boolean
  /** ISO 8601. */
  readonly madeAt?: string
  readonly labels: Readonly<Record<string, string>>
  readonly images: readonly string[]
  /**
   * How its containers get credentials: `keys` are in the environment, `unclear` is an environment
   * out of objects that are not read, `none` leaves them to the instance's role.
   */
  readonly ways: readonly ('web-identity' | 'container' | 'keys' | 'unclear' | 'none')[]
}

export interface NodeFact {
  readonly name: string
  readonly isReady: boolean
  /** Where an agent can run. */
  readonly compute: 'linux' | 'windows' | 'fargate' | 'hybrid'
}

/** A mutating webhook that gives pods their identity. */
export interface PodWebhookFact {
  readonly configuration: string
  readonly name: string
  readonly url?: string
  readonly service?: ServiceFact
  /** Ends of what is in its caBundle, ISO 8601. */
  readonly authorityEnds: readonly string[]
  /** End of the certificate that it serves, ISO 8601; undefined where none is in the cluster. */
  readonly certificateEnds: Fact<string | undefined>
}

export interface ServiceFact {
  readonly namespace: string
  readonly name: string
  /** Undefined where there is no such service. */
  readonly selector: Fact<Readonly<Record<string, string>> | undefined>
}
