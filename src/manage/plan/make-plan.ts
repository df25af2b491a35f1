import { AGENT_ADDON } from '../desired/checks/addons.ts'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { beginPlan, keepOthersLinks } from './begin-plan.ts'
import type { PlanContext, PlanOptions } from './context.ts'
import { type Links, newLinks } from './links.ts'
import type { ObservedState } from './observed-state.ts'
import type { Block } from './ownership.ts'
import type { Plan } from './plan.ts'
import { planAccess } from './plan-access.ts'
import { addonUsesOf } from './addon-uses.ts'
import { planAddons } from './plan-addons.ts'
import { planAssociations } from './plan-associations.ts'
import { planOldRoles } from './plan-old-roles.ts'
import { planProviders } from './plan-provider.ts'
import { planRoles } from './plan-roles.ts'
import { planServiceAccounts } from './plan-service-accounts.ts'
import { planWorkloadIdentity } from './plan-workload-identity.ts'
import { type ClusterPair, roleUsesOf } from './role-uses.ts'

/**
 * What is to be done so that clusters of one account are as files say. Pure: what is was observed
 * before. What podrole did not make is neither changed nor deleted, but for `--adopt`.
 */
export function makePlan(
  clusters: readonly DesiredCluster[],
  observed: ObservedState,
  options: PlanOptions = { adopt: false, force: false },
): Plan {
  const { context, pairs, plan } = beginPlan(clusters, observed, options)
  planPairs(context, pairs)
  return plan()
}

function planPairs(context: PlanContext, pairs: readonly ClusterPair[]): void {
  const links = newLinks()
  const uses = pairs.map((pair) => ({
    pair,
    own: roleUsesOf(pair),
    addons: addonUsesOf(pair),
  }))
  const providers = planProviders(context, pairs)
  const all = uses.flatMap(({ addons, own }) => [...own, ...addons.flatMap((one) => one.uses)])
  const roles = planRoles(context, all, providers)
  for (const { addons, own, pair } of uses) {
    const agent = planAddons(context, { pair, roles, uses: addons, links })
    remarkOnAgent(context, pair)
    const irsa = own.filter(({ block }) => block === 'iam.serviceAccounts')
    const associated = own.filter(({ block }) => block === 'iam.podIdentityAssociations')
    planServiceAccounts(context, { pair, roles, uses: irsa, links })
    planAssociations(context, { pair, roles, uses: associated, links, agent })
    planAccess(context, pair)
    planWorkloadIdentity(context, pair, providers)
  }
  planTrims(context, links)
  keepOthersLinks(context, pairs, links)
  planOldRoles(context, { roles, links, blocks: blocksOf(pairs) })
}

/** Service accounts leave a role's trust policy when they have it no more. */
function planTrims({ draft, roleArnOf, trims }: PlanContext, links: Links): void {
  for (const { after, before, ready, role } of trims) {
    draft.step(
      { do: 'put-trust', phase: 'trim', role, before, after },
      { after: [...ready, ...links.cutsOf(roleArnOf(role))] },
    )
  }
}

/** An agent that is there and does not serve is as good as none. */
function remarkOnAgent({ draft }: PlanContext, { desired, observed }: ClusterPair): void {
  const isNeeded = (desired.associations ?? []).length > 0 && observed.fleetIssuer === undefined
  if (!isNeeded || observed.isAutoMode) return
  const there = observed.addons.find(({ name }) => name === AGENT_ADDON)
  const isAskedFor = desired.addons?.some(({ name }) => name === AGENT_ADDON) === true
  if (there === undefined && !isAskedFor) {
    draft.remark({
      code: 'no-agent',
      text: `cluster ${observed.name} has no ${AGENT_ADDON} add-on, and no file asks for it: without an agent nobody gets credentials`,
    })
  } else if (there?.status !== undefined) {
    draft.remark({
      code: 'agent-not-active',
      text: `the ${AGENT_ADDON} add-on of cluster ${observed.name} is ${there.status}, not ACTIVE: until it is, pods may get no credentials`,
    })
  }
}

function blocksOf(pairs: readonly ClusterPair[]): ReadonlyMap<string, readonly Block[]> {
  return new Map(
    pairs.map(({ desired, observed }) => [
      observed.arn,
      [
        ...(desired.serviceAccounts === undefined ? [] : ['iam.serviceAccounts' as const]),
        ...(desired.associations === undefined ? [] : ['iam.podIdentityAssociations' as const]),
        ...(desired.addons === undefined ? [] : ['addons' as const]),
      ],
    ]),
  )
}
