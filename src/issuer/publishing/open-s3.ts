import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { partitionOfRegion } from '../../iam/partitions.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { S3 } from './s3-store.ts'

export interface OpenS3 extends S3 {
  readonly region: string
  /**
   * The account of the caller.
   * @throws what the AWS SDK throws
   */
  accountId(): Promise<string>
  close(): void
}

/** What one attempt may take; without the last the SDK only warns and goes on waiting. */
const REQUEST_HANDLER = {
  requestTimeout: 20_000,
  connectionTimeout: 5000,
  throwOnRequestTimeout: true,
}

/**
 * S3 as every AWS tool reaches it: the standard credential chain, AWS_REGION, AWS_ENDPOINT_URL and
 * AWS_ENDPOINT_URL_S3. The SDK is loaded here.
 * @throws PodroleError `NoRegion`, `InvalidRegion`
 */
export async function openS3(asked: string | undefined, profile?: string): Promise<OpenS3> {
  const sdk = await import('@aws-sdk/client-s3')
  const config: S3ClientConfig = {
    ...(asked !== undefined && { region: asked }),
    ...(profile !== undefined && { profile }),
    // As the issuer's own URL: names with dots are in no certificate of S3's.
    forcePathStyle: true,
    requestHandler: REQUEST_HANDLER,
  }
  const client = new sdk.S3Client(config)
  const region = await regionOf(client)
  partitionOfRegion(region)
  return {
    sdk,
    client,
    region,
    accountId: async () => {
      const { GetCallerIdentityCommand, STSClient } = await import('@aws-sdk/client-sts')
      const sts = new STSClient({
        region,
        requestHandler: REQUEST_HANDLER,
        ...(profile !== undefined && { profile }),
      })
      try {
        return (await sts.send(new GetCallerIdentityCommand({}))).Account ?? ''
      } finally {
        sts.destroy()
      }
    },
    close: () => client.destroy(),
  }
}

async function regionOf(client: S3Client): Promise<string> {
  try {
    return await client.config.region()
  } catch (error) {
    throw new PodroleError('NoRegion', 'no region is named, and it is a part of the issuer', {
      hint: '--region REGION, AWS_REGION or the profile says which',
      cause: error,
    })
  }
}
