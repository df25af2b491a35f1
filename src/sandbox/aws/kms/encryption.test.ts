import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type AwsFixture, type Keys, startAwsFixture } from '../aws-fixture.suite.ts'
import { type Answer, callKms, roleKeys } from './kms.suite.ts'

let fixture: AwsFixture
beforeAll(async () => {
  fixture = await startAwsFixture()
})
afterAll(() => fixture.stop())

const kms = (operation: string, input: object, keys?: Keys): ReturnType<typeof callKms> =>
  callKms(fixture, operation, input, keys)
const answerOf = async (operation: string, input: object, keys?: Keys): Promise<Answer> =>
  (await kms(operation, input, keys)).body
const codeOf = async (operation: string, input: object, keys?: Keys): Promise<unknown> =>
  (await answerOf(operation, input, keys))['__type']
const createKey = async (input: object = {}): Promise<{ KeyId: string; Arn: string }> =>
  (await answerOf('CreateKey', input))['KeyMetadata'] as { KeyId: string; Arn: string }

const Plaintext = Buffer.from('a private key').toString('base64')
const EncryptionContext = { kid: 'abc', purpose: 'signing' }

describe('a symmetric key', () => {
  test('is what CreateKey makes when nothing is said, and it encrypts', async () => {
    const metadata = await createKey()
    expect(metadata).toMatchObject({
      KeySpec: 'SYMMETRIC_DEFAULT',
      KeyUsage: 'ENCRYPT_DECRYPT',
      EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
    })
    expect(metadata).not.toHaveProperty('SigningAlgorithms')
    const { KeyId, Arn } = metadata
    const sealed = await answerOf('Encrypt', { KeyId, Plaintext, EncryptionContext })
    const again = await answerOf('Encrypt', { KeyId, Plaintext, EncryptionContext })
    expect(sealed['KeyId']).toBe(Arn)
    expect(sealed['CiphertextBlob']).not.toBe(again['CiphertextBlob'])
    const { CiphertextBlob } = sealed
    const turned = { purpose: 'signing', kid: 'abc' }
    expect(await answerOf('Decrypt', { CiphertextBlob, EncryptionContext: turned })).toEqual({
      KeyId: Arn,
      Plaintext,
      EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    })
  })

  test('opens nothing of another context, another key, or that was changed', async () => {
    const { KeyId } = await createKey()
    const other = await createKey()
    const { CiphertextBlob } = await answerOf('Encrypt', { KeyId, Plaintext, EncryptionContext })
    const open = (input: object): Promise<unknown> =>
      codeOf('Decrypt', { CiphertextBlob, EncryptionContext, ...input })
    expect(await open({ KeyId })).toBeUndefined()
    expect(await open({ EncryptionContext: {} })).toBe('InvalidCiphertextException')
    expect(await open({ EncryptionContext: { ...EncryptionContext, kid: 'b' } })).toBe(
      'InvalidCiphertextException',
    )
    expect(await open({ KeyId: other.KeyId })).toBe('IncorrectKeyException')
    const bytes = Buffer.from(String(CiphertextBlob), 'base64')
    for (const at of [0, 1, 20, 30, bytes.length - 1]) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(await open({ CiphertextBlob: changed.toString('base64') })).toBe(
        'InvalidCiphertextException',
      )
    }
    expect(await open({ CiphertextBlob: 'AQ==' })).toBe('InvalidCiphertextException')
  })

  test('gives data keys of the size that is asked for', async () => {
    const { KeyId } = await createKey()
    for (const [how, bytes] of [
      [{ KeySpec: 'AES_256' }, 32],
      [{ KeySpec: 'AES_128' }, 16],
      [{ NumberOfBytes: 64 }, 64],
    ] as const) {
      const made = await answerOf('GenerateDataKey', { KeyId, ...how, EncryptionContext })
      expect(Buffer.from(String(made['Plaintext']), 'base64')).toHaveLength(bytes)
      const { CiphertextBlob } = made
      const opened = await answerOf('Decrypt', { CiphertextBlob, EncryptionContext })
      expect(opened['Plaintext']).toBe(made['Plaintext'])
    }
    const secret = await answerOf('GenerateDataKeyWithoutPlaintext', { KeyId, KeySpec: 'AES_256' })
    expect(secret).not.toHaveProperty('Plaintext')
    const { CiphertextBlob } = secret
    expect((await kms('Decrypt', { CiphertextBlob })).status).toBe(200)
    expect(await codeOf('GenerateDataKey', { KeyId })).toBe('ValidationException')
    expect(await codeOf('GenerateDataKey', { KeyId, KeySpec: 'AES_256', NumberOfBytes: 1 })).toBe(
      'ValidationException',
    )
  })

  test('signs nothing, has no public key, and a signing key encrypts nothing', async () => {
    const { KeyId } = await createKey()
    expect(await codeOf('GetPublicKey', { KeyId })).toBe('UnsupportedOperationException')
    expect(
      await codeOf('Sign', { KeyId, Message: 'YQ==', SigningAlgorithm: 'ECDSA_SHA_256' }),
    ).toBe('InvalidKeyUsageException')
    expect(await codeOf('CreateKey', { KeyUsage: 'SIGN_VERIFY' })).toBe('ValidationException')
    const signer = await createKey({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' })
    expect(await codeOf('Encrypt', { KeyId: signer.KeyId, Plaintext })).toBe(
      'InvalidKeyUsageException',
    )
  })

  test('refuses what does not fit, and everything while it is disabled', async () => {
    const { KeyId } = await createKey()
    const encrypt = (input: object): Promise<unknown> =>
      codeOf('Encrypt', { KeyId, Plaintext, ...input })
    expect(await encrypt({ Plaintext: '' })).toBe('ValidationException')
    expect(await encrypt({ Plaintext: Buffer.alloc(4097).toString('base64') })).toBe(
      'ValidationException',
    )
    expect(await encrypt({ EncryptionContext: 'x' })).toBe('SerializationException')
    expect(await encrypt({ EncryptionContext: { a: 1 } })).toBe('SerializationException')
    expect(await encrypt({ EncryptionContext: { a: 'x'.repeat(8200) } })).toBe(
      'ValidationException',
    )
    expect(await encrypt({ EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' })).toBe(
      'InvalidKeyUsageException',
    )
    const { CiphertextBlob } = await answerOf('Encrypt', { KeyId, Plaintext })
    await kms('DisableKey', { KeyId })
    expect(await encrypt({})).toBe('DisabledException')
    expect(await codeOf('Decrypt', { CiphertextBlob })).toBe('DisabledException')
  })

  test('may be allowed for one encryption context alone', async () => {
    const { KeyId } = await createKey()
    const Condition = { StringEquals: { 'kms:EncryptionContext:kid': 'abc' } }
    const Statement = [{ Effect: 'Allow', Action: 'kms:Encrypt', Resource: '*', Condition }]
    const policy = JSON.stringify({ Version: '2012-10-17', Statement })
    const keys = await roleKeys(fixture, 'sealer', policy)
    const encrypt = (context: object): Promise<unknown> =>
      codeOf('Encrypt', { KeyId, Plaintext, EncryptionContext: context }, keys)
    expect(await encrypt({ kid: 'abc' })).toBeUndefined()
    expect(await encrypt({ kid: 'abd' })).toBe('AccessDeniedException')
    expect(await encrypt({})).toBe('AccessDeniedException')
  })
})
