import { admit } from './admission.ts'
import { sameButTimes } from './apply/managers.ts'
import type { ClusterCore, Operation } from './core.ts'
import { decodeResource } from './decoding.ts'
import { badRequest, conflict, fieldFault, invalid, notFound, staleObject } from './faults.ts'
import { admittedManagers, setManagers, trackWrite, withoutManagers } from './field-managers.ts'
import {
  cloneObject,
  isRecord,
  omit,
  sameJson,
  type ApiObject,
  type JsonRecord,
} from './objects.ts'
import type { ResourceType } from './resource-types.ts'
import { validateMetadata, validateMetadataUpdate } from './types/metadata.ts'

/** An object, or a part of one that is written apart. */
export interface Target {
  readonly type: ResourceType
  readonly namespace?: string
  readonly name: string
  readonly subresource?: string
  readonly part?: SpokenPart
}

/** A subresource that speaks a kind of its own of the object: what admission is shown of it. */
export interface SpokenPart {
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string }
  of(object: ApiObject): ApiObject
  /** The object with what was admitted of the part. */
  into(object: ApiObject, part: ApiObject): ApiObject
}

const ATTEMPTS = 5

/**
 * Changes an object: `change` gives the whole wanted object for a stored one, then the result is
 * decoded, admitted, validated and kept. Where the object was changed meanwhile and `change` set
 * no resourceVersion of its own, it is asked again.
 * @throws ApiFault NotFound, Conflict, Invalid and what `change` throws
 */
export async function updateObject(
  core: ClusterCore,
  target: Target,
  change: (stored: ApiObject) => JsonRecord,
  operation: Operation,
): Promise<ApiObject> {
  for (let attempt = 1; ; attempt += 1) {
    const stored = findObject(core, target)
    const value = change(stored)
    const wanted = decodeResource(target.type, value, operation)
    checkIdentity(target, wanted, stored)
    const version = wanted.metadata.resourceVersion
    const next = prepare(target, wanted, stored)
    setManagers(next, wanted.metadata.managedFields)
    if (operation.isApply !== true) {
      const write = { before: stored, after: next, value }
      setManagers(next, trackWrite(core, target, write, operation))
    }
    const { part } = target
    const admitted = await admit(core, {
      type: target.type,
      ...(part !== undefined && { kind: part.kind }),
      ...(target.subresource !== undefined && { subresource: target.subresource }),
      operation: 'UPDATE',
      ...(target.namespace !== undefined && { namespace: target.namespace }),
      name: target.name,
      object: part?.of(next) ?? next,
      oldObject: part?.of(stored) ?? stored,
      context: operation,
    })
    const changed =
      part === undefined || admitted === undefined ? admitted : part.into(next, admitted)
    // A webhook may change what it likes of the object but not what the server keeps.
    const final = prepare(target, changed ?? next, stored)
    setManagers(final, admittedManagers(next.metadata.managedFields, changed ?? next, operation))
    validate(target, final, stored)
    const { store } = core
    if (store.get(target.type, target.namespace, target.name) === stored) {
      if (isUnchanged(final, stored, operation)) return stored
      return operation.dryRun ? final : keep(core, target, final)
    }
    if (version !== undefined && version !== stored.metadata.resourceVersion) {
      throw staleObject(target.type, target.name)
    }
    if (attempt === ATTEMPTS) throw staleObject(target.type, target.name)
  }
}

/** @throws ApiFault NotFound */
export function findObject(core: ClusterCore, { type, namespace, name }: Target): ApiObject {
  const stored = core.store.get(type, namespace, name)
  if (stored === undefined) throw notFound(type, name)
  return stored
}

/**
 * That an object says it is where it is written to.
 * @throws ApiFault BadRequest
 */
export function checkPlace({ name, namespace }: Target, { metadata }: ApiObject): void {
  if (metadata.name === undefined) {
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    )
  }
  if (metadata.name !== name) {
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    )
  }
  if (metadata.namespace !== undefined && metadata.namespace !== namespace) {
    throw badRequest(
      'the namespace of the provided object does not match the namespace sent on the request',
    )
  }
}

