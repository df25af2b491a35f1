import { createHash, createPublicKey, verify } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  type Keys,
  REGION,
  startAwsFixture,
} from '../aws-fixture.suite.ts'
import { type Answer, callKms, roleKeys } from './kms.suite.ts'

let fixture: AwsFixture
beforeAll(async () => {
  fixture = await startAwsFixture()
})
afterAll(() => fixture.stop())

const kms = (operation: string, input: object, keys?: Keys): ReturnType<typeof callKms> =>
  callKms(fixture, operation, input, keys)

async function createKey(KeySpec: string, more: object = {}): Promise<string> {
  const { status, body } = await kms('CreateKey', { KeySpec, KeyUsage: 'SIGN_VERIFY', ...more })
  expect(status).toBe(200)
  return (body['KeyMetadata'] as { KeyId: string }).KeyId
}

describe('signatures', () => {
  test.each([
    ['ECC_NIST_P256', 'ECDSA_SHA_256'],
    ['ECC_NIST_P384', 'ECDSA_SHA_384'],
    ['ECC_NIST_P521', 'ECDSA_SHA_512'],
    ['RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_256'],
    ['RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_512'],
    ['RSA_2048', 'RSASSA_PSS_SHA_256'],
    ['RSA_2048', 'RSASSA_PSS_SHA_384'],
  ])('%s, %s: of a message and of its digest, good outside and inside', async (spec, algorithm) => {
    const KeyId = await createKey(spec)
    const hash = `sha${algorithm.slice(-3)}`
    const message = Buffer.from('header.payload')
    const digest = createHash(hash).update(message).digest('base64')
    const found = await kms('GetPublicKey', { KeyId })
    const der = Buffer.from(String(found.body['PublicKey']), 'base64')
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
    const options = algorithm.includes('PSS')
      ? { key, padding: 6, saltLength: Number(algorithm.slice(-3)) / 8 }
      : key
    const asked = { KeyId, SigningAlgorithm: algorithm }
    for (const how of [
      { Message: message.toString('base64') },
      { Message: digest, MessageType: 'DIGEST' },
    ]) {
      const { body } = await kms('Sign', { ...asked, ...how })
      const Signature = String(body['Signature'])
      expect(verify(hash, message, options, Buffer.from(Signature, 'base64'))).toBe(true)
      for (const check of [
        { Message: message.toString('base64') },
        { Message: digest, MessageType: 'DIGEST' },
      ]) {
        const verified = await kms('Verify', { ...asked, ...check, Signature })
        expect(verified.body['SignatureValid']).toBe(true)
      }
      const other = createHash(hash).update('other').digest('base64')
      for (const wrong of [{ Message: 'b3RoZXI=' }, { Message: other, MessageType: 'DIGEST' }]) {
        const refused = await kms('Verify', { ...asked, ...wrong, Signature })
        expect(refused.status).toBe(400)
        expect(refused.body['__type']).toBe('KMSInvalidSignatureException')
      }
    }
  })

  test('are refused for what does not fit', async () => {
    const KeyId = await createKey('ECC_NIST_P256')
    const refusalOf = async (input: object): Promise<unknown> =>
      (await kms('Sign', { KeyId, Message: 'YQ==', ...input })).body['__type']
    expect(await refusalOf({ SigningAlgorithm: 'ECDSA_SHA_384' })).toBe('InvalidKeyUsageException')
    const algorithm = { SigningAlgorithm: 'ECDSA_SHA_256' }
    expect(await refusalOf({ ...algorithm, MessageType: 'DIGEST' })).toBe('ValidationException')
    expect(await refusalOf({})).toBe('ValidationException')
    expect(await refusalOf({ ...algorithm, KeyId: 'nope' })).toBe('NotFoundException')
    expect(await refusalOf({ ...algorithm, Message: '%' })).toBe('SerializationException')
    const large = Buffer.alloc(4097).toString('base64')
    expect(await refusalOf({ ...algorithm, Message: large })).toBe('ValidationException')
    await kms('DisableKey', { KeyId })
    expect(await refusalOf(algorithm)).toBe('DisabledException')
    await kms('EnableKey', { KeyId })
    expect(await refusalOf(algorithm)).toBeUndefined()
  })
})

