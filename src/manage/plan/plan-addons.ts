import { isDeepStrictEqual } from 'node:util'
import { isOwned } from '../../iam/tags.ts'
import { AGENT_ADDON } from '../desired/checks/addons.ts'
import type { DesiredAddon } from '../desired/desired-state.ts'
import { type AddonUses, offerOf } from './addon-uses.ts'
import type { PlanContext } from './context.ts'
import type { Links } from './links.ts'
import type { AddonOffer, AddonRole, AddonSettings, PlanAddon } from './observed-state.ts'
import { isDeclaredBy, isOfCommand, isSameTags, madeTags } from './ownership.ts'
import type { RolesPlan } from './plan-roles.ts'
import type { ClusterPair } from './role-uses.ts'
import { planTags } from './tag-steps.ts'

const BLOCK = 'addons'

export interface AddonsInput {
  readonly pair: ClusterPair
  readonly roles: RolesPlan
  readonly uses: readonly AddonUses[]
  readonly links: Links
}

/** `addons` of one cluster; the steps after which the Pod Identity agent runs. */
export function planAddons(context: PlanContext, input: AddonsInput): readonly string[] {
  const { links, pair, uses } = input
  const { addons } = pair.desired
  const agent: string[] = []
  const managed = new Set<string>()
  for (const one of uses) {
    const planned = planAddon(context, input, one)
    if (planned === undefined) continue
    managed.add(one.addon.name)
    for (const arn of addonRolesOf(planned.settings)) links.keep(arn)
    const there = pair.observed.addons.find(({ name }) => name === one.addon.name)
    for (const arn of there === undefined ? [] : addonRolesOf(there.settings)) {
      for (const id of planned.ids) links.cut(arn, id)
    }
    if (one.addon.name === AGENT_ADDON) agent.push(...planned.ids)
  }
  for (const there of pair.observed.addons) {
    if (managed.has(there.name)) continue
    const isListed = addons?.some(({ name }) => name === there.name) ?? true
    const isGone = !isListed && isDeclaredBy(there.tags, BLOCK)
    const id = isGone ? planAddonGone(context, pair, { there, users: agentUsers(pair) }) : undefined
    for (const arn of addonRolesOf(there.settings)) {
      if (id === undefined) links.keep(arn)
      else links.cut(arn, id)
    }
  }
  return agent
}

/** The roles that an add-on has. */
export const addonRolesOf = ({
  associations,
  serviceAccountRoleArn,
}: AddonSettings): readonly string[] => [
  ...associations.map(({ roleArn }) => roleArn),
  ...(serviceAccountRoleArn === undefined ? [] : [serviceAccountRoleArn]),
]

interface PlannedAddon {
  readonly ids: readonly string[]
  /** As it will be. */
  readonly settings: AddonSettings
}

/** Undefined where it is refused, and stays as it is. */
function planAddon(
  context: PlanContext,
  input: AddonsInput,
  wanted: AddonUses,
): PlannedAddon | undefined {
  const { pair } = input
  const { addon } = wanted
  const there = pair.observed.addons.find(({ name }) => name === addon.name)
  const offer = offerOf(pair, addon)
  const needsOffer =
    there === undefined ||
    addon.version === 'latest' ||
    addon.version === 'default' ||
    addon.identity.kind === 'recommended' ||
    (addon.identity.kind === 'irsa' && addon.identity.role.kind === 'made')
  if (needsOffer && offer === undefined) {
    context.draft.refuse({
      code: 'NoAddonOffer',
      path: `${pair.desired.source}: ${addon.path}`,
      text: `EKS offers no add-on ${addon.name} for cluster ${pair.observed.name}`,
      hint: 'Look at its name, and at the Kubernetes versions that it is for.',
    })
    return undefined
  }
  if (
    addon.identity.kind === 'irsa' &&
    addon.identity.role.kind === 'made' &&
    wanted.uses.length === 0
  ) {
    context.draft.refuse({
      code: 'NoAddonOffer',
      path: `${pair.desired.source}: ${addon.path}`,
      text: `EKS does not say which service accounts add-on ${addon.name} has: a role for it would let in every one`,
      hint: 'Give it podIdentityAssociations, which name them.',
    })
    return undefined
  }
  const identity = identityOf(wanted, input.roles)
  if (identity === undefined) return undefined
  const settings: AddonSettings = {
    version: versionOf(addon, there, offer),
    associations: identity.associations ?? there?.settings.associations ?? [],
    ...serviceAccountRole(identity, there),
  }
  const { after } = identity
  return there === undefined
    ? planNew(context, pair, { addon, settings, after })
    : planOld(context, pair, { addon, settings, after, there })
}

interface Identity {
  /** Undefined: as they are. */
  readonly associations?: readonly AddonRole[]
  readonly serviceAccountRoleArn?: string
  readonly after: readonly string[]
}

/** Undefined where one of its roles is refused. */
function identityOf({ addon, uses }: AddonUses, roles: RolesPlan): Identity | undefined {
  if (addon.identity.kind === 'unspoken') return { after: [] }
  const used = uses.map((use) => roles.of(use))
  const after = used.flatMap((role) => role?.after ?? [])
  if (addon.identity.kind === 'irsa') {
    const { role } = addon.identity
    const arn = used.length === 0 && role.kind === 'given' ? role.arn : used[0]?.arn
    return arn === undefined ? undefined : { serviceAccountRoleArn: arn, associations: [], after }
  }
  const associations = uses.flatMap((use, at) => {
    const roleArn = used[at]?.arn
    return roleArn === undefined ? [] : [{ serviceAccount: use.serviceAccount.name, roleArn }]
  })
  return associations.length < uses.length ? undefined : { associations, after }
}

