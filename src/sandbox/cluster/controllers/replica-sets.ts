import { messageOf, PodroleError } from '../../../lib/errors.ts'
import { type ClusterCore, systemOperation } from '../core.ts'
import { createObject } from '../creating.ts'
import { deleteObject } from '../deleting.ts'
import { keyOf } from '../object-store.ts'
import { recordAt, type ApiObject, type JsonRecord } from '../objects.ts'
import { REPLICA_SETS } from '../types/apps.ts'
import { asPod, isPodReady, PODS } from '../types/pods.ts'
import { updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import { recordEvent } from './events.ts'
import { splitKey, type Controller } from './work-queue.ts'

const OPERATION = systemOperation(systemUser('kube-controller-manager'))
const BURST = 500

/** The reference of an object's controlling owner. */
export function ownerReferenceOf(owner: ApiObject): JsonRecord {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  }
}

/** Whether an object's controller is that one. */
export function isOwnedBy(object: ApiObject, owner: ApiObject): boolean {
  return (object.metadata.ownerReferences ?? []).some(
    ({ uid, controller }) => controller === true && uid === owner.metadata.uid,
  )
}

/** Keys of the objects of a kind that control an object. */
export function ownerKeys(object: ApiObject, kind: string): string[] {
  return (object.metadata.ownerReferences ?? [])
    .filter((owner) => owner.kind === kind && owner.controller === true)
    .map((owner) => keyOf(object.metadata.namespace, owner.name))
}

function isActive(pod: ApiObject): boolean {
  const { metadata, status } = asPod(pod)
  return (
    metadata.deletionTimestamp === undefined &&
    status?.phase !== 'Succeeded' &&
    status?.phase !== 'Failed'
  )
}

/** Keeps as many pods as each replica set wants. */
export const replicaSets: Controller = {
  name: 'replica-sets',
  keysOf: (_core, { resource, object }) => {
    if (resource === PODS) return ownerKeys(object, 'ReplicaSet')
    return resource === REPLICA_SETS
      ? [keyOf(object.metadata.namespace, object.metadata.name ?? '')]
      : []
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const set = core.store.get(REPLICA_SETS, namespace, name)
    if (set === undefined) return
    const pods = (): ApiObject[] =>
      core.store.list(PODS, namespace).filter((pod) => isOwnedBy(pod, set) && isActive(pod))
    let failure: unknown
    if (set.metadata.deletionTimestamp === undefined) {
      failure = await scale(core, set, pods()).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
    }
    await reportStatus(core, set, pods())
    if (failure === undefined) return
    const message = `Error creating: ${messageOf(failure)}`
    const component = 'replicaset-controller'
    await recordEvent(core, set, { type: 'Warning', reason: 'FailedCreate', message, component })
    throw new PodroleError('FailedCreate', message, { cause: failure })
  },
}

async function scale(core: ClusterCore, set: ApiObject, pods: ApiObject[]): Promise<void> {
  const { name = '', namespace = '' } = set.metadata
  const wanted = Number(recordAt(set, 'spec')['replicas'] ?? 1)
  const missing = Math.min(wanted - pods.length, BURST)
  const template = recordAt(recordAt(set, 'spec'), 'template')
  for (let made = 0; made < missing; made += 1) {
    const { labels, annotations } = recordAt(template, 'metadata')
    const value = {
      metadata: {
        generateName: `${name}-`,
        labels,
        annotations,
        ownerReferences: [ownerReferenceOf(set)],
      },
      spec: structuredClone(template['spec']),
    }
    const pod = await createObject(core, { type: PODS, namespace }, dropUndefined(value), OPERATION)
    const message = `Created pod: ${pod.metadata.name}`
    const component = 'replicaset-controller'
    await recordEvent(core, set, { type: 'Normal', reason: 'SuccessfulCreate', message, component })
  }
  for (const pod of surplusOf(pods, wanted)) {
    const target = { type: PODS, namespace, name: pod.metadata.name ?? '' }
    await deleteObject(core, target, {}, OPERATION)
  }
}

function dropUndefined(value: {
  readonly metadata: JsonRecord
  readonly spec: unknown
}): JsonRecord {
  const metadata = Object.entries(value.metadata).filter(([, field]) => field !== undefined)
  return { ...value, metadata: Object.fromEntries(metadata) }
}

/** Pods to end first: without a node, then not ready, then the youngest. */
function surplusOf(pods: readonly ApiObject[], wanted: number): ApiObject[] {
  const rank = (pod: ApiObject): number =>
    (asPod(pod).spec.nodeName === undefined ? 0 : 2) + (isPodReady(pod) ? 1 : 0)
  const youngestFirst = (left: ApiObject, right: ApiObject): number =>
    Number(right.metadata.resourceVersion) - Number(left.metadata.resourceVersion)
  return pods
    .toSorted((left, right) => rank(left) - rank(right) || youngestFirst(left, right))
    .slice(0, Math.max(0, pods.length - wanted))
}

async function reportStatus(
  core: ClusterCore,
  set: ApiObject,
  pods: readonly ApiObject[],
): Promise<void> {
  const { name = '', namespace = '', generation } = set.metadata
  if (core.store.get(REPLICA_SETS, namespace, name) === undefined) return
  const ready = pods.filter(isPodReady).length
  const status = {
    replicas: pods.length,
    fullyLabeledReplicas: pods.length,
    readyReplicas: ready,
    availableReplicas: ready,
    observedGeneration: generation,
  }
  const target = { type: REPLICA_SETS, namespace, name, subresource: 'status' }
  await updateObject(core, target, (stored) => ({ ...stored, status }), OPERATION)
}
