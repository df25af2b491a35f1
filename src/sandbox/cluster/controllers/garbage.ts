import type { OwnerReference } from '../../../kube/objects.ts'
import { type ClusterCore, systemOperation } from '../core.ts'
import { deleteObject } from '../deleting.ts'
import { sameJson, type ApiObject } from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import { NODES } from '../types/core.ts'
import { asPod, PODS } from '../types/pods.ts'
import { type Target, updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import type { Controller } from './work-queue.ts'

const OPERATION = systemOperation(systemUser('kube-controller-manager'))
const FOREGROUND = 'foregroundDeletion'
const ORPHAN = 'orphan'

interface Found {
  readonly type: ResourceType
  readonly object: ApiObject
}

const ownersOf = ({ metadata }: ApiObject): readonly OwnerReference[] =>
  metadata.ownerReferences ?? []

const waitsFor = ({ metadata }: ApiObject, finalizer: string): boolean =>
  metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(finalizer) === true

/** Every stored object that a test takes. */
function findAll(core: ClusterCore, test: (object: ApiObject) => boolean): Found[] {
  return core.registry.stored().flatMap((type) =>
    core.store
      .list(type)
      .filter(test)
      .map((object) => ({ type, object })),
  )
}

const dependentsOf = (core: ClusterCore, uid: string): Found[] =>
  findAll(core, (object) => ownersOf(object).some((owner) => owner.uid === uid))

function targetOf({ type, object }: Found): Target {
  const { name = '', namespace } = object.metadata
  return { type, name, ...(namespace !== undefined && { namespace }) }
}

/**
 * Deletes what a deleted object owned and nobody else does, waits for it where the deletion is
 * foreground, sets it free where it is orphaning; and deletes pods of nodes that are gone
 * (Kubernetes, "Garbage Collection").
 */
export const garbageCollection: Controller = {
  name: 'garbage-collection',
  keysOf: (_core, { resource, type, object, previous }) => {
    const { uid = '' } = object.metadata
    if (type === 'DELETED') {
      return [
        `owner/${uid}`,
        ...ownersOf(object).map((owner) => `owner/${owner.uid}`),
        ...(resource === NODES ? [`node/${object.metadata.name}`] : []),
      ]
    }
    const isWaiting = waitsFor(object, FOREGROUND) || waitsFor(object, ORPHAN)
    const isOwnedAnew =
      ownersOf(object).length > 0 && !sameJson(ownersOf(object), previous && ownersOf(previous))
    return [...(isWaiting ? [`owner/${uid}`] : []), ...(isOwnedAnew ? [`dependent/${uid}`] : [])]
  },
  reconcile: async (core, key) => {
    const at = key.indexOf('/')
    const [kind, name] = [key.slice(0, at), key.slice(at + 1)]
    if (kind === 'node') return collectPods(core, name)
    const [own] = findAll(core, ({ metadata }) => metadata.uid === name)
    if (kind === 'owner') return settleDependents(core, name, own)
    return own === undefined ? undefined : collect(core, own)
  },
}

/** What becomes of the dependents of an object that is gone, or waits for them. */
async function settleDependents(
  core: ClusterCore,
  uid: string,
  owner: Found | undefined,
): Promise<void> {
  const dependents = dependentsOf(core, uid)
  if (owner === undefined) {
    for (const found of dependents) await collect(core, found)
  } else if (waitsFor(owner.object, ORPHAN)) {
    for (const found of dependents) await setFree(core, found, [uid])
    await dropFinalizer(core, owner, ORPHAN)
  } else if (waitsFor(owner.object, FOREGROUND)) {
    for (const found of dependents) await collect(core, found)
    const isBlocked = dependentsOf(core, uid)
      .flatMap(({ object }) => ownersOf(object))
      .some((reference) => reference.uid === uid && reference.blockOwnerDeletion === true)
    if (!isBlocked) await dropFinalizer(core, owner, FOREGROUND)
  }
}

interface Owners {
  /** Those that keep the object. */
  readonly solid: readonly OwnerReference[]
  /** Those that wait until it is gone. */
  readonly waiting: readonly OwnerReference[]
  readonly absent: readonly OwnerReference[]
}

function sortOwners(core: ClusterCore, object: ApiObject): Owners {
  const { solid, waiting, absent } = Object.groupBy(ownersOf(object), (reference) => {
    const type = core.registry.findKind(reference.apiVersion, reference.kind)
    // A kind that is not served cannot be looked for; better to keep what it owns.
    if (type === undefined) return 'solid'
    const { namespace } = object.metadata
    // Neither can an owner in a namespace of a dependent that has none.
    if (type.namespaced && namespace === undefined) return 'solid'
    const found = core.store.get(type, type.namespaced ? namespace : undefined, reference.name)
    if (found === undefined || found.metadata.uid !== reference.uid) return 'absent'
    return waitsFor(found, FOREGROUND) ? 'waiting' : 'solid'
  })
  return { solid: solid ?? [], waiting: waiting ?? [], absent: absent ?? [] }
}

/** Deletes an object that no owner keeps; else takes away the references of those that do not. */
async function collect(core: ClusterCore, found: Found): Promise<void> {
  const { metadata } = found.object
  const { uid = '', finalizers = [] } = metadata
  if (metadata.deletionTimestamp !== undefined || ownersOf(found.object).length === 0) return
  const { solid, waiting, absent } = sortOwners(core, found.object)
  if (solid.length > 0) {
    const gone = [...waiting, ...absent].map((reference) => reference.uid)
    if (gone.length > 0) await setFree(core, found, gone)
    return
  }
  const isWaitedFor = waiting.length > 0 && dependentsOf(core, uid).length > 0
  const propagationPolicy = isWaitedFor
    ? 'Foreground'
    : finalizers.includes(ORPHAN)
      ? 'Orphan'
      : finalizers.includes(FOREGROUND)
        ? 'Foreground'
        : 'Background'
  await deleteObject(core, targetOf(found), { uid, propagationPolicy }, OPERATION)
}

async function setFree(core: ClusterCore, found: Found, uids: readonly string[]): Promise<void> {
  const change = (stored: ApiObject): ApiObject => ({
    ...stored,
    metadata: {
      ...stored.metadata,
      ownerReferences: [...ownersOf(stored)].filter((owner) => !uids.includes(owner.uid)),
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
