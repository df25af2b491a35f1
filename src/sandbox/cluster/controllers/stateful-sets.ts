import type { ClusterCore } from '../core.ts'
import { createObject } from '../creating.ts'
import {
  isRecord,
  listAt,
  omit,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { CONTROLLER_REVISIONS } from '../types/daemon-sets.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { PODS } from '../types/pods.ts'
import { STATEFUL_SETS } from '../types/stateful-sets.ts'
import { PERSISTENT_VOLUME_CLAIMS } from '../types/storage.ts'
import { deleteObject } from '../deleting.ts'
import {
  claimPods,
  createPod,
  deletePod,
  isActive,
  isAvailable,
  nextAvailability,
  OPERATION,
  ownerKeys,
  ownKey,
  podKeys,
  writeStatus,
} from './owned-pods.ts'
import {
  currentRevision,
  pruneRevisions,
  REVISION_LABEL,
  revisionsOf,
  templateOfRevision,
} from './revisions.ts'
import { splitKey, type Controller } from './work-queue.ts'

/** Pods made in one go where they need not wait for one another. */
const BURST = 500

/** Keeps a stateful set's pods by their numbers, one after the other unless it says Parallel. */
export const statefulSets: Controller = {
  name: 'stateful-sets',
  keysOf: (core, { resource, object, type }) => {
    if (resource === PODS) return podKeys(core, STATEFUL_SETS, object)
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
      revisionsOf(core, set).find((revision) => revision.metadata.name === named) ?? update
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

/** @returns whether every pod is there and serves, and none is left over */
async function keepPods(
  core: ClusterCore,
  plan: Plan,
  pods: readonly ApiObject[],
): Promise<boolean> {
  const { set } = plan
  const start = startOf(set)
  const end = start + replicasOf(set)
  const isParallel = recordAt(set, 'spec')['podManagementPolicy'] === 'Parallel'
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod) ?? -1, pod]))
  let isWhole = true
  let made = 0
  for (let ordinal = start; ordinal < end; ordinal += 1) {
    const pod = byOrdinal.get(ordinal)
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
  for (const pod of isParallel ? condemned : condemned.slice(0, 1)) {
    await deletePod(core, set, pod)
    await dropClaims(core, set, pod)
  }
  return isWhole && condemned.length === 0
}

const hasEnded = (pod: ApiObject): boolean =>
  pod.metadata.deletionTimestamp === undefined && !isActive(pod)

const claimTemplatesOf = (set: ApiObject): JsonRecord[] =>
  listAt(set['spec'], 'volumeClaimTemplates').filter(isRecord)

const claimName = (template: JsonRecord, pod: string): string =>
  `${stringAt(recordAt(template, 'metadata'), 'name')}-${pod}`

async function addPod(core: ClusterCore, plan: Plan, ordinal: number): Promise<void> {
  const { set } = plan
  const name = `${set.metadata.name}-${ordinal}`
  const revision = revisionFor(plan, ordinal)
  const template = templateOfRevision(revision)
  const spec = structuredClone(recordAt(template, 'spec'))
  const claims = claimTemplatesOf(set)
  for (const claim of claims) await addClaim(core, set, claim, claimName(claim, name))
  const own = claims.map((claim) => ({
    name: stringAt(recordAt(claim, 'metadata'), 'name'),
    persistentVolumeClaim: { claimName: claimName(claim, name) },
  }))
  const others = listAt(spec, 'volumes').filter(
    (volume) => !own.some((each) => each.name === stringAt(volume, 'name')),
  )
  const subdomain = stringAt(set['spec'], 'serviceName')
  const whole = {
    ...spec,
    hostname: name,
    ...(subdomain !== '' && { subdomain }),
    volumes: [...others, ...own],
  }
  await createPod(
    core,
    set,
    { ...template, spec: whole },
    {
      name,
      labels: {
        'statefulset.kubernetes.io/pod-name': name,
        'apps.kubernetes.io/pod-index': String(ordinal),
        [REVISION_LABEL]: revision.metadata.name,
      },
    },
  )
}

