/** What S3's refusals mean for somebody who publishes an issuer. */
import { messageOf, PodroleError } from '../../lib/errors.ts'
import { aclsRefused } from './bucket-plan.ts'
import type { S3Place } from './s3-place.ts'

/** S3's operations that publishing needs. */
export type S3Operation =
  | 'GetObject'
  | 'PutObject'
  | 'HeadBucket'
  | 'CreateBucket'
  | 'GetBucketPolicy'
  | 'PutBucketPolicy'
  | 'GetPublicAccessBlock'
  | 'PutPublicAccessBlock'
  | 'GetBucketOwnershipControls'
  | 'PutBucketOwnershipControls'

export interface S3Refusal {
  /** The wire's error code, or the SDK's name of what went wrong. */
  readonly code: string
  readonly message: string
  readonly status: number | undefined
  /** Of the bucket, where S3 told. */
  readonly region: string | undefined
}

/** Reads what the SDK threw. */
export function readS3Refusal(thrown: unknown): S3Refusal {
  const status = member(member(thrown, '$metadata'), 'httpStatusCode')
  const headers = member(member(thrown, '$response'), 'headers')
  const region = member(thrown, 'Region') ?? member(headers, 'x-amz-bucket-region')
  const code = thrown instanceof Error ? thrown.name : 'Unknown'
  return {
    code,
    message: messageOf(thrown).slice(0, 1000),
    status: typeof status === 'number' ? status : undefined,
    region: typeof region === 'string' ? region : undefined,
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/**
 * The fault for what S3 answered: `NoSuchBucket`, `BucketNotYours`, `BucketInOtherRegion`,
 * `NoCredentials`, `AclsRefused`, `PublicPolicyRefused`, `S3AccessDenied`, else `S3Failed`.
 */
export function s3Fault(thrown: unknown, operation: S3Operation, place: S3Place): PodroleError {
  if (thrown instanceof PodroleError) return thrown
  const refusal = readS3Refusal(thrown)
  if (refusal.code === 'AccessControlListNotSupported') return aclsRefused(place.bucket)
  const { code, message, region } = refusal
  const [ownCode, text, hint] = meaningOf(refusal, operation, place) ?? [
    'S3Failed',
    `S3 did not do ${operation} on bucket ${place.bucket}: ${code}: ${message}`,
    region === undefined ? undefined : `the bucket is in ${region}`,
  ]
  return new PodroleError(ownCode, text, { ...(hint !== undefined && { hint }), cause: thrown })
}

type Meaning = readonly [code: string, text: string, hint: string]

function meaningOf(
  { code, message, status, region }: S3Refusal,
  operation: S3Operation,
  { bucket }: S3Place,
): Meaning | undefined {
  if (code === 'CredentialsProviderError') {
    return [
      'NoCredentials',
      `there are no AWS credentials for bucket ${bucket}: ${message}`,
      'set AWS_PROFILE, or sign in as for every AWS tool',
    ]
  }
  if (region !== undefined && (status === 301 || status === 400)) {
    return [
      'BucketInOtherRegion',
      `bucket ${bucket} is in ${region}`,
      `--region ${region}; the region is part of the issuer's URL`,
    ]
  }
  // An answer to HEAD has no body, and so no code.
  if (code === 'NoSuchBucket' || (operation === 'HeadBucket' && status === 404)) {
    return [
      'NoSuchBucket',
      `there is no bucket ${bucket}`,
      '--create-bucket makes it; --region says where',
    ]
  }
  if (code === 'BucketAlreadyExists') {
    return [
      'BucketNotYours',
      `bucket ${bucket} is another account's`,
      'no two accounts have a bucket of one name: choose another one',
    ]
  }
  return status === 403 ? deniedMeaning(operation, bucket, message) : undefined
}

/** Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage". */
function deniedMeaning(operation: S3Operation, bucket: string, message: string): Meaning {
  if (operation === 'PutBucketPolicy' && /BlockPublicPolicy|Block Public Access/i.test(message)) {
    return [
      'PublicPolicyRefused',
      `bucket ${bucket} may not be opened: the account (or its organization) blocks public policies, and no bucket's setting goes over that`,
      'let whoever keeps the account change it: aws s3control get-public-access-block --account-id ACCOUNT; or keep the bucket private behind a CDN and name its URL: --issuer-url',
    ]
  }
  return [
    'S3AccessDenied',
    `S3 refused ${operation} on bucket ${bucket}: ${message}`,
    HINTS[operation] ?? `the caller needs s3:${operation}`,
  ]
}

/** Where the permission is not called as the operation is, or is not all that it takes. */
const HINTS: Partial<Record<S3Operation, string>> = {
  GetObject:
    'the caller needs s3:GetObject, and s3:ListBucket so that S3 tells a missing document from a hidden one',
  HeadBucket: "the caller needs s3:ListBucket; the bucket may also be another account's",
  PutBucketPolicy:
    'the caller needs s3:PutBucketPolicy; an account that blocks public policies may answer so too',
  GetPublicAccessBlock: 'the caller needs s3:GetBucketPublicAccessBlock',
  PutPublicAccessBlock: 'the caller needs s3:PutBucketPublicAccessBlock',
}
