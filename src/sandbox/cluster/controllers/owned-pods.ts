/** What the controllers of pods share: whose a pod is, whether it serves, and the making of it. */
import type { ClusterCore } from '../core.ts'
import { systemOperation } from '../core.ts'
import { createObject } from '../creating.ts'
import { deleteObject } from '../deleting.ts'
import { messageOf, PodroleError } from '../../../lib/errors.ts'
import { keyOf } from '../object-store.ts'
import {
  formatTime,
  listAt,
  omit,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import { labelSelectorOf } from '../selectors.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { asPod, PODS } from '../types/pods.ts'
import { updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import { recordEvent } from './events.ts'

export const OPERATION = systemOperation(systemUser('kube-controller-manager'))

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

/** An object's own key. */
export function ownKey({ metadata }: ApiObject): string {
  return keyOf(metadata.namespace, metadata.name ?? '')
}

const hasController = ({ metadata }: ApiObject): boolean =>
  (metadata.ownerReferences ?? []).some(({ controller }) => controller === true)

const takesLabels = (owner: ApiObject, object: ApiObject): boolean =>
  labelSelectorOf(recordAt(owner, 'spec')['selector'])(object.metadata.labels ?? {})

/** Keys of whoever of a type controls an object or, where nobody does, might take it. */
export function claimKeys(core: ClusterCore, type: ResourceType, object: ApiObject): string[] {
  if (hasController(object)) return ownerKeys(object, type.kind)
  return core.store
    .list(type, object.metadata.namespace)
    .filter((owner) => takesLabels(owner, object))
    .map(ownKey)
}

/** The pods of an owner, as `claimObjects` takes them; an adopted one runs. */
export const claimPods = (
  core: ClusterCore,
  owner: ApiObject,
  canAdopt: (pod: ApiObject) => boolean = () => true,
): Promise<ApiObject[]> =>
  claimObjects(core, owner, { type: PODS, canAdopt: (pod) => isActive(pod) && canAdopt(pod) })

/**
 * The objects of a type that belong to an owner. What nobody controls and its selector takes becomes
 * its own; of its own, what the selector takes no longer is set free.
 */
export async function claimObjects(
  core: ClusterCore,
  owner: ApiObject,
  wanted: {
    readonly type: ResourceType
    readonly canAdopt?: (object: ApiObject) => boolean
  },
): Promise<ApiObject[]> {
  const { type, canAdopt } = wanted
  const isLeaving = owner.metadata.deletionTimestamp !== undefined
  const claimed: ApiObject[] = []
  for (const object of core.store.list(type, owner.metadata.namespace)) {
    const isOwn = isOwnedBy(object, owner)
    const isTaken = takesLabels(owner, object)
    if (isOwn && isTaken) claimed.push(object)
    else if (isLeaving || object.metadata.deletionTimestamp !== undefined) continue
    else if (isOwn)
      await changeOwners(core, { type, object }, (owners) =>
        owners.filter(({ uid }) => uid !== owner.metadata.uid),
      )
    else if (isTaken && !hasController(object) && canAdopt?.(object) !== false) {
      const reference = ownerReferenceOf(owner) as unknown as OwnerReferences[number]
      const add = (owners: OwnerReferences): OwnerReferences => [...owners, reference]
      claimed.push(await changeOwners(core, { type, object }, add))
    }
  }
  return claimed
}

type OwnerReferences = NonNullable<ApiObject['metadata']['ownerReferences']>

function changeOwners(
  core: ClusterCore,
  { type, object }: { readonly type: ResourceType; readonly object: ApiObject },
  change: (owners: OwnerReferences) => OwnerReferences,
): Promise<ApiObject> {
  const { name = '', namespace = '' } = object.metadata
  const replace = (stored: ApiObject): ApiObject => {
    const ownerReferences = change(stored.metadata.ownerReferences ?? [])
    return { ...stored, metadata: { ...stored.metadata, ownerReferences } }
  }
  return updateObject(core, { type, namespace, name }, replace, OPERATION)
}

/** Neither ended nor about to end. */
export function isActive(pod: ApiObject): boolean {
  const { metadata, status } = asPod(pod)
  return (
    metadata.deletionTimestamp === undefined &&
    status?.phase !== 'Succeeded' &&
    status?.phase !== 'Failed'
  )
}

/** When a ready pod counts as available; undefined while it is not ready. */
export function availableAt(pod: ApiObject, minReadySeconds: number): number | undefined {
  if (!isPodReady(pod)) return undefined
  if (minReadySeconds === 0) return 0
  const condition = listAt(pod['status'], 'conditions').find(
    (candidate) => stringAt(candidate, 'type') === 'Ready',
  )
  const since = Date.parse(
    stringAt(condition, 'lastTransitionTime') || (pod.metadata.creationTimestamp ?? ''),
  )
  return since + minReadySeconds * 1000
}

/** Whether a pod has been ready for long enough. */
export function isAvailable(core: ClusterCore, pod: ApiObject, minReadySeconds: number): boolean {
  const at = availableAt(pod, minReadySeconds)
  return at !== undefined && at <= core.clock.now()
}

/** When the next of some ready pods becomes available. */
export function nextAvailability(
  core: ClusterCore,
  pods: readonly ApiObject[],
  minReadySeconds: number,
): number | undefined {
  const times = pods
    .map((pod) => availableAt(pod, minReadySeconds) ?? 0)
    .filter((at) => at > core.clock.now())
  return times.length === 0 ? undefined : Math.min(...times)
}

/** What of a new pod is not its template's. */
export interface PodDetails {
  readonly name?: string
  /** The owner's name and a dash by default. */
  readonly generateName?: string
  readonly labels?: JsonRecord
  readonly annotations?: JsonRecord
  readonly finalizers?: readonly string[]
}

/** Makes a pod of an owner's template and says so in an event. */
export async function createPod(
  core: ClusterCore,
  owner: ApiObject,
  template: JsonRecord,
  details: PodDetails,
): Promise<ApiObject> {
  const { namespace = '' } = owner.metadata
  const own = recordAt(template, 'metadata')
  const { finalizers = [] } = details
  const value = {
    metadata: {
      ...(details.name !== undefined && { name: details.name }),
      generateName: details.generateName ?? `${owner.metadata.name}-`,
      labels: { ...recordAt(own, 'labels'), ...details.labels },
      annotations: { ...recordAt(own, 'annotations'), ...details.annotations },
      finalizers: [...listAt(own, 'finalizers'), ...finalizers],
      ownerReferences: [ownerReferenceOf(owner)],
    },
    spec: structuredClone(template['spec']),
  }
  const pod = await createObject(core, { type: PODS, namespace }, value, OPERATION).catch(
    async (thrown: unknown) => {
      const why = messageOf(thrown)
      await tell(core, owner, 'Warning', [
        'FailedCreate',
        wordsOf(owner, 'Create', details.name, why),
      ])
      throw new PodroleError('FailedCreate', why, { cause: thrown })
    },
  )
  const words = wordsOf(owner, 'Create', pod.metadata.name)
  await tell(core, owner, 'Normal', ['SuccessfulCreate', words])
  return pod
}

/** What an event says of making or ending a pod, or of why that cannot be. */
function wordsOf(owner: ApiObject, verb: 'Create' | 'Delete', pod = '', why?: string): string {
  if (owner.kind === 'StatefulSet') {
    const outcome = why === undefined ? 'successful' : `failed error: ${why}`
    return `${verb} Pod ${pod} in StatefulSet ${owner.metadata.name} ${outcome}`
  }
  return why === undefined ? `${verb}d pod: ${pod}` : `Error creating: ${why}`
}

/** Deletes one of an owner's pods and says so in an event. */
export async function deletePod(
  core: ClusterCore,
  owner: ApiObject,
  pod: ApiObject,
): Promise<void> {
  if (pod.metadata.deletionTimestamp !== undefined) return
  const { name = '', namespace = '', uid } = pod.metadata
  if (core.store.get(PODS, namespace, name)?.metadata.uid !== uid) return
  await deleteObject(core, { type: PODS, namespace, name }, {}, OPERATION)
  await tell(core, owner, 'Normal', ['SuccessfulDelete', wordsOf(owner, 'Delete', name)])
}

/** Records an event of an object by the controller of its kind. */
export async function tell(
  core: ClusterCore,
  object: ApiObject,
  type: 'Normal' | 'Warning',
  [reason, message]: readonly [string, string],
): Promise<void> {
  const component = `${(object.kind ?? '').toLowerCase()}-controller`
  await recordEvent(core, object, { type, reason, message, component })
}

/** Writes the status of an object that is still there. */
export async function writeStatus(
  core: ClusterCore,
  type: ResourceType,
  object: ApiObject,
  status: JsonRecord,
): Promise<void> {
  const { name = '', namespace, uid } = object.metadata
  if (core.store.get(type, namespace, name)?.metadata.uid !== uid) return
  const target = { type, ...(namespace && { namespace }), name, subresource: 'status' }
  await updateObject(core, target, (stored) => ({ ...stored, status }), OPERATION)
}

/** What a condition says. */
export interface ConditionWords {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
}

/** The conditions of a status with one set; its transition time stays while its status does. */
export function withCondition(
  core: ClusterCore,
  conditions: readonly unknown[],
  words: ConditionWords,
): JsonRecord[] {
  const known = conditions.find((candidate) => stringAt(candidate, 'type') === words.type)
  const others = conditions.filter((candidate) => candidate !== known) as JsonRecord[]
  const isSame = stringAt(known, 'status') === words.status
  const lastTransitionTime = isSame
    ? stringAt(known, 'lastTransitionTime')
    : formatTime(core.clock.now())
  return [
    ...others,
    { ...omit(recordAt({ known }, 'known'), 'lastUpdateTime'), ...words, lastTransitionTime },
  ]
}
