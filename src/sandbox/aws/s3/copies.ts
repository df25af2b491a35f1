import type { BucketRecord, ObjectRecord } from '../records.ts'
import { objectKey } from '../records.ts'
import { writeElement } from '../wire/xml.ts'
import { xmlResponse } from './documents.ts'
import { s3Fault } from './fault.ts'
import { checkKey, checkWriteConditions, keptHeaders, matches } from './objects.ts'
import { isReadByAcl, refuseAcl } from './ownership.ts'
import {
  authorizeBucket,
  checkOwner,
  findObject,
  missingKey,
  objectArn,
  requireBucket,
  type S3Request,
} from './request.ts'
import { copiedTags, existingTags } from './tagging.ts'

/** CopyObject, within the region. Source: Amazon S3 API Reference, "CopyObject". */
export function copyObject(request: S3Request): Response {
  const { call, key, headers } = request
  const record = requireBucket(request)
  const source = readCopySource(request)
  const { found } = source
  authorizeBucket(request, record, { action: 's3:PutObject', resource: objectArn(request) })
  refuseAcl(request, record)
  const tagging = copiedTags(request, record, source)
  checkKey(request)
  checkWriteConditions(request)
  const directive = headers.get('x-amz-metadata-directive') ?? 'COPY'
  if (directive !== 'COPY' && directive !== 'REPLACE') {
    throw s3Fault('InvalidArgument', {}, 'Unknown metadata directive.')
  }
  const toItself = found.bucket === request.bucket && found.key === key
  if (toItself && directive === 'COPY') {
    throw s3Fault(
      'InvalidRequest',
      {},
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    )
  }
  const checksums = Object.entries(found.headers).filter(([name]) => isChecksum(name))
  const kept =
    directive === 'COPY'
      ? found.headers
      : { ...keptHeaders(headers), ...Object.fromEntries(checksums) }
  // A copy is its owner's alone, whatever the ACL of what it was copied from.
  const { acl: _acl, tags: _tags, ...copied } = found
  call.world.tables.objects.set(objectKey(record.name, key), {
    ...copied,
    ...tagging,
    bucket: record.name,
    key,
    headers: kept,
    modifiedAtMs: call.nowMs,
  })
  return xmlResponse(
    'CopyObjectResult',
    writeElement('LastModified', new Date(call.nowMs)) + writeElement('ETag', found.etag),
  )
}

const isChecksum = (name: string): boolean => name.startsWith('x-amz-checksum-')

/** `/BUCKET/KEY` or `BUCKET/KEY`, percent-encoded; versions are not kept here. */
function readSource({ headers }: S3Request): { readonly bucket: string; readonly key: string } {
  const header = headers.get('x-amz-copy-source') ?? ''
  const [, bucket = '', rest = ''] = /^\/?([^/?]+)\/([^?]+)$/.exec(header) ?? []
  let key = ''
  try {
    key = decodeURIComponent(rest)
  } catch {
    key = ''
  }
  if (bucket === '' || key === '') {
    throw s3Fault(
      'InvalidArgument',
      { ArgumentName: 'x-amz-copy-source' },
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
    )
  }
  return { bucket, key }
}

/** What is copied, and where from. */
interface CopySource {
  /** The request as one for the source. */
  readonly request: S3Request
  readonly record: BucketRecord
  readonly found: ObjectRecord
}

/**
 * The object that `x-amz-copy-source` names, which the caller may read.
 * @throws AwsFault `AccessDenied`, `NoSuchKey`, `PreconditionFailed`
 */
export function readCopySource(request: S3Request): CopySource {
  const from = { ...request, ...readSource(request) }
  const { record, found } = readSourceObject(from)
  checkSourceConditions(request.headers, found)
  return { request: from, record, found }
}

function readSourceObject(from: S3Request): Pick<CopySource, 'record' | 'found'> {
  const { tables } = from.call.world
  const record = tables.buckets.get(from.bucket)
  if (record === undefined) throw s3Fault('NoSuchBucket', { BucketName: from.bucket })
  if (record.region !== from.call.region) throw s3Fault('NotImplemented')
  checkOwner(from, record, 'x-amz-source-expected-bucket-owner')
  const found = findObject(from)
  authorizeBucket(from, record, {
    action: 's3:GetObject',
    resource: objectArn(from),
    grantsEverybody: isReadByAcl(record, found),
    context: existingTags(found),
  })
  if (found !== undefined) return { record, found }
  throw missingKey(from, record)
}

function checkSourceConditions(headers: Headers, found: ObjectRecord): void {
  const wanted = headers.get('x-amz-copy-source-if-match')
  const unwanted = headers.get('x-amz-copy-source-if-none-match')
  if (wanted !== null && !matches(wanted, found.etag)) {
    throw s3Fault('PreconditionFailed', { Condition: 'x-amz-copy-source-If-Match' })
  }
  if (unwanted !== null && matches(unwanted, found.etag)) {
    throw s3Fault('PreconditionFailed', { Condition: 'x-amz-copy-source-If-None-Match' })
  }
}
