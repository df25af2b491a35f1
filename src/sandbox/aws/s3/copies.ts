import type { ObjectRecord } from '../records.ts'
import { objectKey } from '../records.ts'
import { writeElement } from '../wire/xml.ts'
import { xmlResponse } from './documents.ts'
import { s3Fault } from './fault.ts'
import { checkKey, checkWriteConditions, keptHeaders, matches } from './objects.ts'
import { refuseAcl } from './ownership.ts'
import {
  authorizeBucket,
  findObject,
  mayOnBucket,
  objectArn,
  requireBucket,
  type S3Request,
} from './request.ts'

/** CopyObject, within the region. Source: Amazon S3 API Reference, "CopyObject". */
export function copyObject(request: S3Request): Response {
  const { call, key, headers } = request
  const record = requireBucket(request)
  const source = readSource(request)
  const from = { ...request, ...source }
  const found = readSourceObject(from)
  authorizeBucket(request, record, { action: 's3:PutObject', resource: objectArn(request) })
  refuseAcl(request, record)
  if (headers.has('x-amz-tagging')) throw s3Fault('NotImplemented')
  checkKey(request)
  checkSourceConditions(headers, found)
  checkWriteConditions(request)
  const directive = headers.get('x-amz-metadata-directive') ?? 'COPY'
  if (directive !== 'COPY' && directive !== 'REPLACE') {
    throw s3Fault('InvalidArgument', {}, 'Unknown metadata directive.')
  }
  const toItself = source.bucket === request.bucket && source.key === key
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
  const { acl: _acl, ...copied } = found
  call.world.tables.objects.set(objectKey(record.name, key), {
    ...copied,
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

function readSourceObject(from: S3Request): ObjectRecord {
  const { tables } = from.call.world
  const record = tables.buckets.get(from.bucket)
  if (record === undefined) throw s3Fault('NoSuchBucket', { BucketName: from.bucket })
  if (record.region !== from.call.region) throw s3Fault('NotImplemented')
  authorizeBucket(from, record, { action: 's3:GetObject', resource: objectArn(from) })
  const found = findObject(from)
  if (found !== undefined) return found
  const resource = `arn:${from.call.world.partition}:s3:::${from.bucket}`
  const mayList = mayOnBucket(from, record, { action: 's3:ListBucket', resource })
  throw mayList ? s3Fault('NoSuchKey', { Key: from.key }) : s3Fault('AccessDenied')
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
