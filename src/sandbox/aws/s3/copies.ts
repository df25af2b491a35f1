import type { BucketRecord, ObjectRecord } from '../records.ts'
import { writeElement } from '../wire/xml.ts'
import { xmlResponse } from './documents.ts'
import { s3Fault } from './fault.ts'
import { checkKey, checkWriteConditions, keptHeaders, matches, requireVersion } from './objects.ts'
import { refuseAcl } from './ownership.ts'
import { authorizeBucket, checkOwner, objectArn, requireBucket, type S3Request } from './request.ts'
import { copiedTags } from './tagging.ts'
import { keepObject, versionIdOf } from './versioning.ts'

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
  // An older version may come back so.
  const toItself = source.versionId === null && found.bucket === request.bucket && found.key === key
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
  const { acl: _acl, tags: _tags, versionId: _id, number: _number, ...copied } = found
  const version = keepObject(request, record, {
    ...copied,
    ...tagging,
    bucket: record.name,
    key,
    headers: kept,
    modifiedAtMs: call.nowMs,
  })
  const answer = xmlResponse(
    'CopyObjectResult',
    writeElement('LastModified', new Date(call.nowMs)) + writeElement('ETag', found.etag),
  )
  for (const [name, value] of Object.entries(version)) answer.headers.set(name, value)
  return withSourceVersion(answer, source)
}

const isChecksum = (name: string): boolean => name.startsWith('x-amz-checksum-')

/** Tells which version was copied, where the source's bucket keeps versions. */
export function withSourceVersion(answer: Response, { record, found }: CopySource): Response {
  if (record.versioning === undefined) return answer
  answer.headers.set('x-amz-copy-source-version-id', versionIdOf(found))
  return answer
}

/** `/BUCKET/KEY` or `BUCKET/KEY`, percent-encoded, with `?versionId=ID` where it is not the newest. */
function readSource({ headers }: S3Request): SourceName {
  const header = headers.get('x-amz-copy-source') ?? ''
  const [, bucket = '', rest = '', versionId = null] =
    /^\/?([^/?]+)\/([^?]+)(?:\?versionId=([^&]+))?$/.exec(header) ?? []
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
  return { bucket, key, versionId }
}

interface SourceName {
  readonly bucket: string
  readonly key: string
  readonly versionId: string | null
}

/** What is copied, and where from. */
interface CopySource {
  /** As it was asked for. */
  readonly versionId: string | null
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
  const { bucket, key, versionId } = readSource(request)
  const query = new URLSearchParams(request.query)
  if (versionId !== null) query.set('versionId', versionId)
  const from = { ...request, bucket, key, query }
  const { record, found } = readSourceObject(from)
  checkSourceConditions(request.headers, found)
  return { request: from, record, found, versionId }
}

function readSourceObject(from: S3Request): Pick<CopySource, 'record' | 'found'> {
  const { tables } = from.call.world
  const record = tables.buckets.get(from.bucket)
  if (record === undefined) throw s3Fault('NoSuchBucket', { BucketName: from.bucket })
  if (record.region !== from.call.region) throw s3Fault('NotImplemented')
  checkOwner(from, record, 'x-amz-source-expected-bucket-owner')
  return { record, found: requireVersion(from, record) }
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
