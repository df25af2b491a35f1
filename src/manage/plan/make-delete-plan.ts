import type { DesiredCluster } from '../desired/desired-state.ts'
import { addonUsesOf } from './addon-uses.ts'
import { beginPlan, keepOthersLinks } from './begin-plan.ts'
import type { PlanContext, PlanOptions } from './context.ts'
import { deleteAccess, deleteAddons, deleteAssociations } from './delete-in-cluster.ts'
import { deleteGone } from './delete-gone.ts'
import { deleteProviders } from './delete-provider.ts'
import { deleteRoles, type GoneUse } from './delete-roles.ts'
import { deleteServiceAccounts } from './delete-service-accounts.ts'
import { newLinks } from './links.ts'
import type { ObservedState } from './observed-state.ts'
import type { Plan } from './plan.ts'
import { planWorkloadIdentity } from './plan-workload-identity.ts'
import { type ClusterPair, roleUsesOf } from './role-uses.ts'

/**
 * What is to be done so that nothing is left of what files name and a file of podrole's made. Pure.
 * What somebody else made, or a command of its own, is left alone and told of; what the files do
 * not name is not looked at. Of a cluster that is gone IAM alone has something left. Service
 * accounts go before roles, roles before their provider.
 */
export function makeDeletePlan(
  clusters: readonly DesiredCluster[],
  observed: ObservedState,
  options: Pick<PlanOptions, 'force'> = { force: false },
): Plan {
  const { context, pairs, plan } = beginPlan(clusters, observed, { adopt: false, ...options })
  deletePairs(context, pairs)
  return plan()
}

function deletePairs(context: PlanContext, pairs: readonly ClusterPair[]): void {
  const links = newLinks()
  /** Uses of roles that nothing gives them any more. */
  const gone: GoneUse[] = []
  for (const pair of pairs) {
    const input = { pair, links }
    const associations = deleteAssociations(context, input)
    const serviceAccounts = deleteServiceAccounts(context, input)
    const addons = deleteAddons(context, { ...input, after: associations.steps })
    if (pair.observed.isGone !== true) deleteAccess(context, pair)
    const { desired } = pair
    if (desired.workloadIdentity === 'enabled') {
      const disabled = { ...desired, workloadIdentity: 'disabled' } as const
      planWorkloadIdentity(context, { ...pair, desired: disabled }, new Map())
    }
    for (const use of roleUsesOf(pair)) {
      const isIrsa = use.block === 'iam.serviceAccounts'
      const isKept = isIrsa ? serviceAccounts.kept(use) : associations.kept(use)
      if (!isKept) gone.push({ use, isCut: !isIrsa || !serviceAccounts.untouched(use) })
    }
    for (const { addon, uses } of addonUsesOf(pair)) {
      if (addons.kept.has(addon.name)) continue
      gone.push(...uses.map((use) => ({ use, isCut: true })))
    }
  }
  keepOthersLinks(context, pairs, links)
  const roles = deleteRoles(context, { links, gone })
  deleteProviders(context, pairs, deleteGone(context, pairs, roles))
}
