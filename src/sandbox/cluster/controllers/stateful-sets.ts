import type { ClusterCore } from '../core.ts'
import { listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'
import { CONTROLLER_REVISIONS } from '../types/daemon-sets.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { PODS } from '../types/pods.ts'
import { STATEFUL_SETS } from '../types/stateful-sets.ts'
import {
  claimPods,
  createPod,
  deletePod,
  isActive,
  isAvailable,
  nextAvailability,
  ownerKeys,
  ownKey,
  claimKeys,
  writeStatus,
} from './owned-pods.ts'
import {
  currentRevision,
  pruneRevisions,
  REVISION_LABEL,
  revisionsOf,
  templateOfRevision,
} from './revisions.ts'
import { keepClaims, makeClaims } from './stateful-claims.ts'
import { splitKey, type Controller } from './work-queue.ts'

/** Pods made in one go where they need not wait for one another. */
const BURST = 500

/** Keeps a stateful set's pods by their numbers, one after the other unless it says Parallel. */
export const statefulSets: Controller = {
  name: 'stateful-sets',
  keysOf: (core, { resource, object, type }) => {
    if (resource === PODS) return claimKeys(core, STATEFUL_SETS, object)
    if (resource === CONTROLLER_REVISIONS) {
      return type === 'DELETED' ? ownerKeys(object, 'StatefulSet') : []
    }
    return resource === STATEFUL_SETS ? [ownKey(object)] : []
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const set = core.store.get(STATEFUL_SETS, namespace, name)
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return undefined
    const update = await currentRevision(core, set)
    const named = stringAt(set['status'], 'currentRevision')
    const current =
      (await revisionsOf(core, set)).find(({ metadata }) => metadata.name === named) ?? update
    const pods = async (): Promise<ApiObject[]> =>
      claimPods(core, set, (pod) => ordinalOf(set, pod) !== undefined)
    const plan = { set, current, update }
    const isSettled = await keepPods(core, plan, await pods())
    if (isSettled) await rollOut(core, plan, await pods())
    const after = await pods()
    const reported = await reportStatus(core, plan, after)
    const used = new Set([update.metadata.name, reported, ...after.map(revisionOf)])
    await pruneRevisions(core, set, (revision) => used.has(revision.metadata.name))
    return nextAvailability(core, after, minReadyOf(set))
  },
}

interface Plan {
  readonly set: ApiObject
  /** The template that the set is leaving; the same as `update` where none is rolled out. */
  readonly current: ApiObject
  readonly update: ApiObject
}

const minReadyOf = (set: ApiObject): number => Number(recordAt(set, 'spec')['minReadySeconds'] ?? 0)

const replicasOf = (set: ApiObject): number => Number(recordAt(set, 'spec')['replicas'] ?? 1)
const startOf = (set: ApiObject): number =>
  Number(recordAt(recordAt(set, 'spec'), 'ordinals')['start'] ?? 0)

/** A pod's number; undefined where its name is not one of the set's. */
function ordinalOf(set: ApiObject, pod: ApiObject): number | undefined {
  const prefix = `${set.metadata.name}-`
  const name = pod.metadata.name ?? ''
  const rest = name.startsWith(prefix) ? name.slice(prefix.length) : ''
  return /^(?:0|[1-9]\d{0,8})$/.test(rest) ? Number(rest) : undefined
}

const revisionOf = (pod: ApiObject): string => pod.metadata.labels?.[REVISION_LABEL] ?? ''

function partitionOf(set: ApiObject): number {
  const strategy = recordAt(recordAt(set, 'spec'), 'updateStrategy')
  return Number(recordAt(strategy, 'rollingUpdate')['partition'] ?? 0)
}

/** The template that a pod of a number is made of. */
function revisionFor({ set, current, update }: Plan, ordinal: number): ApiObject {
  const { type } = recordAt(recordAt(set, 'spec'), 'updateStrategy')
  if (type === 'OnDelete') return update
  return ordinal < startOf(set) + partitionOf(set) ? current : update
}

/** @returns whether a roll-out may go on: none waits for another, or every pod is there and serves */
async function keepPods(
  core: ClusterCore,
  plan: Plan,
  pods: readonly ApiObject[],
): Promise<boolean> {
  const { set } = plan
  const [start, end] = [startOf(set), startOf(set) + replicasOf(set)]
  const isParallel = recordAt(set, 'spec')['podManagementPolicy'] === 'Parallel'
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod) ?? -1, pod]))
  let isWhole = true
  let made = 0
  for (let ordinal = start; ordinal < end; ordinal += 1) {
    const pod = byOrdinal.get(ordinal)
    if (pod !== undefined) await keepClaims(core, set, pod, { isCondemned: false })
    if (pod !== undefined && isActive(pod) && isAvailable(core, pod, minReadyOf(set))) continue
    isWhole = false
    if (pod === undefined && made < BURST) {
      await addPod(core, plan, ordinal)
      made += 1
    } else if (pod !== undefined && hasEnded(pod)) await deletePod(core, set, pod)
    if (!isParallel) return false
  }
  const condemned = pods
    .filter((pod) => {
      const ordinal = ordinalOf(set, pod)
      return ordinal !== undefined && (ordinal < start || ordinal >= end)
    })
    .toSorted((left, right) => (ordinalOf(set, right) ?? 0) - (ordinalOf(set, left) ?? 0))
  for (const pod of condemned) await keepClaims(core, set, pod, { isCondemned: true })
  // One at a time; of two that do not serve, the one with the lower number must be well first.
  const serves = (pod: ApiObject): boolean =>
    isActive(pod) && isAvailable(core, pod, minReadyOf(set))
  const sick = condemned.findLast((pod) => !serves(pod))
  const [first] = condemned
  const isBlocked = first !== undefined && !serves(first) && sick !== first
  const going = isParallel ? condemned : isBlocked ? [] : condemned.slice(0, 1)
  for (const pod of going) await deletePod(core, set, pod)
  return isParallel || (isWhole && condemned.length === 0)
}

