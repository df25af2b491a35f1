import { formatArn } from '../../iam/arn.ts'
import { AGENT_ADDON } from '../desired/checks/addons.ts'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import type { PlanContext, PlanOptions } from './context.ts'
import { type Links, newLinks } from './links.ts'
import type { ObservedCluster, ObservedState } from './observed-state.ts'
import type { SpokenOf } from './own-trust.ts'
import type { Block } from './ownership.ts'
import type { Plan, Refusal } from './plan.ts'
import { planAccess } from './plan-access.ts'
import { addonUsesOf } from './addon-uses.ts'
import { planAddons } from './plan-addons.ts'
import { planAssociations } from './plan-associations.ts'
import { planOldRoles } from './plan-old-roles.ts'
import { planProviders } from './plan-provider.ts'
import { planRoles } from './plan-roles.ts'
import { planServiceAccounts } from './plan-service-accounts.ts'
import { planWorkloadIdentity } from './plan-workload-identity.ts'
import { type ClusterPair, providerArnOf, roleUsesOf } from './role-uses.ts'
import { newDraft, orderSteps } from './steps.ts'

/**
 * What is to be done so that clusters of one account are as files say. Pure: what is was observed
 * before. What podrole did not make is neither changed nor deleted, but for `--adopt`.
 */
export function makePlan(
  clusters: readonly DesiredCluster[],
  observed: ObservedState,
  options: PlanOptions = { adopt: false, force: false },
): Plan {
  const roles = new Map(observed.roles.map((role) => [role.name.toLowerCase(), role]))
  const { accountId, partition } = observed
  const findRole: PlanContext['findRole'] = (name) => roles.get(name.toLowerCase())
  const roleArnOf: PlanContext['roleArnOf'] = (name) =>
    findRole(name)?.arn ??
    formatArn({ partition, service: 'iam', region: '', accountId, resource: `role/${name}` })
  const { draft, parts } = newDraft(roleArnOf)
  const pairs = clusters.flatMap((desired) => {
    const found = pairOf(desired, observed)
    if ('observed' in found) return [found]
    draft.refuse(found)
    return []
  })
  const spoken = spokenOf(pairs)
  const context = { draft, observed, options, findRole, roleArnOf, spoken, trims: [] }
  planPairs(context, pairs)
  return { steps: orderSteps(parts.steps), refusals: parts.refusals, remarks: parts.remarks }
}

function pairOf(desired: DesiredCluster, observed: ObservedState): ClusterPair | Refusal {
  const { accountId, name, region, source } = desired
  const where = region === undefined ? '' : ` in ${region}`
  if (accountId !== undefined && accountId !== observed.accountId) {
    return {
      code: 'WrongAccount',
      path: `${source}: metadata.accountID`,
      text: `cluster ${name} is to be in account ${accountId}, the credentials are of ${observed.accountId}`,
      hint: 'Use a profile of that account.',
    }
  }
  const found = observed.clusters.find(
    (one) => one.name === name && (region === undefined || one.region === region),
  )
  const isAssociated = (desired.associations ?? []).length > 0
  if (found !== undefined && desired.kind === 'self-managed' && isAssociated) {
    if (found.fleetIssuer === undefined) {
      return {
        code: 'NoIssuer',
        path: `${source}: broker`,
        text: `the broker of cluster ${name} tells no issuer that roles could trust`,
        hint: 'Register the cluster with its broker first: podrole cluster register.',
      }
    }
  }
  if (found !== undefined) return { desired, observed: found }
  return {
    code: 'NoCluster',
    path: source,
    text: `there is no cluster ${name}${where} in account ${observed.accountId}`,
    hint: 'podrole makes no clusters; look at name, region and credentials.',
  }
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

/** Roles that clusters have which no file speaks of. */
function keepOthersLinks(
  { observed }: PlanContext,
  pairs: readonly ClusterPair[],
  links: Links,
): void {
  const spoken = new Set<ObservedCluster>(pairs.map((pair) => pair.observed))
  for (const cluster of observed.clusters.filter((one) => !spoken.has(one))) {
    for (const { settings } of cluster.associations) links.keepElsewhere(settings.roleArn)
    for (const { annotations } of cluster.serviceAccounts) {
      links.keepElsewhere(annotations[ROLE_ANNOTATION] ?? '')
    }
  }
}

function remarkOnAgent({ draft }: PlanContext, { desired, observed }: ClusterPair): void {
  const isNeeded = (desired.associations ?? []).length > 0 && observed.fleetIssuer === undefined
  const hasAgent =
    observed.isAutoMode ||
    observed.addons.some(({ name }) => name === AGENT_ADDON) ||
    desired.addons?.some(({ name }) => name === AGENT_ADDON) === true
  if (!isNeeded || hasAgent) return
  draft.remark({
    code: 'no-agent',
    text: `cluster ${observed.name} has no ${AGENT_ADDON} add-on, and no file asks for it: without an agent nobody gets credentials`,
  })
}

/** Of what files speak, for the trust policies that several clusters share. */
function spokenOf(pairs: readonly ClusterPair[]): SpokenOf {
  const clusterArns = new Set<string>()
  const providerArns = new Set<string>()
  const fleets = new Map<string, Set<string>>()
  for (const { desired, observed: cluster } of pairs) {
    const { addons, associations, serviceAccounts } = desired
    const issuer = desired.issuer ?? cluster.issuer
    const isListed = associations !== undefined || addons !== undefined
    if (isListed && cluster.fleetIssuer === undefined) clusterArns.add(cluster.arn)
    if ((serviceAccounts ?? addons) !== undefined && issuer !== undefined) {
      providerArns.add(providerArnOf(cluster.arn, issuer))
    }
    if (isListed && cluster.fleetIssuer !== undefined) {
      const arn = providerArnOf(cluster.arn, cluster.fleetIssuer)
      fleets.set(arn, (fleets.get(arn) ?? new Set()).add(cluster.name))
    }
  }
  return { clusterArns, providerArns, fleets }
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
