import type { BucketRecord, ObjectOwnership, ObjectRecord } from '../records.ts'
import { childrenOf, textOf, writeElement } from '../wire/xml.ts'
import { canonicalIdOf } from '../world.ts'
import { noContent, readXmlRoot, xmlResponse } from './documents.ts'
import { s3Fault } from './fault.ts'
import {
  authorizeBucket,
  bucketArn,
  findObject,
  objectArn,
  requireBucket,
  type S3Request,
} from './request.ts'
import { existingTags } from './tagging.ts'

const OWNERSHIPS: readonly ObjectOwnership[] = [
  'BucketOwnerEnforced',
  'BucketOwnerPreferred',
  'ObjectWriter',
]

function ownershipOf(text: string | undefined): ObjectOwnership | undefined {
  return OWNERSHIPS.find((known) => known === text)
}

/** The ownership that CreateBucket asks for; what buckets have where it does not. */
export function readOwnershipHeader(request: S3Request): ObjectOwnership {
  const header = request.headers.get('x-amz-object-ownership')
  if (header === null) return 'BucketOwnerEnforced'
  const found = ownershipOf(header)
  if (found === undefined) {
    throw s3Fault('InvalidArgument', {
      ArgumentName: 'x-amz-object-ownership',
      ArgumentValue: header.slice(0, 100),
    })
  }
  return found
}

export function getOwnershipControls(request: S3Request): Response {
  const record = requireBucket(request)
  const resource = bucketArn(request)
  authorizeBucket(request, record, { action: 's3:GetBucketOwnershipControls', resource })
  // Buckets of before the setting was kept enforce it; null stands for one that was taken away.
  const { objectOwnership = 'BucketOwnerEnforced' } = record
  if (objectOwnership === null) {
    throw s3Fault('OwnershipControlsNotFoundError', { BucketName: record.name })
  }
  const rule = writeElement('Rule', { ObjectOwnership: objectOwnership })
  return xmlResponse('OwnershipControls', rule)
}

export function putOwnershipControls(request: S3Request): Response {
  const record = requireBucket(request)
  authorizeWrite(request, record)
  const rules = childrenOf(readXmlRoot(request, 'OwnershipControls'), 'Rule')
  const objectOwnership = ownershipOf(textOf(rules[0], 'ObjectOwnership'))
  if (rules.length !== 1 || objectOwnership === undefined) throw s3Fault('MalformedXML')
  request.call.world.tables.buckets.set(record.name, { ...record, objectOwnership })
  return new Response(null, { status: 200 })
}

export function deleteOwnershipControls(request: S3Request): Response {
  const record = requireBucket(request)
  authorizeWrite(request, record)
  request.call.world.tables.buckets.set(record.name, { ...record, objectOwnership: null })
  return noContent()
}

function authorizeWrite(request: S3Request, record: BucketRecord): void {
  const resource = bucketArn(request)
  authorizeBucket(request, record, { action: 's3:PutBucketOwnershipControls', resource })
}

/**
 * ACLs that a write may carry. Where the bucket's owner owns every object they are refused but for
 * what changes nothing; elsewhere public ones are blocked, and others are not kept here.
 * Source: Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs for your
 * bucket" and "Blocking public access to your Amazon S3 storage".
 */
export function refuseAcl(request: S3Request, record?: BucketRecord): void {
  const acl = request.headers.get('x-amz-acl')
  const granted = [...request.headers.keys()].some((name) => name.startsWith('x-amz-grant-'))
  const harmless = acl === null || acl === 'private' || acl === 'bucket-owner-full-control'
  if (harmless && !granted) return
  const ownership = record === undefined ? readOwnershipHeader(request) : record.objectOwnership
  if (ownership === undefined || ownership === 'BucketOwnerEnforced') {
    throw s3Fault('AccessControlListNotSupported')
  }
  const isPublic = acl?.startsWith('public-') === true || acl === 'authenticated-read'
  const isBlocked = record === undefined || record.publicAccessBlock?.BlockPublicAcls === true
  throw s3Fault(isPublic && isBlocked ? 'AccessDenied' : 'NotImplemented')
}

/**
 * The ACL of an object that is written: `public-read` is kept where ACLs count and public ones are
 * not blocked; every other one as `refuseAcl` has it.
 */
export function readObjectAcl(request: S3Request, record: BucketRecord): Pick<ObjectRecord, 'acl'> {
  const acl = request.headers.get('x-amz-acl')
  if (acl !== 'public-read' || !hasAcls(record) || record.publicAccessBlock?.BlockPublicAcls) {
    refuseAcl(request, record)
    return {}
  }
  authorizeBucket(request, record, {
    action: 's3:PutObjectAcl',
    resource: objectArn(request),
    context: { 's3:x-amz-acl': acl },
  })
  return { acl }
}

/** Whether everybody may read an object by its ACL. */
export const isReadByAcl = (record: BucketRecord, object: ObjectRecord | undefined): boolean =>
  object?.acl === 'public-read' &&
  hasAcls(record) &&
  record.publicAccessBlock?.IgnorePublicAcls !== true

const hasAcls = ({ objectOwnership = 'BucketOwnerEnforced' }: BucketRecord): boolean =>
  objectOwnership !== 'BucketOwnerEnforced'

/** PutBucketAcl and PutObjectAcl. */
export function putAcl(request: S3Request): Response {
  const record = requireBucket(request)
  const { key } = request
  authorizeBucket(
    request,
    record,
    key === ''
      ? { action: 's3:PutBucketAcl', resource: bucketArn(request) }
      : { action: 's3:PutObjectAcl', resource: objectArn(request) },
  )
  if (key !== '' && findObject(request) === undefined) throw s3Fault('NoSuchKey', { Key: key })
  const { objectOwnership = 'BucketOwnerEnforced' } = record
  const enforced = objectOwnership === 'BucketOwnerEnforced'
  throw s3Fault(enforced ? 'AccessControlListNotSupported' : 'NotImplemented')
}

/** GetBucketAcl and GetObjectAcl: all control is the owner's; everybody may read what is public. */
export function getAcl(request: S3Request): Response {
  const record = requireBucket(request)
  const { key } = request
  authorizeBucket(
    request,
    record,
    key === ''
      ? { action: 's3:GetBucketAcl', resource: bucketArn(request) }
      : {
          action: 's3:GetObjectAcl',
          resource: objectArn(request),
          context: existingTags(findObject(request)),
        },
  )
  const object = key === '' ? undefined : findObject(request)
  if (key !== '' && object === undefined) throw s3Fault('NoSuchKey', { Key: key })
  const owner = writeElement('ID', canonicalIdOf(record.accountId))
  const everybody =
    object?.acl === 'public-read'
      ? `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group">${writeElement('URI', 'http://acs.amazonaws.com/groups/global/AllUsers')}</Grantee>${writeElement('Permission', 'READ')}</Grant>`
      : ''
  const grantee = `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">${owner}</Grantee>`
  const grant = `<Grant>${grantee}${writeElement('Permission', 'FULL_CONTROL')}</Grant>`
  return xmlResponse(
    'AccessControlPolicy',
    `<Owner>${owner}</Owner><AccessControlList>${grant}${everybody}</AccessControlList>`,
  )
}
