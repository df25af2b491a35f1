/** What a delete takes of roles: those that nobody has any more, and who leaves the others. */
import { EMPTY_TRUST, removeStatements } from '../../iam/trust-edit.ts'
import { readTrustText, statementName } from '../../iam/trust-statements.ts'
import { isOwned } from '../../iam/tags.ts'
import { codeOf } from '../../lib/errors.ts'
import { roleNameFor } from '../role-name.ts'
import type { PlanContext } from './context.ts'
import type { Links } from './links.ts'
import type { PlanRole } from './observed-state.ts'
import { leavesAccountWide, mergedGrants } from './own-trust.ts'
import { blockOfTags, clusterOfTags, isAdopted } from './ownership.ts'
import { planRoleGone } from './plan-old-roles.ts'
import { currentRoles } from './plan-roles.ts'
import type { RoleUse } from './role-uses.ts'
import { shardName } from './shards.ts'

/** What becomes of a role: its trust policy then, and the step that comes before. */
export interface LeavingRole {
  /** Undefined where the role goes. */
  readonly trustPolicy?: string
  readonly step: string
}

/** A use that nothing gives its role any more. */
export interface GoneUse {
  readonly use: RoleUse
  /** Whether it also loses the role that it has, where that is another one. */
  readonly isCut: boolean
}

export interface DeletedRoles {
  /** The roles that change or go, by name. */
  readonly leaving: ReadonlyMap<string, LeavingRole>
  /** Names of all that uses led to. */
  readonly looked: ReadonlySet<string>
}

export function deleteRoles(
  context: PlanContext,
  { gone, links }: { readonly gone: readonly GoneUse[]; readonly links: Links },
): DeletedRoles {
  const leaving = new Map<string, LeavingRole>()
  const looked = new Set<string>()
  const byRole = usesByRole(context, gone)
  for (const role of context.observed.roles) {
    const uses = byRole.get(role.name.toLowerCase())
    if (uses === undefined) continue
    looked.add(role.name)
    const one = deleteRole(context, role, { uses, links })
    if (one !== undefined) leaving.set(role.name, one)
  }
  return { leaving, looked }
}

const nameOf = (arn: string): string => arn.split('/').at(-1) ?? ''

/** Which roles the uses may have, with the uses of each, by lower-case name. */
function usesByRole(
  { findRole }: PlanContext,
  gone: readonly GoneUse[],
): ReadonlyMap<string, ReadonlySet<RoleUse>> {
  const byRole = new Map<string, Set<RoleUse>>()
  const add = (name: string, use: RoleUse): void => {
    const key = name.toLowerCase()
    byRole.set(key, (byRole.get(key) ?? new Set()).add(use))
  }
  const current = currentRoles()
  for (const { isCut, use } of gone) {
    const { cluster, role, serviceAccount } = use
    const arn = isCut ? current(use) : undefined
    // A pattern is for the role that it is written beside: another one's is somebody else's.
    if (arn !== undefined) add(nameOf(arn), { ...use, subject: serviceAccount })
    if (role.kind === 'given') {
      add(nameOf(role.arn), use)
      continue
    }
    const name = role.name ?? roleNameFor({ clusterArn: cluster.arn, ...serviceAccount })
    // One of several may have gone by itself.
    for (let at = 0, lacking = 0; lacking < 2; at += 1) {
      const shard = shardName(name, at)
      lacking = findRole(shard) === undefined ? lacking + 1 : 0
      add(shard, use)
    }
  }
  return byRole
}

interface DeleteRole {
  readonly uses: ReadonlySet<RoleUse>
  readonly links: Links
}

function deleteRole(context: PlanContext, role: PlanRole, of: DeleteRole): LeavingRole | undefined {
  const { links } = of
  const { draft } = context
  const { arn, name, trustPolicy: before } = role
  const isKept = links.isKept(arn) || links.isKeptElsewhere(arn)
  const left = trustWithout(context, role, { ...of, isKept })
  const whose = whyTheirs(role)
  if (whose === undefined && !isKept && left === EMPTY_TRUST) {
    return { step: planRoleGone(context, role, links.cutsOf(arn)) }
  }
  const why = whose ?? (isKept ? 'somebody has it still' : othersIn(left))
  const isOurs = isOwned(role.tags) && blockOfTags(role.tags) !== undefined
  const isChanged = left !== undefined && left !== before
  const hint =
    isChanged && !isOurs
      ? `; podrole role trust remove ${name} takes out of its trust policy who had it`
      : ''
  draft.remark({ code: 'left-alone', text: `role ${name}: ${why}${hint}` })
  if (!isOurs || !isChanged || left === EMPTY_TRUST) return undefined
  const change = { do: 'put-trust', phase: 'trim', role: name, before, after: left } as const
  return { trustPolicy: left, step: draft.step(change, { after: links.cutsOf(arn) }) }
}

/** Why a role is not for a file to delete. */
function whyTheirs({ tags }: PlanRole): string | undefined {
  if (!isOwned(tags)) return 'podrole did not make it'
  if (isAdopted(tags)) return 'podrole only adopted it'
  return blockOfTags(tags) === undefined ? 'a command of its own made it, no file' : undefined
}

/** Its trust policy when the uses have left it; undefined where it cannot be read. */
function trustWithout(
  { spoken }: PlanContext,
  { tags, trustPolicy }: PlanRole,
  { isKept, uses }: DeleteRole & { readonly isKept: boolean },
): string | undefined {
  // One statement is for the whole account: others may come in by it.
  const isAlone = leavesAccountWide(spoken, { madeFor: clusterOfTags(tags), isHeld: isKept })
  const leaving = [...uses].filter(
    ({ by }) => isAlone || by.way !== 'pod-identity' || !by.isUntagged,
  )
  try {
    return removeStatements(trustPolicy, mergedGrants(leaving)).after
  } catch (error) {
    return codeOf(error) === 'LastTrustStatement' ? EMPTY_TRUST : undefined
  }
}

function othersIn(trustPolicy: string | undefined): string {
  if (trustPolicy === undefined) return 'its trust policy cannot be read'
  const names = readTrustText(trustPolicy).statements.map(statementName)
  return `its trust policy lets others in (${names.join(', ')})`
}
