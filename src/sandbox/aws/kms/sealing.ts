/** What a symmetric key of KMS does with bytes: AES-256-GCM over the encryption context. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

/** Additional authenticated data that must be the same for both ways; it is not secret. */
export type EncryptionContext = Readonly<Record<string, string>>

/** What a ciphertext says of itself: the key that it was made with. KMS tells nobody its form. */
const VERSION = 1
const [KEY_ID_BYTES, NONCE_BYTES, TAG_BYTES] = [16, 12, 16]
const HEADER_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES
const CIPHER = 'aes-256-gcm'

/** A new key's material, base64. */
export const generateSymmetricMaterial = (): string => randomBytes(32).toString('base64')

/** A ciphertext that only the same key and context open. */
export function sealBytes(
  key: { readonly keyId: string; readonly material: string },
  plaintext: Uint8Array,
  context: EncryptionContext,
): Buffer {
  const id = bytesOfId(key.keyId)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, Buffer.from(key.material, 'base64'), nonce)
  cipher.setAAD(Buffer.concat([id, digestOf(context)]))
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([Buffer.of(VERSION), id, nonce, cipher.getAuthTag(), sealed])
}

/** The id of the key that a ciphertext was made with; undefined where it is none of KMS's. */
export function keyIdOfSealed(sealed: Buffer): string | undefined {
  if (sealed.length <= HEADER_BYTES || sealed[0] !== VERSION) return undefined
  const hex = sealed.subarray(1, 1 + KEY_ID_BYTES).toString('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** The plaintext; undefined where it was changed, or is of another key or context. */
export function openBytes(
  key: { readonly keyId: string; readonly material: string },
  sealed: Buffer,
  context: EncryptionContext,
): Buffer | undefined {
  const nonceAt = 1 + KEY_ID_BYTES
  const nonce = sealed.subarray(nonceAt, nonceAt + NONCE_BYTES)
  const decipher = createDecipheriv(CIPHER, Buffer.from(key.material, 'base64'), nonce)
  decipher.setAAD(Buffer.concat([bytesOfId(key.keyId), digestOf(context)]))
  decipher.setAuthTag(sealed.subarray(nonceAt + NONCE_BYTES, HEADER_BYTES))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
}

const bytesOfId = (keyId: string): Buffer => Buffer.from(keyId.replaceAll('-', ''), 'hex')

/** The order of a context's members does not count. */
function digestOf(context: EncryptionContext): Buffer {
  const members = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(members)).digest()
}
