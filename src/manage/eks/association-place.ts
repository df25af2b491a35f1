import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import type { TrustGrant } from '../../iam/trust-grant.ts'
import type { RolePort } from '../roles/role-port.ts'
import type { AssociationPort } from './association-port.ts'

/** A cluster whose associations are managed, on EKS or on a broker. */
export interface AssociationCluster {
  readonly clusterName: string
  readonly clusterArn: string
  /** Of the cluster; on EKS an association's role is there too. */
  readonly partition: string
  readonly roleAccountId?: string
  readonly associations: AssociationPort
  /** IAM with the caller's credentials; undefined where there are none, which a broker lets be. */
  readonly roles: RolePort | undefined
  /** What a role must trust so that the service account gets it. */
  grant(serviceAccount: ServiceAccountName, disableSessionTags: boolean): TrustGrant
  /** How commands name the cluster: `--cluster prod`. */
  readonly options: string
}

/** What to do about a role that does not admit a service account; one sentence. */
export function trustHint(
  cluster: Pick<AssociationCluster, 'clusterName' | 'options'>,
  asked: {
    readonly roleName: string
    readonly serviceAccount: string
    readonly grant: TrustGrant
  },
): string {
  const { grant, roleName, serviceAccount } = asked
  if (grant.way === 'pod-identity' && grant.disableSessionTags === true) {
    return `Without session tags only the account can be asked for: a statement for pods.eks.amazonaws.com with the condition StringEquals aws:SourceAccount ${grant.accountId}.`
  }
  const by = grant.way === 'fleet' ? `--fleet --clusters ${cluster.clusterName}` : cluster.options
  return `Let it in: podrole role trust add ${roleName} --service-account ${serviceAccount} ${by}`
}
