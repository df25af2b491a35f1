/** Sealing with a symmetric key of AWS KMS, which never leaves it. */
import type { DecryptCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms'
import { messageOf, PodroleError } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import { type KeySealer, type SealedFor, unreadable } from './sealer.ts'

/** A sealed key is this and KMS's ciphertext in base64. */
const PREFIX = 'kms:'
/** What one call may take in all, its retries included. */
const TIMEOUT_MS = 10_000

/** The name that a key's policy can condition on: `kms:EncryptionContext:podrole:issuer`. */
const contextOf = ({ issuer, kid }: SealedFor): Record<string, string> => ({
  'podrole:issuer': issuer,
  'podrole:kid': kid,
})

/** KMS as the AWS SDK gives it; it is loaded where it is used. */
export interface Kms {
  readonly sdk: {
    readonly DecryptCommand: typeof DecryptCommand
    readonly EncryptCommand: typeof EncryptCommand
  }
  readonly client: KMSClient
}

/**
 * KMS as every AWS tool reaches it: the standard credential chain, AWS_REGION, AWS_ENDPOINT_URL.
 * @param keyId the region of an ARN counts before AWS_REGION
 */
export async function openKms(keyId: string): Promise<Kms & { close(): void }> {
  const sdk = await import('@aws-sdk/client-kms')
  const [, region] = /^arn:[a-z0-9-]+:kms:([a-z0-9-]+):/.exec(keyId) ?? []
  const client = new sdk.KMSClient({ ...(region !== undefined && { region }) })
  return { sdk, client, close: () => client.destroy() }
}

/**
 * A sealer that needs `kms:Encrypt` and `kms:Decrypt` on a symmetric key; an exported private key
 * has at most 3,300 bytes of the 4,096 that KMS encrypts (KMS API Reference, Encrypt).
 * @param keyId a key's or alias's ARN
 */
export function createKmsSealer({ sdk, client }: Kms, keyId: string): KeySealer {
  const limit = (): { abortSignal: AbortSignal } => ({
    abortSignal: AbortSignal.timeout(TIMEOUT_MS),
  })
  return {
    name: keyId,
    seals: (text) => text.startsWith(PREFIX),
    seal: async (key, of) => {
      try {
        const { CiphertextBlob = new Uint8Array() } = await client.send(
          new sdk.EncryptCommand({
            KeyId: keyId,
            Plaintext: Buffer.from(key.reveal()),
            EncryptionContext: contextOf(of),
          }),
          limit(),
        )
        return PREFIX + Buffer.from(CiphertextBlob).toString('base64')
      } catch (cause) {
        throw new PodroleError(
          'SealingFailed',
          `key ${of.kid} of ${of.issuer} is not sealed: KMS says ${messageOf(cause)}`,
          { cause, hint: `kms:Encrypt on ${keyId} is needed` },
        )
      }
    },
    open: async (text, of) => {
      try {
        const { Plaintext = new Uint8Array() } = await client.send(
          new sdk.DecryptCommand({
            KeyId: keyId,
            CiphertextBlob: Buffer.from(text.slice(PREFIX.length), 'base64'),
            EncryptionContext: contextOf(of),
          }),
          limit(),
        )
        return new Secret(Buffer.from(Plaintext).toString())
      } catch (cause) {
        // InvalidCiphertextException comes without a message.
        const name = cause instanceof Error ? `${cause.name} ` : ''
        throw unreadable(
          of,
          `KMS says ${name}${messageOf(cause)}`.trim(),
          `kms:Decrypt on ${keyId} is needed, which must be the key that it was sealed with`,
          cause,
        )
      }
    },
  }
}