const serviceAccountRole = (
  identity: Identity,
  there: PlanAddon | undefined,
): Pick<AddonSettings, 'serviceAccountRoleArn'> => {
  const arn =
    identity.associations === undefined
      ? there?.settings.serviceAccountRoleArn
      : identity.serviceAccountRoleArn
  return arn === undefined ? {} : { serviceAccountRoleArn: arn }
}

function versionOf(
  { version }: DesiredAddon,
  there: PlanAddon | undefined,
  offer: AddonOffer | undefined,
): string {
  if (version === 'latest') return offer?.latestVersion ?? ''
  if (version === 'default') return offer?.defaultVersion ?? ''
  return version ?? there?.settings.version ?? offer?.defaultVersion ?? ''
}

interface WantedAddon {
  readonly addon: DesiredAddon
  readonly settings: AddonSettings
  readonly after: readonly string[]
}

function planNew(
  { draft }: PlanContext,
  { observed: cluster }: ClusterPair,
  { addon, after, settings }: WantedAddon,
): PlannedAddon {
  const { configurationValues, name, namespace, resolveConflicts, tags } = addon
  const made = {
    name,
    settings,
    tags: madeTags(tags, BLOCK),
    ...(namespace !== undefined && { namespace }),
    ...(configurationValues !== undefined && { configurationValues }),
    ...(resolveConflicts !== undefined && { resolveConflicts }),
  }
  const id = draft.step({ do: 'create-addon', cluster: cluster.arn, addon: made }, { after })
  return { ids: [id], settings }
}

function planOld(
  { draft, options }: PlanContext,
  { desired, observed }: ClusterPair,
  wanted: WantedAddon & { readonly there: PlanAddon },
): PlannedAddon | undefined {
  const { addon, after, settings, there } = wanted
  const cluster = observed.arn
  const isSame = isSameSettings(there.settings, settings)
  const isOwn = isOwned(there.tags)
  const isLeft = !isOwn || (isOfCommand(there.tags) && isSameTags(there.tags, addon.tags))
  if (isLeft && isSame && !options.adopt) return { ids: [], settings }
  if (!isOwn && !options.adopt) {
    draft.refuse({
      code: 'NotOwned',
      path: `${desired.source}: ${addon.path}`,
      text: `add-on ${there.name} is there, other than the file says, and podrole did not make it`,
      hint: '--adopt changes it; it is never deleted then.',
    })
    return undefined
  }
  const ids: string[] = []
  if (!isSame) {
    const change = { name: there.name, before: there.settings, after: settings }
    const { resolveConflicts } = addon
    const more = resolveConflicts === undefined ? {} : { resolveConflicts }
    ids.push(draft.step({ do: 'update-addon', cluster, ...change, ...more }, { after }))
  }
  const at = { cluster, arn: there.arn, what: `add-on ${there.name}` }
  planTags(draft, at, { found: there.tags, tags: addon.tags, block: BLOCK })
  return { ids, settings }
}

function isSameSettings(one: AddonSettings, other: AddonSettings): boolean {
  const sorted = ({ associations }: AddonSettings): readonly string[] =>
    associations.map(({ roleArn, serviceAccount }) => `${serviceAccount} ${roleArn}`).sort()
  return (
    one.version === other.version &&
    one.serviceAccountRoleArn === other.serviceAccountRoleArn &&
    isDeepStrictEqual(sorted(one), sorted(other))
  )
}

/** An add-on goes; `users` lose their credentials with the agent. Undefined where it is refused. */
export function planAddonGone(
  { draft, options }: PlanContext,
  { desired, observed: cluster }: ClusterPair,
  gone: {
    readonly there: PlanAddon
    readonly users: readonly string[]
    readonly after?: readonly string[]
  },
): string | undefined {
  const { after = [], there } = gone
  const losers = there.name === AGENT_ADDON && !cluster.isAutoMode ? gone.users : []
  const who =
    losers.length > 20
      ? `${losers.slice(0, 20).join(', ')} and ${losers.length - 20} more`
      : losers.join(', ')
  if (losers.length > 0 && !options.force) {
    draft.refuse({
      code: 'LosesAccess',
      path: `${desired.source}: addons`,
      text: `without add-on ${there.name} these service accounts get no credentials: ${who}`,
      hint: 'Remove their associations first, or go on with --force.',
    })
    return undefined
  }
  const text =
    losers.length > 0 ? `${who} get no credentials` : `add-on ${there.name} goes with what it runs`
  const { name, settings, tags } = there
  return draft.step(
    { do: 'delete-addon', cluster: cluster.arn, addon: { name, settings, tags } },
    { after, risk: { level: 'loss', text } },
  )
}

/** Who has an association when the plan is done. */
function agentUsers({ desired, observed: cluster }: ClusterPair): readonly string[] {
  const listed = desired.associations?.map(
    ({ serviceAccount: { name, namespace } }) => `${namespace}/${name}`,
  )
  const left = cluster.associations
    .filter(
      ({ tags }) => listed === undefined || !isDeclaredBy(tags, 'iam.podIdentityAssociations'),
    )
    .map(({ serviceAccount: { name, namespace } }) => `${namespace}/${name}`)
  return [...new Set([...(listed ?? []), ...left])].sort()
}
