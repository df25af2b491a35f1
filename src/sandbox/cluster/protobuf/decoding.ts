/**
 * Kubernetes' protobuf bodies as the JSON data that they stand for: `k8s\0`, then a
 * runtime.Unknown with the object's kind and its message
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding).
 */
import { isDeeperThan, isRecord, setOwn, type JsonRecord } from '../objects.ts'
import { messageNamed, messageOfKind, type Field, type Message } from './fields.ts'
import { ProtobufFault, readFields, readUtf8, readVarint, type WireValue } from './wire.ts'

export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf'

const MAGIC = [0x6b, 0x38, 0x73, 0x00]
const DEPTH_MAX = 100
/** A body of 3 MiB could hold more empty elements than this; no object does. */
const VALUES_MAX = 500_000

interface Budget {
  left: number
}

/**
 * An object, with its apiVersion and kind, from a protobuf body.
 * @throws ProtobufFault
 */
export function decodeProtobuf(body: Uint8Array): JsonRecord {
  if (!MAGIC.every((byte, at) => body[at] === byte)) {
    throw new ProtobufFault(
      'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
    )
  }
  const envelope = readEnvelope(body.subarray(MAGIC.length))
  const { apiVersion, kind } = envelope
  if (envelope.encoding !== '') {
    throw new ProtobufFault('the content encoding of the object is not known')
  }
  const message = messageOfKind(apiVersion, kind)
  if (message === undefined) {
    throw new ProtobufFault(
      `no kind ${JSON.stringify(kind.slice(0, 100))} is registered for version ${JSON.stringify(apiVersion.slice(0, 100))}`,
    )
  }
  const value = decodeMessage(message, envelope.raw, 0, { left: VALUES_MAX })
  if (!isRecord(value)) throw new ProtobufFault('the message is no object')
  return { kind, apiVersion, ...value }
}

interface Envelope {
  readonly apiVersion: string
  readonly kind: string
  readonly raw: Uint8Array
  readonly encoding: string
}

function readEnvelope(bytes: Uint8Array): Envelope {
  let envelope: Envelope = { apiVersion: '', kind: '', raw: new Uint8Array(), encoding: '' }
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) {
      for (const part of readFields(bytesOf(value))) {
        if (part.number === 1) envelope = { ...envelope, apiVersion: textOf(part.value) }
        if (part.number === 2) envelope = { ...envelope, kind: textOf(part.value) }
      }
    } else if (number === 2) envelope = { ...envelope, raw: bytesOf(value) }
    else if (number === 3) envelope = { ...envelope, encoding: textOf(value) }
  }
  return envelope
}

function decodeMessage(name: string, bytes: Uint8Array, depth: number, budget: Budget): unknown {
  if (depth > DEPTH_MAX) throw new ProtobufFault('exceeded max depth')
  const message = messageNamed(name)
  if (message === undefined) throw new ProtobufFault(`there is no message ${name}`)
  const holder: JsonRecord = {}
  const alias = aliasOf(message)
  if (alias !== undefined) holder[alias.name] = []
  for (const { number, value } of readFields(bytes)) {
    budget.left -= 1
    if (budget.left < 0) throw new ProtobufFault('the message has too many values')
    const field = message.get(number)
    // Fields of a newer version are skipped, as Go's decoder skips them.
    if (field !== undefined) setField(holder, field, value, { depth, budget })
  }
  return alias === undefined ? holder : holder[alias.name]
}

const aliasOf = (message: Message): Field | undefined =>
  [...message.values()].find(({ isAlias }) => isAlias)

interface Place {
  readonly depth: number
  readonly budget: Budget
}

function setField(holder: JsonRecord, field: Field, value: WireValue, place: Place): void {
  if (field.isMap) {
    const map = isRecord(holder[field.name]) ? (holder[field.name] as JsonRecord) : {}
    holder[field.name] = map
    const entry = readEntry(field, bytesOf(value), place)
    setOwn(map, entry.key, entry.value)
    return
  }
  if (field.isList) {
    const list = Array.isArray(holder[field.name]) ? (holder[field.name] as unknown[]) : []
    holder[field.name] = list
    list.push(...decodeItems(field, value, place))
    return
  }
  const decoded = decodeValue(field.type, value, place)
  if (field.isEmbedded) {
    if (isRecord(decoded)) Object.assign(holder, decoded)
  } else if (decoded === undefined || (!field.keepsEmpty && isEmpty(decoded))) {
    delete holder[field.name]
  } else holder[field.name] = decoded
}

/** What Go's `omitempty` leaves out; structs it writes. */
const isEmpty = (value: unknown): boolean => value === '' || value === 0 || value === false

