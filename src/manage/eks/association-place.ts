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
  const by = grant.way === 'fleet' ? `--fleet --clusters ${cluster.clusterName}` : cluster.options
  const add = `podrole role trust add ${roleName} --service-account ${serviceAccount} ${by}`
  return grant.way === 'pod-identity' && grant.disableSessionTags === true
    ? `Without session tags only the account can be asked for, so that it lets in all of the account's clusters: ${add} --disable-session-tags`
    : `Let it in: ${add}`
}
