/** What a delete takes of associations, add-ons and access entries. */
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import type { Tags } from '../../iam/tags.ts'
import { AGENT_ADDON } from '../desired/checks/addons.ts'
import type { PlanContext } from './context.ts'
import type { Links } from './links.ts'
import type { PlanAddon, PlanAssociation } from './observed-state.ts'
import { type Block, whyLeave } from './ownership.ts'
import { planEntryGone } from './plan-access.ts'
import { addonRolesOf, planAddonGone } from './plan-addons.ts'
import type { ClusterPair, RoleUse } from './role-uses.ts'
import type { Draft } from './steps.ts'

export interface DeleteInput {
  readonly pair: ClusterPair
  readonly links: Links
}

/** Tells why something stays; false where it goes. */
export function isLeft(
  draft: Draft,
  what: string,
  { block, tags }: { readonly tags: Tags; readonly block: Block },
): boolean {
  const why = whyLeave(tags, block)
  if (why !== undefined) draft.remark({ code: 'left-alone', text: `${what}: ${why}` })
  return why !== undefined
}

const keyOf = ({ serviceAccount }: Pick<PlanAssociation, 'serviceAccount'>): string =>
  formatServiceAccountName(serviceAccount)

export interface DeletedAssociations {
  /** The steps that delete them. */
  readonly steps: readonly string[]
  /** Whether the use's association stays. */
  kept(use: RoleUse): boolean
}

/** `iam.podIdentityAssociations` */
export function deleteAssociations(
  { draft }: PlanContext,
  { links, pair }: DeleteInput,
): DeletedAssociations {
  const block = 'iam.podIdentityAssociations'
  const cluster = pair.observed.arn
  const named = new Set((pair.desired.associations ?? []).map(keyOf))
  const steps: string[] = []
  const kept = new Set<string>()
  for (const association of pair.observed.associations) {
    const key = keyOf(association)
    const { ownerArn, settings, tags } = association
    // An add-on's goes and stays with the add-on.
    if (ownerArn !== undefined) {
      if (!named.has(key)) continue
      draft.remark({ code: 'left-alone', text: `association ${key}: add-on ${ownerArn} has it` })
      kept.add(key)
      continue
    }
    if (!named.has(key) || isLeft(draft, `association ${key}`, { tags, block })) {
      links.keep(settings.roleArn)
      kept.add(key)
      continue
    }
    const risk = { level: 'loss', text: `${key} loses ${settings.roleArn}` } as const
    const id = draft.step({ do: 'delete-association', cluster, association }, { risk })
    links.cut(settings.roleArn, id)
    steps.push(id)
  }
  return { steps, kept: (use) => kept.has(keyOf(use)) }
}

/** `addons`; the names of those that stay. The agent goes behind all that it is for. */
export function deleteAddons(
  context: PlanContext,
  { after, links, pair }: DeleteInput & { readonly after: readonly string[] },
): { readonly kept: ReadonlySet<string> } {
  const { desired, observed: cluster } = pair
  const named = new Set((desired.addons ?? []).map(({ name }) => name))
  const kept = new Set<string>()
  const gone = new Map<string, string>()
  const isAgent = ({ name }: PlanAddon): boolean => name === AGENT_ADDON
  for (const there of [
    ...cluster.addons.filter((one) => !isAgent(one)),
    ...cluster.addons.filter(isAgent),
  ]) {
    const { arn, name, tags } = there
    const isKept =
      !named.has(name) || isLeft(context.draft, `add-on ${name}`, { tags, block: 'addons' })
    const users = isKept ? [] : usersLeft(pair, gone)
    const before = isAgent(there) ? [...after, ...gone.values()] : []
    const id = isKept ? undefined : planAddonGone(context, pair, { there, users, after: before })
    if (id === undefined) kept.add(name)
    else gone.set(arn, id)
    for (const role of addonRolesOf(there.settings)) {
      if (id === undefined) links.keep(role)
      else links.cut(role, id)
    }
  }
  return { kept }
}

/** Who has an association when the delete is done; `gone` are add-ons by their ARNs. */
function usersLeft(
  { desired, observed: cluster }: ClusterPair,
  gone: ReadonlyMap<string, string>,
): readonly string[] {
  const named = new Set((desired.associations ?? []).map(keyOf))
  const stays = (one: PlanAssociation): boolean =>
    one.ownerArn === undefined
      ? !named.has(keyOf(one)) || whyLeave(one.tags, 'iam.podIdentityAssociations') !== undefined
      : !gone.has(one.ownerArn)
  return cluster.associations.filter(stays).map(keyOf).sort()
}

/** `accessConfig`: entries alone, for EKS takes no authentication mode back. */
export function deleteAccess(
  context: PlanContext,
  { desired: { access }, observed: cluster }: ClusterPair,
): void {
  if (access === undefined) return
  const { draft } = context
  if (access.authenticationMode !== undefined) {
    const text = `authentication mode ${cluster.authenticationMode ?? 'CONFIG_MAP'}: EKS takes none back`
    draft.remark({ code: 'left-alone', text })
  }
  const named = new Set((access.entries ?? []).map(({ principalArn }) => principalArn))
  for (const entry of cluster.accessEntries) {
    const { principalArn, tags } = entry
    if (!named.has(principalArn)) continue
    const block = 'accessConfig.accessEntries'
    if (isLeft(draft, `access entry ${principalArn}`, { tags, block })) continue
    planEntryGone(context, cluster.arn, entry)
  }
}
