/** The steps of one role that podrole makes, or made. */
import { isOwned } from '../../iam/tags.ts'
import { messageOf } from '../../lib/errors.ts'
import type { MadeRole } from '../desired/desired-state.ts'
import { isSamePolicy } from './canonical-json.ts'
import type { PlanContext } from './context.ts'
import type { PlanRole } from './observed-state.ts'
import { ownTrustAfter } from './own-trust.ts'
import { blockOfTags, clusterOfTags, isOthers, madeTags, tagsOver } from './ownership.ts'
import type { Refusal } from './plan.ts'
import type { RoleUse } from './role-uses.ts'
import { hasAny, tagChanges } from './tag-steps.ts'

/** A role with all that are to have it. */
export interface WantedRole {
  readonly name: string
  readonly role: MadeRole
  /** At least one. */
  readonly uses: readonly RoleUse[]
  /** The trust policy that it has when it is new. */
  readonly trust: string
  /** Steps that come before the role is made. */
  readonly after: readonly string[]
}

/** The ids of the steps after which the role is as it is to be; undefined where it is refused. */
export function planMadeRole(
  context: PlanContext,
  wanted: WantedRole,
): readonly string[] | undefined {
  const found = context.findRole(wanted.name)
  if (found === undefined) return planNewRole(context, wanted)
  if (!isOwned(found.tags) && !context.options.adopt) {
    context.draft.refuse({
      code: 'NotOwned',
      ...placesOf(wanted.uses),
      text: `role ${found.arn} is there, and podrole did not make it`,
      hint: 'Name it as roleARN (attachRoleARN) to leave it as it is; --adopt changes it, and it is never deleted then.',
    })
    return undefined
  }
  return planOldRole(context, wanted, found)
}

function planNewRole(context: PlanContext, wanted: WantedRole): readonly string[] | undefined {
  const { draft, roleArnOf } = context
  const { after, name, role, trust: trustPolicy, uses } = wanted
  const [first] = uses
  if (first === undefined) return []
  if (isTooLong(context, wanted, { before: '', after: trustPolicy })) return undefined
  remarkOnUntagged(context, wanted)
  const made = draft.step(
    {
      do: 'create-role',
      role: {
        name,
        arn: roleArnOf(name),
        trustPolicy,
        tags: madeTags(role.tags, first.block, first.cluster.arn),
        ...(role.boundaryArn !== undefined && { boundaryArn: role.boundaryArn }),
      },
    },
    { after },
  )
  return [made, ...planPermissions(context, wanted, { found: undefined, after: [made] })]
}

function planOldRole(
  context: PlanContext,
  wanted: WantedRole,
  found: PlanRole,
): readonly string[] | undefined {
  const { draft, spoken } = context
  const { after: first, name, role, uses } = wanted
  const change = readTrust(context, wanted, () =>
    ownTrustAfter(
      found.trustPolicy,
      {
        uses,
        conditions: role.trustConditions,
        asNew: wanted.trust,
        roleArn: found.arn,
        madeFor: ownerOf(uses, found)?.cluster.arn,
      },
      spoken,
    ),
  )
  if (change === undefined) return undefined
  const before = found.trustPolicy
  if (isTooLong(context, wanted, { before, after: change.after })) return undefined
  if (change.foreign.length > 0) {
    const names = change.foreign.join(', ')
    const text = `role ${name} is podrole's, its trust statement ${names} is not: it stays`
    draft.remark({ code: 'foreign-statement', text })
  }
  remarkOnUntagged(context, wanted)
  const { admitting } = change
  // Where both do not fit side by side, one replaces the other at once.
  const isRoomy = admitting.length <= Math.max(context.observed.trustQuota.value, before.length)
  const between = isRoomy ? admitting : change.after
  const ids = [
    ...(between === before
      ? []
      : [
          draft.step(
            { do: 'put-trust', phase: 'admit', role: name, before, after: between },
            { after: first },
          ),
        ]),
    ...planPermissions(context, wanted, { found, after: first }),
    ...planBoundary(context, wanted, found),
  ]
  if (between !== change.after) {
    context.trims.push({ role: name, before: between, after: change.after, ready: ids })
  }
  planRoleTags(context, wanted, found)
  return ids
}

function readTrust<T>(context: PlanContext, wanted: WantedRole, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    context.draft.refuse({
      code: 'TrustPolicyUnreadable',
      ...placesOf(wanted.uses),
      text: `the trust policy of role ${wanted.name} cannot be edited: ${messageOf(error)}`,
      hint: 'Mend it by hand first.',
    })
    return undefined
  }
}

