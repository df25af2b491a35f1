/** One role for more service accounts than its trust policy has room for becomes several roles. */
import { newSid, readTrustText, findOwnStatements } from '../../iam/trust-statements.ts'
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
}

/**
 * The roles of a shared name: NAME alone where all fit, else NAME, NAME-2, NAME-3 and so on. A
 * service account stays with the role that lets it in already, the others fill up from the first.
 */
export function shardsOf(input: ShardInput): readonly Shard[] {
  const { conditions, name, quota, uses } = input
  const trust = newTrust(uses, conditions)
  if (trust.length <= quota) return [{ name, uses, trust }]
  const shards: Filling[] = []
  const open = (): Filling => {
    const shard = {
      name: shardName(name, shards.length),
      uses: [],
      scopes: new Set<string>(),
      characters: EMPTY,
    }
    shards.push(shard)
    return shard
  }
  const left: RoleUse[] = []
  const known = knownShards(input)
  for (const use of uses) {
    const at = known.get(keyOf(use))
    if (at === undefined) left.push(use)
    else {
      while (shards.length <= at) open()
      const shard = shards[at]
      if (shard === undefined || !fits(shard, use, input)) left.push(use)
    }
  }
  for (const use of left) {
    // Where not even an empty one has room, the size of that one is refused.
    if (!shards.some((shard) => fits(shard, use, input)) && !fits(open(), use, input)) {
      shards.at(-1)?.uses.push(use)
    }
  }
  return shards
    .filter((shard) => shard.uses.length > 0)
    .map((shard) => ({ ...shard, trust: newTrust(shard.uses, conditions) }))
}

interface Filling {
  readonly name: string
  readonly uses: RoleUse[]
  readonly scopes: Set<string>
  characters: number
}

const EMPTY = '{"Version":"2012-10-17","Statement":[]}'.length

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

/** Which role lets whom in already. */
function knownShards({ findRole, name, uses }: ShardInput): ReadonlyMap<string, number> {
  const known = new Map<string, number>()
  const granted = mergedGrants(uses)
  for (let at = 0; ; at += 1) {
    const role = findRole(shardName(name, at))
    if (role === undefined) return known
    for (const one of granted) {
      for (const { values } of findOwnStatements(statementsOf(role), one)) {
        for (const value of values) {
          const key = `${one.scope} ${value}`
          if (!known.has(key)) known.set(key, at)
        }
      }
    }
  }
}

function statementsOf({ trustPolicy }: PlanRole): ReturnType<typeof readTrustText>['statements'] {
  try {
    return readTrustText(trustPolicy).statements
  } catch {
    return []
  }
}
