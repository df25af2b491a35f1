/** What explain reads, place by place; nothing here writes. Faults carry the codes of AWS and Kubernetes. */
import type { OutsideFacts } from '../../issuer/outside/facts.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import type {
  AccountFact,
  AssociationFact,
  PolicyFact,
  ProviderFact,
  RoleFact,
} from './workload-facts.ts'

export interface IamPort {
  /** Undefined where the account has none of that name. */
  role(name: string): Promise<RoleFact | undefined>
  provider(arn: string): Promise<ProviderFact | undefined>
  providerArns(): Promise<readonly string[]>
  /** False where IAM's simulator says that the organization does not allow it. */
  allowedByOrganization(
    roleArn: string,
    action: string,
    resource: string,
  ): Promise<boolean | undefined>
  /** The policy of a bucket; of other resources none is read. */
  resourcePolicy(resource: string): Promise<PolicyFact | undefined>
}

/** What EKS or a broker says of a cluster. */
export interface ClusterTold {
  readonly arn?: string
  readonly issuer?: string
  /** EKS Auto Mode. */
  readonly isAutoMode?: boolean
  readonly fleetIssuer?: string
}

/** What is known of the cluster beside Kubernetes: EKS or a broker. */
export interface ClusterPort {
  readonly name?: string
  readonly kind: 'eks' | 'broker' | 'not-named'
  /** Undefined where there is nobody to ask. */
  facts(): Promise<ClusterTold | undefined>
  association(serviceAccount: ServiceAccountName): Promise<AssociationFact | undefined>
}

/** One account, with credentials of its own. */
export interface AccountPlace {
  readonly account: AccountFact
  readonly iam: IamPort
}

export interface ExplainPlaces extends AccountPlace {
  /** Further ones, which roles may be in. */
  readonly others?: readonly AccountPlace[]
  readonly kube: Pick<KubeClient, 'get' | 'list' | 'raw'>
  readonly cluster: ClusterPort
  /** Looks at an issuer from outside. */
  look(issuer: string): Promise<OutsideFacts>
  readonly nowMs: number
  /** How long one place may take to answer. */
  readonly timeoutMs: number
}
