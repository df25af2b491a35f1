import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import { isOwned } from '../../iam/tags.ts'
import type { DesiredAssociation } from '../desired/desired-state.ts'
import { isSamePolicy } from './canonical-json.ts'
import type { PlanContext } from './context.ts'
import type { Links } from './links.ts'
import type { AssociationSettings, PlanAssociation } from './observed-state.ts'
import { isDeclaredBy, isOfCommand, isSameTags, madeTags } from './ownership.ts'
import type { RolesPlan } from './plan-roles.ts'
import type { ClusterPair, RoleUse } from './role-uses.ts'
import { planTags } from './tag-steps.ts'

const BLOCK = 'iam.podIdentityAssociations'

export interface AssociationsInput {
  readonly pair: ClusterPair
  readonly roles: RolesPlan
  /** Of the cluster's associations, in the file's order. */
  readonly uses: readonly RoleUse[]
  readonly links: Links
  /** The step that brings the agent. */
  readonly agent: readonly string[]
}

/** `iam.podIdentityAssociations` of one cluster. */
export function planAssociations(context: PlanContext, input: AssociationsInput): void {
  const { links, pair, roles, uses } = input
  const { desired, observed: cluster } = pair
  const found = new Map(cluster.associations.map((one) => [keyOf(one), one]))
  for (const [at, association] of (desired.associations ?? []).entries()) {
    const use = uses[at]
    const role = use === undefined ? undefined : roles.of(use)
    const there = found.get(keyOf(association))
    found.delete(keyOf(association))
    if (role === undefined) {
      // Its role is refused: it stays as it is.
      if (there !== undefined) links.keep(there.settings.roleArn)
      continue
    }
    links.keep(role.arn)
    const settings = settingsOf(association, role.arn)
    const after = [...input.agent, ...role.after]
    if (there === undefined) planNew(context, { association, settings, pair, after })
    else planOld(context, { association, there, settings, pair, after, links })
  }
  for (const one of found.values()) planLeftOver(context, one, input)
}

const keyOf = ({ serviceAccount }: Pick<PlanAssociation, 'serviceAccount'>): string =>
  formatServiceAccountName(serviceAccount)

const settingsOf = (
  { disableSessionTags, policy, targetRoleArn }: DesiredAssociation,
  roleArn: string,
): AssociationSettings => ({
  roleArn,
  disableSessionTags,
  ...(targetRoleArn !== undefined && { targetRoleArn }),
  ...(policy !== undefined && { policy }),
})

interface Wanted {
  readonly pair: ClusterPair
  readonly association: DesiredAssociation
  readonly settings: AssociationSettings
  readonly after: readonly string[]
}

function planNew({ draft }: PlanContext, { after, association, pair, settings }: Wanted): void {
  const { serviceAccount, tags } = association
  draft.step(
    {
      do: 'create-association',
      cluster: pair.observed.arn,
      association: { serviceAccount, settings, tags: madeTags(tags, BLOCK) },
    },
    { after },
  )
}

function planOld(
  { draft, options }: PlanContext,
  wanted: Wanted & { readonly there: PlanAssociation; readonly links: Links },
): void {
  const { after, association, links, pair, settings, there } = wanted
  const cluster = pair.observed.arn
  const path = `${pair.desired.source}: ${association.path}`
  const isSame = isSameSettings(there.settings, settings)
  const isOwn = isOwned(there.tags)
  const label = keyOf(there)
  if (there.ownerArn !== undefined) {
    if (isSame) return
    links.keep(there.settings.roleArn)
    draft.refuse({
      code: 'OwnedByAddon',
      path,
      text: `the association of ${label} is the one of add-on ${there.ownerArn}`,
      hint: 'Write it under that add-on in addons.',
    })
    return
  }
  const isLeft = !isOwn || (isOfCommand(there.tags) && isSameTags(there.tags, association.tags))
  if (isLeft && isSame && !options.adopt) return
  if (!isOwn && !options.adopt) {
    links.keep(there.settings.roleArn)
    draft.refuse({
      code: 'NotOwned',
      path,
      text: `there is an association of ${label} that podrole did not make: ${differenceOf(there.settings, settings)}`,
      hint: '--adopt changes it; it is never deleted then.',
    })
    return
  }
  const { associationId, serviceAccount } = there
  if (!isSame) {
    const change = { associationId, serviceAccount, before: there.settings, after: settings }
    const risk = {
      level: 'change',
      text: `pods of ${label} have the old credentials until they renew them`,
    } as const
    const id = draft.step({ do: 'update-association', cluster, ...change }, { after, risk })
    if (there.settings.roleArn !== settings.roleArn) links.cut(there.settings.roleArn, id)
  }
  const at = { cluster, arn: there.arn, what: `association ${label}` }
  planTags(draft, at, { found: there.tags, tags: association.tags, block: BLOCK })
}

const isSameSettings = (one: AssociationSettings, other: AssociationSettings): boolean =>
  one.roleArn === other.roleArn &&
  one.targetRoleArn === other.targetRoleArn &&
  one.disableSessionTags === other.disableSessionTags &&
  isSamePolicy(one.policy, other.policy)

function differenceOf(is: AssociationSettings, wanted: AssociationSettings): string {
  return (['roleArn', 'targetRoleArn', 'disableSessionTags', 'policy'] as const)
    .filter((key) => is[key] !== wanted[key])
    .map((key) => `its ${key} is ${is[key] ?? 'none'}, not ${wanted[key] ?? 'none'}`)
    .join('; ')
}

/** An association that no file speaks of: deleted where one made it and lists the others. */
function planLeftOver(
  { draft }: PlanContext,
  there: PlanAssociation,
  { links, pair }: AssociationsInput,
): void {
  // An add-on's is the add-on's to keep or cut.
  if (there.ownerArn !== undefined) return
  const { roleArn } = there.settings
  const isGone = pair.desired.associations !== undefined && isDeclaredBy(there.tags, BLOCK)
  if (!isGone) {
    links.keep(roleArn)
    return
  }
  const risk = { level: 'loss', text: `${keyOf(there)} loses ${roleArn}` } as const
  const cluster = pair.observed.arn
  const id = draft.step({ do: 'delete-association', cluster, association: there }, { risk })
  links.cut(roleArn, id)
}
