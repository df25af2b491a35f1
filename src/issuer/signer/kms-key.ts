import { createHash, createPublicKey } from 'node:crypto'
import type * as Sdk from '@aws-sdk/client-kms'
import { callSdk } from '../../aws/sdk-fault.ts'
import { tryParseArn } from '../../iam/arn.ts'
import { PodroleError } from '../../lib/errors.ts'
import { jwsHeader } from '../sign.ts'
import { type PublicSigningKey, type SigningAlgorithm, suitableKey } from '../keys.ts'
import { checkPair } from './active-key.ts'
import { rawSignature } from './ecdsa-signature.ts'
import type { ActiveKey } from './signing-source.ts'

/** Finds the key behind an ARN, and holds its public half against what is published. */
export type KmsKeys = (arn: string, published: PublicSigningKey) => Promise<ActiveKey>

/** KMS's names; `bytes` are those of r and of s. Source: KMS API Reference, Sign. */
const ALGORITHMS = {
  RS256: { name: 'RSASSA_PKCS1_V1_5_SHA_256', hash: 'sha256', bytes: undefined },
  ES256: { name: 'ECDSA_SHA_256', hash: 'sha256', bytes: 32 },
  ES384: { name: 'ECDSA_SHA_384', hash: 'sha384', bytes: 48 },
  ES512: { name: 'ECDSA_SHA_512', hash: 'sha512', bytes: 66 },
} as const satisfies Readonly<Record<SigningAlgorithm, object>>

const KEY = /^key\/[A-Za-z0-9-]{1,256}$/
/** An API server waits for a signature; a call that hangs is asked again. */
const TIMES = { requestTimeout: 3000, connectionTimeout: 2000, throwOnRequestTimeout: true }

/**
 * Asymmetric keys of AWS KMS (kms:GetPublicKey, kms:Sign), by the AWS SDK's own credential chain;
 * each key's public half is asked for once, since it never changes.
 */
export function createKmsKeys(
  more: Pick<Sdk.KMSClientConfig, 'endpoint' | 'credentials'> = {},
): KmsKeys {
  const clients = new Map<string, Sdk.KMSClient>()
  const found = new Map<string, PublicSigningKey>()
  return async (arn, published) => {
    const region = regionOf(arn)
    const sdk = await import('@aws-sdk/client-kms')
    const client =
      clients.get(region) ?? new sdk.KMSClient({ ...more, region, requestHandler: TIMES })
    clients.set(region, client)
    const own = found.get(arn) ?? (await readPublicKey({ sdk, client }, arn))
    found.set(arn, own)
    checkPair(own, published, arn)
    return kmsKey({ sdk, client }, arn, own)
  }
}

/**
 * The public half of an asymmetric key of AWS KMS (kms:GetPublicKey).
 * @throws PodroleError `InvalidKmsKey`, a refusal of KMS, or what is wrong with the key
 */
export async function findKmsKey(arn: string): Promise<PublicSigningKey> {
  const region = regionOf(arn)
  const sdk = await import('@aws-sdk/client-kms')
  const client = new sdk.KMSClient({ region, requestHandler: TIMES })
  try {
    return await readPublicKey({ sdk, client }, arn)
  } finally {
    client.destroy()
  }
}

/** @throws PodroleError `InvalidKmsKey` */
function regionOf(arn: string): string {
  const parts = tryParseArn(arn)
  // An alias may come to mean another key.
  if (parts?.service === 'kms' && KEY.test(parts.resource) && parts.region !== '') {
    return parts.region
  }
  throw new PodroleError(
    'InvalidKmsKey',
    `${JSON.stringify(arn.slice(0, 300))} is no key of AWS KMS: wanted arn:PARTITION:kms:REGION:ACCOUNT:key/ID`,
  )
}

interface Kms {
  readonly sdk: typeof Sdk
  readonly client: Sdk.KMSClient
}

async function readPublicKey({ sdk, client }: Kms, arn: string): Promise<PublicSigningKey> {
  const { PublicKey, KeyUsage } = await callSdk(`GetPublicKey ${arn}`, () =>
    client.send(new sdk.GetPublicKeyCommand({ KeyId: arn })),
  )
  if (PublicKey === undefined || KeyUsage !== 'SIGN_VERIFY') {
    throw new PodroleError('InvalidKmsKey', `${arn} is for ${KeyUsage}: wanted SIGN_VERIFY`)
  }
  const key = Buffer.from(PublicKey)
  return suitableKey(() => createPublicKey({ key, format: 'der', type: 'spki' }), arn)
}

function kmsKey({ sdk, client }: Kms, arn: string, own: PublicSigningKey): ActiveKey {
  const algorithm = own.publicJwk.alg as SigningAlgorithm
  const { name, hash, bytes } = ALGORITHMS[algorithm]
  return {
    kid: own.kid,
    algorithm,
    header: jwsHeader({ algorithm, kid: own.kid }),
    sign: async (data) => {
      // The digest, since KMS takes no message over 4,096 bytes.
      const Message = createHash(hash).update(data).digest()
      const { Signature } = await callSdk(`Sign ${arn}`, () =>
        client.send(
          new sdk.SignCommand({
            KeyId: arn,
            Message,
            MessageType: 'DIGEST',
            SigningAlgorithm: name,
          }),
        ),
      )
      if (Signature === undefined) {
        throw new PodroleError('InvalidServiceAnswer', `KMS gave no signature of ${arn}`)
      }
      return bytes === undefined ? Buffer.from(Signature) : rawSignature(Signature, bytes)
    },
  }
}
