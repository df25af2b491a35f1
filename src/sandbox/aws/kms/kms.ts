import { randomUUID } from 'node:crypto'
import { authorize } from '../identity/authorization.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOf } from '../wire/pages.ts'
import type { TargetInput, TargetOperations } from '../wire/target.ts'
import { readNumber, readText, requireBlob, requireText } from '../wire/target-input.ts'
import { accountOf, type Call } from '../world.ts'
import { defaultPolicy, notFound, readKeyPolicy } from './access.ts'
import { ALIAS_OPERATIONS } from './aliases.ts'
import { ENCRYPTION_OPERATIONS, SYMMETRIC_DEFAULT } from './encryption.ts'
import { checkUsable, pendingDeletion, requireKey, saveKey, stateOf } from './keys.ts'
import { type KmsKeyRecord, usageOf } from './records.ts'
import { generateSymmetricMaterial } from './sealing.ts'
import { checkTagCount, readKmsTags, tagContext, tagOperations } from './tags.ts'
import {
  digestLength,
  KEY_SPECS,
  publicKeyOf,
  signWith,
  type ToSign,
  verifyWith,
} from './signing.ts'

const DAY_MS = 86_400_000
const algorithmsOf = (key: KmsKeyRecord): readonly string[] =>
  KEY_SPECS.get(key.keySpec)?.algorithms ?? []

function metadataOf(key: KmsKeyRecord): Readonly<Record<string, unknown>> {
  return {
    AWSAccountId: key.accountId,
    KeyId: key.keyId,
    Arn: key.arn,
    CreationDate: key.createdAtMs / 1000,
    Enabled: stateOf(key) === 'Enabled',
    Description: key.description,
    KeyUsage: usageOf(key),
    KeyState: stateOf(key),
    ...(key.deletionAtMs !== undefined && { DeletionDate: key.deletionAtMs / 1000 }),
    Origin: 'AWS_KMS',
    KeyManager: 'CUSTOMER',
    CustomerMasterKeySpec: key.keySpec,
    KeySpec: key.keySpec,
    ...(usageOf(key) === 'SIGN_VERIFY'
      ? { SigningAlgorithms: algorithmsOf(key) }
      : { EncryptionAlgorithms: [SYMMETRIC_DEFAULT] }),
    MultiRegion: false,
  }
}

const unsupported = (message: string): AwsFault =>
  new AwsFault('UnsupportedOperationException', message)

/**
 * How to make the material of a new key.
 * @throws AwsFault `UnsupportedOperationException`, `ValidationException`
 */
function materialFor(keySpec: string, usage: string | undefined): () => Promise<string> {
  if (keySpec === SYMMETRIC_DEFAULT) {
    if ((usage ?? 'ENCRYPT_DECRYPT') === 'ENCRYPT_DECRYPT') {
      return async () => generateSymmetricMaterial()
    }
    throw new AwsFault(
      'ValidationException',
      `KeyUsage ${(usage ?? '').slice(0, 40)} is not compatible with KeySpec ${keySpec}`,
    )
  }
  const spec = KEY_SPECS.get(keySpec)
  if (spec === undefined) {
    throw unsupported(
      `The sandbox makes no keys of spec ${keySpec.slice(0, 40)}: wanted one of ${[SYMMETRIC_DEFAULT, ...KEY_SPECS.keys()].join(', ')}`,
    )
  }
  if (usage === undefined) {
    throw new AwsFault(
      'ValidationException',
      'You must specify a KeyUsage value for an asymmetric KMS key.',
    )
  }
  if (usage !== 'SIGN_VERIFY') throw unsupported(`KeyUsage ${usage.slice(0, 40)} is not served`)
  return async () => (await spec.generate()).export({ format: 'pem', type: 'pkcs8' })
}

