/**
 * A cluster's objects made again what they were. As after a restore of etcd with a bumped revision
 * (etcd, "Disaster recovery"), a resourceVersion never goes back; unlike it, watches go on, since
 * every difference is told as an event.
 */
import type { Change } from '../state.ts'
import type { ClusterCore } from './core.ts'
import { collectionOf, keyOf } from './object-store.ts'
import { listAt, omit, recordAt, sameJson, stringAt, type ApiObject } from './objects.ts'
import type { ResourceType } from './resource-types.ts'
import { NAMESPACES, NODES } from './types/core.ts'
import { CUSTOM_RESOURCE_DEFINITIONS } from './types/custom-resource-definitions.ts'
import { PODS } from './types/pods.ts'

/** A cluster's objects: collection (`pods`, `deployments.apps`) → `NAMESPACE/NAME` → object. */
export type Collections = ReadonlyMap<string, ReadonlyMap<string, ApiObject>>

/** One step of the way back, under its own revision. */
export interface RestoreStep {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly collection: string
  readonly revision: number
  readonly object: ApiObject
  readonly previous: ApiObject | undefined
}

/** A way back that is not gone yet. */
export interface ClusterRestore {
  /** Of the state's tables, to be written all at once. */
  readonly changes: readonly Change[]
  /** Tells watches and controllers of what was written. */
  tell(): void
}

/** Names of nodes that run: what they report of themselves and their pods is true, whatever was. */
export type LiveNodes = ReadonlySet<string>

/** Plans how a cluster's objects become what they were; nothing is changed yet. */
export function planClusterRestore(
  core: ClusterCore,
  then: Collections,
  at: { readonly now: Collections; readonly liveNodes: LiveNodes },
): ClusterRestore {
  const steps = restoreSteps(then, { ...at, revision: core.store.revision })
  const rows = new Map<string, Change>()
  for (const { type, collection, object } of steps) {
    const table = core.store.tableOf(collection)
    const key = keyOf(object.metadata.namespace, object.metadata.name ?? '')
    rows.set(`${table} ${key}`, { table, key, value: type === 'DELETED' ? undefined : object })
  }
  const last = steps.at(-1)
  return {
    changes: last === undefined ? [] : [...rows.values(), core.store.revisionChange(last.revision)],
    tell: () => tellSteps(core, steps),
  }
}

/** The events that lead from the objects of now to those of then. Pure. */
export function restoreSteps(
  then: Collections,
  at: { readonly now: Collections; readonly liveNodes: LiveNodes; readonly revision: number },
): RestoreStep[] {
  const names = [...new Set([...at.now.keys(), ...then.keys()])].toSorted(
    (left, right) => rankOf(left) - rankOf(right),
  )
  const gone: Omit<RestoreStep, 'revision'>[] = []
  const put: Omit<RestoreStep, 'revision'>[] = []
  for (const collection of names) {
    const [here, wanted] = [at.now.get(collection), then.get(collection)]
    for (const key of new Set([...(here?.keys() ?? []), ...(wanted?.keys() ?? [])])) {
      const step = { collection, key, liveNodes: at.liveNodes }
      const { removed, object, previous } = stepOf(step, here?.get(key), wanted?.get(key))
      if (removed !== undefined) {
        gone.push({ type: 'DELETED', collection, object: removed, previous: removed })
      }
      if (object === undefined) continue
      put.push({ type: previous ? 'MODIFIED' : 'ADDED', collection, object, previous })
    }
  }
  // Custom objects go before their definitions and come after them; the same with namespaces.
  return [...gone.reverse(), ...put].map((step, index) => {
    const revision = at.revision + 1 + index
    const metadata = { ...step.object.metadata, resourceVersion: String(revision) }
    return { ...step, revision, object: { ...step.object, metadata } }
  })
}

