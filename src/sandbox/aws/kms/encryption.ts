/**
 * KMS's operations of symmetric keys. Source: KMS API Reference, Encrypt, Decrypt, GenerateDataKey,
 * GenerateDataKeyWithoutPlaintext.
 */
import { randomBytes } from 'node:crypto'
import type { ContextKeys } from '../../../iam/request.ts'
import { AwsFault } from '../wire/fault.ts'
import type { TargetInput, TargetOperations } from '../wire/target.ts'
import { readNumber, readText, requireBlob } from '../wire/target-input.ts'
import { accountOf, type Call } from '../world.ts'
import { authorizeKey } from './access.ts'
import { checkUsable, requireKey } from './keys.ts'
import type { KmsKeyRecord } from './records.ts'
import { type EncryptionContext, keyIdOfSealed, openBytes, sealBytes } from './sealing.ts'

/** The only spec of keys that encrypt here, and its only algorithm. */
export const SYMMETRIC_DEFAULT = 'SYMMETRIC_DEFAULT'

const DATA_KEY_BYTES: Readonly<Record<string, number>> = { AES_128: 16, AES_256: 32 }
const ALGORITHMS = ['SYMMETRIC_DEFAULT', 'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'SM2PKE']

function readContext(input: TargetInput): EncryptionContext {
  const value = Object.hasOwn(input, 'EncryptionContext') ? input['EncryptionContext'] : undefined
  if (value === undefined || value === null) return {}
  const isMap = typeof value === 'object' && !Array.isArray(value)
  const members = isMap ? Object.entries(value) : []
  if (!isMap || members.some(([, text]) => typeof text !== 'string')) {
    throw new AwsFault('SerializationException', 'EncryptionContext is no map of strings')
  }
  // The key policy's condition keys are named after its members, and their whole is bounded so.
  if (Buffer.byteLength(JSON.stringify(members)) > 8192) {
    throw new AwsFault('ValidationException', 'EncryptionContext is longer than 8192 bytes')
  }
  return Object.fromEntries(members)
}

const conditionKeysOf = (context: EncryptionContext): ContextKeys => ({
  'kms:EncryptionAlgorithm': SYMMETRIC_DEFAULT,
  ...(Object.keys(context).length > 0 && { 'kms:EncryptionContextKeys': Object.keys(context) }),
  ...Object.fromEntries(
    Object.entries(context).map(([name, text]) => [`kms:EncryptionContext:${name}`, text]),
  ),
})

/** @throws AwsFault `InvalidKeyUsageException`, `DisabledException`, `KMSInvalidStateException` */
function checkEncrypts(call: Call, key: KmsKeyRecord): void {
  checkUsable(key)
  if (key.keySpec === SYMMETRIC_DEFAULT) return
  throw new AwsFault(
    'InvalidKeyUsageException',
    `${key.arn} key usage is SIGN_VERIFY which is not valid for ${call.operation}.`,
  )
}

function checkAlgorithm(input: TargetInput): void {
  const algorithm = readText(input, 'EncryptionAlgorithm', { oneOf: ALGORITHMS })
  if (algorithm === undefined || algorithm === SYMMETRIC_DEFAULT) return
  throw new AwsFault(
    'InvalidKeyUsageException',
    `Algorithm ${algorithm} is incompatible with key spec ${SYMMETRIC_DEFAULT}.`,
  )
}

async function encrypt(call: Call, input: TargetInput): Promise<unknown> {
  const plaintext = requireBlob(input, 'Plaintext', { min: 1, max: 4096 })
  const context = readContext(input)
  const key = requireKey(call, input, conditionKeysOf(context))
  checkEncrypts(call, key)
  checkAlgorithm(input)
  return {
    KeyId: key.arn,
    CiphertextBlob: sealBytes(key, plaintext, context).toString('base64'),
    EncryptionAlgorithm: SYMMETRIC_DEFAULT,
  }
}

async function decrypt(call: Call, input: TargetInput): Promise<unknown> {
  const sealed = requireBlob(input, 'CiphertextBlob', { min: 1, max: 6144 })
  const context = readContext(input)
  const key = keyOfSealed(call, sealed)
  const named = readText(input, 'KeyId') && requireKey(call, input, conditionKeysOf(context))
  if (key === undefined) throw new AwsFault('InvalidCiphertextException', '')
  if (named && named.arn !== key.arn) {
    throw new AwsFault(
      'IncorrectKeyException',
      'The key ID in the request does not identify a CMK that can perform this operation.',
    )
  }
  if (!named) authorizeKey(call, key, conditionKeysOf(context))
  checkEncrypts(call, key)
  checkAlgorithm(input)
  const plaintext = openBytes(key, sealed, context)
  if (plaintext === undefined) throw new AwsFault('InvalidCiphertextException', '')
  return {
    KeyId: key.arn,
    Plaintext: plaintext.toString('base64'),
    EncryptionAlgorithm: SYMMETRIC_DEFAULT,
  }
}

/** Keys of every account of the region: a policy may let another account's callers decrypt. */
function keyOfSealed(call: Call, sealed: Buffer): KmsKeyRecord | undefined {
  const keyId = keyIdOfSealed(sealed)
  if (keyId === undefined) return undefined
  const isMeant = (key: KmsKeyRecord): boolean =>
    key.keyId === keyId &&
    key.region === call.region &&
    (key.deletionAtMs === undefined || call.nowMs < key.deletionAtMs)
  const { kmsKeys } = call.world.tables
  const own = kmsKeys.get(`${accountOf(call)}/${call.region}/${keyId}`)
  return own !== undefined && isMeant(own) ? own : [...kmsKeys.values()].find(isMeant)
}

function makeDataKey(
  call: Call,
  input: TargetInput,
): { readonly key: KmsKeyRecord; readonly plaintext: Buffer; readonly sealed: Buffer } {
  const spec = readText(input, 'KeySpec', { oneOf: Object.keys(DATA_KEY_BYTES) })
  const count = readNumber(input, 'NumberOfBytes', { min: 1, max: 1024 })
  const context = readContext(input)
  const key = requireKey(call, input, conditionKeysOf(context))
  checkEncrypts(call, key)
  if ((spec === undefined) === (count === undefined)) {
    throw new AwsFault('ValidationException', 'Please specify either number of bytes or key spec.')
  }
  const plaintext = randomBytes(count ?? DATA_KEY_BYTES[spec ?? ''] ?? 0)
  return { key, plaintext, sealed: sealBytes(key, plaintext, context) }
}

async function generateDataKey(call: Call, input: TargetInput): Promise<unknown> {
  const { key, plaintext, sealed } = makeDataKey(call, input)
  return {
    KeyId: key.arn,
    Plaintext: plaintext.toString('base64'),
    CiphertextBlob: sealed.toString('base64'),
  }
}

async function generateDataKeyWithoutPlaintext(call: Call, input: TargetInput): Promise<unknown> {
  const { key, sealed } = makeDataKey(call, input)
  return { KeyId: key.arn, CiphertextBlob: sealed.toString('base64') }
}

export const ENCRYPTION_OPERATIONS: TargetOperations = {
  Encrypt: encrypt,
  Decrypt: decrypt,
  GenerateDataKey: generateDataKey,
  GenerateDataKeyWithoutPlaintext: generateDataKeyWithoutPlaintext,
}
