import { PodroleError } from '../../lib/errors.ts'

/** DER's tags of a SEQUENCE and an INTEGER (ITU-T X.690). */
const SEQUENCE = 0x30
const INTEGER = 0x02

/**
 * An ECDSA signature as JWS wants it, r || s (RFC 7518 section 3.4), out of the DER that AWS KMS
 * gives (RFC 3279 section 2.2.3: SEQUENCE of two INTEGERs).
 * @param size bytes of each number: 32, 48 or 66
 * @throws PodroleError `InvalidSignature`
 */
export function rawSignature(der: Uint8Array, size: number): Buffer {
  const [body, afterBody] = readValue(der, 0, SEQUENCE)
  const [r, afterR] = readValue(body, 0, INTEGER)
  const [s, afterS] = readValue(body, afterR, INTEGER)
  if (afterBody !== der.length || afterS !== body.length) throw invalid()
  return Buffer.concat([padded(r, size), padded(s, size)])
}

/** A value of DER and where the next one starts. Lengths here are below 256. */
function readValue(der: Uint8Array, at: number, tag: number): [value: Uint8Array, next: number] {
  const first = der[at + 1] ?? 0xff
  const isLong = first === 0x81
  const length = isLong ? (der[at + 2] ?? 0) : first
  const start = at + (isLong ? 3 : 2)
  const isMinimal = isLong ? length >= 0x80 : length < 0x80
  if (der[at] !== tag || !isMinimal || start + length > der.length) throw invalid()
  return [der.subarray(start, start + length), start + length]
}

/** An INTEGER is signed: a leading zero is there where the top bit is set, and nowhere else. */
function padded(integer: Uint8Array, size: number): Buffer {
  const [first = 0x80, second = 0] = integer
  const hasZero = first === 0 && integer.length > 1
  const number = hasZero ? integer.subarray(1) : integer
  if (first >= 0x80 || (hasZero && second < 0x80) || number.length > size) throw invalid()
  return Buffer.concat([Buffer.alloc(size - number.length), number])
}

const invalid = (): PodroleError =>
  new PodroleError('InvalidSignature', 'the signature is no ECDSA signature in DER')