const CRDS = collectionOf(CUSTOM_RESOURCE_DEFINITIONS)
const FIRST = [CRDS, collectionOf(NAMESPACES), collectionOf(NODES)]

const rankOf = (collection: string): number => {
  const rank = FIRST.indexOf(collection)
  return rank < 0 ? FIRST.length : rank
}

interface Step {
  readonly removed?: ApiObject
  readonly object?: ApiObject
  readonly previous?: ApiObject
}

/** What becomes of one object: nothing, one event, or a deletion and a new one under its key. */
function stepOf(
  at: { readonly collection: string; readonly liveNodes: LiveNodes },
  here: ApiObject | undefined,
  wanted: ApiObject | undefined,
): Step {
  if (here === wanted) return {}
  if (wanted === undefined) {
    const stays =
      at.collection === collectionOf(NODES) && at.liveNodes.has(here?.metadata.name ?? '')
    return stays || here === undefined ? {} : { removed: here }
  }
  const replaces = here !== undefined && !isSame(at.collection, here, wanted)
  const previous = replaces ? undefined : here
  const object = asReported(at, wanted, previous)
  if (replaces) return { removed: here, object }
  if (previous === undefined) return { object }
  return sameJson(contentOf(previous), contentOf(object)) ? {} : { object, previous }
}

/**
 * Whether an object can become the other by a change. What is another object, was marked as deleted
 * since or has ended since cannot: it ends, and the one of then begins anew.
 */
function isSame(collection: string, here: ApiObject, wanted: ApiObject): boolean {
  if (here.metadata.uid !== wanted.metadata.uid) return false
  const isMarked = here.metadata.deletionTimestamp !== undefined
  if (isMarked && wanted.metadata.deletionTimestamp === undefined) return false
  return collection !== collectionOf(PODS) || isOver(here) === isOver(wanted)
}

const isOver = (pod: ApiObject): boolean =>
  ['Succeeded', 'Failed'].includes(stringAt(pod['status'], 'phase'))

/**
 * The status of nodes that run, and of their pods, is what they see and not what they saw; a pod
 * that they have to start anew waits for that.
 */
function asReported(
  { collection, liveNodes }: { readonly collection: string; readonly liveNodes: LiveNodes },
  wanted: ApiObject,
  previous: ApiObject | undefined,
): ApiObject {
  if (collection === collectionOf(NODES) && liveNodes.has(wanted.metadata.name ?? '')) {
    return previous === undefined ? wanted : { ...wanted, status: previous['status'] }
  }
  const node = stringAt(wanted['spec'], 'nodeName')
  if (collection !== collectionOf(PODS) || !liveNodes.has(node) || isOver(wanted)) return wanted
  const isStillThere = stringAt(previous?.['spec'], 'nodeName') === node
  return { ...wanted, status: isStillThere ? previous?.['status'] : notStarted(wanted) }
}

/** A pod's status when it was bound to its node, and nothing more has happened. */
function notStarted(pod: ApiObject): object {
  const status = recordAt(pod, 'status')
  const conditions = listAt(status, 'conditions').filter(
    (condition) => stringAt(condition, 'type') === 'PodScheduled',
  )
  const { qosClass } = status
  return { phase: 'Pending', ...(qosClass !== undefined && { qosClass }), conditions }
}

const contentOf = ({ metadata, ...content }: ApiObject): object => ({
  ...content,
  metadata: omit(metadata, 'resourceVersion'),
})

/** Kinds that nothing serves (now, or by then) have no watch to hear of them. */
function tellSteps(core: ClusterCore, steps: readonly RestoreStep[]): void {
  let types: ReadonlyMap<string, ResourceType> | undefined
  for (const { collection, ...step } of steps) {
    types ??= new Map(core.registry.stored().map((type) => [collectionOf(type), type]))
    const resource = types.get(collection)
    if (resource !== undefined) core.store.tell({ ...step, resource })
    if (collection === CRDS) types = undefined
  }
}