const hasEnded = (pod: ApiObject): boolean =>
  pod.metadata.deletionTimestamp === undefined && !isActive(pod)

async function addPod(core: ClusterCore, plan: Plan, ordinal: number): Promise<void> {
  const { set } = plan
  const name = `${set.metadata.name}-${ordinal}`
  const revision = revisionFor(plan, ordinal)
  const template = templateOfRevision(revision)
  const spec = structuredClone(recordAt(template, 'spec'))
  const own = await makeClaims(core, set, name)
  const others = listAt(spec, 'volumes').filter(
    (volume) => !own.some((each) => each['name'] === stringAt(volume, 'name')),
  )
  const subdomain = stringAt(set['spec'], 'serviceName')
  const whole = {
    ...spec,
    hostname: name,
    ...(subdomain !== '' && { subdomain }),
    volumes: [...others, ...own],
  }
  const labels = {
    'statefulset.kubernetes.io/pod-name': name,
    'apps.kubernetes.io/pod-index': String(ordinal),
    [REVISION_LABEL]: revision.metadata.name,
  }
  const pod = await createPod(core, set, { ...template, spec: whole }, { name, labels })
  await keepClaims(core, set, pod, { isCondemned: false })
}

/** Ends the pod with the highest number whose template is not the wanted one. */
async function rollOut(core: ClusterCore, plan: Plan, pods: readonly ApiObject[]): Promise<void> {
  const { set, update } = plan
  if (recordAt(recordAt(set, 'spec'), 'updateStrategy')['type'] === 'OnDelete') return
  const lowest = startOf(set) + partitionOf(set)
  const lastFirst = pods
    .filter((pod) => (ordinalOf(set, pod) ?? -1) >= lowest)
    .toSorted((left, right) => (ordinalOf(set, right) ?? 0) - (ordinalOf(set, left) ?? 0))
  for (const pod of lastFirst) {
    if (revisionOf(pod) !== update.metadata.name && pod.metadata.deletionTimestamp === undefined) {
      return deletePod(core, set, pod)
    }
    if (!isActive(pod) || !isAvailable(core, pod, minReadyOf(set))) return undefined
  }
}

/** @returns the name of the revision that is current now */
async function reportStatus(
  core: ClusterCore,
  { set, current, update }: Plan,
  pods: readonly ApiObject[],
): Promise<string> {
  const count = (test: (pod: ApiObject) => boolean): number => pods.filter(test).length
  const live = (pod: ApiObject): boolean => pod.metadata.deletionTimestamp === undefined
  const runs = (pod: ApiObject): boolean =>
    stringAt(pod['status'], 'phase') === 'Running' && isPodReady(pod)
  const [currentName = '', updateName = ''] = [current.metadata.name, update.metadata.name]
  const updated = count((pod) => live(pod) && revisionOf(pod) === updateName)
  const ready = count(runs)
  const { type } = recordAt(recordAt(set, 'spec'), 'updateStrategy')
  const isDone =
    updated === replicasOf(set) && ready === replicasOf(set) && pods.length === replicasOf(set)
  const now = isDone && type === 'RollingUpdate' ? updateName : currentName
  await writeStatus(core, STATEFUL_SETS, set, {
    observedGeneration: set.metadata.generation,
    replicas: pods.length,
    readyReplicas: ready,
    availableReplicas: count((pod) => runs(pod) && isAvailable(core, pod, minReadyOf(set))),
    currentReplicas: count((pod) => live(pod) && revisionOf(pod) === now),
    updatedReplicas: updated,
    currentRevision: now,
    updateRevision: updateName,
    collisionCount: 0,
  })
  return now
}
