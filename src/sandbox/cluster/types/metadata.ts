import { fieldFault, type Cause } from '../faults.ts'
import {
  checkLabelName,
  checkPathSegmentName,
  checkQualifiedName,
  validateAnnotations,
  validateLabels,
} from '../names.ts'
import { sameJson, stringAt, type ApiObject } from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import {
  any,
  atomic,
  int,
  keptBool,
  keptKeyStr,
  keptStr,
  keyStr,
  list,
  map,
  mergeList,
  obj,
  setOf,
  str,
  time,
  valueObj,
} from '../schema.ts'
import type { ObjectSchema } from '../schema.ts'

const OWNER = atomic(
  obj({
    apiVersion: str,
    kind: str,
    name: str,
    uid: keyStr,
    controller: keptBool,
    blockOwnerDeletion: keptBool,
  }),
)

const MANAGED_FIELDS = obj({
  manager: str,
  operation: str,
  apiVersion: str,
  time,
  fieldsType: str,
  fieldsV1: any,
  subresource: str,
})

export const METADATA: ObjectSchema = valueObj({
  name: str,
  generateName: str,
  namespace: str,
  selfLink: str,
  uid: str,
  resourceVersion: str,
  generation: int,
  creationTimestamp: time,
  deletionTimestamp: time,
  deletionGracePeriodSeconds: { kind: 'integer', keepsEmpty: true },
  labels: map(str),
  annotations: map(str),
  ownerReferences: mergeList('uid', OWNER),
  finalizers: setOf(str),
  managedFields: list(MANAGED_FIELDS),
})

export const LABEL_SELECTOR: ObjectSchema = atomic(
  obj({
    matchLabels: map(str),
    matchExpressions: list(obj({ key: str, operator: str, values: list(str) })),
  }),
)

/** A reference to an object by its name alone. */
export const NAME_REFERENCE: ObjectSchema = atomic(obj({ name: keyStr }))

/** A reference as events, bindings and service accounts hold it. */
export const OBJECT_REFERENCE: ObjectSchema = atomic(
  obj({
    kind: str,
    namespace: str,
    name: str,
    uid: str,
    apiVersion: str,
    resourceVersion: str,
    fieldPath: str,
  }),
)

export const CONDITION: ObjectSchema = obj({
  type: keyStr,
  status: str,
  observedGeneration: int,
  lastProbeTime: time,
  lastHeartbeatTime: time,
  lastUpdateTime: time,
  lastTransitionTime: time,
  reason: str,
  message: str,
})

/** `meta.k8s.io/v1` Condition, which says its message also where it is empty. */
export const META_CONDITION: ObjectSchema = obj({
  type: keptKeyStr,
  status: keptStr,
  observedGeneration: int,
  lastTransitionTime: time,
  reason: keptStr,
  message: keptStr,
})

/** The whole schema of a type's objects. */
export function objectSchemaOf(type: ResourceType): ObjectSchema {
  const known = SCHEMAS.get(type)
  if (known !== undefined) return known
  const made = obj({ apiVersion: str, kind: str, metadata: METADATA, ...type.schema.fields })
  SCHEMAS.set(type, made)
  return made
}

const SCHEMAS = new WeakMap<ResourceType, ObjectSchema>()

/** Faults of an object's metadata. */
export function validateMetadata(type: ResourceType, object: ApiObject): Cause[] {
  const { metadata } = object
  const faults: Cause[] = []
  if (metadata.name === undefined) {
    faults.push(fieldFault.required('metadata.name', 'name or generateName is required'))
  } else {
    for (const fault of type.nameRule(metadata.name)) {
      faults.push(fieldFault.invalid('metadata.name', metadata.name, fault))
    }
  }
  if (type.namespaced && metadata.namespace !== undefined) {
    for (const fault of checkLabelName(metadata.namespace)) {
      faults.push(fieldFault.invalid('metadata.namespace', metadata.namespace, fault))
    }
  }
  faults.push(...validateLabels(metadata.labels ?? {}, 'metadata.labels'))
  faults.push(...validateAnnotations(metadata.annotations ?? {}, 'metadata.annotations'))
  for (const finalizer of metadata.finalizers ?? []) {
    for (const fault of checkQualifiedName(finalizer)) {
      faults.push(fieldFault.invalid('metadata.finalizers', finalizer, fault))
    }
  }
  return [...faults, ...validateOwners(object)]
}

/** Faults of owner references, in the words and the order of apimachinery. */
function validateOwners({ metadata }: ApiObject): Cause[] {
  const at = 'metadata.ownerReferences'
  const owners = metadata.ownerReferences ?? []
  const faults: Cause[] = []
  let controller = ''
  for (const owner of owners) {
    const [apiVersion, kind] = [stringAt(owner, 'apiVersion'), stringAt(owner, 'kind')]
    const [name, uid] = [stringAt(owner, 'name'), stringAt(owner, 'uid')]
    const version = apiVersion.split('/').at(-1) ?? ''
    const parts = [
      ['apiVersion', version === '', apiVersion, 'version must not be empty'],
      ['kind', kind === '', kind, 'must not be empty'],
      ['name', name === '', name, 'must not be empty'],
      ['uid', uid === '', uid, 'must not be empty'],
    ] as const
    for (const [field, isBad, value, says] of parts) {
      if (isBad) faults.push(fieldFault.invalid(`${at}.${field}`, value, says))
    }
    if (apiVersion === 'v1' && kind === 'Event') {
      faults.push(
        fieldFault.invalid(at, owner, '/v1, Kind=Event is disallowed from being an owner'),
      )
    }
    if (owner.controller !== true) continue
    if (controller !== '') {
      const says = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${kind}/${name}`
      faults.push(fieldFault.invalid(at, owners, says))
    } else controller = `${kind}/${name}`
  }
  return faults
}

/** Faults of a change of metadata. */
export function validateMetadataUpdate(object: ApiObject, old: ApiObject): Cause[] {
  const faults: Cause[] = []
  for (const field of ['name', 'namespace', 'uid', 'creationTimestamp'] as const) {
    if (object.metadata[field] !== old.metadata[field]) {
      faults.push(
        fieldFault.invalid(`metadata.${field}`, object.metadata[field], 'field is immutable'),
      )
    }
  }
  if (
    old.metadata.deletionTimestamp !== undefined &&
    !(object.metadata.finalizers ?? []).every((name) => old.metadata.finalizers?.includes(name))
  ) {
    faults.push(
      fieldFault.forbidden(
        'metadata.finalizers',
        'no new finalizers can be added if the object is being deleted',
      ),
    )
  }
  return faults
}

/** One fault if a field has changed. */
export function checkImmutable(value: unknown, old: unknown, field: string): Cause[] {
  return sameJson(value, old) ? [] : [fieldFault.invalid(field, value, 'field is immutable')]
}

/** Faults of the kind and name of a reference, each a segment of a path. */
export function validateNames(reference: Readonly<Record<string, unknown>>, at: string): Cause[] {
  return ['kind', 'name'].flatMap((field) => {
    const value = stringAt(reference, field)
    return value === ''
      ? [fieldFault.required(`${at}.${field}`)]
      : checkPathSegmentName(value).map((says) => fieldFault.invalid(`${at}.${field}`, value, says))
  })
}