function readEntry(field: Field, bytes: Uint8Array, place: Place): { key: string; value: unknown } {
  let key = ''
  let value: unknown
  for (const part of readFields(bytes)) {
    place.budget.left -= 1
    if (part.number === 1) key = textOf(part.value)
    if (part.number === 2) value = decodeValue(field.type, part.value, place)
  }
  return { key, value: value ?? zeroOf(field.type) }
}

/** What an entry without a value holds. */
function zeroOf(type: string): unknown {
  if (type === 's' || type === 'y') return ''
  return type.length > 1 ? {} : null
}

/** One element, or several numbers packed into one field. */
function decodeItems(field: Field, value: WireValue, place: Place): unknown[] {
  const isPacked = value.wire === 'bytes' && (field.type === 'i' || field.type === 'b')
  if (!isPacked) return [decodeValue(field.type, value, place) ?? null]
  const items: unknown[] = []
  for (let at = 0; at < value.bytes.length;) {
    place.budget.left -= 1
    if (place.budget.left < 0) throw new ProtobufFault('the message has too many values')
    const { number, next } = readVarint(value.bytes, at)
    items.push(decodeValue(field.type, { wire: 'varint', number }, place))
    at = next
  }
  return items
}

function decodeValue(type: string, value: WireValue, { depth, budget }: Place): unknown {
  switch (type) {
    case 's':
      return textOf(value)
    case 'i':
      return integerOf(value)
    case 'b':
      return integerOf(value) !== 0
    case 'y':
      return Buffer.from(bytesOf(value)).toString('base64')
    case 'd':
      return doubleOf(value)
    case 'q':
      return quantityOf(bytesOf(value))
    case 'o':
      return intOrStringOf(bytesOf(value))
    case 'r':
      return rawOf(bytesOf(value))
    case 't':
    case 'u':
      return timeOf(bytesOf(value), type === 'u')
    default:
      return decodeMessage(type, bytesOf(value), depth + 1, budget)
  }
}

function bytesOf(value: WireValue): Uint8Array {
  if (value.wire === 'bytes') return value.bytes
  throw new ProtobufFault(`wrong wireType: wanted bytes, got ${value.wire}`)
}

const textOf = (value: WireValue): string => readUtf8(bytesOf(value))

function integerOf(value: WireValue): number {
  if (value.wire !== 'varint') {
    throw new ProtobufFault(`wrong wireType: wanted varint, got ${value.wire}`)
  }
  return Number(BigInt.asIntN(64, value.number))
}

function doubleOf(value: WireValue): number {
  if (value.wire !== 'fixed' || value.bytes.length !== 8) {
    throw new ProtobufFault('wrong wireType: wanted 64 bits')
  }
  const { buffer, byteOffset } = value.bytes
  return new DataView(buffer, byteOffset, 8).getFloat64(0, true)
}

/** Of resource.Quantity, which is its text. */
function quantityOf(bytes: Uint8Array): string {
  for (const { number, value } of readFields(bytes)) if (number === 1) return textOf(value)
  return '0'
}

function intOrStringOf(bytes: Uint8Array): number | string {
  let [type, int, text] = [0, 0, '']
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) type = integerOf(value)
    if (number === 2) int = integerOf(value)
    if (number === 3) text = textOf(value)
  }
  return type === 1 ? text : int
}

/** Raw JSON in bytes: RawExtension and FieldsV1. */
function rawOf(bytes: Uint8Array): unknown {
  for (const { number, value } of readFields(bytes)) {
    if (number !== 1) continue
    let parsed: unknown
    try {
      parsed = JSON.parse(textOf(value))
    } catch {
      throw new ProtobufFault('a raw extension is not JSON')
    }
    if (isDeeperThan(parsed, DEPTH_MAX)) throw new ProtobufFault('exceeded max depth')
    return parsed
  }
  return {}
}

const SECONDS_MAX = 253_402_300_799

/** A time in Kubernetes' JSON form; one that is not set is no bytes. */
function timeOf(bytes: Uint8Array, hasMicros: boolean): string | undefined {
  if (bytes.length === 0) return undefined
  let [seconds, nanos] = [0, 0]
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) seconds = integerOf(value)
    if (number === 2) nanos = integerOf(value)
  }
  // Years 0001 to 9999, which is what RFC 3339 writes.
  if (seconds < -62_135_596_800 || seconds > SECONDS_MAX || nanos < 0 || nanos > 999_999_999) {
    throw new ProtobufFault('a time is out of range')
  }
  const text = new Date(seconds * 1000).toISOString().slice(0, 19)
  const micros = String(Math.floor(nanos / 1000)).padStart(6, '0')
  return hasMicros ? `${text}.${micros}Z` : `${text}Z`
}
