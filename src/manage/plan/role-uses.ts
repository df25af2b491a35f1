/** Who is to have which role: the wishes of all blocks of all clusters in one list. */
import { oidcProviderArn, parseArn } from '../../iam/arn.ts'
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import type { DesiredCluster, DesiredRole } from '../desired/desired-state.ts'
import type { ObservedCluster } from './observed-state.ts'
import type { Block } from './ownership.ts'

/** One service account, or a pattern of some, that is to have a role. */
export interface RoleUse {
  readonly path: string
  readonly block: Block
  readonly cluster: ObservedCluster
  /** Whom it is for: podrole names roles by it. */
  readonly serviceAccount: ServiceAccountName
  /** What the trust policy admits. */
  readonly subject: ServiceAccountName
  readonly by: RoleWay
  readonly role: DesiredRole
}

export type RoleWay =
  | { readonly way: 'irsa'; readonly issuer: string }
  | { readonly way: 'fleet'; readonly issuer: string }
  /** Without session tags there is no telling service accounts apart. */
  | { readonly way: 'pod-identity'; readonly isUntagged: boolean }

/** A cluster as it is to be beside what it is. */
export interface ClusterPair {
  readonly desired: DesiredCluster
  readonly observed: ObservedCluster
}

/** The uses of roles in a cluster. Add-ons' are found with what EKS offers of them. */
export function roleUsesOf({ desired, observed: cluster }: ClusterPair): readonly RoleUse[] {
  const { associations = [], serviceAccounts = [], source } = desired
  const issuer = desired.issuer ?? cluster.issuer
  const irsa =
    issuer === undefined
      ? []
      : serviceAccounts.map(({ path, role, serviceAccount, subjectPattern }): RoleUse => ({
          path: `${source}: ${path}`,
          block: 'iam.serviceAccounts',
          cluster,
          serviceAccount,
          subject: { ...serviceAccount, name: subjectPattern ?? serviceAccount.name },
          by: { way: 'irsa', issuer },
          role,
        }))
  const podIdentity = associations.map(
    ({ disableSessionTags, path, role, serviceAccount }): RoleUse => ({
      path: `${source}: ${path}`,
      block: 'iam.podIdentityAssociations',
      cluster,
      serviceAccount,
      subject: serviceAccount,
      by: podIdentityWay(cluster, disableSessionTags),
      role,
    }),
  )
  return [...irsa, ...podIdentity]
}

/** A broker's tokens name the cluster in their subject, with session tags or without. */
export const podIdentityWay = (cluster: ObservedCluster, isUntagged: boolean): RoleWay =>
  cluster.fleetIssuer === undefined
    ? { way: 'pod-identity', isUntagged }
    : { way: 'fleet', issuer: cluster.fleetIssuer }

/** The provider that a way needs. */
export function providerArnOf(clusterArn: string, issuer: string): string {
  const { accountId, partition } = parseArn(clusterArn)
  return oidcProviderArn({ partition, accountId, issuer })
}
