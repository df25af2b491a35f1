import type { Call } from '../world.ts'
import { accountOf } from '../world.ts'
import type { BucketRecord, ObjectRecord } from '../records.ts'
import { objectKey } from '../records.ts'
import { authorize, isAllowed } from '../identity/authorization.ts'
import type { ContextKeys } from '../../../iam/request.ts'
import { type BucketPolicy, bucketPolicyOf } from './policy.ts'
import type { AwsFault } from '../wire/fault.ts'
import { regionOfHost } from './address.ts'
import { s3Fault } from './fault.ts'

/** Most bytes of one object. */
export const MAX_OBJECT_BYTES = 32 << 20

/** One authenticated request to S3, its body decoded. */
export interface S3Request {
  readonly call: Call
  readonly method: string
  readonly headers: Headers
  readonly query: URLSearchParams
  /** Empty where the request names no bucket. */
  readonly bucket: string
  /** Empty where it names no object. */
  readonly key: string
  readonly body: Uint8Array
  /** Lower-case names; of an `aws-chunked` body. */
  readonly trailers: Readonly<Record<string, string>>
}

export const bucketArn = (request: S3Request, bucket = request.bucket): string =>
  `arn:${request.call.world.partition}:s3:::${bucket}`

export const objectArn = (request: S3Request, key = request.key): string =>
  `${bucketArn(request)}/${key}`

/**
 * @throws AwsFault `NoSuchBucket`; for another region's scope `AuthorizationHeaderMalformed`
 *   (presigned: `AuthorizationQueryParametersError`), for another region's host `PermanentRedirect`
 */
export function requireBucket(request: S3Request): BucketRecord {
  const { call } = request
  const record = call.world.tables.buckets.get(request.bucket)
  if (record === undefined) throw s3Fault('NoSuchBucket', { BucketName: request.bucket })
  if (call.identity.key !== undefined && call.region !== record.region) {
    const wrong = `the region '${call.region}' is wrong; expecting '${record.region}'`
    const [code, text] = request.query.has('X-Amz-Signature')
      ? ([
          'AuthorizationQueryParametersError',
          'Error parsing the X-Amz-Credential parameter',
        ] as const)
      : (['AuthorizationHeaderMalformed', 'The authorization header is malformed'] as const)
    throw s3Fault(code, { Region: record.region }, `${text}; ${wrong}`)
  }
  checkOwner(request, record, 'x-amz-expected-bucket-owner')
  const asked = regionOfHost(request.headers.get('host') ?? '')
  if (asked !== undefined && asked !== record.region) {
    throw s3Fault('PermanentRedirect', { Region: record.region, Bucket: record.name })
  }
  return record
}

/** Who names another owner than the bucket's is refused. @throws AwsFault `AccessDenied` */
export function checkOwner({ headers }: S3Request, record: BucketRecord, header: string): void {
  const expected = headers.get(header)
  if (expected !== null && expected !== record.accountId) throw s3Fault('AccessDenied')
}

/** What a permission is asked for. */
export interface S3Ask {
  readonly action: string
  readonly resource: string
  readonly context?: ContextKeys
  /** An ACL allows it to everybody. */
  readonly grantsEverybody?: boolean
}

/** @throws AwsFault `AccessDenied` */
export function authorizeBucket(request: S3Request, record: BucketRecord, ask: S3Ask): void {
  authorize(request.call, questionOf(request, record, ask))
}

/** Who may not list the bucket is not told whether a key exists. */
export function missingKey(request: S3Request, record: BucketRecord): AwsFault {
  const ask = { action: 's3:ListBucket', resource: bucketArn(request) }
  const mayList = isAllowed(request.call, questionOf(request, record, ask))
  return mayList ? s3Fault('NoSuchKey', { Key: request.key }) : s3Fault('AccessDenied')
}

function questionOf(
  request: S3Request,
  record: BucketRecord,
  ask: S3Ask,
): Parameters<typeof authorize>[1] {
  const policy = bucketPolicyOf(record, accountOf(request.call))
  const resourcePolicy = ask.grantsEverybody ? withGrant(policy, ask) : policy
  return {
    action: ask.action,
    resource: ask.resource,
    accountId: record.accountId,
    context: { ...signatureContext(request), ...ask.context },
    ...(resourcePolicy !== undefined && { resourcePolicy }),
  }
}

/** What an ACL grants, as a statement beside the bucket policy's own: a Deny there still holds. */
function withGrant(policy: BucketPolicy | undefined, { action, resource }: S3Ask): BucketPolicy {
  const { Statement = [] } = JSON.parse(policy?.text ?? '{}') as { Statement?: unknown }
  const grant = { Sid: 'Acl', Effect: 'Allow', Principal: '*', Action: action, Resource: resource }
  return {
    text: JSON.stringify({ Version: '2012-10-17', Statement: [Statement, grant].flat() }),
    principalIds: policy?.principalIds ?? {},
  }
}

/** Source: Amazon S3 User Guide, "Bucket policy examples using condition keys". */
function signatureContext(request: S3Request): ContextKeys {
  const { call, headers, query } = request
  const context: Record<string, string> = { 's3:ResourceAccount': call.world.accountIds[0] ?? '' }
  const owner = call.world.tables.buckets.get(request.bucket)?.accountId
  if (owner !== undefined) context['s3:ResourceAccount'] = owner
  if (call.identity.key !== undefined) {
    context['s3:signatureversion'] = 'AWS4-HMAC-SHA256'
    context['s3:authType'] = query.has('X-Amz-Signature') ? 'REST-QUERY-STRING' : 'REST-HEADER'
  }
  const digest = headers.get('x-amz-content-sha256')
  if (digest !== null) context['s3:x-amz-content-sha256'] = digest
  return context
}

export function findObject(request: S3Request, key = request.key): ObjectRecord | undefined {
  return request.call.world.tables.objects.get(objectKey(request.bucket, key))
}
