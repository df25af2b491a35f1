/** What every plan begins with: the clusters of files beside what there is of them. Pure. */
import { formatArn } from '../../iam/arn.ts'
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import type { PlanContext, PlanOptions } from './context.ts'
import type { Links } from './links.ts'
import type { ObservedCluster, ObservedState } from './observed-state.ts'
import type { SpokenOf } from './own-trust.ts'
import { isDeclaredBy } from './ownership.ts'
import type { Plan, Refusal } from './plan.ts'
import { type ClusterPair, providerArnOf } from './role-uses.ts'
import { newDraft, orderSteps } from './steps.ts'

/** What to do where a kubeconfig leads elsewhere. */
export const IDENTITY_HINT =
  "Name another context (--context), or say by --trust-kubeconfig that it is the cluster's."

export interface BegunPlan {
  readonly context: PlanContext
  /** Of the clusters that are there. */
  readonly pairs: readonly ClusterPair[]
  /** All that was written down. */
  readonly plan: () => Plan
}

/** Refuses clusters that are not there. */
export function beginPlan(
  clusters: readonly DesiredCluster[],
  observed: ObservedState,
  options: PlanOptions,
): BegunPlan {
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
  const spoken = spokenOf(pairs, observed)
  const context = { draft, observed, options, findRole, roleArnOf, spoken, trims: [] }
  return {
    context,
    pairs,
    plan: () => ({
      steps: orderSteps(parts.steps),
      refusals: parts.refusals,
      remarks: parts.remarks,
    }),
  }
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
  if (found?.kubeFault !== undefined) {
    const { kubeFault: text } = found
    return { code: 'OtherCluster', path: source, text, hint: IDENTITY_HINT }
  }
  if (found !== undefined) return { desired, observed: found }
  return {
    code: 'NoCluster',
    path: source,
    text: `there is no cluster ${name}${where} in account ${observed.accountId}`,
    hint: 'podrole makes no clusters; look at name, region and credentials.',
  }
}

/** Roles that clusters have which no file speaks of. */
export function keepOthersLinks(
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

/** Of what files speak, for the trust policies that several clusters share. */
function spokenOf(pairs: readonly ClusterPair[], observed: ObservedState): SpokenOf {
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
  const described = new Set(pairs.map((pair) => pair.observed.arn))
  const heldUntagged = new Set(
    observed.clusters.flatMap((cluster) => heldUntaggedOf(cluster, pairs)),
  )
  return { clusterArns, providerArns, fleets, described, heldUntagged }
}

function heldUntaggedOf(
  cluster: ObservedCluster,
  pairs: readonly ClusterPair[],
): readonly string[] {
  if (cluster.fleetIssuer !== undefined) return []
  const untagged = cluster.associations.filter(({ settings }) => settings.disableSessionTags)
  if (untagged.length === 0) return []
  const listed = pairs.find((pair) => pair.observed === cluster)?.desired.associations
  const names = new Set(listed?.map((one) => formatServiceAccountName(one.serviceAccount)))
  return untagged
    .filter(({ serviceAccount, tags }) => {
      const isListed = names.has(formatServiceAccountName(serviceAccount))
      const isLeaving = listed !== undefined && isDeclaredBy(tags, 'iam.podIdentityAssociations')
      return !isListed && !isLeaving
    })
    .map(({ settings }) => settings.roleArn)
}
