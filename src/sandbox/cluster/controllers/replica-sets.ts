import type { ClusterCore } from '../core.ts'
import { listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'
import { labelSelectorOf } from '../selectors.ts'
import { REPLICA_SETS } from '../types/apps.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { asPod, PODS } from '../types/pods.ts'
import { messageOf } from '../../../lib/errors.ts'
import {
  claimPods,
  createPod,
  deletePod,
  isActive,
  isAvailable,
  nextAvailability,
  ownKey,
  claimKeys,
  withCondition,
  writeStatus,
} from './owned-pods.ts'
import { splitKey, type Controller } from './work-queue.ts'

const BURST = 500

/** Keeps as many pods as each replica set wants. */
export const replicaSets: Controller = {
  name: 'replica-sets',
  keysOf: (core, { resource, object }) => {
    if (resource === PODS) return claimKeys(core, REPLICA_SETS, object)
    return resource === REPLICA_SETS ? [ownKey(object)] : []
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const set = core.store.get(REPLICA_SETS, namespace, name)
    if (set === undefined) return undefined
    let failure: Error | undefined
    if (set.metadata.deletionTimestamp === undefined) {
      failure = await scale(core, set, await claimPods(core, set)).then(
        () => undefined,
        (thrown: unknown) => (thrown instanceof Error ? thrown : new Error(messageOf(thrown))),
      )
    }
    const pods = await claimPods(core, set)
    await reportStatus(core, set, pods, failure)
    if (failure !== undefined) throw failure
    return nextAvailability(core, pods.filter(isActive), minReadyOf(set))
  },
}

const minReadyOf = (set: ApiObject): number => Number(recordAt(set, 'spec')['minReadySeconds'] ?? 0)

async function scale(core: ClusterCore, set: ApiObject, own: readonly ApiObject[]): Promise<void> {
  const { name = '' } = set.metadata
  const pods = own.filter(isActive)
  const wanted = Number(recordAt(set, 'spec')['replicas'] ?? 1)
  const missing = Math.min(wanted - pods.length, BURST)
  const template = recordAt(recordAt(set, 'spec'), 'template')
  for (let made = 0; made < missing; made += 1) {
    await createPod(core, set, template, { generateName: `${name}-` })
  }
  for (const pod of surplusOf(pods, wanted)) await deletePod(core, set, pod)
}

const COST = 'controller.kubernetes.io/pod-deletion-cost'
const PHASES = ['Pending', 'Unknown', 'Running']

/**
 * What tells which pod ends first, the first difference deciding: without a node, not begun, not
 * ready, cheap to delete, ready for the shortest time, restarted most often, young.
 */
function claimOf(pod: ApiObject): readonly number[] {
  const { spec, status, metadata } = asPod(pod)
  const ready = listAt(pod['status'], 'conditions').find(
    (condition) => stringAt(condition, 'type') === 'Ready',
  )
  const restarts = (status?.containerStatuses ?? []).map(({ restartCount }) => restartCount)
  const readyAt = Date.parse(stringAt(ready, 'lastTransitionTime'))
  return [
    spec.nodeName === undefined ? 0 : 1,
    PHASES.indexOf(status?.phase ?? 'Pending'),
    isPodReady(pod) ? 1 : 0,
    Number.parseInt(metadata.annotations?.[COST] ?? '0', 10) || 0,
    isPodReady(pod) && !Number.isNaN(readyAt) ? -readyAt : 0,
    -Math.max(0, ...restarts),
    -Date.parse(metadata.creationTimestamp ?? ''),
    -Number(metadata.resourceVersion),
  ]
}

/** The pods that are too many. */
function surplusOf(pods: readonly ApiObject[], wanted: number): ApiObject[] {
  const claims = new Map(pods.map((pod) => [pod, claimOf(pod)]))
  const compare = (left: ApiObject, right: ApiObject): number => {
    const [own = [], other = []] = [claims.get(left), claims.get(right)]
    const at = own.findIndex((claim, index) => claim !== other[index])
    return at < 0 ? 0 : (own[at] ?? 0) - (other[at] ?? 0)
  }
  return pods.toSorted(compare).slice(0, Math.max(0, pods.length - wanted))
}

async function reportStatus(
  core: ClusterCore,
  set: ApiObject,
  own: readonly ApiObject[],
  failure: Error | undefined,
): Promise<void> {
  const pods = own.filter(isActive)
  const template = recordAt(recordAt(recordAt(set, 'spec'), 'template'), 'metadata')
  const isLabelled = labelSelectorOf({ matchLabels: recordAt(template, 'labels') })
  const known = listAt(set['status'], 'conditions')
  const isFailing = (condition: unknown): boolean =>
    stringAt(condition, 'type') === 'ReplicaFailure'
  // The first failure is told until there is none.
  const conditions =
    failure === undefined || known.some(isFailing)
      ? known.filter((condition) => failure !== undefined || !isFailing(condition))
      : withCondition(core, known, {
          type: 'ReplicaFailure',
          status: 'True',
          reason: 'FailedCreate',
          message: messageOf(failure),
        })
  await writeStatus(core, REPLICA_SETS, set, {
    replicas: pods.length,
    fullyLabeledReplicas: pods.filter((pod) => isLabelled(pod.metadata.labels ?? {})).length,
    readyReplicas: pods.filter(isPodReady).length,
    availableReplicas: pods.filter((pod) => isAvailable(core, pod, minReadyOf(set))).length,
    terminatingReplicas: own.filter(
      ({ metadata, status }) =>
        metadata.deletionTimestamp !== undefined &&
        !['Succeeded', 'Failed'].includes(stringAt(status, 'phase')),
    ).length,
    observedGeneration: set.metadata.generation,
    conditions,
  })
}