async function createKey(call: Call, input: TargetInput): Promise<unknown> {
  const keySpec =
    readText(input, 'KeySpec') ?? readText(input, 'CustomerMasterKeySpec') ?? 'SYMMETRIC_DEFAULT'
  const usage = readText(input, 'KeyUsage')
  const description = readText(input, 'Description', { max: 8192 }) ?? ''
  const policy = readText(input, 'Policy', { min: 1, max: 131_072 })
  const tags = readKmsTags(input)
  checkTagCount(call, tags)
  authorize(call, {
    action: 'kms:CreateKey',
    resource: '*',
    context: { 'kms:KeySpec': keySpec, 'kms:KeyUsage': usage ?? '', ...tagContext(tags) },
  })
  const makeMaterial = materialFor(keySpec, usage)
  const { world, region } = call
  const accountId = accountOf(call)
  const read = readKeyPolicy(call, policy ?? defaultPolicy(world.partition, accountId))
  const keyId = randomUUID()
  const key: KmsKeyRecord = {
    accountId,
    region,
    keyId,
    arn: `arn:${world.partition}:kms:${region}:${accountId}:key/${keyId}`,
    description,
    keySpec,
    material: await makeMaterial(),
    ...read,
    enabled: true,
    tags,
    createdAtMs: call.nowMs,
  }
  saveKey(call, key)
  return { KeyMetadata: metadataOf(key) }
}

async function getPublicKey(call: Call, input: TargetInput): Promise<unknown> {
  const key = requireKey(call, input)
  checkUsable(key)
  if (usageOf(key) !== 'SIGN_VERIFY') {
    throw unsupported(`${key.arn} is a symmetric key: it has no public key.`)
  }
  return {
    KeyId: key.arn,
    PublicKey: publicKeyOf(key).toString('base64'),
    CustomerMasterKeySpec: key.keySpec,
    KeySpec: key.keySpec,
    KeyUsage: 'SIGN_VERIFY',
    SigningAlgorithms: algorithmsOf(key),
  }
}

/** What Sign and Verify share: the key, and what the signature is over. */
function readToSign(call: Call, input: TargetInput): { key: KmsKeyRecord; what: ToSign } {
  const algorithm = requireText(input, 'SigningAlgorithm')
  const type = readText(input, 'MessageType', { oneOf: ['RAW', 'DIGEST', 'EXTERNAL_MU'] }) ?? 'RAW'
  const message = requireBlob(input, 'Message', { min: 1, max: 4096 })
  const key = requireKey(call, input, {
    'kms:SigningAlgorithm': algorithm,
    'kms:MessageType': type,
  })
  checkUsable(key)
  if (usageOf(key) !== 'SIGN_VERIFY') {
    throw new AwsFault(
      'InvalidKeyUsageException',
      `${key.arn} key usage is ${usageOf(key)} which is not valid for ${call.operation}.`,
    )
  }
  if (!algorithmsOf(key).includes(algorithm)) {
    throw new AwsFault(
      'InvalidKeyUsageException',
      `Algorithm ${algorithm.slice(0, 40)} is incompatible with key spec ${key.keySpec}.`,
    )
  }
  if (type === 'EXTERNAL_MU') {
    throw new AwsFault('ValidationException', 'EXTERNAL_MU is for ML-DSA keys only')
  }
  if (type === 'DIGEST' && message.length !== digestLength(algorithm)) {
    throw new AwsFault(
      'ValidationException',
      `Digest is invalid length for algorithm ${algorithm}.`,
    )
  }
  return { key, what: { algorithm, message, isDigest: type === 'DIGEST' } }
}

async function signMessage(call: Call, input: TargetInput): Promise<unknown> {
  const { key, what } = readToSign(call, input)
  return {
    KeyId: key.arn,
    Signature: signWith(key, what).toString('base64'),
    SigningAlgorithm: what.algorithm,
  }
}

async function verifyMessage(call: Call, input: TargetInput): Promise<unknown> {
  const signature = requireBlob(input, 'Signature', { min: 1, max: 6144 })
  const { key, what } = readToSign(call, input)
  if (!verifyWith(key, what, signature)) {
    throw new AwsFault('KMSInvalidSignatureException', '')
  }
  return { KeyId: key.arn, SignatureValid: true, SigningAlgorithm: what.algorithm }
}

async function describeKey(call: Call, input: TargetInput): Promise<unknown> {
  return { KeyMetadata: metadataOf(requireKey(call, input)) }
}

