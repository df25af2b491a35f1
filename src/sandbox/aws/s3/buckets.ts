import { accountOf, canonicalIdOf } from '../world.ts'
import { authorize } from '../identity/authorization.ts'
import { currentText, readPrincipals } from '../iam/principals.ts'
import { isBucketName } from '../../../aws/bucket-name.ts'
import { isPublicPolicy } from '../../../iam/public-policy.ts'
import { requestTagKeys } from '../iam/tags.ts'
import type { BucketRecord, PublicAccessBlock, Tags } from '../records.ts'
import { pageOf } from '../wire/pages.ts'
import { childrenOf, textOf, writeElement } from '../wire/xml.ts'
import { s3Fault } from './fault.ts'
import { ALL_BLOCKED, parseBucketPolicy } from './policy.ts'
import { readOwnershipHeader, refuseAcl } from './ownership.ts'
import { authorizeBucket, bucketArn, requireBucket, type S3Request } from './request.ts'
import { noContent, readXmlRoot, xmlResponse } from './documents.ts'
import { checkBucketTags, readTagElements } from './tagging.ts'
import { textOfBytes } from '../wire/body.ts'

const MAX_BUCKETS = 10_000

export function listBuckets(request: S3Request): Response {
  const { call, query } = request
  const accountId = accountOf(call)
  authorize(call, { action: 's3:ListAllMyBuckets', resource: '*' })
  const prefix = query.get('prefix') ?? ''
  const region = query.get('bucket-region')
  const mine = [...call.world.tables.buckets.values()].filter(
    (bucket) =>
      bucket.accountId === accountId &&
      bucket.name.startsWith(prefix) &&
      (region === null || bucket.region === region),
  )
  const limit = readCount(query.get('max-buckets'), 10_000)
  const token = query.get('continuation-token') ?? undefined
  const page = pageOf(mine, ({ name }) => name, { limit, token, fault: 'InvalidArgument' })
  const buckets = page.items.map((bucket) => ({
    Name: bucket.name,
    CreationDate: new Date(bucket.createdAtMs),
    BucketRegion: bucket.region,
  }))
  return xmlResponse(
    'ListAllMyBucketsResult',
    writeElement('Owner', { ID: canonicalIdOf(accountId) }) +
      writeElement('Buckets', { Bucket: buckets }, 'flat') +
      writeElement('ContinuationToken', page.next) +
      writeElement('Prefix', prefix === '' ? undefined : prefix),
  )
}

export function createBucket(request: S3Request): Response {
  const { call, bucket } = request
  const { tables } = call.world
  if (!isBucketName(bucket)) throw s3Fault('InvalidBucketName', { BucketName: bucket })
  const region = readLocation(request)
  authorize(call, {
    action: 's3:CreateBucket',
    resource: bucketArn(request),
    context: region === 'us-east-1' ? {} : { 's3:LocationConstraint': region },
  })
  refuseAcl(request)
  const known = tables.buckets.get(bucket)
  if (known !== undefined) {
    if (known.accountId !== accountOf(call)) {
      throw s3Fault('BucketAlreadyExists', { BucketName: bucket })
    }
    // us-east-1 alone takes it again. Source: Amazon S3 API Reference, "CreateBucket".
    if (region !== 'us-east-1' || known.region !== region) {
      throw s3Fault('BucketAlreadyOwnedByYou', { BucketName: bucket })
    }
    return created(bucket)
  }
  if (tables.buckets.size >= MAX_BUCKETS) throw s3Fault('TooManyBuckets')
  const tags = readCreationTags(request)
  tables.buckets.set(bucket, {
    name: bucket,
    accountId: accountOf(call),
    region,
    publicAccessBlock: ALL_BLOCKED,
    objectOwnership: readOwnershipHeader(request),
    ...(Object.keys(tags).length > 0 && { tags }),
    createdAtMs: call.nowMs,
  })
  return created(bucket)
}

const created = (bucket: string): Response =>
  new Response(null, { status: 200, headers: { location: `/${bucket}` } })

/** The tags that a bucket begins with. @throws AwsFault `AccessDenied`, `InvalidTag` */
function readCreationTags(request: S3Request): Tags {
  if (request.body.length === 0) return {}
  const [set] = childrenOf(readXmlRoot(request, 'CreateBucketConfiguration'), 'Tags')
  const tags = readTagElements(set)
  if (Object.keys(tags).length === 0) return {}
  const Tagged = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  authorize(request.call, {
    action: 's3:TagResource',
    resource: bucketArn(request),
    context: requestTagKeys(Tagged),
  })
  checkBucketTags(request, tags)
  return tags
}

function readLocation(request: S3Request): string {
  const { call, body } = request
  if (body.length === 0) {
    if (call.region === 'us-east-1') return call.region
    throw s3Fault('IllegalLocationConstraintException')
  }
  const constraint = textOf(readXmlRoot(request, 'CreateBucketConfiguration'), 'LocationConstraint')
  const region = constraint === 'EU' ? 'eu-west-1' : (constraint ?? 'us-east-1')
  if (region === call.region || call.region === 'us-east-1') return region
  throw s3Fault(
    'IllegalLocationConstraintException',
    {},
    `The ${region} location constraint is incompatible for the region specific endpoint this request was sent to.`,
  )
}

export function headBucket(request: S3Request): Response {
  const record = requireBucket(request)
  authorizeBucket(request, record, { action: 's3:ListBucket', resource: bucketArn(request) })
  return new Response(null, { status: 200, headers: { 'x-amz-bucket-region': record.region } })
}

