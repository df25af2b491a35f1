/** What a plan reads, place by place. Faults carry the codes of AWS and Kubernetes. */
import type { QuotaReading } from '../../aws/iam-quotas.ts'
import type { DesiredAddon, DesiredCluster } from '../desired/desired-state.ts'
import type {
  AddonOffer,
  KubeIdentity,
  ObservedCluster,
  PlanAccessEntry,
  PlanAddon,
  PlanAssociation,
  PlanProvider,
  PlanRole,
  PlanServiceAccount,
  WorkloadIdentity,
} from '../plan/observed-state.ts'

/** IAM of one account. */
export interface IamReader {
  readonly partition: string
  readonly accountId: string
  /** All of them. */
  roles(): Promise<readonly PlanRole[]>
  /** Undefined where the account has none with that ARN. */
  provider(arn: string): Promise<PlanProvider | undefined>
  /** Never a fault: AWS's documented default where it may not be read. */
  trustQuota(): Promise<QuotaReading>
}

/** A cluster as EKS or a broker knows it. */
export interface ClusterFacts extends Pick<
  ObservedCluster,
  | 'arn'
  | 'region'
  | 'endpoint'
  | 'isPrivate'
  | 'issuer'
  | 'fleetIssuer'
  | 'isAutoMode'
  | 'authenticationMode'
> {
  /** `1.36`; of EKS alone. */
  readonly kubernetesVersion?: string
}

/** One cluster on EKS or on a broker. Who has no access entries and add-ons gives none. */
export interface ClusterReader {
  /** Undefined where there is no such cluster. */
  facts(): Promise<ClusterFacts | undefined>
  associations(): Promise<readonly PlanAssociation[]>
  accessEntries(): Promise<readonly PlanAccessEntry[]>
  /** @param associations all of the cluster, of which an add-on names those that it owns */
  addons(associations: readonly PlanAssociation[]): Promise<readonly PlanAddon[]>
  /** Undefined where EKS has no such add-on for that version of Kubernetes. */
  offer(addon: DesiredAddon, kubernetesVersion: string): Promise<AddonOffer | undefined>
}

/** One cluster's Kubernetes. */
export interface KubeReader {
  /** Whether it is the cluster's, whose Kubernetes is to be read. */
  identity(): Promise<KubeIdentity>
  /** Of its API server, as it is reached. */
  readonly server: string
  serviceAccounts(): Promise<readonly PlanServiceAccount[]>
  namespaces(): Promise<readonly string[]>
  workloadIdentity(): Promise<WorkloadIdentity>
}

/** Where everything is read; what is opened is opened when it is needed. */
export interface ObservePlaces {
  readonly iam: IamReader
  cluster(desired: DesiredCluster): Promise<ClusterReader>
  /** @throws PodroleError `NoKubeAccess`, … where the cluster's Kubernetes cannot be reached */
  kube(desired: DesiredCluster, facts: ClusterFacts): Promise<KubeReader>
  /** What is known still of a cluster that is not there; without it such a one is left out. */
  gone?(
    desired: DesiredCluster,
  ): Promise<Pick<ObservedCluster, 'arn' | 'region' | 'issuer'> | undefined>
}
