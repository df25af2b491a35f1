/**
 * ECDSA over a digest that was made elsewhere, which the runtime's `sign` cannot take: it hashes
 * what it is given. Source: FIPS 186-5, sections 6.4.1 and 6.4.2. Not in constant time: the keys
 * are a sandbox's.
 */
import { type KeyObject, randomBytes } from 'node:crypto'

/** y² = x³ − 3x + b over a prime field. */
interface Curve {
  readonly p: bigint
  readonly n: bigint
  readonly g: Point
  readonly bits: number
}

type Point = readonly [x: bigint, y: bigint] | undefined

const hex = (text: string): bigint => BigInt(`0x${text}`)

/** Source: NIST SP 800-186, section 3.2.1. */
const CURVES: Readonly<Record<string, Curve>> = {
  'P-256': {
    p: hex('ffffffff00000001000000000000000000000000ffffffffffffffffffffffff'),
    n: hex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
    g: [
      hex('6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296'),
      hex('4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5'),
    ],
    bits: 256,
  },
  'P-384': {
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    n: hex(
      'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
    ),
    g: [
      hex(
        'aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7',
      ),
      hex(
        '3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f',
      ),
    ],
    bits: 384,
  },
  'P-521': {
    p: 2n ** 521n - 1n,
    n: hex(
      '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
    ),
    g: [
      hex(
        'c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66',
      ),
      hex(
        '11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650',
      ),
    ],
    bits: 521,
  },
}

const mod = (value: bigint, modulus: bigint): bigint => ((value % modulus) + modulus) % modulus

function invert(value: bigint, modulus: bigint): bigint {
  let [a, b] = [mod(value, modulus), modulus]
  let [x, y] = [1n, 0n]
  while (b > 0n) {
    const quotient = a / b
    ;[a, b] = [b, a % b]
    ;[x, y] = [y, x - quotient * y]
  }
  return mod(x, modulus)
}

function add(curve: Curve, left: Point, right: Point): Point {
  if (left === undefined || right === undefined) return left ?? right
  const { p } = curve
  const [x1, y1] = left
  const [x2, y2] = right
  if (x1 === x2 && mod(y1 + y2, p) === 0n) return undefined
  const slope =
    x1 === x2
      ? mod(3n * (x1 * x1 - 1n) * invert(2n * y1, p), p)
      : mod((y2 - y1) * invert(x2 - x1, p), p)
  const x = mod(slope * slope - x1 - x2, p)
  return [x, mod(slope * (x1 - x) - y1, p)]
}

function multiply(curve: Curve, scalar: bigint, point: Point): Point {
  let sum: Point
  let power = point
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = add(curve, sum, power)
    power = add(curve, power, power)
  }
  return sum
}

const asNumber = (text: string | undefined): bigint =>
  hex(Buffer.from(text ?? '', 'base64url').toString('hex') || '0')

/** The leftmost bits of a digest. */
function digestNumber(curve: Curve, digest: Uint8Array): bigint {
  const value = hex(Buffer.from(digest).toString('hex') || '0')
  const excess = digest.length * 8 - curve.bits
  return excess > 0 ? value >> BigInt(excess) : value
}

function curveOf(name: string | undefined): Curve {
  const curve = CURVES[name ?? '']
  if (curve === undefined) throw new Error(`no curve ${name ?? 'without a name'}`)
  return curve
}

/** A signature in DER, of a digest. */
export function signDigest(privateKey: KeyObject, digest: Uint8Array): Buffer {
  const { crv, d } = privateKey.export({ format: 'jwk' })
  const curve = curveOf(crv)
  const { n, g } = curve
  for (;;) {
    const k = mod(hex(randomBytes(curve.bits / 8 + 16).toString('hex')), n)
    const r = mod(multiply(curve, k, g)?.[0] ?? 0n, n)
    const s = mod(invert(k, n) * (digestNumber(curve, digest) + r * asNumber(d)), n)
    if (k !== 0n && r !== 0n && s !== 0n) return writeDer(r, s)
  }
}

/** Whether a signature in DER is one of that digest. */
export function verifyDigest(
  publicKey: KeyObject,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { crv, x, y } = publicKey.export({ format: 'jwk' })
  const curve = curveOf(crv)
  const { n, g } = curve
  const [r = 0n, s = 0n] = readDer(signature)
  if (r <= 0n || r >= n || s <= 0n || s >= n) return false
  const inverse = invert(s, n)
  const first = multiply(curve, mod(digestNumber(curve, digest) * inverse, n), g)
  const second = multiply(curve, mod(r * inverse, n), [asNumber(x), asNumber(y)])
  const sum = add(curve, first, second)
  return sum !== undefined && mod(sum[0], n) === r
}

function writeDer(...numbers: readonly bigint[]): Buffer {
  const parts = numbers.map((number) => {
    const text = number.toString(16)
    const bytes = Buffer.from(text.length % 2 === 0 ? text : `0${text}`, 'hex')
    const padded = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes
    return Buffer.concat([Buffer.from([0x02, padded.length]), padded])
  })
  const body = Buffer.concat(parts)
  const length = body.length < 0x80 ? [body.length] : [0x81, body.length]
  return Buffer.concat([Buffer.from([0x30, ...length]), body])
}

/** The two numbers of a signature; none where it is not DER. */
function readDer(signature: Uint8Array): readonly bigint[] {
  const bytes = Buffer.from(signature)
  if (bytes[0] !== 0x30 || bytes.length > 150) return []
  let at = bytes[1] === 0x81 ? 3 : 2
  if (bytes[at - 1] !== bytes.length - at) return []
  const numbers: bigint[] = []
  while (at < bytes.length) {
    const length = bytes[at + 1] ?? 0
    const part = bytes.subarray(at + 2, at + 2 + length)
    if (bytes[at] !== 0x02 || length === 0 || part.length !== length) return []
    numbers.push(hex(part.toString('hex')))
    at += 2 + length
  }
  return numbers.length === 2 ? numbers : []
}
