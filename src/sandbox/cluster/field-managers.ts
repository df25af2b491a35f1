/** Who owns which field of a stored object: `metadata.managedFields` at each write. */
import { EMPTY_SET, type FieldSet, fieldSetOfPaths } from './apply/field-sets.ts'
import { type Managers, readManagers, writeManagers, type Writer } from './apply/managers.ts'
import { fieldElement } from './apply/path-elements.ts'
import { ElementFault } from './apply/shapes.ts'
import { managedByCreator, managersAfterUpdate, type TrackedKind } from './apply/tracking.ts'
import type { ClusterCore, Operation } from './core.ts'
import { typedSchemaOf } from './custom/typed-schema.ts'
import { formatTime, isRecord, sameJson, type ApiObject, type JsonRecord } from './objects.ts'
import { apiVersionOf, type ResourceType, sharesObjects } from './resource-types.ts'
import type { ObjectSchema } from './schema.ts'
import { objectSchemaOf } from './types/metadata.ts'

export type ManagedFields = readonly JsonRecord[] | undefined

/** What is written: an object's kind, or a part of its objects. */
export interface TrackedTarget {
  readonly type: ResourceType
  readonly subresource?: string
}

/** Whether an object is written through its Scale. */
export const isScale = ({ subresource }: TrackedTarget): boolean => subresource === 'scale'

/** The schema that tells the owners of a type's objects apart. */
export function trackedSchemaOf(type: ResourceType): ObjectSchema {
  return type.custom === undefined ? objectSchemaOf(type) : typedSchemaOf(type.custom.schema)
}

/** How the objects of a type are tracked when they, or a part of them, are written. */
export function trackedKindOf(
  core: ClusterCore,
  { type, subresource }: TrackedTarget,
): TrackedKind {
  const own = apiVersionOf(type)
  return {
    schemaOf: (apiVersion) => {
      if (apiVersion === own) return trackedSchemaOf(type)
      const other = core.registry.findKind(apiVersion, type.kind)
      return other !== undefined && sharesObjects(type, other) ? trackedSchemaOf(other) : undefined
    },
    ignored: ignoredFields(type, subresource),
  }
}

/** What kube-apiserver's strategies reset, whatever a write says of it. */
function ignoredFields(type: ResourceType, subresource: string | undefined): FieldSet {
  const hasStatus = type.subresources.some(({ name }) => name === 'status')
  if (subresource === undefined || ['finalize', 'scale'].includes(subresource)) {
    return hasStatus ? STATUS : EMPTY_SET
  }
  if (subresource !== 'status') return EMPTY_SET
  if (type.custom !== undefined) return SPEC_AND_METADATA
  const leaves = (type.statusLeaves ?? []).map((name) => [METADATA, fieldElement(name)])
  return leaves.length === 0 ? SPEC : fieldSetOfPaths([fieldElement('spec')], ...leaves)
}

const METADATA = fieldElement('metadata')
const STATUS = fieldSetOfPaths([fieldElement('status')])
const SPEC = fieldSetOfPaths([fieldElement('spec')])
const SPEC_AND_METADATA = fieldSetOfPaths([fieldElement('spec')], [METADATA])

export function writerOf(core: ClusterCore, target: TrackedTarget, operation: Operation): Writer {
  const { subresource } = target
  return {
    manager: operation.fieldManager || 'unknown',
    operation: operation.isApply === true ? 'Apply' : 'Update',
    apiVersion: apiVersionOf(target.type),
    ...(subresource !== undefined && { subresource }),
    // kube-apiserver loses the time on the way from a Scale to its object.
    ...(!isScale(target) && { time: formatTime(core.clock.now()) }),
  }
}

interface TrackedWrite {
  /** Undefined where the object is new. */
  readonly before: ApiObject | undefined
  readonly after: ApiObject
  /** The request's body, which may give managers of its own. */
  readonly value: JsonRecord
}

/** The managedFields of an object that is written by anything but server-side apply. */
export function trackWrite(
  core: ClusterCore,
  target: TrackedTarget,
  { before, after, value }: TrackedWrite,
  operation: Operation,
): ManagedFields {
  const live = before?.metadata.managedFields
  const named = namedManagers(target, live, { after, value })
  const kind = trackedKindOf(core, target)
  const writer = writerOf(core, target, operation)
  const next = withoutManagers(after)
  try {
    if (before === undefined && named === undefined) return managedByCreator(kind, next, writer)
    const own = readManagers(live) ?? new Map()
    const change = { before: before && withoutManagers(before), after: next }
    const tracked = managersAfterUpdate(kind, named ?? own, change, writer)
    return tracked === own ? live : writeManagers(tracked)
  } catch (thrown) {
    // An object whose lists have no keys is tracked by nobody.
    if (thrown instanceof ElementFault) return undefined
    throw thrown
  }
}

/** Managers that a request names count, but of a part of an object; an empty list takes all away. */
function namedManagers(
  { subresource }: TrackedTarget,
  live: ManagedFields,
  { after, value }: Pick<TrackedWrite, 'after' | 'value'>,
): Managers | undefined {
  if (subresource !== undefined) return undefined
  const { metadata } = value
  if (isReset(isRecord(metadata) ? metadata['managedFields'] : undefined)) return new Map()
  const wanted = after.metadata.managedFields
  if (wanted === undefined || sameJson(wanted, live)) return undefined
  return readManagers(wanted)
}

function isReset(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > 1) return false
  const [only]: unknown[] = value
  return only === undefined || (isRecord(only) && Object.keys(only).length === 0)
}

/** An object as it is compared and merged: its owners own nothing of managedFields. */
export function withoutManagers(object: ApiObject): ApiObject {
  const { managedFields, ...metadata } = object.metadata
  return managedFields === undefined ? object : { ...object, metadata }
}

export function setManagers(object: ApiObject, managedFields: ManagedFields): void {
  if (managedFields === undefined) delete object.metadata.managedFields
  else object.metadata.managedFields = managedFields
}

/** What webhooks left of an object's managedFields, where that can still be read. */
export function admittedManagers(
  before: ManagedFields,
  admitted: ApiObject,
  operation: Operation,
): ManagedFields {
  const after = admitted.metadata.managedFields
  if (after === before || readManagers(after) !== undefined) return after
  operation.warn(INVALID_SAYS)
  return before
}

const INVALID_SAYS =
  '.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests'
