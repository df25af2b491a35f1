import { createPublicKey, type KeyObject } from 'node:crypto'
import { PodroleError } from '../lib/errors.ts'
import { MAX_KEY_TEXT, readJwksKeys, tooLong } from './jwks-keys.ts'
import { type PublicSigningKey, suitableKey } from './keys.ts'
import { type PemBlock, readPemBlocks } from './pem.ts'

const PEM_KEYS = { 'PUBLIC KEY': 'spki', 'RSA PUBLIC KEY': 'pkcs1' } as const

/**
 * The public keys of a text: blocks of PEM (`PUBLIC KEY`, `RSA PUBLIC KEY`), or a JWK Set.
 * @param from whose text it is, for messages; never does one quote the text
 * @throws PodroleError `PrivateKeyGiven`, `EncryptedKeyGiven`, `CertificateGiven`, `TruncatedPem`,
 *   `InvalidPem`, `UnsuitableKey`, `NoKeyFound`, `KeyTextTooLong`; for a JWK Set also `InvalidJwks`
 *   and `WrongKid`
 */
export function readPublicKeys(text: string, from: string): readonly PublicSigningKey[] {
  if (text.length > MAX_KEY_TEXT) throw tooLong(from)
  const trimmed = text.replace(/^\uFEFF/, '').trim()
  if (/^[{[]/.test(trimmed)) return readJwksKeys(trimmed, from, { kids: 'kubernetes' })
  const blocks = readPemBlocks(trimmed, from).filter(({ label }) => label !== 'EC PARAMETERS')
  if (blocks.length === 0) throw noKey(trimmed, from)
  return blocks.map((block, at) => readBlock(block, `key ${at + 1} of ${from}`))
}

function readBlock(block: PemBlock, what: string): PublicSigningKey {
  const { label, der } = block
  if (label.endsWith('PRIVATE KEY')) throw privateKey(block, what)
  if (label.includes('CERTIFICATE') && !label.includes('REQUEST')) {
    throw new PodroleError(
      'CertificateGiven',
      `${what} is a ${label}: wanted its public key alone`,
      { hint: 'openssl x509 -in FILE -pubkey -noout prints it' },
    )
  }
  const type = label === 'PUBLIC KEY' || label === 'RSA PUBLIC KEY' ? PEM_KEYS[label] : undefined
  if (type === undefined) {
    throw new PodroleError(
      'InvalidPem',
      `${what} is a ${label} block: wanted PUBLIC KEY or RSA PUBLIC KEY`,
    )
  }
  return suitableKey(() => importDer(der, type), what)
}

function privateKey({ label, isEncrypted }: PemBlock, what: string): PodroleError {
  return isEncrypted || label.startsWith('ENCRYPTED')
    ? new PodroleError(
        'EncryptedKeyGiven',
        `${what} is an encrypted private key: wanted the public key`,
        { hint: 'openssl pkey -in FILE -pubout asks for its passphrase and prints the public key' },
      )
    : new PodroleError('PrivateKeyGiven', `${what} is a private key: wanted the public key`, {
        hint: 'openssl pkey -in FILE -pubout prints it; the private key stays where it is',
      })
}

/** @throws what is no key of that form, whole and with nothing after it */
function importDer(der: Buffer, type: 'spki' | 'pkcs1'): KeyObject {
  const key = createPublicKey({ key: der, format: 'der', type })
  // A private key reads as PKCS#1 too, and bytes after the key are not looked at.
  if (type === 'pkcs1' && !key.export({ format: 'der', type }).equals(der)) throw new Error('junk')
  if (type === 'spki' && derLength(der) !== der.length) throw new Error('junk')
  return key
}

/** Bytes of the outermost DER element, its head included; NaN where the head is cut off. */
function derLength(der: Buffer): number {
  const first = der[1] ?? Number.NaN
  if (first < 0x80) return 2 + first
  const bytes = first & 0x7f
  return bytes >= 1 && bytes <= 4 && der.length >= 2 + bytes
    ? 2 + bytes + der.readUIntBE(2, bytes)
    : Number.NaN
}

function noKey(text: string, from: string): PodroleError {
  if (text === '') return new PodroleError('NoKeyFound', `${from} is empty: wanted public keys`)
  const message = `${from} holds neither a PEM block nor a JWKS: wanted public keys`
  if (/^(?:ssh-rsa|ecdsa-sha2-|ssh-ed25519)/.test(text)) {
    return new PodroleError('NoKeyFound', `${from} is a key in OpenSSH's form: wanted PEM`, {
      hint: 'ssh-keygen -e -m PKCS8 -f FILE prints it as PEM',
    })
  }
  const hint = text.startsWith('LS0tLS1')
    ? "it is PEM in base64, as a Secret's data is: decode it with base64 --decode"
    : 'openssl pkey -pubin -inform DER -in FILE turns DER into PEM'
  return new PodroleError('NoKeyFound', message, { hint })
}
