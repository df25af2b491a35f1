import { type ClusterCore, systemOperation } from '../core.ts'
import { deleteObject } from '../deleting.ts'
import { formatTime, listAt, recordAt, sameJson, stringAt, type ApiObject } from '../objects.ts'
import { parseQuantity } from '../quantities.ts'
import type { ResourceType } from '../resource-types.ts'
import { labelSelectorOf } from '../selectors.ts'
import { PODS } from '../types/pods.ts'
import {
  CLAIM_FINALIZER,
  PERSISTENT_VOLUME_CLAIMS as CLAIMS,
  PERSISTENT_VOLUMES as VOLUMES,
  STORAGE_CLASSES,
  VOLUME_FINALIZER,
} from '../types/storage.ts'
import { type Target, updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import { recordEvent } from './events.ts'
import { splitKey, type Controller } from './work-queue.ts'

const OPERATION = systemOperation(systemUser('kube-controller-manager'))
const BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller'
const COMPLETED = 'pv.kubernetes.io/bind-completed'

const targetOf = (type: ResourceType, { metadata }: ApiObject): Target => ({
  type,
  name: metadata.name ?? '',
  ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
})

const keyOfClaim = ({ metadata }: ApiObject): string =>
  `claim/${metadata.namespace}/${metadata.name}`

/**
 * Binds claims to volumes that fit, tells volumes whose claim is gone, and keeps both while they are
 * used (Kubernetes, "Persistent Volumes"). Nobody provisions a volume here.
 */
export const volumes: Controller = {
  name: 'volumes',
  keysOf: (core, { resource, object, type }) => {
    if (resource === VOLUMES) {
      const waiting = core.store.list(CLAIMS).filter((claim) => phaseOf(claim) === 'Pending')
      const claim = recordAt(recordAt(object, 'spec'), 'claimRef')
      const own = `claim/${stringAt(claim, 'namespace')}/${stringAt(claim, 'name')}`
      return [`volume/${object.metadata.name}`, own, ...waiting.map(keyOfClaim)]
    }
    if (resource === CLAIMS) {
      const volume = stringAt(object['spec'], 'volumeName')
      return [keyOfClaim(object), ...(volume === '' ? [] : [`volume/${volume}`])]
    }
    if (resource === STORAGE_CLASSES && type !== 'DELETED') return waitingKeys(core)
    return resource === PODS
      ? claimsOf(object).map((name) => `claim/${object.metadata.namespace}/${name}`)
      : []
  },
  reconcile: async (core, key) => {
    const { namespace: kind, name: rest } = splitKey(key)
    if (kind === 'volume') return syncVolume(core, rest)
    const { namespace, name } = splitKey(rest)
    const claim = core.store.get(CLAIMS, namespace, name)
    if (claim !== undefined) await syncClaim(core, claim)
  },
}

const phaseOf = (object: ApiObject): string => stringAt(object['status'], 'phase')

const waitingKeys = (core: ClusterCore): string[] =>
  core.store
    .list(CLAIMS)
    .filter((claim) => phaseOf(claim) === 'Pending')
    .map(keyOfClaim)

/** The names of the claims that a pod uses. */
const claimsOf = (pod: ApiObject): string[] =>
  listAt(pod['spec'], 'volumes')
    .map((volume) => stringAt(recordAt({ volume }, 'volume')['persistentVolumeClaim'], 'claimName'))
    .filter((name) => name !== '')

async function syncClaim(core: ClusterCore, claim: ApiObject): Promise<void> {
  if (claim.metadata.deletionTimestamp !== undefined) {
    const isUsed = usersOf(core, claim).length > 0
    return isUsed ? undefined : dropFinalizer(core, CLAIMS, claim, CLAIM_FINALIZER)
  }
  if (claim.metadata.annotations?.[COMPLETED] !== undefined) return checkBound(core, claim)
  const volume = findVolume(core, claim)
  return volume === undefined ? explain(core, claim) : bind(core, claim, volume)
}

/** Pods that use a claim and have not ended. */
const usersOf = (core: ClusterCore, { metadata }: ApiObject): ApiObject[] =>
  core.store
    .list(PODS, metadata.namespace)
    .filter((pod) => claimsOf(pod).includes(metadata.name ?? ''))
    .filter((pod) => !['Succeeded', 'Failed'].includes(phaseOf(pod)))

async function dropFinalizer(
  core: ClusterCore,
  type: ResourceType,
  object: ApiObject,
  finalizer: string,
): Promise<void> {
  if (object.metadata.finalizers?.includes(finalizer) !== true) return
  const change = (stored: ApiObject): ApiObject => ({
    ...stored,
    metadata: {
      ...stored.metadata,
      finalizers: (stored.metadata.finalizers ?? []).filter((name) => name !== finalizer),
    },
  })
  await updateObject(core, targetOf(type, object), change, OPERATION)
}

/** A bound claim whose volume went is lost. */
async function checkBound(core: ClusterCore, claim: ApiObject): Promise<void> {
  const volume = core.store.get(VOLUMES, undefined, stringAt(claim['spec'], 'volumeName'))
  if (volume !== undefined || phaseOf(claim) === 'Lost') return
  await tell(core, claim, 'Warning', [
    'ClaimLost',
    'Bound claim has lost its PersistentVolume. Data on the volume is lost!',
  ])
  await writePhase(core, CLAIMS, claim, { phase: 'Lost' })
}

const amountOf = (quantity: unknown): bigint => parseQuantity(String(quantity))?.nanos ?? 0n

const classOf = (object: ApiObject): string => stringAt(object['spec'], 'storageClassName')

/** The volume that a claim names or that was made for it, or else the smallest that fits. */
function findVolume(core: ClusterCore, claim: ApiObject): ApiObject | undefined {
  const { volumeName, selector, volumeMode, accessModes } = recordAt(claim, 'spec')
  const wanted = amountOf(
    recordAt(recordAt(recordAt(claim, 'spec'), 'resources'), 'requests')['storage'],
  )
  const isFree = (volume: ApiObject): boolean => {
    const owner = recordAt(volume, 'spec')['claimRef']
    return owner === undefined || isOwner(owner, claim)
  }
  const fits = (volume: ApiObject): boolean => {
    const spec = recordAt(volume, 'spec')
    const modes = listAt(spec, 'accessModes')
    return (
      volume.metadata.deletionTimestamp === undefined &&
      classOf(volume) === classOf(claim) &&
      spec['volumeMode'] === volumeMode &&
      amountOf(recordAt(spec, 'capacity')['storage']) >= wanted &&
      (accessModes as unknown[]).every((mode) => modes.includes(mode)) &&
      (selector === undefined || labelSelectorOf(selector)(volume.metadata.labels ?? {}))
    )
  }
  const free = core.store.list(VOLUMES).filter(isFree)
  if (typeof volumeName === 'string' && volumeName !== '') {
    return free.find(({ metadata }) => metadata.name === volumeName)
  }
  const own = free.find((volume) => recordAt(volume, 'spec')['claimRef'] !== undefined)
  if (own !== undefined || isDelayed(core, claim)) return own
  const size = (volume: ApiObject): bigint =>
    amountOf(recordAt(recordAt(volume, 'spec'), 'capacity')['storage'])
  return free
    .filter((volume) => phaseOf(volume) === 'Available' && fits(volume))
    .toSorted((one, other) => Number(size(one) - size(other)))[0]
}

/** A claimRef names its claim by uid, or by name alone where somebody wrote it beforehand. */
function isOwner(reference: unknown, { metadata }: ApiObject): boolean {
  const uid = stringAt(reference, 'uid')
  return (
    stringAt(reference, 'name') === metadata.name &&
    stringAt(reference, 'namespace') === metadata.namespace &&
    (uid === '' || uid === metadata.uid)
  )
}

/** Whether a claim's class waits for a pod that uses it, and none is there. */
function isDelayed(core: ClusterCore, claim: ApiObject): boolean {
  const found = core.store.get(STORAGE_CLASSES, undefined, classOf(claim))
  return (
    found?.['volumeBindingMode'] === 'WaitForFirstConsumer' && usersOf(core, claim).length === 0
  )
}

async function bind(core: ClusterCore, claim: ApiObject, volume: ApiObject): Promise<void> {
  const { name, namespace, uid, resourceVersion } = claim.metadata
  const before = recordAt(volume, 'spec')['claimRef']
  const claimRef = { kind: CLAIMS.kind, apiVersion: 'v1', name, namespace, uid, resourceVersion }
  const isChosen = stringAt(claim['spec'], 'volumeName') === ''
  if (before === undefined || stringAt(before, 'uid') === '') {
    await updateObject(
      core,
      targetOf(VOLUMES, volume),
      (stored) => ({
        ...stored,
        metadata: withAnnotations(stored, before === undefined ? [BY_CONTROLLER] : []),
        spec: { ...recordAt(stored, 'spec'), claimRef },
      }),
      OPERATION,
    )
  }
  await writePhase(core, VOLUMES, volume, { phase: 'Bound' })
  await updateObject(
    core,
    targetOf(CLAIMS, claim),
    (stored) => ({
      ...stored,
      metadata: withAnnotations(stored, [COMPLETED, ...(isChosen ? [BY_CONTROLLER] : [])]),
      spec: { ...recordAt(stored, 'spec'), volumeName: volume.metadata.name },
    }),
    OPERATION,
  )
  const { accessModes, capacity } = recordAt(volume, 'spec')
  await writePhase(core, CLAIMS, claim, { phase: 'Bound', accessModes, capacity })
}

/** Records what happened to a claim or a volume. */
async function tell(
  core: ClusterCore,
  object: ApiObject,
  type: 'Normal' | 'Warning',
  [reason, message]: readonly [string, string],
): Promise<void> {
  const component = 'persistentvolume-controller'
  await recordEvent(core, object, { type, reason, message, component })
}

function withAnnotations({ metadata }: ApiObject, names: readonly string[]): ApiObject['metadata'] {
  if (names.length === 0) return metadata
  const added = Object.fromEntries(names.map((name) => [name, 'yes']))
  return { ...metadata, annotations: { ...metadata.annotations, ...added } }
}

async function writePhase(
  core: ClusterCore,
  type: ResourceType,
  object: ApiObject,
  status: Readonly<Record<string, unknown>>,
): Promise<void> {
  const target = { ...targetOf(type, object), subresource: 'status' }
  await updateObject(
    core,
    target,
    (stored) => {
      const isSame = phaseOf(stored) === status['phase']
      const since = type === VOLUMES && !isSame ? formatTime(core.clock.now()) : undefined
      const next = {
        ...recordAt(stored, 'status'),
        ...status,
        ...(since !== undefined && { lastPhaseTransitionTime: since }),
      }
      return sameJson(next, stored['status']) ? stored : { ...stored, status: next }
    },
    OPERATION,
  )
}

/** Why a claim waits. */
async function explain(core: ClusterCore, claim: ApiObject): Promise<void> {
  const name = classOf(claim)
  const found = core.store.get(STORAGE_CLASSES, undefined, name)
  if (isDelayed(core, claim)) {
    const says = 'waiting for first consumer to be created before binding'
    return tell(core, claim, 'Normal', ['WaitForFirstConsumer', says])
  }
  if (stringAt(claim['spec'], 'volumeName') !== '') return
  if (name === '') {
    const says = 'no persistent volumes available for this claim and no storage class is set'
    return tell(core, claim, 'Normal', ['FailedBinding', says])
  }
  if (found === undefined) {
    const says = `storageclass.storage.k8s.io "${name}" not found`
    return tell(core, claim, 'Warning', ['ProvisioningFailed', says])
  }
  const says = `Waiting for a volume to be created either by the external provisioner '${stringAt(found, 'provisioner')}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`
  return tell(core, claim, 'Normal', ['ExternalProvisioning', says])
}

async function syncVolume(core: ClusterCore, name: string): Promise<void> {
  const volume = core.store.get(VOLUMES, undefined, name)
  if (volume === undefined) return
  if (volume.metadata.deletionTimestamp !== undefined && phaseOf(volume) !== 'Bound') {
    return dropFinalizer(core, VOLUMES, volume, VOLUME_FINALIZER)
  }
  const owner = recordAt(recordAt(volume, 'spec'), 'claimRef')
  if (stringAt(owner, 'uid') === '')
    return writePhase(core, VOLUMES, volume, { phase: 'Available' })
  const claim = core.store.get(CLAIMS, stringAt(owner, 'namespace'), stringAt(owner, 'name'))
  if (claim?.metadata.uid === owner['uid'] || phaseOf(volume) === 'Failed') return
  await writePhase(core, VOLUMES, volume, { phase: 'Released' })
  await reclaim(core, volume)
}

/** What becomes of a released volume, as far as the controller itself sees to it. */
async function reclaim(core: ClusterCore, volume: ApiObject): Promise<void> {
  const { persistentVolumeReclaimPolicy: policy, hostPath } = recordAt(volume, 'spec')
  if (policy !== 'Delete' || hostPath === undefined) return
  const path = stringAt(hostPath, 'path')
  if (path.startsWith('/tmp/')) {
    await deleteObject(core, targetOf(VOLUMES, volume), {}, OPERATION)
    return
  }
  const message = `host_path deleter only supports /tmp/.+ but received provided ${path}`
  await tell(core, volume, 'Warning', ['VolumeFailedDelete', message])
  await writePhase(core, VOLUMES, volume, { phase: 'Failed', message })
}
