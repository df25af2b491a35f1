import { admit } from './admission.ts'
import type { ClusterCore, Operation } from './core.ts'
import { decodeResource } from './decoding.ts'
import { alreadyExists, badRequest, invalid, unnamedFault } from './faults.ts'
import { admittedManagers, setManagers, trackWrite } from './field-managers.ts'
import { generatedName } from './names.ts'
import { cloneObject, formatTime, type ApiObject, type JsonRecord } from './objects.ts'
import type { ResourceType } from './resource-types.ts'
import { validateMetadata } from './types/metadata.ts'

/**
 * Makes an object: decodes, defaults, admits, validates, keeps. With dryRun all but the keeping.
 * @throws ApiFault
 */
export async function createObject(
  core: ClusterCore,
  target: { readonly type: ResourceType; readonly namespace?: string },
  value: JsonRecord,
  operation: Operation,
): Promise<ApiObject> {
  const { type, namespace } = target
  const decoded = decodeResource(type, value, operation)
  cleanMetadata(type, decoded, namespace)
  type.defaults?.(decoded)
  if (operation.isApply !== true) {
    const write = { before: undefined, after: decoded, value }
    setManagers(decoded, trackWrite(core, { type }, write, operation))
  }
  const admitted = await admit(core, {
    type,
    operation: 'CREATE',
    ...(namespace !== undefined && { namespace }),
    name: decoded.metadata.name ?? '',
    object: decoded,
    context: operation,
  })
  const object = cloneObject(admitted ?? decoded)
  setManagers(object, admittedManagers(decoded.metadata.managedFields, object, operation))
  if (namespace !== undefined) object.metadata.namespace = namespace
  fillSystemFields(core, type, object)
  type.prepareCreate?.(object, () => core.store.list(type))
  const causes = [
    ...validateMetadata(type, object),
    ...(type.validate?.(object) ?? []),
    ...(type.validateCreate?.(object) ?? []),
  ]
  const name = object.metadata.name ?? ''
  if (causes.length > 0) throw invalid(type, name, causes)
  for (const text of type.warningsOnCreate?.(object) ?? []) operation.warn(text)
  if (core.store.get(type, namespace, name) !== undefined) throw alreadyExists(type, name)
  return operation.dryRun ? object : core.store.put(type, object)
}

/** What a client may not set is dropped or refused before anything sees it. */
function cleanMetadata(type: ResourceType, object: ApiObject, namespace: string | undefined): void {
  const { metadata } = object
  if (metadata.resourceVersion !== undefined) {
    // A plain error in kube-apiserver, which answers it so.
    throw unnamedFault('resourceVersion should not be set on objects to be created')
  }
  if (namespace !== undefined) {
    if (metadata.namespace !== undefined && metadata.namespace !== namespace) {
      throw badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      )
    }
    metadata.namespace = namespace
  } else if (metadata.namespace !== undefined) {
    throw badRequest(`namespace must not be set on ${type.plural}: the resource is not namespaced`)
  }
  wipeSystemFields(object)
}

/** Fields of metadata that only the server sets. */
export function wipeSystemFields(object: ApiObject): void {
  const { metadata } = object
  delete metadata.uid
  delete metadata.creationTimestamp
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  delete metadata.generation
  delete (metadata as JsonRecord)['selfLink']
}

function fillSystemFields(core: ClusterCore, type: ResourceType, object: ApiObject): void {
  wipeSystemFields(object)
  const { metadata } = object
  delete metadata.resourceVersion
  if (metadata.name === undefined && metadata.generateName !== undefined) {
    metadata.name = generatedName(metadata.generateName)
  }
  metadata.uid = crypto.randomUUID()
  metadata.creationTimestamp = formatTime(core.clock.now())
  if (type.hasGeneration === true) metadata.generation = 1
}
