/**
 * Server-side apply: `PATCH` with `application/apply-patch+yaml`
 * (https://kubernetes.io/docs/reference/using-api/server-side-apply/).
 */
import { checkTypes } from './apply/checking.ts'
import { applyConflict } from './apply/conflict-faults.ts'
import { difference, isEmptySet } from './apply/field-sets.ts'
import { ownedByClient, withLastApplied } from './apply/last-applied.ts'
import { readManagers, writeManagers } from './apply/managers.ts'
import { ElementFault } from './apply/shapes.ts'
import { type Application, applyConfiguration, type Conflict } from './apply/tracking.ts'
import type { AppliedText } from './applied-text.ts'
import type { ClusterCore, Operation } from './core.ts'
import { createObject } from './creating.ts'
import { ApiFault, badRequest, conflict, fieldFault, invalid, unnamedFault } from './faults.ts'
import {
  isScale,
  setManagers,
  trackedKindOf,
  trackedSchemaOf,
  withoutManagers,
  writerOf,
} from './field-managers.ts'
import { isRecord, omit, stringAt, type ApiObject, type JsonRecord } from './objects.ts'
import { apiVersionOf, type ResourceType } from './resource-types.ts'
import { findObject, type Target, updateObject } from './updating.ts'

const SCALE_VERSION = 'autoscaling/v1'

/** The manager that the server helps over from client-side apply. */
const KUBECTL = 'kubectl'

export interface ApplyBody {
  readonly text: AppliedText
  readonly force: boolean
  /** Throws where the user may not make the object. */
  readonly mayCreate?: () => void
}

export interface Applied {
  readonly object: ApiObject
  readonly isCreated: boolean
}

/**
 * Applies a configuration to an object, which is made where there is none.
 * @throws ApiFault
 */
export async function applyObject(
  core: ClusterCore,
  target: Target,
  { text, force, mayCreate }: ApplyBody,
  operation: Operation,
): Promise<Applied> {
  const { type, namespace, name, subresource } = target
  const applying: Operation = { ...operation, isApply: true }
  const apply = (stored: ApiObject | undefined): JsonRecord => {
    const value = appliedTo(core, target, { config: text.config, force, stored }, applying)
    text.checkRepeatedKeys(operation)
    return value
  }
  if (subresource === undefined && core.store.get(type, namespace, name) === undefined) {
    const value = newValue(target, apply(undefined))
    mayCreate?.()
    const scope = { type, ...(namespace !== undefined && { namespace }) }
    try {
      return { object: await createObject(core, scope, value, applying), isCreated: true }
    } catch (thrown) {
      // Somebody else has made it meanwhile.
      if (!(thrown instanceof ApiFault) || thrown.code !== 'AlreadyExists') throw thrown
    }
  }
  findObject(core, target)
  return { object: await updateObject(core, target, apply, applying), isCreated: false }
}

/** What a configuration for a new object must say, and may say in vain. */
function newValue({ type, name }: Target, value: JsonRecord): JsonRecord {
  const metadata = isRecord(value['metadata']) ? value['metadata'] : {}
  const [own, uid] = [stringAt(metadata, 'name'), stringAt(metadata, 'uid')]
  if (uid !== '') {
    const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`
    throw conflict(type, name, why)
  }
  if (own === '') {
    throw badRequest(
      `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
    )
  }
  if (own !== name) {
    throw badRequest(`the name of the object (${own}) does not match the name on the URL (${name})`)
  }
  return { ...value, metadata: omit(metadata, 'resourceVersion') }
}

interface Wanted {
  readonly config: JsonRecord
  readonly force: boolean
  readonly stored: ApiObject | undefined
}

/** The object with the configuration in it, and with its managers. */
function appliedTo(
  core: ClusterCore,
  target: Target,
  { config, force, stored }: Wanted,
  operation: Operation,
): JsonRecord {
  checkConfig(target.type, config)
  if (stored !== undefined) checkUid(target, config, stored)
  const managers = readManagers(stored?.metadata.managedFields) ?? new Map()
  const writer = writerOf(core, target, operation)
  const live = stored && withoutManagers(stored)
  const run = (isForced: boolean): Application =>
    applyConfiguration(
      trackedKindOf(core, target),
      managers,
      { live, config, force: isForced },
      writer,
    )
  let application: Application
  try {
    application = run(force)
    const isKubectl = writer.manager === KUBECTL
    const left = isKubectl
      ? withoutClients(target.type, application.conflicts, live)
      : application.conflicts
    if (left.length > 0) throw applyConflict(left, isScale(target) ? SCALE_VERSION : undefined)
    if (application.conflicts.length > 0) application = run(true)
  } catch (thrown) {
    if (!(thrown instanceof ElementFault)) throw thrown
    throw unnamedFault(`failed to merge config: ${thrown.message}`)
  }
  const object = application.object as ApiObject
  const merged = (
    writer.manager === KUBECTL ? withLastApplied(object, config) : object
  ) as ApiObject
  const result: ApiObject = { ...merged, metadata: { ...merged.metadata } }
  setManagers(result, writeManagers(application.managers))
  return result
}

/** kube-apiserver says it twice: of the whole object and of its metadata. */
function checkUid({ type, name }: Target, config: JsonRecord, stored: ApiObject): void {
  const uid = stringAt(config['metadata'], 'uid')
  if (uid === '' || uid === stored.metadata.uid) return
  const fault = fieldFault.invalid('metadata.uid', uid, 'field is immutable')
  throw invalid(type, name, [fault, fault])
}

/** Conflicts without the fields that client-side apply had set. */
function withoutClients(
  type: ResourceType,
  conflicts: readonly Conflict[],
  live: ApiObject | undefined,
): readonly Conflict[] {
  if (conflicts.length === 0) return conflicts
  const allowed = ownedByClient(trackedSchemaOf(type), apiVersionOf(type), live)
  return conflicts
    .map(({ manager, fields }) => ({ manager, fields: difference(fields, allowed) }))
    .filter(({ fields }) => !isEmptySet(fields))
}

/** @throws ApiFault BadRequest; a fault without a name for types that are not the schema's */
export function checkConfig(type: ResourceType, config: JsonRecord): void {
  const [version, kind] = [stringAt(config, 'apiVersion'), stringAt(config, 'kind')]
  const shown = `${version.includes('/') ? '' : '/'}${version}, Kind=${kind}`
  if (version !== apiVersionOf(type) || kind !== type.kind) {
    throw badRequest(`invalid object type: ${shown}`)
  }
  const metadata = isRecord(config['metadata']) ? config['metadata'] : {}
  if (Array.isArray(metadata['managedFields'])) {
    throw badRequest('metadata.managedFields must be nil')
  }
  const faults = checkTypes(trackedSchemaOf(type), config)
  if (faults.length === 0) return
  const says =
    faults.length === 1 ? faults[0] : `errors:\n${faults.map((one) => `  ${one}`).join('\n')}`
  const subject = `${stringAt(metadata, 'namespace')}/${stringAt(metadata, 'name')}`
  throw unnamedFault(`failed to create typed patch object (${subject}; ${shown}): ${says}`)
}
