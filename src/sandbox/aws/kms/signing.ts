/** KMS's key specs and signing algorithms. Source: KMS API Reference, Sign. */
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { promisify } from 'node:util'
import { signDigest, verifyDigest } from './ecdsa.ts'
import type { KmsKeyRecord } from './records.ts'
import { signRsaDigest, verifyRsaDigest } from './rsa-digest.ts'

const RSA_ALGORITHMS = [
  'RSASSA_PKCS1_V1_5_SHA_256',
  'RSASSA_PKCS1_V1_5_SHA_384',
  'RSASSA_PKCS1_V1_5_SHA_512',
  'RSASSA_PSS_SHA_256',
  'RSASSA_PSS_SHA_384',
  'RSASSA_PSS_SHA_512',
]

interface KeySpec {
  readonly algorithms: readonly string[]
  generate(): Promise<KeyObject>
}

const generate = promisify(generateKeyPair)

const ecSpec = (namedCurve: string, algorithm: string): KeySpec => ({
  algorithms: [algorithm],
  generate: async () => (await generate('ec', { namedCurve })).privateKey,
})

const rsaSpec = (modulusLength: number): KeySpec => ({
  algorithms: RSA_ALGORITHMS,
  generate: async () => (await generate('rsa', { modulusLength })).privateKey,
})

/** The asymmetric specs of KeyUsage SIGN_VERIFY that the sandbox makes. */
export const KEY_SPECS: ReadonlyMap<string, KeySpec> = new Map([
  ['ECC_NIST_P256', ecSpec('P-256', 'ECDSA_SHA_256')],
  ['ECC_NIST_P384', ecSpec('P-384', 'ECDSA_SHA_384')],
  ['ECC_NIST_P521', ecSpec('P-521', 'ECDSA_SHA_512')],
  ['RSA_2048', rsaSpec(2048)],
  ['RSA_3072', rsaSpec(3072)],
  ['RSA_4096', rsaSpec(4096)],
])

/** What is signed: a message, or its digest. */
export interface ToSign {
  readonly algorithm: string
  readonly message: Uint8Array
  readonly isDigest: boolean
}

/** `sha256` of `ECDSA_SHA_256`. */
const hashOf = (algorithm: string): string => `sha${algorithm.slice(-3)}`

/** Bytes of an algorithm's digest. */
export const digestLength = (algorithm: string): number => Number(algorithm.slice(-3)) / 8

const optionsOf = (key: KeyObject, algorithm: string): Parameters<typeof sign>[2] =>
  algorithm.includes('PSS')
    ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: digestLength(algorithm) }
    : { key, ...(algorithm.startsWith('ECDSA') && { dsaEncoding: 'der' as const }) }

export function signWith(record: KmsKeyRecord, what: ToSign): Buffer {
  const { algorithm, message, isDigest } = what
  const key = createPrivateKey(record.material)
  const hash = hashOf(algorithm)
  if (!isDigest) return sign(hash, message, optionsOf(key, algorithm))
  if (algorithm.startsWith('ECDSA')) return signDigest(key, message)
  return signRsaDigest(key, { hash, digest: message, isPss: algorithm.includes('PSS') })
}

export function verifyWith(record: KmsKeyRecord, what: ToSign, signature: Uint8Array): boolean {
  const { algorithm, message, isDigest } = what
  const key = createPublicKey(record.material)
  const hash = hashOf(algorithm)
  if (!isDigest) {
    const options = optionsOf(key, algorithm) as Parameters<typeof verify>[2]
    return verify(hash, message, options, signature)
  }
  if (algorithm.startsWith('ECDSA')) return verifyDigest(key, message, signature)
  return verifyRsaDigest(
    key,
    { hash, digest: message, isPss: algorithm.includes('PSS') },
    signature,
  )
}

/** SubjectPublicKeyInfo, DER. */
export const publicKeyOf = (record: KmsKeyRecord): Buffer =>
  createPublicKey(record.material).export({ format: 'der', type: 'spki' })
