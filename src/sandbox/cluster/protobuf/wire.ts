/** Protobuf's wire format (protobuf.dev, "Encoding"), read within bounds. */

/** Bytes that are no protobuf message of Kubernetes, with what was wrong. */
export class ProtobufFault extends Error {}

export type WireValue =
  | { readonly wire: 'varint'; readonly number: bigint }
  | { readonly wire: 'fixed'; readonly bytes: Uint8Array }
  | { readonly wire: 'bytes'; readonly bytes: Uint8Array }

export interface WireField {
  readonly number: number
  readonly value: WireValue
}

const VARINT_BYTES_MAX = 10
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The fields of one message, in their order.
 * @throws ProtobufFault
 */
export function* readFields(bytes: Uint8Array): Generator<WireField, void, undefined> {
  let at = 0
  while (at < bytes.length) {
    const tag = readVarint(bytes, at)
    at = tag.next
    const number = Number(tag.number >> 3n)
    if (number < 1 || number > 0x1fffffff) {
      throw new ProtobufFault(`illegal tag ${number}`)
    }
    const wire = Number(tag.number & 7n)
    if (wire === 0) {
      const value = readVarint(bytes, at)
      at = value.next
      yield { number, value: { wire: 'varint', number: value.number } }
      continue
    }
    const length = lengthOf(wire, bytes, at)
    if (length.next + length.size > bytes.length) throw new ProtobufFault('unexpected EOF')
    at = length.next + length.size
    yield {
      number,
      value: {
        wire: wire === 2 ? 'bytes' : 'fixed',
        bytes: bytes.subarray(length.next, at),
      },
    }
  }
}

function lengthOf(wire: number, bytes: Uint8Array, at: number): { size: number; next: number } {
  if (wire === 1) return { size: 8, next: at }
  if (wire === 5) return { size: 4, next: at }
  if (wire !== 2) throw new ProtobufFault(`wrong wireType = ${wire}`)
  const { number, next } = readVarint(bytes, at)
  if (number > BigInt(bytes.length)) throw new ProtobufFault('unexpected EOF')
  return { size: Number(number), next }
}

/**
 * A varint at an offset, as 64 unsigned bits.
 * @throws ProtobufFault
 */
export function readVarint(bytes: Uint8Array, at: number): { number: bigint; next: number } {
  let number = 0n
  for (let count = 0; count < VARINT_BYTES_MAX; count += 1) {
    const byte = bytes[at + count]
    if (byte === undefined) throw new ProtobufFault('unexpected EOF')
    number |= BigInt(byte & 0x7f) << BigInt(7 * count)
    if (byte < 0x80) return { number: BigInt.asUintN(64, number), next: at + count + 1 }
  }
  throw new ProtobufFault('integer overflow')
}

/** @throws ProtobufFault for bytes that are no UTF-8: JSON could not hold them */
export function readUtf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw new ProtobufFault('a string is not valid UTF-8')
  }
}
