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

/** Keys of whoever controls a pod or, of a pod that nobody controls, might take it. */
export function podKeys(core: ClusterCore, type: ResourceType, pod: ApiObject): string[] {
  if (hasController(pod)) return ownerKeys(pod, type.kind)
  return core.store
    .list(type, pod.metadata.namespace)
    .filter((owner) => takesLabels(owner, pod))
    .map(ownKey)
}

/**
 * The pods of an owner. Pods that nobody controls and that its selector takes become its own; its
 * own that the selector takes no longer are set free.
 */
export async function claimPods(
  core: ClusterCore,
  owner: ApiObject,
  canAdopt: (pod: ApiObject) => boolean = () => true,
): Promise<ApiObject[]> {
  const pods = core.store.list(PODS, owner.metadata.namespace)
  const isLeaving = owner.metadata.deletionTimestamp !== undefined
  const claimed: ApiObject[] = []
  for (const pod of pods) {
    const isOwn = isOwnedBy(pod, owner)
    const isWanted = takesLabels(owner, pod)
    if (isOwn && isWanted) claimed.push(pod)
    else if (isLeaving || pod.metadata.deletionTimestamp !== undefined) continue
    else if (isOwn)
      await changeOwners(core, pod, (owners) =>
        owners.filter(({ uid }) => uid !== owner.metadata.uid),
      )
    else if (isWanted && isActive(pod) && !hasController(pod) && canAdopt(pod)) {
      const reference = ownerReferenceOf(owner) as unknown as OwnerReferences[number]
      claimed.push(await changeOwners(core, pod, (owners) => [...owners, reference]))
    }
  }
  return claimed
}

type OwnerReferences = NonNullable<ApiObject['metadata']['ownerReferences']>

function changeOwners(
  core: ClusterCore,
  pod: ApiObject,
  change: (owners: OwnerReferences) => OwnerReferences,
): Promise<ApiObject> {
  const { name = '', namespace = '' } = pod.metadata
  const target = { type: PODS, namespace, name }
  return updateObject(
    core,
    target,
    (stored) => ({
      ...stored,
      metadata: {
        ...stored.metadata,
        ownerReferences: change(stored.metadata.ownerReferences ?? []),
      },
    }),
    OPERATION,
  )
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
      ...(details.name === undefined
        ? { generateName: details.generateName }
        : { name: details.name }),
      labels: { ...recordAt(own, 'labels'), ...details.labels },
      annotations: { ...recordAt(own, 'annotations'), ...details.annotations },
      finalizers: [...listAt(own, 'finalizers'), ...finalizers],
      ownerReferences: [ownerReferenceOf(owner)],
    },
    spec: structuredClone(template['spec']),
  }
  const pod = await createObject(core, { type: PODS, namespace }, value, OPERATION).catch(
    async (thrown: unknown) => {
      const message = `Error creating: ${messageOf(thrown)}`
      await tell(core, owner, 'Warning', ['FailedCreate', message])
      throw new PodroleError('FailedCreate', message, { cause: thrown })
    },
  )
  await tell(core, owner, 'Normal', ['SuccessfulCreate', `Created pod: ${pod.metadata.name}`])
  return pod
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
  await tell(core, owner, 'Normal', ['SuccessfulDelete', `Deleted pod: ${name}`])
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
  const { name = '', namespace = '', uid } = object.metadata
  if (core.store.get(type, namespace, name)?.metadata.uid !== uid) return
  const target = { type, namespace, name, subresource: 'status' }
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