async function listKeys(call: Call, input: TargetInput): Promise<unknown> {
  const limit = readNumber(input, 'Limit', { min: 1, max: 1000 }) ?? 100
  const token = readText(input, 'Marker', { min: 1, max: 1024 })
  authorize(call, { action: 'kms:ListKeys', resource: '*' })
  const own = [...call.world.tables.kmsKeys.values()].filter(
    ({ accountId, region }) => accountId === accountOf(call) && region === call.region,
  )
  const page = pageOf(own, ({ keyId }) => keyId, { limit, token, fault: 'InvalidMarkerException' })
  return {
    Keys: page.items.map(({ keyId, arn }) => ({ KeyId: keyId, KeyArn: arn })),
    Truncated: page.next !== undefined,
    ...(page.next !== undefined && { NextMarker: page.next }),
  }
}

async function scheduleKeyDeletion(call: Call, input: TargetInput): Promise<unknown> {
  const days = readNumber(input, 'PendingWindowInDays', { min: 7, max: 30 }) ?? 30
  const key = requireKey(call, input, {
    'kms:ScheduleKeyDeletionPendingWindowInDays': String(days),
  })
  if (key.deletionAtMs !== undefined) throw pendingDeletion(key)
  const deletionAtMs = call.nowMs + days * DAY_MS
  saveKey(call, { ...key, enabled: false, deletionAtMs })
  return {
    KeyId: key.arn,
    DeletionDate: deletionAtMs / 1000,
    KeyState: 'PendingDeletion',
    PendingWindowInDays: days,
  }
}

async function cancelKeyDeletion(call: Call, input: TargetInput): Promise<unknown> {
  const key = requireKey(call, input)
  const { deletionAtMs, ...kept } = key
  if (deletionAtMs === undefined) {
    throw new AwsFault('KMSInvalidStateException', `${key.arn} is not pending deletion.`)
  }
  saveKey(call, kept)
  return { KeyId: key.arn }
}

const setEnabled =
  (enabled: boolean) =>
  async (call: Call, input: TargetInput): Promise<unknown> => {
    const key = requireKey(call, input)
    if (key.deletionAtMs !== undefined) throw pendingDeletion(key)
    saveKey(call, { ...key, enabled })
    return undefined
  }

async function getKeyPolicy(call: Call, input: TargetInput): Promise<unknown> {
  checkPolicyName(input)
  const key = requireKey(call, input)
  return { Policy: key.policy, PolicyName: 'default' }
}

async function putKeyPolicy(call: Call, input: TargetInput): Promise<unknown> {
  checkPolicyName(input)
  const text = requireText(input, 'Policy', { min: 1, max: 131_072 })
  const key = requireKey(call, input)
  saveKey(call, { ...key, ...readKeyPolicy(call, text) })
  return undefined
}

function checkPolicyName(input: TargetInput): void {
  if ((readText(input, 'PolicyName') ?? 'default') !== 'default') {
    throw notFound('No such policy exists')
  }
}

async function listKeyPolicies(call: Call, input: TargetInput): Promise<unknown> {
  readNumber(input, 'Limit', { min: 1, max: 1000 })
  requireKey(call, input)
  return { PolicyNames: ['default'], Truncated: false }
}

async function updateKeyDescription(call: Call, input: TargetInput): Promise<unknown> {
  const description = requireText(input, 'Description', { max: 8192 })
  const key = requireKey(call, input)
  if (key.deletionAtMs !== undefined) throw pendingDeletion(key)
  saveKey(call, { ...key, description })
  return undefined
}

/** KMS's operations, API version 2014-11-01, of symmetric keys and of asymmetric ones that sign. */
export const KMS_OPERATIONS: TargetOperations = {
  CreateKey: createKey,
  DescribeKey: describeKey,
  ListKeys: listKeys,
  GetPublicKey: getPublicKey,
  Sign: signMessage,
  Verify: verifyMessage,
  EnableKey: setEnabled(true),
  DisableKey: setEnabled(false),
  GetKeyPolicy: getKeyPolicy,
  PutKeyPolicy: putKeyPolicy,
  ListKeyPolicies: listKeyPolicies,
  UpdateKeyDescription: updateKeyDescription,
  ScheduleKeyDeletion: scheduleKeyDeletion,
  CancelKeyDeletion: cancelKeyDeletion,
  ...ENCRYPTION_OPERATIONS,
  ...ALIAS_OPERATIONS,
  ...tagOperations({ require: requireKey, save: saveKey }),
}
