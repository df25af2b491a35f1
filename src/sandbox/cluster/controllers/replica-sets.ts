import type { ClusterCore } from '../core.ts'
import { listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'
import { labelSelectorOf } from '../selectors.ts'
import { REPLICA_SETS } from '../types/apps.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { PODS } from '../types/pods.ts'
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
import { surplusOf } from './surplus-pods.ts'
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
