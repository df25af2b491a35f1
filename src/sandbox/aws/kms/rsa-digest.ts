/** RSA over a digest that was made elsewhere. Source: RFC 8017, sections 8, 9 and B.2.1. */
import {
  constants,
  createHash,
  type KeyObject,
  privateEncrypt,
  publicDecrypt,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'

/** What stands before a digest in PKCS #1 v1.5 (RFC 8017, section 9.2). */
const PREFIXES: Readonly<Record<string, string>> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
}

export interface RsaDigest {
  readonly hash: string
  readonly digest: Uint8Array
  readonly isPss: boolean
}

/** The signature of a digest; the salt of PSS is as long as the digest. */
export function signRsaDigest(key: KeyObject, { hash, digest, isPss }: RsaDigest): Buffer {
  if (!isPss) {
    const padding = constants.RSA_PKCS1_PADDING
    return privateEncrypt({ key, padding }, withPrefix(hash, digest))
  }
  const salt = randomBytes(digest.length)
  const modulusBits = key.asymmetricKeyDetails?.modulusLength ?? 2048
  const length = modulusBits / 8
  const sum = saltedHash(hash, digest, salt)
  const maskLength = length - sum.length - 1
  const block = Buffer.alloc(maskLength)
  block[maskLength - salt.length - 1] = 1
  salt.copy(block, maskLength - salt.length)
  const masked = exclusiveOr(block, mask(hash, sum, maskLength))
  masked[0] = (masked[0] ?? 0) & 0x7f
  const encoded = Buffer.concat([masked, sum, Buffer.from([0xbc])])
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded)
}

/** Whether a signature is one of that digest. */
export function verifyRsaDigest(
  key: KeyObject,
  { hash, digest, isPss }: RsaDigest,
  signature: Uint8Array,
): boolean {
  try {
    if (!isPss) {
      const padding = constants.RSA_PKCS1_PADDING
      const found = publicDecrypt({ key, padding }, signature)
      const wanted = withPrefix(hash, digest)
      return found.length === wanted.length && timingSafeEqual(found, wanted)
    }
    const encoded = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature)
    return isPssOf(encoded, hash, digest)
  } catch {
    return false
  }
}

function isPssOf(encoded: Buffer, hash: string, digest: Uint8Array): boolean {
  const maskLength = encoded.length - digest.length - 1
  const sum = encoded.subarray(maskLength, -1)
  if (encoded.at(-1) !== 0xbc || ((encoded[0] ?? 0) & 0x80) !== 0) return false
  const block = exclusiveOr(encoded.subarray(0, maskLength), mask(hash, sum, maskLength))
  block[0] = (block[0] ?? 0) & 0x7f
  const start = maskLength - digest.length - 1
  if (block[start] !== 1 || block.subarray(0, start).some((byte) => byte !== 0)) return false
  return saltedHash(hash, digest, block.subarray(start + 1)).equals(sum)
}

const withPrefix = (hash: string, digest: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(PREFIXES[hash] ?? '', 'hex'), digest])

const saltedHash = (hash: string, digest: Uint8Array, salt: Uint8Array): Buffer =>
  createHash(hash).update(Buffer.alloc(8)).update(digest).update(salt).digest()

/** MGF1. */
function mask(hash: string, seed: Uint8Array, length: number): Buffer {
  const blocks: Buffer[] = []
  for (let size = 0, counter = 0; size < length; counter += 1) {
    const suffix = Buffer.alloc(4)
    suffix.writeUInt32BE(counter)
    const block = createHash(hash).update(seed).update(suffix).digest()
    blocks.push(block)
    size += block.length
  }
  return Buffer.concat(blocks).subarray(0, length)
}

const exclusiveOr = (left: Uint8Array, right: Uint8Array): Buffer =>
  Buffer.from(left.map((byte, index) => byte ^ (right[index] ?? 0)))
