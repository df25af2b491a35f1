/** How many pods each replica set of a deployment should have next. */
import type { ApiObject } from '../objects.ts'
import {
  allOf,
  availableOf,
  compareAge,
  DESIRED,
  isRecreated,
  limitsOf,
  MOST,
  type ReplicaSets,
  replicasOf,
  statusCount,
  sum,
} from './deployment-sets.ts'

/** What becomes of a replica set; a set that keeps its size is told the deployment's new one. */
export interface Size {
  readonly set: ApiObject
  readonly replicas: number
}

/** What a deployment's new replica set is to have, of which there may be none yet. */
export function newSetSize(deployment: ApiObject, { current, old }: ReplicaSets): number {
  const wanted = replicasOf(deployment)
  const own = current === undefined ? 0 : replicasOf(current)
  if (own >= wanted) return wanted
  const room = wanted + limitsOf(deployment).surge - sum(old, replicasOf) - own
  return own + Math.max(0, Math.min(room, wanted - own))
}

/**
 * The old replica sets that shrink while the new one rolls out: first by the pods that serve
 * nobody, then by as many that do as there are above the fewest that must.
 */
export function shrunkSizes(
  deployment: ApiObject,
  sets: ReplicaSets & { current: ApiObject },
): Size[] {
  const { current, old } = sets
  const fewest = replicasOf(deployment) - limitsOf(deployment).unavailable
  const waiting = replicasOf(current) - servingOf(current)
  const budget = sum(allOf(sets), replicasOf) - fewest - waiting
  const sizes = new Map(old.map((set) => [set, replicasOf(set)]))
  const take = (most: number, spare: (set: ApiObject, size: number) => number): void => {
    let left = most
    for (const [set, size] of sizes) {
      const gone = Math.max(0, Math.min(left, spare(set, size)))
      left -= gone
      sizes.set(set, size - gone)
    }
  }
  if (budget > 0) {
    take(budget, (set, size) => size - servingOf(set))
    take(sum(allOf(sets), servingOf) - fewest, (_set, size) => size)
  }
  return changed(sizes)
}

/** What a set says of its pods may be older than its size. */
const servingOf = (set: ApiObject): number => Math.min(replicasOf(set), availableOf(set))

const changed = (sizes: ReadonlyMap<ApiObject, number>): Size[] =>
  [...sizes]
    .filter(([set, replicas]) => replicas !== replicasOf(set))
    .map(([set, replicas]) => ({ set, replicas }))

/** Whether a deployment has been scaled since its sets were. */
export function isScaled(deployment: ApiObject, sets: ReplicaSets): boolean {
  const wanted = String(replicasOf(deployment))
  return allOf(sets).some((set) => {
    const known = set.metadata.annotations?.[DESIRED]
    return replicasOf(set) > 0 && known !== undefined && known !== wanted
  })
}

/**
 * What a scaled deployment's sets become: the only one that has pods takes them all; in the midst
 * of a roll-out each keeps its share, so that scaling does not hasten it.
 */
export function scaledSizes(deployment: ApiObject, sets: ReplicaSets): Size[] {
  const { current, old } = sets
  const wanted = replicasOf(deployment)
  const active = allOf(sets).filter((set) => replicasOf(set) > 0)
  if (active.length <= 1) {
    const set = active[0] ?? current ?? old.at(-1)
    return set === undefined || replicasOf(set) === wanted ? [] : [{ set, replicas: wanted }]
  }
  if (current !== undefined && isSaturated(deployment, current)) {
    return active.filter((set) => set !== current).map((set) => ({ set, replicas: 0 }))
  }
  return isRecreated(deployment) ? [] : sharedSizes(deployment, active)
}

function isSaturated(deployment: ApiObject, set: ApiObject): boolean {
  const wanted = replicasOf(deployment)
  return (
    replicasOf(set) === wanted &&
    set.metadata.annotations?.[DESIRED] === String(wanted) &&
    availableOf(set) === wanted
  )
}

function sharedSizes(deployment: ApiObject, active: readonly ApiObject[]): Size[] {
  const wanted = replicasOf(deployment)
  const most = wanted === 0 ? 0 : wanted + limitsOf(deployment).surge
  const toAdd = most - sum(active, replicasOf)
  const order = toAdd > 0 ? -1 : 1
  const bySize = active.toSorted(
    (left, right) => replicasOf(right) - replicasOf(left) || compareAge(left, right) * order,
  )
  let added = 0
  const sizes = bySize.map((set) => {
    const share = shareOf(deployment, set, wanted + limitsOf(deployment).surge)
    const left = toAdd - added
    const own = toAdd > 0 ? Math.min(share, left) : toAdd < 0 ? Math.max(share, left) : 0
    added += own
    return { set, replicas: replicasOf(set) + own }
  })
  const [largest, ...others] = sizes
  if (largest === undefined) return []
  return [{ ...largest, replicas: Math.max(0, largest.replicas + toAdd - added) }, ...others]
}

/** By how much a set grows, or shrinks, to be as large a part of the deployment as before. */
function shareOf(deployment: ApiObject, set: ApiObject, most: number): number {
  const own = replicasOf(set)
  if (replicasOf(deployment) === 0) return -own
  const known = Number(set.metadata.annotations?.[MOST] ?? 0)
  const before = known > 0 ? known : statusCount(deployment, 'replicas')
  return before > 0 ? Math.round((own * most) / before) - own : 0
}
