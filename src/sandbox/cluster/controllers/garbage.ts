import type { OwnerReference } from '../../../kube/objects.ts'
import { type ClusterCore, systemOperation } from '../core.ts'
import { deleteObject } from '../deleting.ts'
import type { ApiObject } from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import { NODES } from '../types/core.ts'
import { asPod, PODS } from '../types/pods.ts'
import { updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import type { Controller } from './work-queue.ts'

const OPERATION = systemOperation(systemUser('kube-controller-manager'))
const FINALIZERS = ['foregroundDeletion', 'orphan']

interface Found {
  readonly type: ResourceType
  readonly object: ApiObject
}

/** Objects that name an owner, among those in its namespace, or all for a cluster's own object. */
function dependentsOf(core: ClusterCore, uid: string): Found[] {
  return core.registry
    .stored()
    .flatMap((type) => core.store.list(type).map((object) => ({ type, object })))
    .filter(({ object }) => object.metadata.ownerReferences?.some((owner) => owner.uid === uid))
}

const targetOf = ({
  type,
  object,
}: Found): { type: ResourceType; name: string; namespace?: string } => ({
  type,
  name: object.metadata.name ?? '',
  ...(object.metadata.namespace !== undefined && { namespace: object.metadata.namespace }),
})

function ownerExists(core: ClusterCore, owner: OwnerReference, namespace?: string): boolean {
  const type = core.registry.findKind(owner.apiVersion, owner.kind)
  // A kind that is not served cannot be looked for; better to keep what it owns.
  if (type === undefined) return true
  const found = core.store.get(type, type.namespaced ? namespace : undefined, owner.name)
  return found?.metadata.uid === owner.uid
}

/**
 * Deletes what a deleted object owned, waits for it where the deletion is foreground, sets it free
 * where it is orphaning; and pods of nodes that are gone.
 */
export const garbageCollection: Controller = {
  name: 'garbage-collection',
  keysOf: (_core, { resource, type, object }) => {
    const { uid = '', finalizers = [], deletionTimestamp } = object.metadata
    if (type === 'DELETED') {
      const owners = (object.metadata.ownerReferences ?? []).map((owner) => `uid/${owner.uid}`)
      return [
        `uid/${uid}`,
        ...owners,
        ...(resource === NODES ? [`node/${object.metadata.name}`] : []),
      ]
    }
    const waits =
      deletionTimestamp !== undefined && finalizers.some((name) => FINALIZERS.includes(name))
    return waits ? [`uid/${uid}`] : []
  },
  reconcile: async (core, key) => {
    if (key.startsWith('node/')) return collectPods(core, key.slice('node/'.length))
    const uid = key.slice('uid/'.length)
    const dependents = dependentsOf(core, uid)
    const owner = findWaiting(core, uid)
    if (owner?.object.metadata.finalizers?.includes('orphan') === true) {
      for (const found of dependents) await setFree(core, found, uid)
      return dropFinalizer(core, owner, 'orphan')
    }
    const isForeground = owner?.object.metadata.finalizers?.includes('foregroundDeletion') === true
    for (const found of dependents) await collect(core, found, isForeground ? uid : '')
    if (owner !== undefined && isForeground && dependentsOf(core, uid).length === 0) {
      await dropFinalizer(core, owner, 'foregroundDeletion')
    }
  },
}

function findWaiting(core: ClusterCore, uid: string): Found | undefined {
  for (const type of core.registry.stored()) {
    const object = core.store
      .list(type)
      .find(({ metadata }) => metadata.uid === uid && metadata.deletionTimestamp !== undefined)
    if (object !== undefined) return { type, object }
  }
  return undefined
}

/** Deletes an object none of whose owners is left, or only one that waits for it. */
async function collect(core: ClusterCore, found: Found, waitingUid: string): Promise<void> {
  const { metadata } = found.object
  if (metadata.deletionTimestamp !== undefined) return
  const others = (metadata.ownerReferences ?? []).filter((owner) => owner.uid !== waitingUid)
  if (others.some((owner) => ownerExists(core, owner, metadata.namespace))) return
  const options = metadata.uid === undefined ? {} : { uid: metadata.uid }
  await deleteObject(core, targetOf(found), options, OPERATION)
}

async function setFree(core: ClusterCore, found: Found, uid: string): Promise<void> {
  const change = (stored: ApiObject): ApiObject => ({
    ...stored,
    metadata: {
      ...stored.metadata,
      ownerReferences: (stored.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid),
    },
  })
  await updateObject(core, targetOf(found), change, OPERATION)
}

async function dropFinalizer(core: ClusterCore, found: Found, name: string): Promise<void> {
  const change = (stored: ApiObject): ApiObject => ({
    ...stored,
    metadata: {
      ...stored.metadata,
      finalizers: (stored.metadata.finalizers ?? []).filter((finalizer) => finalizer !== name),
    },
  })
  await updateObject(core, targetOf(found), change, OPERATION)
}

async function collectPods(core: ClusterCore, node: string): Promise<void> {
  if (core.store.get(NODES, undefined, node) !== undefined) return
  for (const object of core.store.list(PODS)) {
    if (asPod(object).spec.nodeName !== node) continue
    await deleteObject(core, targetOf({ type: PODS, object }), { gracePeriodSeconds: 0 }, OPERATION)
  }
}