async function addClaim(
  core: ClusterCore,
  set: ApiObject,
  template: JsonRecord,
  name: string,
): Promise<void> {
  const { namespace = '' } = set.metadata
  if (core.store.get(PERSISTENT_VOLUME_CLAIMS, namespace, name) !== undefined) return
  const metadata = recordAt(template, 'metadata')
  const { matchLabels } = recordAt(recordAt(set, 'spec'), 'selector')
  const value = {
    metadata: {
      ...omit(metadata, 'namespace', 'creationTimestamp'),
      name,
      labels: { ...recordAt(metadata, 'labels'), ...(isRecord(matchLabels) && matchLabels) },
    },
    spec: structuredClone(recordAt(template, 'spec')),
  }
  await createObject(core, { type: PERSISTENT_VOLUME_CLAIMS, namespace }, value, OPERATION)
}

/** Claims go with their pod where the set says so. */
async function dropClaims(core: ClusterCore, set: ApiObject, pod: ApiObject): Promise<void> {
  const policy = recordAt(recordAt(set, 'spec'), 'persistentVolumeClaimRetentionPolicy')
  if (policy['whenScaled'] !== 'Delete') return
  const { name: podName = '', namespace = '' } = pod.metadata
  for (const template of claimTemplatesOf(set)) {
    const name = claimName(template, podName)
    if (core.store.get(PERSISTENT_VOLUME_CLAIMS, namespace, name) === undefined) continue
    await deleteObject(core, { type: PERSISTENT_VOLUME_CLAIMS, namespace, name }, {}, OPERATION)
  }
}

/** Ends the pod with the highest number whose template is not the wanted one. */
async function rollOut(core: ClusterCore, plan: Plan, pods: readonly ApiObject[]): Promise<void> {
  const { set, update } = plan
  if (recordAt(recordAt(set, 'spec'), 'updateStrategy')['type'] === 'OnDelete') return
  const lowest = startOf(set) + partitionOf(set)
  const old = pods
    .filter((pod) => (ordinalOf(set, pod) ?? -1) >= lowest)
    .filter((pod) => revisionOf(pod) !== update.metadata.name)
    .toSorted((left, right) => (ordinalOf(set, right) ?? 0) - (ordinalOf(set, left) ?? 0))
  const [highest] = old
  if (highest !== undefined) await deletePod(core, set, highest)
}

/** @returns the name of the revision that is current now */
async function reportStatus(
  core: ClusterCore,
  { set, current, update }: Plan,
  pods: readonly ApiObject[],
): Promise<string> {
  const count = (test: (pod: ApiObject) => boolean): number => pods.filter(test).length
  const live = (pod: ApiObject): boolean => pod.metadata.deletionTimestamp === undefined
  const [currentName = '', updateName = ''] = [current.metadata.name, update.metadata.name]
  const updated = count((pod) => live(pod) && revisionOf(pod) === updateName)
  const ready = count((pod) => live(pod) && isPodReady(pod))
  const { type } = recordAt(recordAt(set, 'spec'), 'updateStrategy')
  const isDone =
    updated === replicasOf(set) && ready === replicasOf(set) && pods.length === replicasOf(set)
  const now = isDone && type === 'RollingUpdate' ? updateName : currentName
  await writeStatus(core, STATEFUL_SETS, set, {
    observedGeneration: set.metadata.generation,
    replicas: pods.length,
    readyReplicas: ready,
    availableReplicas: count((pod) => live(pod) && isAvailable(core, pod, minReadyOf(set))),
    currentReplicas: count((pod) => live(pod) && revisionOf(pod) === now),
    updatedReplicas: updated,
    currentRevision: now,
    updateRevision: updateName,
    collisionCount: 0,
  })
  return now
}