describe('keys', () => {
  test('are described, listed with pages, and gone after their window', async () => {
    const KeyId = await createKey('ECC_NIST_P256', { Description: 'signer' })
    const described = await kms('DescribeKey', { KeyId })
    expect(described.body['KeyMetadata']).toMatchObject({
      Arn: `arn:aws:kms:${REGION}:${ACCOUNT}:key/${KeyId}`,
      Description: 'signer',
      KeyState: 'Enabled',
      SigningAlgorithms: ['ECDSA_SHA_256'],
    })
    const ids: string[] = []
    let Marker: unknown
    do {
      const { body } = await kms('ListKeys', { Limit: 2, ...(Marker !== undefined && { Marker }) })
      ids.push(...(body['Keys'] as { KeyId: string }[]).map((key) => key.KeyId))
      Marker = body['NextMarker']
    } while (Marker !== undefined)
    expect(ids).toContain(KeyId)
    expect(new Set(ids).size).toBe(ids.length)
    const early = await kms('ScheduleKeyDeletion', { KeyId, PendingWindowInDays: 6 })
    expect(early.body['__type']).toBe('ValidationException')
    const pending = await kms('ScheduleKeyDeletion', { KeyId, PendingWindowInDays: 7 })
    expect(pending.body['KeyState']).toBe('PendingDeletion')
    const use = { KeyId, Message: 'YQ==', SigningAlgorithm: 'ECDSA_SHA_256' }
    expect((await kms('Sign', use)).body['__type']).toBe('KMSInvalidStateException')
    expect((await kms('EnableKey', { KeyId })).body['__type']).toBe('KMSInvalidStateException')
    fixture.clock.advance(7 * 86_400_000)
    expect((await kms('DescribeKey', { KeyId })).body['__type']).toBe('NotFoundException')
    // The AWS SDK's clients sign with the machine's time.
    fixture.clock.advance(-7 * 86_400_000)
  })

  test('have aliases', async () => {
    const TargetKeyId = await createKey('ECC_NIST_P256')
    const AliasName = 'alias/issuer'
    expect((await kms('CreateAlias', { AliasName, TargetKeyId })).status).toBe(200)
    const twice = await kms('CreateAlias', { AliasName, TargetKeyId })
    expect(twice.body['__type']).toBe('AlreadyExistsException')
    const bad = await kms('CreateAlias', { AliasName: 'issuer', TargetKeyId })
    expect(bad.body['__type']).toBe('InvalidAliasNameException')
    const signed = await kms('Sign', {
      KeyId: `arn:aws:kms:${REGION}:${ACCOUNT}:${AliasName}`,
      Message: 'YQ==',
      SigningAlgorithm: 'ECDSA_SHA_256',
    })
    expect(String(signed.body['KeyId'])).toEndWith(TargetKeyId)
    const { body } = await kms('ListAliases', { KeyId: TargetKeyId })
    expect(body['Aliases']).toMatchObject([{ AliasName, TargetKeyId }])
    await kms('DeleteAlias', { AliasName })
    expect((await kms('DescribeKey', { KeyId: AliasName })).body['__type']).toBe(
      'NotFoundException',
    )
  })

  test('of other kinds are refused', async () => {
    const codeOf = async (input: object): Promise<unknown> =>
      (await kms('CreateKey', input)).body['__type']
    expect(await codeOf({ KeySpec: 'HMAC_256' })).toBe('UnsupportedOperationException')
    expect(await codeOf({ KeySpec: 'ECC_NIST_P256' })).toBe('ValidationException')
    const spec = { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }
    expect(await codeOf({ ...spec, Policy: '{' })).toBe('MalformedPolicyDocumentException')
    const nobody = { AWS: `arn:aws:iam::${ACCOUNT}:role/nobody` }
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: nobody, Action: 'kms:*', Resource: '*' }],
    })
    expect(await codeOf({ ...spec, Policy })).toBe('MalformedPolicyDocumentException')
  })
})

describe('key policies', () => {
  const sign = (KeyId: string, keys: Keys): Promise<{ status: number; body: Answer }> =>
    kms('Sign', { KeyId, Message: 'YQ==', SigningAlgorithm: 'ECDSA_SHA_256' }, keys)
  const policyOf = (principal: string, action = 'kms:*'): string =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Principal: { AWS: principal }, Action: action, Resource: '*' },
      ],
    })

  test("hand over to IAM's policies by naming the account, and to nobody else", async () => {
    const allowed = await roleKeys(fixture, 'signer', allowOf('kms:Sign'))
    const bare = await roleKeys(fixture, 'bare', allowOf('s3:*'))
    const KeyId = await createKey('ECC_NIST_P256')
    expect((await sign(KeyId, allowed)).status).toBe(200)
    const refused = await sign(KeyId, bare)
    expect(refused.status).toBe(400)
    expect(refused.body['__type']).toBe('AccessDeniedException')
    // No policy of IAM's helps where the key's own does not let anybody in by IAM.
    const bareArn = `arn:aws:iam::${ACCOUNT}:role/bare`
    const Policy = policyOf(bareArn, 'kms:Sign')
    expect((await kms('PutKeyPolicy', { KeyId, Policy })).status).toBe(200)
    expect((await sign(KeyId, bare)).status).toBe(200)
    expect((await sign(KeyId, allowed)).body['__type']).toBe('AccessDeniedException')
    expect((await sign(KeyId, fixture.admin)).body['__type']).toBe('AccessDeniedException')
  })

  test('let another account in where its own policies allow it', async () => {
    const KeyId = await createKey('ECC_NIST_P256')
    const arn = `arn:aws:kms:${REGION}:${ACCOUNT}:key/${KeyId}`
    expect((await sign(arn, fixture.otherAdmin)).body['__type']).toBe('AccessDeniedException')
    const root = (account: string): string => `arn:aws:iam::${account}:root`
    const both = JSON.stringify({
      Version: '2012-10-17',
      Statement: ['111122223333', '444455556666'].map((account) => ({
        Effect: 'Allow',
        Principal: { AWS: root(account) },
        Action: 'kms:*',
        Resource: '*',
      })),
    })
    await kms('PutKeyPolicy', { KeyId, Policy: both })
    expect((await sign(arn, fixture.otherAdmin)).status).toBe(200)
  })
})

test('a wrong signature, an unknown operation and no signature are refused', async () => {
  const wrong = { ...fixture.admin, secretAccessKey: 'x'.repeat(40) }
  expect((await kms('ListKeys', {}, wrong)).body['__type']).toBe('InvalidSignatureException')
  expect((await kms('GenerateMac', {})).body['__type']).toBe('UnknownOperationException')
  const plain = await fetch(fixture.endpoint, {
    method: 'POST',
    headers: { 'x-amz-target': 'TrentService.ListKeys' },
    body: '{}',
    proxy: false,
    signal: AbortSignal.timeout(10_000),
  })
  expect(await plain.json()).toMatchObject({ __type: 'MissingAuthenticationTokenException' })
})
