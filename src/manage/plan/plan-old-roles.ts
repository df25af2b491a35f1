/** Roles that files made and that nothing asks for any more. */
import { isOwned } from '../../iam/tags.ts'
import type { PlanContext } from './context.ts'
import type { Links } from './links.ts'
import type { PlanRole } from './observed-state.ts'
import { ownTrustAfter } from './own-trust.ts'
import { type Block, clusterOfTags, isDeclaredBy } from './ownership.ts'
import type { RolesPlan } from './plan-roles.ts'

export interface OldRolesInput {
  readonly roles: RolesPlan
  readonly links: Links
  /** Which blocks files list, by the ARN of the cluster. */
  readonly blocks: ReadonlyMap<string, readonly Block[]>
}

/** Deletes them, but for those that somebody else made or has come to use. */
export function planOldRoles(context: PlanContext, input: OldRolesInput): void {
  for (const role of context.observed.roles) {
    if (input.roles.names.has(role.name.toLowerCase())) continue
    const blocks = input.blocks.get(clusterOfTags(role.tags) ?? '') ?? []
    if (blocks.some((block) => isDeclaredBy(role.tags, block))) planOldRole(context, role, input)
    else if (input.links.cutsOf(role.arn).length > 0) planLeftRole(context, role, input)
  }
}

function planOldRole(context: PlanContext, role: PlanRole, { links }: OldRolesInput): void {
  const others = othersIn(context, role)
  const isUsed = links.isKept(role.arn) || links.isKeptElsewhere(role.arn)
  if (!isUsed && others.names?.length === 0) {
    planRoleGone(context, role, links.cutsOf(role.arn))
    return
  }
  const lets = others.names?.join(', ') ?? 'it cannot be read'
  const why = isUsed ? 'somebody has it still' : `its trust policy lets others in (${lets})`
  context.draft.remark({ code: 'role-kept', text: `role ${role.name} stays: ${why}` })
  const hasOthers = others.names !== undefined && others.names.length > 0
  if (links.isKept(role.arn) || !hasOthers) return
  planTrim(context, role, { after: others.after, cuts: links.cutsOf(role.arn) })
}

/** A role that somebody else made, or that is another cluster's, and that nobody here has any more. */
function planLeftRole(context: PlanContext, role: PlanRole, { links }: OldRolesInput): void {
  const { after, names } = othersIn(context, role)
  if (links.isKept(role.arn) || after === undefined || after === role.trustPolicy) return
  if (isOwned(role.tags) && names !== undefined && names.length > 0) {
    planTrim(context, role, { after, cuts: links.cutsOf(role.arn) })
    return
  }
  const text = `role ${role.name} still lets in who had it: podrole role trust remove ${role.name} takes them out`
  context.draft.remark({ code: 'still-trusted', text })
}

function planTrim(
  { draft }: PlanContext,
  { name: role, trustPolicy: before }: PlanRole,
  { after, cuts }: { readonly after: string | undefined; readonly cuts: readonly string[] },
): void {
  if (after === undefined || after === before) return
  draft.step({ do: 'put-trust', phase: 'trim', role, before, after }, { after: cuts })
}

/** Whom its trust policy lets in beside those that files speak of; undefined where it is no policy. */
function othersIn(
  { spoken }: PlanContext,
  { arn, tags, trustPolicy }: PlanRole,
): { readonly names: readonly string[] | undefined; readonly after?: string } {
  const wanted = { uses: [], conditions: {}, roleArn: arn, madeFor: clusterOfTags(tags) }
  try {
    const { after, foreign, isEmpty } = ownTrustAfter(trustPolicy, wanted, spoken)
    if (isEmpty) return { names: [] }
    return { names: foreign.length > 0 ? foreign : ['another cluster'], after }
  } catch {
    return { names: undefined }
  }
}

/** A role goes: its policies first. */
export function planRoleGone(
  { draft }: PlanContext,
  found: PlanRole,
  cuts: readonly string[],
): string {
  const { arn, boundaryArn, inline, name: role, policyArns, tags, trustPolicy } = found
  const risk = {
    level: 'loss',
    text: `role ${role} goes; a new one of its name is another role to AWS`,
  } as const
  const after = [
    ...policyArns.map((policyArn) =>
      draft.step({ do: 'detach-policy', role, policyArn }, { after: cuts }),
    ),
    ...Object.entries(inline).map(([name, before]) =>
      draft.step({ do: 'delete-inline-policy', role, name, before }, { after: cuts }),
    ),
  ]
  const gone = {
    name: role,
    arn,
    trustPolicy,
    tags,
    ...(boundaryArn !== undefined && { boundaryArn }),
  }
  return draft.step({ do: 'delete-role', role: gone }, { after: [...cuts, ...after], risk })
}