function checkIdentity(target: Target, wanted: ApiObject, stored: ApiObject): void {
  const { type, name } = target
  const { metadata } = wanted
  checkPlace(target, wanted)
  if (metadata.uid !== undefined && metadata.uid !== stored.metadata.uid) {
    throw conflict(
      type,
      name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${stored.metadata.uid}`,
    )
  }
  const version = metadata.resourceVersion
  if (version === undefined || version === '0') {
    if (type.needsVersion !== true) return
    const fault = fieldFault.invalid(
      'metadata.resourceVersion',
      0,
      'must be specified for an update',
    )
    // Kubernetes names the resource here, not the kind.
    throw invalid({ group: type.group, kind: type.plural }, name, [fault])
  }
  if (version !== stored.metadata.resourceVersion) throw staleObject(type, name)
}

/** What an update through this target may change, over what is stored. */
function prepare(target: Target, wanted: ApiObject, stored: ApiObject): ApiObject {
  const { type, subresource } = target
  const next = cloneObject(wanted)
  const { metadata: old } = stored
  next.metadata = {
    ...next.metadata,
    ...(old.name !== undefined && { name: old.name }),
    ...(old.namespace !== undefined && { namespace: old.namespace }),
    ...(old.generateName !== undefined && { generateName: old.generateName }),
  }
  const own = next.metadata as JsonRecord
  for (const field of SYSTEM_FIELDS) {
    if (old[field] === undefined) delete own[field]
    else own[field] = old[field]
  }
  delete own['selfLink']
  if (subresource === 'status') {
    type.defaults?.(next)
    return statusOf(type, next, stored)
  }
  if (hasStatus(type)) {
    if (stored['status'] === undefined) delete next['status']
    else next['status'] = stored['status']
  }
  // Only the finalize subresource of namespaces changes their spec.
  if (type.plural === 'namespaces' && subresource !== 'finalize') next['spec'] = stored['spec']
  type.prepareUpdate?.(next, stored)
  type.defaults?.(next)
  const isChanged =
    type.hasGeneration === true && !sameJson(contentOf(type, next), contentOf(type, stored))
  if (isChanged) next.metadata.generation = (old.generation ?? 0) + 1
  return next
}

const SYSTEM_FIELDS = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const

const STATUS_WRITES = ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const

function statusOf(type: ResourceType, next: ApiObject, stored: ApiObject): ApiObject {
  const metadata = { ...stored.metadata }
  for (const field of STATUS_WRITES) {
    if (type.custom !== undefined || type.statusLeaves?.includes(field) === true) continue
    delete metadata[field]
    Object.assign(metadata, next.metadata[field] !== undefined && { [field]: next.metadata[field] })
  }
  return { ...stored, metadata, ...(isRecord(next['status']) && { status: next['status'] }) }
}

const hasStatus = (type: ResourceType): boolean =>
  type.subresources.some(({ name }) => name === 'status')

/** Everything but metadata and a status that is written apart. */
function contentOf(type: ResourceType, object: ApiObject): JsonRecord {
  return omit(object as JsonRecord, 'metadata', ...(hasStatus(type) ? ['status'] : []))
}

function validate(target: Target, object: ApiObject, stored: ApiObject): void {
  const { type, subresource } = target
  const causes = [...validateMetadata(type, object), ...validateMetadataUpdate(object, stored)]
  if (subresource === 'status') causes.push(...(type.validateStatus?.(object) ?? []))
  else {
    causes.push(...(type.validateUpdate?.(object, stored) ?? []))
    if (causes.length === 0) causes.push(...(type.validate?.(object) ?? []))
  }
  if (causes.length > 0) throw invalid(type, target.name, causes)
}

function keep(core: ClusterCore, target: Target, final: ApiObject): ApiObject {
  const kept = core.store.put(target.type, final)
  if (isFinished(kept)) core.store.remove(target.type, kept)
  return kept
}

/** An application that changes nothing but the time of its manager is no change either. */
function isUnchanged(final: ApiObject, stored: ApiObject, { isApply }: Operation): boolean {
  if (sameJson(final, stored)) return true
  if (isApply !== true) return false
  const [now, before] = [final.metadata.managedFields, stored.metadata.managedFields]
  if (now === before || !sameButTimes(now, before)) return false
  return sameJson(withoutManagers(final), withoutManagers(stored))
}

/** Whether an object that is being deleted has nothing left to wait for. */
export function isFinished(object: ApiObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata
  if (deletionTimestamp === undefined || (finalizers ?? []).length > 0) return false
  const spec = object['spec']
  const held = isRecord(spec) ? spec['finalizers'] : undefined
  if (Array.isArray(held) && held.length > 0) return false
  return (deletionGracePeriodSeconds ?? 0) === 0
}
