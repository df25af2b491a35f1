import type { ClusterCore } from '../core.ts'
import { deleteObject } from '../deleting.ts'
import { recordAt, type ApiObject, type JsonRecord } from '../objects.ts'
import { DEPLOYMENTS, REPLICA_SETS } from '../types/apps.ts'
import { asPod, PODS } from '../types/pods.ts'
import { updateObject } from '../updating.ts'
import { currentSet, revisionOf, sizeMarks } from './deployment-revisions.ts'
import {
  isRecreated,
  type ReplicaSets,
  replicasOf,
  sortSets,
  statusCount,
} from './deployment-sets.ts'
import { isScaled, newSetSize, scaledSizes, shrunkSizes, type Size } from './deployment-sizes.ts'
import { isComplete, reportPause, reportStatus } from './deployment-status.ts'
import {
  claimKeys,
  claimObjects,
  isOwnedBy,
  OPERATION,
  ownerKeys,
  ownKey,
  tell,
} from './owned-pods.ts'
import { splitKey, type Controller } from './work-queue.ts'

/** Rolls each deployment's template out through a replica set of its own. */
export const deployments: Controller = {
  name: 'deployments',
  keysOf: (core, { resource, object, type }) => {
    if (resource === REPLICA_SETS) return claimKeys(core, DEPLOYMENTS, object)
    // One that is made anew waits for the last of its old pods.
    if (resource === PODS && type === 'DELETED') return keysOfPod(core, object)
    return resource === DEPLOYMENTS ? [ownKey(object)] : []
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const deployment = core.store.get(DEPLOYMENTS, namespace, name)
    if (deployment === undefined) return undefined
    if (deployment.metadata.deletionTimestamp !== undefined) return undefined
    await reportPause(core, deployment)
    const sets = await setsOf(core, deployment)
    const isPaused = recordAt(deployment, 'spec')['paused'] === true
    if (sets.current !== undefined) await currentSet(core, deployment, sets)
    if (isPaused || isScaled(deployment, sets)) {
      await resize(core, deployment, scaledSizes(deployment, sets))
      if (isPaused) await pruneHistory(core, deployment, sets)
      return reportStatus(core, deployment, { estimates: false })
    }
    await (isRecreated(deployment) ? makeAnew : rollOut)(core, deployment, sets)
    return reportStatus(core, deployment, { estimates: true })
  },
}

function keysOfPod(core: ClusterCore, pod: ApiObject): string[] {
  return ownerKeys(pod, 'ReplicaSet').flatMap((key) => {
    const { namespace, name } = splitKey(key)
    const set = core.store.get(REPLICA_SETS, namespace, name)
    return set === undefined ? [] : ownerKeys(set, 'Deployment')
  })
}

async function setsOf(core: ClusterCore, deployment: ApiObject): Promise<ReplicaSets> {
  const sets = await claimObjects(core, deployment, { type: REPLICA_SETS })
  return sortSets(
    deployment,
    sets.filter(({ metadata }) => metadata.deletionTimestamp === undefined),
  )
}

/** Grows the new replica set as far as there is room, and shrinks the old ones as far as it serves. */
async function rollOut(core: ClusterCore, deployment: ApiObject, sets: ReplicaSets): Promise<void> {
  const replicas = newSetSize(deployment, sets)
  const current = await currentSet(core, deployment, sets, replicas)
  const [grown = current] = await resize(core, deployment, [{ set: current, replicas }])
  await resize(core, deployment, shrunkSizes(deployment, { ...sets, current: grown }))
  if (isComplete(deployment)) await pruneHistory(core, deployment, sets)
}

/** Ends every old pod, and only then makes new ones. */
async function makeAnew(
  core: ClusterCore,
  deployment: ApiObject,
  sets: ReplicaSets,
): Promise<void> {
  const active = sets.old.filter((set) => replicasOf(set) > 0)
  await resize(
    core,
    deployment,
    active.map((set) => ({ set, replicas: 0 })),
  )
  if (active.length > 0 || sets.old.some((set) => hasPods(core, set))) return
  const replicas = replicasOf(deployment)
  const current = await currentSet(core, deployment, sets, replicas)
  await resize(core, deployment, [{ set: current, replicas }])
  if (isComplete(deployment)) await pruneHistory(core, deployment, sets)
}

const hasPods = (core: ClusterCore, set: ApiObject): boolean =>
  core.store
    .list(PODS, set.metadata.namespace)
    .some(
      (pod) =>
        isOwnedBy(pod, set) && !['Succeeded', 'Failed'].includes(asPod(pod).status?.phase ?? ''),
    )

/** Gives replica sets their sizes; those that have them are left as they are. */
async function resize(
  core: ClusterCore,
  deployment: ApiObject,
  sizes: readonly Size[],
): Promise<ApiObject[]> {
  const resized: ApiObject[] = []
  for (const { set, replicas } of sizes) {
    const { name = '', namespace = '' } = set.metadata
    const before = replicasOf(set)
    if (before === replicas) {
      resized.push(set)
      continue
    }
    const change = (stored: ApiObject): JsonRecord => ({
      ...stored,
      metadata: {
        ...stored.metadata,
        annotations: { ...stored.metadata.annotations, ...sizeMarks(deployment) },
      },
      spec: { ...recordAt(stored, 'spec'), replicas },
    })
    resized.push(
      await updateObject(core, { type: REPLICA_SETS, namespace, name }, change, OPERATION),
    )
    const way = replicas > before ? 'up' : 'down'
    const message = `Scaled ${way} replica set ${name} from ${before} to ${replicas}`
    await tell(core, deployment, 'Normal', ['ScalingReplicaSet', message])
  }
  return resized
}

/** Deletes the oldest revisions that have no pods, but for as many as are to be remembered. */
async function pruneHistory(
  core: ClusterCore,
  deployment: ApiObject,
  { old }: ReplicaSets,
): Promise<void> {
  const limit = Number(recordAt(deployment, 'spec')['revisionHistoryLimit'] ?? 10)
  const byRevision = old.toSorted((left, right) => revisionOf(left) - revisionOf(right))
  for (const set of byRevision.slice(0, Math.max(0, old.length - limit))) {
    if (replicasOf(set) > 0 || statusCount(set, 'replicas') > 0) continue
    const { name = '', namespace = '' } = set.metadata
    await deleteObject(core, { type: REPLICA_SETS, namespace, name }, {}, OPERATION)
  }
}