export function deleteBucket(request: S3Request): Response {
  const record = requireBucket(request)
  const { tables } = request.call.world
  authorizeBucket(request, record, { action: 's3:DeleteBucket', resource: bucketArn(request) })
  for (const table of [tables.objects, tables.versions]) {
    for (const { bucket } of table.values()) {
      if (bucket === record.name) throw s3Fault('BucketNotEmpty', { BucketName: record.name })
    }
  }
  tables.buckets.delete(record.name)
  // Uploads do not keep a bucket, and go with it.
  for (const { bucket, uploadId } of tables.uploads.values()) {
    if (bucket !== record.name) continue
    tables.uploads.delete(uploadId)
    for (const [key, part] of tables.parts.entries()) {
      if (part.uploadId === uploadId) tables.parts.delete(key)
    }
  }
  return noContent()
}

export function getBucketLocation(request: S3Request): Response {
  const record = requireBucket(request)
  authorizeBucket(request, record, { action: 's3:GetBucketLocation', resource: bucketArn(request) })
  const region = record.region === 'us-east-1' ? '' : record.region
  return xmlResponse('LocationConstraint', region)
}

export function putBucketPolicy(request: S3Request): Response {
  const record = requireBucket(request)
  const { tables } = request.call.world
  const arn = bucketArn(request)
  authorizeBucket(request, record, { action: 's3:PutBucketPolicy', resource: arn })
  const text = textOfBytes(request.body) ?? ''
  const document = parseBucketPolicy(text, arn)
  const principals = readPrincipals(tables, document)
  if ('unknown' in principals) {
    throw s3Fault(
      'MalformedPolicy',
      { Detail: `"AWS" : "${principals.unknown}"` },
      'Invalid principal in policy',
    )
  }
  if (record.publicAccessBlock?.BlockPublicPolicy && isPublicPolicy(document)) {
    throw s3Fault(
      'AccessDenied',
      {},
      `s3:PutBucketPolicy on resource: "${arn}" is not allowed because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.`,
    )
  }
  tables.buckets.set(record.name, { ...record, policy: text, policyPrincipalIds: principals.ids })
  return noContent()
}

export function getBucketPolicy(request: S3Request): Response {
  const record = requireBucket(request)
  authorizeBucket(request, record, { action: 's3:GetBucketPolicy', resource: bucketArn(request) })
  const { policy, policyPrincipalIds } = record
  if (policy === undefined) throw s3Fault('NoSuchBucketPolicy', { BucketName: record.name })
  const text = currentText(request.call.world.tables, policy, policyPrincipalIds ?? {})
  return new Response(text, { headers: { 'content-type': 'application/json' } })
}

export function deleteBucketPolicy(request: S3Request): Response {
  const record = requireBucket(request)
  authorizeBucket(request, record, {
    action: 's3:DeleteBucketPolicy',
    resource: bucketArn(request),
  })
  const { policy: _policy, policyPrincipalIds: _ids, ...rest } = record
  request.call.world.tables.buckets.set(record.name, rest)
  return noContent()
}

export function getPublicAccessBlock(request: S3Request): Response {
  const record = requireBucket(request)
  authorizeBucket(request, record, {
    action: 's3:GetBucketPublicAccessBlock',
    resource: bucketArn(request),
  })
  const block = record.publicAccessBlock
  if (block === undefined) {
    throw s3Fault('NoSuchPublicAccessBlockConfiguration', { BucketName: record.name })
  }
  const content = Object.entries(block).map(([name, value]) => writeElement(name, value))
  return xmlResponse('PublicAccessBlockConfiguration', content.join(''))
}

export function putPublicAccessBlock(request: S3Request): Response {
  const record = requireBucket(request)
  authorizePublicAccessBlock(request, record)
  const root = readXmlRoot(request, 'PublicAccessBlockConfiguration')
  const publicAccessBlock: PublicAccessBlock = {
    BlockPublicAcls: readFlag(root, 'BlockPublicAcls'),
    IgnorePublicAcls: readFlag(root, 'IgnorePublicAcls'),
    BlockPublicPolicy: readFlag(root, 'BlockPublicPolicy'),
    RestrictPublicBuckets: readFlag(root, 'RestrictPublicBuckets'),
  }
  request.call.world.tables.buckets.set(record.name, { ...record, publicAccessBlock })
  return new Response(null, { status: 200 })
}

export function deletePublicAccessBlock(request: S3Request): Response {
  const record = requireBucket(request)
  authorizePublicAccessBlock(request, record)
  const { publicAccessBlock: _block, ...rest } = record
  request.call.world.tables.buckets.set(record.name, rest)
  return noContent()
}

function authorizePublicAccessBlock(request: S3Request, record: BucketRecord): void {
  authorizeBucket(request, record, {
    action: 's3:PutBucketPublicAccessBlock',
    resource: bucketArn(request),
  })
}

function readFlag(root: unknown, name: string): boolean {
  const text = textOf(root, name)?.toLowerCase()
  if (text !== undefined && text !== 'true' && text !== 'false') throw s3Fault('MalformedXML')
  return text === 'true'
}

/** A count of a list, cut to `most`. @throws AwsFault `InvalidArgument` */
export function readCount(text: string | null, most: number): number {
  if (text === null || text === '') return most
  if (!/^\d{1,9}$/.test(text)) {
    throw s3Fault('InvalidArgument', {}, 'Provided max-keys not an integer or within integer range')
  }
  return Math.min(Number(text), most)
}