/** Attaches before it detaches, so that nobody is without permissions in between. */
function planPermissions(
  { draft }: PlanContext,
  { name, role }: WantedRole,
  at: { readonly found: PlanRole | undefined; readonly after: readonly string[] },
): readonly string[] {
  const { after, found } = at
  const policyArns = found?.policyArns ?? []
  const inline = found?.inline ?? {}
  const ids: string[] = []
  for (const policyArn of role.policyArns) {
    if (policyArns.includes(policyArn)) continue
    ids.push(draft.step({ do: 'attach-policy', role: name, policyArn }, { after }))
  }
  for (const [policy, text] of Object.entries(role.inline)) {
    const before = inline[policy]
    if (isSamePolicy(before, text)) continue
    ids.push(
      draft.step(
        {
          do: 'put-inline-policy',
          role: name,
          name: policy,
          after: text,
          ...(before !== undefined && { before }),
        },
        { after },
      ),
    )
  }
  if (found === undefined || isOthers(found.tags)) return ids
  const risk = { level: 'loss', text: `who has role ${name} loses what the policy allows` } as const
  for (const policyArn of policyArns.filter((arn) => !role.policyArns.includes(arn))) {
    draft.step({ do: 'detach-policy', role: name, policyArn }, { after: ids, risk })
  }
  for (const [policy, before] of Object.entries(inline)) {
    if (policy in role.inline) continue
    draft.step(
      { do: 'delete-inline-policy', role: name, name: policy, before },
      { after: ids, risk },
    )
  }
  return ids
}

function planBoundary(
  { draft }: PlanContext,
  { name, role }: WantedRole,
  found: PlanRole,
): readonly string[] {
  const before = found.boundaryArn
  const after = role.boundaryArn
  if (before === after || (after === undefined && isOthers(found.tags))) return []
  if (after === undefined) {
    const risk = {
      level: 'loss',
      text: `nothing bounds what role ${name} may do any more`,
    } as const
    if (before === undefined) return []
    return [draft.step({ do: 'delete-boundary', role: name, before }, { risk })]
  }
  const change = { do: 'put-boundary', role: name, after } as const
  return [draft.step({ ...change, ...(before !== undefined && { before }) })]
}

/** A role that several have keeps the mark of the one that it was made for. */
function ownerOf(uses: readonly RoleUse[], { tags }: PlanRole): RoleUse | undefined {
  const here = uses.filter(({ cluster }) => cluster.arn === clusterOfTags(tags))
  return here.find(({ block }) => block === blockOfTags(tags)) ?? here[0] ?? uses[0]
}

function planRoleTags({ draft }: PlanContext, wanted: WantedRole, found: PlanRole): void {
  const { name, role, uses } = wanted
  const owner = ownerOf(uses, found)
  if (owner === undefined) return
  const own = { block: owner.block, clusterArn: owner.cluster.arn, found: found.tags }
  const keepOthers = isOthers(found.tags)
  const { after, before, gone } = tagChanges(found.tags, tagsOver(role.tags, own), { keepOthers })
  if (hasAny(after)) draft.step({ do: 'tag-role', role: name, before, after })
  if (hasAny(gone)) draft.step({ do: 'untag-role', role: name, before: gone })
}

/** Where in the files those are who do not get the role. */
export function placesOf(uses: readonly RoleUse[]): Pick<Refusal, 'path' | 'others'> {
  const [path = '', ...others] = new Set(uses.map((use) => use.path))
  return { path, ...(others.length > 0 && { others }) }
}

/** Only a quota that was read from the account refuses: it may be higher than what is documented. */
export function isTooLong(
  { draft, observed }: PlanContext,
  wanted: Pick<WantedRole, 'name' | 'uses'>,
  text: { readonly before: string; readonly after: string },
): boolean {
  const { name, uses } = wanted
  const { isLive, text: quota, value } = observed.trustQuota
  const { after, before } = text
  if (after.length <= value || after.length <= before.length) return false
  const size = `the trust policy of role ${name} would have ${after.length} characters for ${uses.length} service account(s), the account's quota is ${quota}`
  if (!isLive) {
    draft.remark({ code: 'long-trust', text: size })
    return false
  }
  draft.refuse({
    code: 'TrustPolicyTooLong',
    ...placesOf(wanted.uses),
    text: size,
    hint: 'Ask for a higher quota (AWS grants up to 8,192 at once), or use further roles.',
  })
  return true
}

function remarkOnUntagged({ draft }: PlanContext, { name, uses }: WantedRole): void {
  const use = uses.find(({ by }) => by.way === 'pod-identity' && by.isUntagged)
  if (use === undefined) return
  draft.remark({
    code: 'account-wide-trust',
    text: `without session tags role ${name} can be narrowed to the account only: any association of the account may name it`,
  })
}
