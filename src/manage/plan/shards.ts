/** One role for more service accounts than its trust policy has room for becomes several roles. */
import { newSid, readTrustText, findOwnStatements } from '../../iam/trust-statements.ts'
import { EMPTY_TRUST } from '../../iam/trust-edit.ts'
import { statementOf } from '../../iam/trust-grant.ts'
import type { TrustConditions } from '../desired/desired-state.ts'
import type { PlanRole } from './observed-state.ts'
import { mergedGrants, newTrust } from './own-trust.ts'
import type { RoleUse } from './role-uses.ts'

export interface Shard {
  readonly name: string
  readonly uses: readonly RoleUse[]
  /** The trust policy that a new role would have. */
  readonly trust: string
}

export interface ShardInput {
  readonly name: string
  readonly uses: readonly RoleUse[]
  readonly conditions: TrustConditions
  /** Characters that a trust policy may have. */
  readonly quota: number
  readonly findRole: (name: string) => PlanRole | undefined
  /** The ARN of the role that it has by its association or annotation. */
  readonly currentRole: (use: RoleUse) => string | undefined
  /** Characters of what stays in a role's trust policy: statements of others. */
  readonly othersIn: (role: PlanRole) => number
}

/**
 * The roles of a shared name: NAME alone where all fit, else NAME, NAME-2, NAME-3 and so on. A
 * service account stays with the role that lets it in already, the others fill up from the first.
 */
export function shardsOf(input: ShardInput): readonly Shard[] {
  const { conditions, findRole, name, quota, uses } = input
  const trust = newTrust(uses, conditions)
  const taken = (shard: string): number => {
    const role = findRole(shard)
    const others = role === undefined || role.trustPolicy === trust ? 0 : input.othersIn(role)
    // With the comma behind them.
    return others > 0 ? others + 1 : 0
  }
  const isRoomy = trust.length + taken(name) <= quota
  if (isRoomy && findRole(shardName(name, 1)) === undefined) return [{ name, uses, trust }]
  const known = knownShards(input)
  // Who has another role already keeps it, also where one has room for all by now.
  const isShared = uses.some((use) => (known.get(keyOf(use)) ?? 0) > 0)
  if (isRoomy && !isShared) return [{ name, uses, trust }]
  const shards: Filling[] = []
  const open = (): Filling => {
    const of = shardName(name, shards.length)
    const shard = { name: of, uses: [], scopes: new Set<string>(), characters: EMPTY + taken(of) }
    shards.push(shard)
    return shard
  }
  const left = uses.filter((use) => !known.has(keyOf(use)))
  for (let at = 0; at <= Math.max(-1, ...known.values()); at += 1) {
    left.push(
      ...keepIn(
        open(),
        uses.filter((use) => known.get(keyOf(use)) === at),
        input,
      ),
    )
  }
  // Two that ask for the same subject, by a pattern, are let in by the same value.
  const placed = new Map(shards.flatMap((shard) => shard.uses.map((use) => [keyOf(use), shard])))
  for (const use of left) {
    const same = placed.get(keyOf(use))
    if (same !== undefined) {
      same.uses.push(use)
      continue
    }
    let shard = shards.find((one) => fits(one, use, input))
    while (shard === undefined) {
      const next = open()
      const isBare = next.characters === EMPTY
      // Where not even an empty one has room, the size of that one is refused.
      if (!fits(next, use, input) && isBare) next.uses.push(use)
      if (next.uses.length > 0) shard = next
    }
    placed.set(keyOf(use), shard)
  }
  return shards
    .filter((shard) => shard.uses.length > 0)
    .map((shard) => ({ ...shard, trust: newTrust(shard.uses, conditions) }))
}

/** Puts them in at once, by the true length; those that do not fit are given back. */
function keepIn(shard: Filling, uses: readonly RoleUse[], input: ShardInput): readonly RoleUse[] {
  const { conditions, quota } = input
  const characters = shard.characters - EMPTY + newTrust(uses, conditions).length
  if (characters > quota) return uses.filter((use) => !fits(shard, use, input))
  shard.uses.push(...uses)
  for (const { scope, sidPrefix } of mergedGrants(uses)) shard.scopes.add(`${sidPrefix} ${scope}`)
  shard.characters = characters
  return []
}

interface Filling {
  readonly name: string
  readonly uses: RoleUse[]
  readonly scopes: Set<string>
  characters: number
}

const EMPTY = EMPTY_TRUST.length

export const shardName = (name: string, at: number): string =>
  at === 0 ? name : `${name}-${at + 1}`

/** Puts it in where there is room; a value costs its quotes and comma, the first of a list more. */
function fits(shard: Filling, use: RoleUse, { conditions, quota }: ShardInput): boolean {
  let added = 0
  const [granted] = mergedGrants([use])
  if (granted === undefined) return true
  const scope = `${granted.sidPrefix} ${granted.scope}`
  if (shard.scopes.has(scope)) {
    for (const { value } of granted.entries) added += JSON.stringify(value).length + 3
  } else {
    const statement = statementOf(granted, newSid([], granted))
    added = JSON.stringify({ ...statement, conditions }).length + 1
  }
  if (shard.characters + added > quota) return false
  shard.characters += added
  shard.scopes.add(scope)
  shard.uses.push(use)
  return true
}

const keyOf = (use: RoleUse): string => {
  const [granted] = mergedGrants([use])
  return `${granted?.scope ?? ''} ${granted?.entries[0]?.value ?? ''}`
}

/** Which role lets whom in already, else which role who has: a role may have lost its policy. */
function knownShards(input: ShardInput): ReadonlyMap<string, number> {
  const { currentRole, findRole, name, uses } = input
  const known = new Map<string, number>()
  const granted = mergedGrants(uses)
  for (let at = 0; ; at += 1) {
    const role = findRole(shardName(name, at))
    if (role === undefined && findRole(shardName(name, at + 1)) === undefined) break
    for (const one of role === undefined ? [] : granted) {
      for (const { values } of findOwnStatements(
        role === undefined ? [] : statementsOf(role),
        one,
      )) {
        for (const value of values) {
          const key = `${one.scope} ${value}`
          if (!known.has(key)) known.set(key, at)
        }
      }
    }
  }
  for (const use of uses) {
    const at = shardAt(name, currentRole(use))
    if (at !== undefined && !known.has(keyOf(use))) known.set(keyOf(use), at)
  }
  return known
}

/** Which one of a name's shards a role is. */
function shardAt(name: string, arn: string | undefined): number | undefined {
  const own = arn?.split('/').at(-1) ?? ''
  if (own === name) return 0
  const [, number] = own.startsWith(`${name}-`)
    ? (/^(\d{1,4})$/.exec(own.slice(name.length + 1)) ?? [])
    : []
  const at = Number(number) - 1
  return at >= 1 ? at : undefined
}

function statementsOf({ trustPolicy }: PlanRole): ReturnType<typeof readTrustText>['statements'] {
  try {
    return readTrustText(trustPolicy).statements
  } catch {
    return []
  }
}
