import { readGoTime } from './go-time.ts'
import { isRecord, setOwn, type JsonRecord } from './objects.ts'
import { canonicalQuantity } from './quantities.ts'

type ScalarKind =
  | 'string'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'quantity'
  | 'int-or-string'
  | 'time'
  | 'micro-time'
  | 'bytes'
  | 'any'

/** Reads a part of an object that has rules of its own. @throws DecodeFault */
export type PartReader = (raw: unknown, path: string, report: DecodeReport) => unknown

/** `keepsEmpty`: '', 0, false and [] are written out as they are, as Go's pointers are. */
export type Schema =
  | {
      readonly kind: ScalarKind
      readonly keepsEmpty?: boolean
      readonly read?: PartReader
      /** Server-side apply gives a value of any type one owner, also where it is an object. */
      readonly isAtomic?: boolean
      /** What a key of list elements is where an element does not say. */
      readonly default?: string | number | boolean
    }
  | {
      readonly kind: 'map'
      readonly of: Schema
      /** Server-side apply gives the map one owner, not one for each key. */
      readonly isAtomic?: boolean
    }
  | ListSchema
  | ObjectSchema

export interface ListSchema {
  readonly kind: 'list'
  readonly of: Schema
  readonly keepsEmpty?: boolean
  /** A strategic merge patch merges elements that have the same value of this field. */
  readonly mergeKey?: string
  /**
   * Server-side apply tells elements apart by these fields (`x-kubernetes-list-map-keys`): by the
   * merge key alone where it is not said. Without any the list has one owner.
   */
  readonly keys?: readonly string[]
  /** Server-side apply gives each element (a scalar) owners of its own. */
  readonly isSet?: boolean
  /** A strategic merge patch adds to the list (of scalars) instead of replacing it. */
  readonly isMerged?: boolean
}

export interface ObjectSchema {
  readonly kind: 'object'
  readonly fields: Readonly<Record<string, Schema>>
  /** Of fields that are not listed, in custom resources; without it there are none. */
  readonly of?: Schema
  /** Server-side apply gives the object one owner, not one for each field. */
  readonly isAtomic?: boolean
  /** Go holds it by value: the field is there, if empty, also where nobody has set it. */
  readonly isValue?: boolean
}

export const str: Schema = { kind: 'string' }
export const int: Schema = { kind: 'integer' }
export const bool: Schema = { kind: 'boolean' }
export const keptStr: Schema = { kind: 'string', keepsEmpty: true }
export const keptInt: Schema = { kind: 'integer', keepsEmpty: true }
export const keptBool: Schema = { kind: 'boolean', keepsEmpty: true }
export const quantity: Schema = { kind: 'quantity' }
export const intOrString: Schema = { kind: 'int-or-string' }
export const time: Schema = { kind: 'time' }
/** A time with six decimals of a second. */
export const microTime: Schema = { kind: 'micro-time' }
export const bytes: Schema = { kind: 'bytes' }
export const any: Schema = { kind: 'any' }
export const part = (read: PartReader): Schema => ({ kind: 'any', read })
export const map = (of: Schema): Schema => ({ kind: 'map', of })
export const list = (of: Schema): Schema => ({ kind: 'list', of })
export const keptList = (of: Schema): Schema => ({ kind: 'list', of, keepsEmpty: true })
/** `keys` are those of server-side apply, where they are not the merge key alone. */
export const mergeList = (mergeKey: string, of: Schema, keys?: readonly string[]): Schema => ({
  kind: 'list',
  of,
  mergeKey,
  ...(keys !== undefined && { keys }),
})
/** A list by key for server-side apply that a strategic merge patch replaces. */
export const keyedList = (keys: readonly string[], of: Schema): Schema => ({
  kind: 'list',
  of,
  keys,
})
/** A list of different scalars, for server-side apply and for a strategic merge patch. */
export const setOf = (of: Schema): Schema => ({ kind: 'list', of, isSet: true, isMerged: true })
/** A list of different scalars that a strategic merge patch replaces. */
export const replacedSetOf = (of: Schema): Schema => ({ kind: 'list', of, isSet: true })
export const obj = (fields: Readonly<Record<string, Schema>>): ObjectSchema => ({
  kind: 'object',
  fields,
})
/** An object that Go holds by value. */
export const valueObj = (fields: Readonly<Record<string, Schema>>): ObjectSchema =>
  byValue(obj(fields))
export const byValue = (schema: ObjectSchema): ObjectSchema => ({ ...schema, isValue: true })
/** What has one owner, whatever it holds. */
export const atomic = <S extends Schema>(schema: S): S => ({ ...schema, isAtomic: true })
/** Keys of list elements: what they are where an element does not say. */
export const keyStr: Schema = { kind: 'string', default: '' }
export const keptKeyStr: Schema = { kind: 'string', default: '', keepsEmpty: true }
export const keyInt: Schema = { kind: 'integer', default: 0 }
export const protocolKey: Schema = { kind: 'string', default: 'TCP' }

/** The fields by which server-side apply tells a list's elements apart; none of an atomic list. */
export function listKeys({ keys, mergeKey }: ListSchema): readonly string[] {
  return keys ?? (mergeKey === undefined ? [] : [mergeKey])
}

