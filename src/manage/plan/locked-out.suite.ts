/** Who loses a role by what a plan did. */
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import { givenTrust } from './given-trust.ts'
import type { ObservedCluster, ObservedState } from './observed-state.ts'
import { podIdentityWay, type RoleUse } from './role-uses.ts'

/** Everybody who has a role of podrole's by an association or an annotation. */
function holders(cluster: ObservedCluster): readonly RoleUse[] {
  const common = { path: '', cluster, role: { kind: 'given', arn: '' } } as const
  const named = (
    serviceAccount: RoleUse['serviceAccount'],
    arn: string,
    by: Pick<RoleUse, 'block' | 'by'>,
  ): RoleUse => ({
    ...common,
    ...by,
    serviceAccount,
    subject: serviceAccount,
    role: { kind: 'given', arn },
  })
  return [
    ...cluster.associations.map(({ serviceAccount, settings }) =>
      named(serviceAccount, settings.roleArn, {
        block: 'iam.podIdentityAssociations',
        by: podIdentityWay(cluster, settings.disableSessionTags),
      }),
    ),
    ...cluster.serviceAccounts.flatMap(({ annotations, serviceAccount }) => {
      const arn = annotations[ROLE_ANNOTATION]
      const by = { way: 'irsa', issuer: cluster.issuer ?? '' } as const
      return arn === undefined
        ? []
        : [named(serviceAccount, arn, { block: 'iam.serviceAccounts', by })]
    }),
  ]
}

/** Whom their roles do not let in. */
export const lockedOut = (state: ObservedState): readonly string[] =>
  state.clusters.flatMap((cluster) =>
    holders(cluster).flatMap((use) => {
      const arn = use.role.kind === 'given' ? use.role.arn : ''
      const role = state.roles.find((one) => one.arn === arn)
      const label = `${use.block} ${use.serviceAccount.namespace}/${use.serviceAccount.name}`
      if (role === undefined) return [`${label}: no ${arn}`]
      return givenTrust(role.trustPolicy, [use]).subjects.length === 0 ? [] : [`${label}: ${arn}`]
    }),
  )
