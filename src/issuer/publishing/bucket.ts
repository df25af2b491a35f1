import { setTimeout as sleep } from 'node:timers/promises'
import type { BucketLocationConstraint } from '@aws-sdk/client-s3'
import { codeOf } from '../../lib/errors.ts'
import {
  type BucketAccess,
  type BucketFacts,
  type BucketStep,
  planBucket,
  type PublicAccessBlock,
} from './bucket-plan.ts'
import { readS3Refusal, type S3Operation, s3Fault } from './s3-faults.ts'
import type { S3Place } from './s3-place.ts'
import type { S3 } from './s3-store.ts'

export interface BucketPreparation {
  readonly access: BucketAccess
  /** Makes it where it is missing. */
  readonly create: boolean
  /** That the client speaks to. */
  readonly region: string
  /** Is told of each change. */
  readonly note: (text: string) => void
  /** Milliseconds before another try, while settings that were changed reach all of S3. */
  readonly retryMs?: readonly number[]
}

/** Bucket settings are eventually consistent: the policy may still meet the old ones. */
const RETRY_MS = [1000, 2000, 4000, 4000, 4000]

/**
 * Makes the bucket, where asked, and opens the two documents, where they are not open; what is as it
 * should be is left alone.
 * @throws PodroleError of `s3Fault` and `planBucket`
 */
export async function prepareBucket(
  s3: S3,
  place: S3Place,
  preparation: BucketPreparation,
): Promise<void> {
  const { sdk, client } = s3
  const { access, create, note } = preparation
  const { bucket: Bucket } = place
  try {
    await client.send(new sdk.HeadBucketCommand({ Bucket }))
  } catch (error) {
    const fault = s3Fault(error, 'HeadBucket', place)
    if (!create || fault.code !== 'NoSuchBucket') throw fault
    await createBucket(s3, place, preparation)
    note(`bucket ${Bucket} made in ${preparation.region}`)
  }
  if (access === 'private') return
  const steps = planBucket(place, access, await readFacts(s3, place, preparation.region))
  const [first] = steps
  for (const step of steps) {
    const waits = step !== first && step.kind === 'policy' ? (preparation.retryMs ?? RETRY_MS) : []
    await take(s3, place, step, waits)
    note(step.says)
  }
}

async function createBucket(
  { sdk, client }: S3,
  place: S3Place,
  { access, region }: BucketPreparation,
): Promise<void> {
  const input = {
    Bucket: place.bucket,
    ...(access === 'acl' && { ObjectOwnership: 'BucketOwnerPreferred' as const }),
    // us-east-1 is the one region that takes no constraint (S3 API Reference, CreateBucket).
    ...(region !== 'us-east-1' && {
      CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint },
    }),
  }
  try {
    await client.send(new sdk.CreateBucketCommand(input))
  } catch (error) {
    if (readS3Refusal(error).code === 'BucketAlreadyOwnedByYou') return
    throw s3Fault(error, 'CreateBucket', place)
  }
}

async function readFacts(
  { sdk, client }: S3,
  place: S3Place,
  region: string,
): Promise<BucketFacts> {
  const Bucket = place.bucket
  /** What S3 answers; undefined where it has none of it. */
  const read = async <T>(
    operation: S3Operation,
    absent: string,
    ask: () => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      return await ask()
    } catch (error) {
      if (readS3Refusal(error).code === absent) return undefined
      throw s3Fault(error, operation, place)
    }
  }
  const [policy, block, ownership] = [
    await read('GetBucketPolicy', 'NoSuchBucketPolicy', () =>
      client.send(new sdk.GetBucketPolicyCommand({ Bucket })),
    ),
    await read('GetPublicAccessBlock', 'NoSuchPublicAccessBlockConfiguration', () =>
      client.send(new sdk.GetPublicAccessBlockCommand({ Bucket })),
    ),
    await read('GetBucketOwnershipControls', 'OwnershipControlsNotFoundError', () =>
      client.send(new sdk.GetBucketOwnershipControlsCommand({ Bucket })),
    ),
  ]
  const blocked = block?.PublicAccessBlockConfiguration
  const settings: PublicAccessBlock = {
    BlockPublicAcls: blocked?.BlockPublicAcls ?? false,
    IgnorePublicAcls: blocked?.IgnorePublicAcls ?? false,
    BlockPublicPolicy: blocked?.BlockPublicPolicy ?? false,
    RestrictPublicBuckets: blocked?.RestrictPublicBuckets ?? false,
  }
  return {
    region,
    policy: policy?.Policy,
    block: settings,
    ownership: ownership?.OwnershipControls?.Rules?.[0]?.ObjectOwnership,
  }
}

async function take(
  { sdk, client }: S3,
  place: S3Place,
  step: BucketStep,
  waits: readonly number[],
): Promise<void> {
  const Bucket = place.bucket
  const operation = step.kind === 'block' ? 'PutPublicAccessBlock' : 'PutBucketPolicy'
  const send = async (): Promise<unknown> =>
    step.kind === 'block'
      ? client.send(
          new sdk.PutPublicAccessBlockCommand({
            Bucket,
            PublicAccessBlockConfiguration: step.block,
          }),
        )
      : client.send(new sdk.PutBucketPolicyCommand({ Bucket, Policy: step.policy }))
  for (const wait of [...waits, undefined]) {
    try {
      await send()
      return
    } catch (error) {
      const fault = s3Fault(error, operation, place)
      if (wait === undefined || codeOf(fault) !== 'PublicPolicyRefused') throw fault
      await sleep(wait)
    }
  }
}