/** The schema of an object's field, or undefined where it has none. */
export function fieldSchema(schema: ObjectSchema, field: string): Schema | undefined {
  return Object.hasOwn(schema.fields, field) ? schema.fields[field] : undefined
}

/** A value whose JSON type is not its field's; the message is Go's. */
export class DecodeFault extends Error {}

/** Unknown fields that a decode met and dropped. */
export interface DecodeReport {
  readonly unknownFields: string[]
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const UNKNOWN_FIELDS_MAX = 50

/**
 * Reads untrusted JSON as a schema's object: unknown fields are dropped and reported, null and
 * empty values vanish where Go's `omitempty` drops them, wrong types throw.
 * @throws DecodeFault
 */
export function decodeObject(
  schema: ObjectSchema,
  value: JsonRecord,
  report: DecodeReport,
  path = '',
): JsonRecord {
  const decoded: JsonRecord = {}
  for (const [field, raw] of Object.entries(value)) {
    const at = path === '' ? field : `${path}.${field}`
    const known = fieldSchema(schema, field)
    if (known === undefined) {
      if (report.unknownFields.length < UNKNOWN_FIELDS_MAX) report.unknownFields.push(at)
      continue
    }
    if (raw === null) continue
    const read = decode(known, raw, at, report)
    if (!isDropped(known, read)) decoded[field] = read
  }
  return decoded
}

function decode(schema: Schema, raw: unknown, path: string, report: DecodeReport): unknown {
  switch (schema.kind) {
    case 'object':
      if (!isRecord(raw)) throw mismatch(raw, path, 'object')
      return decodeObject(schema, raw, report, path)
    case 'map': {
      if (!isRecord(raw)) throw mismatch(raw, path, 'map')
      const decoded: JsonRecord = {}
      for (const [key, item] of Object.entries(raw)) {
        setOwn(decoded, key, decodeItem(schema.of, item, `${path}.${key}`, report))
      }
      return decoded
    }
    case 'list':
      if (!Array.isArray(raw)) throw mismatch(raw, path, 'list')
      return raw.map((item, at) => decodeItem(schema.of, item, `${path}[${at}]`, report))
    default:
      return schema.read?.(raw, path, report) ?? decodeScalar(schema.kind, raw, path)
  }
}

/** Go reads a null element as the element type's zero value. */
function decodeItem(schema: Schema, raw: unknown, path: string, report: DecodeReport): unknown {
  if (raw !== null) return decode(schema, raw, path, report)
  if (schema.kind === 'object' || schema.kind === 'map') return {}
  if (schema.kind === 'list') return []
  if (schema.kind === 'any') return schema.read === undefined ? null : {}
  return schema.kind === 'integer' ? 0 : schema.kind === 'boolean' ? false : ''
}

function decodeScalar(kind: ScalarKind, raw: unknown, path: string): unknown {
  switch (kind) {
    case 'any':
      return raw
    case 'string':
      if (typeof raw !== 'string') throw mismatch(raw, path, 'string')
      return raw
    case 'boolean':
      if (typeof raw !== 'boolean') throw mismatch(raw, path, 'bool')
      return raw
    case 'integer':
      return decodeInteger(raw, path)
    case 'number':
      if (typeof raw !== 'number') throw mismatch(raw, path, 'float64')
      return raw
    case 'int-or-string':
      return typeof raw === 'string' ? raw : decodeInteger(raw, path)
    case 'quantity': {
      const text = typeof raw === 'number' ? String(raw) : raw
      if (typeof text !== 'string') throw mismatch(raw, path, 'resource.Quantity')
      const canonical = canonicalQuantity(text)
      if (canonical === undefined) {
        throw new DecodeFault(
          `quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
        )
      }
      return canonical
    }
    case 'time':
    case 'micro-time': {
      if (typeof raw !== 'string') throw mismatch(raw, path, kind === 'time' ? 'Time' : 'MicroTime')
      const read = readGoTime(raw, kind === 'time' ? 'seconds' : 'micros')
      if ('fault' in read) throw new DecodeFault(read.fault)
      return read.text
    }
    case 'bytes':
      if (typeof raw !== 'string') throw mismatch(raw, path, '[]uint8')
      if (!BASE64.test(raw)) throw new DecodeFault('illegal base64 data at input byte 0')
      return raw
    default:
      return kind satisfies never
  }
}

function decodeInteger(raw: unknown, path: string): number {
  if (typeof raw === 'number' && Number.isSafeInteger(raw)) return raw
  throw mismatch(raw, path, 'int64')
}

function isDropped(schema: Schema, value: unknown): boolean {
  if (schema.kind === 'map') return isRecord(value) && Object.keys(value).length === 0
  if (schema.kind === 'object' || schema.keepsEmpty === true) return false
  if (schema.kind === 'list') return Array.isArray(value) && value.length === 0
  if (schema.kind === 'int-or-string' || schema.kind === 'any') return false
  return value === '' || value === 0 || value === false
}

/** Go's words for a JSON type that is not the field's. */
export function mismatch(raw: unknown, path: string, wanted: string): DecodeFault {
  const found = Array.isArray(raw)
    ? 'array'
    : raw === null
      ? 'null'
      : typeof raw === 'boolean'
        ? 'bool'
        : typeof raw === 'number'
          ? 'number'
          : typeof raw
  return new DecodeFault(
    `json: cannot unmarshal ${found} into Go struct field ${path} of type ${wanted}`,
  )
}
