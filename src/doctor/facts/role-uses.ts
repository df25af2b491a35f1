/** The roles with which clusters, nodes and Fargate themselves act. */
import type { PlanRole } from '../../manage/plan/observed-state.ts'
import type { DoctorFacts } from './doctor-facts.ts'

export type RoleUse = 'cluster' | 'node' | 'fargate'

export interface UsedRole {
  readonly arn: string
  readonly use: RoleUse
  /** Names of the clusters. */
  readonly clusters: readonly string[]
}

/**
 * EKS User Guide: "Amazon EKS cluster IAM role", "Amazon EKS Auto Mode cluster IAM role", "Amazon
 * EKS node IAM role", "Amazon EKS Pod execution IAM role"; document 003 has AmazonSSMManagedInstanceCore.
 */
const DOCUMENTED_POLICIES: Readonly<Record<RoleUse, readonly string[]>> = {
  cluster: [
    'AmazonEKSClusterPolicy',
    'AmazonEKSVPCResourceController',
    'AmazonEKSServicePolicy',
    'AmazonEKSComputePolicy',
    'AmazonEKSBlockStoragePolicy',
    'AmazonEKSLoadBalancingPolicy',
    'AmazonEKSNetworkingPolicy',
  ],
  node: [
    'AmazonEKSWorkerNodePolicy',
    'AmazonEKSWorkerNodeMinimalPolicy',
    'AmazonEC2ContainerRegistryReadOnly',
    'AmazonEC2ContainerRegistryPullOnly',
    'AmazonEKS_CNI_Policy',
    'AmazonSSMManagedInstanceCore',
  ],
  fargate: ['AmazonEKSFargatePodExecutionRolePolicy'],
}

/** Each role once for each use, and what could not be read of that. */
export function roleUsesOf({ clusters }: Pick<DoctorFacts, 'clusters'>): {
  readonly roles: readonly UsedRole[]
  readonly unread: readonly { readonly what: string; readonly why: string }[]
} {
  const uses: { readonly arn: string; readonly use: RoleUse; readonly cluster: string }[] = []
  const unread: { what: string; why: string }[] = []
  for (const { eks, fargateProfiles, name: cluster, nodegroups } of clusters) {
    if (eks.known) {
      const { autoNodeRoleArn, roleArn } = eks.value ?? {}
      if (roleArn !== undefined) uses.push({ arn: roleArn, use: 'cluster', cluster })
      if (autoNodeRoleArn !== undefined) uses.push({ arn: autoNodeRoleArn, use: 'node', cluster })
    } else unread.push({ what: `the cluster role of ${cluster}`, why: eks.why })
    if (nodegroups.known) {
      for (const { roleArn } of nodegroups.value) uses.push({ arn: roleArn, use: 'node', cluster })
    } else unread.push({ what: `the node roles of ${cluster}`, why: nodegroups.why })
    if (fargateProfiles.known) {
      for (const { roleArn } of fargateProfiles.value) {
        uses.push({ arn: roleArn, use: 'fargate', cluster })
      }
    } else unread.push({ what: `the Fargate roles of ${cluster}`, why: fargateProfiles.why })
  }
  const grouped = Map.groupBy(uses, ({ arn, use }) => `${use} ${arn}`)
  const roles = [...grouped.values()].flatMap((those) => {
    const [first] = those
    if (first === undefined) return []
    const names = [...new Set(those.map(({ cluster }) => cluster))]
    return [{ arn: first.arn, use: first.use, clusters: names }]
  })
  return { roles, unread }
}

export const policyNameOf = (arn: string): string => arn.split('/').at(-1) ?? arn
export const isPolicyOfAws = (arn: string): boolean => /^arn:[^:]+:iam::aws:policy\//.test(arn)

/** Whether a policy is what AWS documents for that use. */
export const isDocumented = (use: RoleUse, arn: string): boolean =>
  isPolicyOfAws(arn) && DOCUMENTED_POLICIES[use].includes(policyNameOf(arn))

/**
 * The managed policies whose texts are needed to judge these roles: what they have more, and what
 * that is compared with. None for a role that has what is documented and nothing else.
 */
export function neededPolicies(
  uses: readonly UsedRole[],
  { partition, roles }: { readonly partition: string; readonly roles: readonly PlanRole[] },
): readonly string[] {
  const byArn = new Map(roles.map((role) => [role.arn, role]))
  const needed = uses.flatMap(({ arn, use }) => {
    const role = byArn.get(arn)
    const extra = role?.policyArns.filter((one) => !isDocumented(use, one)) ?? []
    if (extra.length === 0 && Object.keys(role?.inline ?? {}).length === 0) return []
    return [...extra, ...documentedArns(use, partition)]
  })
  return [...new Set(needed)]
}

export const documentedArns = (use: RoleUse, partition: string): readonly string[] =>
  DOCUMENTED_POLICIES[use].map((name) => `arn:${partition}:iam::aws:policy/${name}`)
