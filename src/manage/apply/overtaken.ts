/**
 * Steps that another apply went past: what they were to bring about is there, with what later steps
 * of the same plan bring about upon it. Pure.
 */
import type { Tags } from '../../iam/tags.ts'
import type { PlanAccessEntry, PlanRole } from '../plan/observed-state.ts'
import type { PlanAction } from '../plan/plan.ts'
import { type Found, judge, slotOf } from './slots.ts'

/**
 * Tells of each action whether what is found is what it and all later ones leave. One that makes a
 * thing is held to the whole of it, another one to what it changes.
 * @param steps of one plan, in its order
 */
export function overtakenIn(
  steps: readonly { readonly action: PlanAction }[],
): (action: PlanAction, found: Found) => boolean {
  const byObject = new Map<string, PlanAction[]>()
  for (const { action } of steps) {
    const object = objectOf(action)
    const those = byObject.get(object)
    if (those === undefined) byObject.set(object, [action])
    else those.push(action)
  }
  return (action, found) => {
    const those = byObject.get(objectOf(action)) ?? []
    return isPast(action, those.slice(those.indexOf(action) + 1), found)
  }
}

function isPast(action: PlanAction, later: readonly PlanAction[], found: Found): boolean {
  if (later.length === 0) return false
  const madeAt = later.findIndex((one) => one.do.startsWith('create-'))
  const made = later[madeAt]
  if (made !== undefined) {
    // The old one may have looked alike in what the action is about; as a whole it did not.
    const isMade = judge(made, found).kind === 'done'
    return isMade || isPast(made, later.slice(madeAt + 1), found)
  }
  if (judge(action, found).kind === 'to-do') return false
  const end = [action, ...later].reduce(foundAfter, found)
  return Bun.deepEquals(slotOf(action, end), slotOf(action, found), true)
}

/** What an action is about, of which several steps of a plan may be. */
function objectOf(action: PlanAction): string {
  if (!('cluster' in action)) {
    if ('provider' in action) return `provider ${action.provider.arn}`
    if ('clientId' in action) return `provider ${action.arn}`
    return `role ${typeof action.role === 'string' ? action.role : action.role.name}`
  }
  const { cluster } = action
  if ('entry' in action) return `${cluster} entry ${action.entry.principalArn}`
  if ('principalArn' in action) return `${cluster} entry ${action.principalArn}`
  if ('association' in action) return subjectOf(cluster, action.association)
  if (action.do === 'update-association') return subjectOf(cluster, action)
  // All others are done once to a thing in a plan.
  return `${cluster} ${JSON.stringify(action)}`
}

const subjectOf = (
  cluster: string,
  { serviceAccount }: { readonly serviceAccount: { namespace: string; name: string } },
): string => `${cluster} association ${serviceAccount.namespace}/${serviceAccount.name}`

/** What would be found when it is done; other things stay as they were found. */
function foundAfter(found: Found, action: PlanAction): Found {
  switch (action.do) {
    case 'create-role':
      return { ...found, role: { ...action.role, policyArns: [], inline: {} } }
    case 'delete-role': {
      const { role: _, ...rest } = found
      return rest
    }
    case 'create-provider':
      return { ...found, provider: action.provider }
    case 'delete-provider': {
      const { provider: _, ...rest } = found
      return rest
    }
    case 'create-access-entry': {
      const { groups = [], username = '', ...entry } = action.entry
      return { ...found, entry: { ...entry, arn: '', policies: [], groups, username } }
    }
    case 'delete-access-entry': {
      const { entry: _, ...rest } = found
      return rest
    }
    default:
      return { ...found, ...roleAfter(found.role, action), ...entryAfter(found.entry, action) }
  }
}

function roleAfter(role: PlanRole | undefined, action: PlanAction): Pick<Found, 'role'> {
  if (role === undefined) return {}
  const changed = changedRole(role, action)
  return changed === undefined ? {} : { role: changed }
}

function changedRole(role: PlanRole, action: PlanAction): PlanRole | undefined {
  switch (action.do) {
    case 'put-trust':
      return { ...role, trustPolicy: action.after }
    case 'attach-policy':
      return { ...role, policyArns: [...role.policyArns, action.policyArn] }
    case 'detach-policy':
      return { ...role, policyArns: role.policyArns.filter((arn) => arn !== action.policyArn) }
    case 'put-inline-policy':
      return { ...role, inline: { ...role.inline, [action.name]: action.after } }
    case 'delete-inline-policy':
      return { ...role, inline: without(role.inline, [action.name]) }
    case 'put-boundary':
      return { ...role, boundaryArn: action.after }
    case 'delete-boundary': {
      const { boundaryArn: _, ...rest } = role
      return rest
    }
    case 'tag-role':
      return { ...role, tags: { ...role.tags, ...action.after } }
    case 'untag-role':
      return { ...role, tags: without(role.tags, Object.keys(action.before)) }
    default:
      return undefined
  }
}

const without = (record: Tags, keys: readonly string[]): Tags =>
  Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)))

function entryAfter(entry: PlanAccessEntry | undefined, action: PlanAction): Pick<Found, 'entry'> {
  if (entry === undefined) return {}
  switch (action.do) {
    case 'update-access-entry':
      return { entry: { ...entry, ...action.after } }
    case 'associate-access-policy': {
      const { policyArn } = action.after
      const others = entry.policies.filter((one) => one.policyArn !== policyArn)
      return { entry: { ...entry, policies: [...others, action.after] } }
    }
    case 'disassociate-access-policy': {
      const { policyArn } = action.before
      return {
        entry: { ...entry, policies: entry.policies.filter((one) => one.policyArn !== policyArn) },
      }
    }
    default:
      return {}
  }
}
