/** `metadata.managedFields`: who set which fields of an object, how and when. */
import { isRecord, stringAt, type JsonRecord } from '../objects.ts'
import { EMPTY_SET, type FieldSet, isEmptySet, union } from './field-sets.ts'
import { decodeFields, encodeFields } from './fields-v1.ts'
import { PathElementFault } from './path-elements.ts'

/** Who writes: two entries of the same identity are one. */
export interface ManagerIdentity {
  readonly manager: string
  readonly operation: 'Apply' | 'Update'
  readonly apiVersion: string
  /** Of a write of a part of the object. */
  readonly subresource?: string
}

/** Who writes, and when. */
export interface Writer extends ManagerIdentity {
  /** RFC 3339; not there until a write of this manager changes the object. */
  readonly time?: string
}

export interface Manager extends Writer {
  readonly fields: FieldSet
}

/** The managers of an object by `identityOf`. */
export type Managers = ReadonlyMap<string, Manager>

const FIELDS_TYPE = 'FieldsV1'
const UPDATERS_MAX = 10
const ANCIENT = 'ancient-changes'

/** An applier is the same one in every version. */
export function identityOf(one: ManagerIdentity): string {
  return JSON.stringify({
    ...(one.manager !== '' && { manager: one.manager }),
    operation: one.operation,
    ...(one.operation === 'Update' && { apiVersion: one.apiVersion }),
    ...(one.subresource !== undefined && { subresource: one.subresource }),
  })
}

/** Sets by the objects that they were read from, which never change in place. */
const decoded = new Map<object, FieldSet>()
const encoded = new WeakMap<FieldSet, JsonRecord>()
/** FieldsV1 by its text: the objects of one make have one in memory. */
const shared = new Map<string, JsonRecord>()
const REMEMBERED_MAX = 2000

function remember<K, V>(memory: Map<K, V>, key: K, value: V): void {
  if (memory.size >= REMEMBERED_MAX) memory.clear()
  memory.set(key, value)
}

/**
 * The managers of `metadata.managedFields`; undefined where an entry cannot be read, and then
 * none of them counts.
 */
export function readManagers(value: unknown): Managers | undefined {
  const managers = new Map<string, Manager>()
  for (const entry of Array.isArray(value) ? value : []) {
    const manager = readManager(entry)
    if (manager === undefined) return undefined
    managers.set(identityOf(manager), manager)
  }
  return managers
}

function readManager(entry: unknown): Manager | undefined {
  const [operation, apiVersion] = [stringAt(entry, 'operation'), stringAt(entry, 'apiVersion')]
  if (operation !== 'Apply' && operation !== 'Update') return undefined
  if (apiVersion === '' || stringAt(entry, 'fieldsType') !== FIELDS_TYPE) return undefined
  const fields = readFields(isRecord(entry) ? (entry['fieldsV1'] ?? {}) : {})
  if (fields === undefined) return undefined
  const [subresource, time] = [stringAt(entry, 'subresource'), stringAt(entry, 'time')]
  return {
    manager: stringAt(entry, 'manager'),
    operation,
    apiVersion,
    fields,
    ...(subresource !== '' && { subresource }),
    ...(time !== '' && { time }),
  }
}

function readFields(value: unknown): FieldSet | undefined {
  if (!isRecord(value)) return undefined
  const known = decoded.get(value)
  if (known !== undefined) return known
  try {
    const fields = decodeFields(value)
    remember(decoded, value, fields)
    encoded.set(fields, value)
    return fields
  } catch (thrown) {
    if (thrown instanceof PathElementFault) return undefined
    throw thrown
  }
}

function fieldsRecordOf(fields: FieldSet): JsonRecord {
  const known = encoded.get(fields)
  if (known !== undefined) return known
  const record = sharedRecord(encodeFields(fields))
  encoded.set(fields, record)
  return record
}

function sharedRecord(made: JsonRecord): JsonRecord {
  const text = JSON.stringify(made)
  const known = shared.get(text)
  if (known === undefined) remember(shared, text, made)
  return known ?? made
}

/** Managers as `metadata.managedFields`; undefined where there are none. */
export function writeManagers(managers: Managers): JsonRecord[] | undefined {
  if (managers.size === 0) return undefined
  return [...managers.values()]
    .toSorted(compareManagers)
    .map((one) => entryOf(one, fieldsRecordOf(one.fields)))
}

/** `metadata.managedFields` of a new object that has one manager. */
export function writeOnly(manager: Writer, fieldsV1: JsonRecord): JsonRecord[] {
  return [entryOf(manager, sharedRecord(fieldsV1))]
}

function entryOf(
  { manager, operation, apiVersion, subresource, time }: Writer,
  fieldsV1: JsonRecord,
): JsonRecord {
  return {
    ...(manager !== '' && { manager }),
    operation,
    apiVersion,
    ...(time !== undefined && { time }),
    fieldsType: FIELDS_TYPE,
    fieldsV1,
    ...(subresource !== undefined && { subresource }),
  }
}

const secondsOf = ({ time }: Manager): number =>
  time === undefined ? 0 : Math.floor(Date.parse(time) / 1000)

function compareManagers(left: Manager, right: Manager): number {
  return (
    compareTexts(left.operation, right.operation) ||
    secondsOf(left) - secondsOf(right) ||
    compareTexts(left.manager, right.manager) ||
    compareTexts(left.apiVersion, right.apiVersion) ||
    compareTexts(left.subresource ?? '', right.subresource ?? '')
  )
}

const compareTexts = (left: string, right: string): number =>
  left < right ? -1 : left > right ? 1 : 0

/** Whether two lists of entries say the same but for the times. */
export function sameButTimes(left: unknown, right: unknown): boolean {
  const timeless = (value: unknown): unknown[] =>
    (Array.isArray(value) ? value : []).map((entry: object) => ({ ...entry, time: undefined }))
  return Bun.deepEquals(timeless(left), timeless(right))
}

/** At most ten entries of updates are kept apart: the oldest ones of a version become one. */
export function capUpdaters(managers: Managers): Managers {
  const updaters = [...managers].filter(([, { operation }]) => operation === 'Update')
  let excess = updaters.length - UPDATERS_MAX
  if (excess <= 0) return managers
  updaters.sort(
    ([left, one], [right, other]) => secondsOf(one) - secondsOf(other) || compareTexts(left, right),
  )
  const capped = new Map(managers)
  const oldest = new Map<string, string>()
  for (const [identity, { apiVersion, fields, time }] of updaters) {
    const bucket = { manager: ANCIENT, operation: 'Update', apiVersion } as const
    const into = identityOf(bucket)
    const first = oldest.get(apiVersion)
    if (first === undefined) {
      oldest.set(apiVersion, identity)
      continue
    }
    const older = capped.has(into) ? into : first
    const merged = union(fields, capped.get(older)?.fields ?? EMPTY_SET)
    for (const gone of [older, identity]) capped.delete(gone)
    capped.set(into, { ...bucket, fields: merged, ...(time !== undefined && { time }) })
    excess -= 1
    if (excess === 0) break
  }
  return capped
}

/** Managers with another set for one of them; without it where the set is empty. */
export function withFields(managers: Managers, identity: string, fields: FieldSet): Managers {
  const known = managers.get(identity)
  const isGone = isEmptySet(fields)
  if (known === undefined || (known.fields === fields && !isGone)) return managers
  const changed = new Map(managers)
  if (isGone) changed.delete(identity)
  else changed.set(identity, { ...known, fields })
  return changed
}
