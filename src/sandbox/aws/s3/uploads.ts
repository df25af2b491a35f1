import { createHash, randomBytes } from 'node:crypto'
import type { PartRecord, UploadRecord } from '../records.ts'
import { childrenOf, textOf, writeChildren, writeElement } from '../wire/xml.ts'
import { canonicalIdOf } from '../world.ts'
import { readCount } from './buckets.ts'
import { checkChecksums, checkWholeChecksums } from './checksums.ts'
import { readCopySource, withSourceVersion } from './copies.ts'
import { noContent, readXmlRoot, xmlResponse } from './documents.ts'
import { s3Fault } from './fault.ts'
import { checkKey, checkWriteConditions, keptHeaders } from './objects.ts'
import { refuseAcl } from './ownership.ts'
import {
  authorizeBucket,
  bucketArn,
  MAX_OBJECT_BYTES,
  objectArn,
  requireBucket,
  type S3Request,
} from './request.ts'
import { readTaggingHeader } from './tagging.ts'
import { keepObject } from './versioning.ts'

const MAX_UPLOADS = 1000
const MAX_PARTS = 10_000
/** Most parts or uploads of one page. */
const MAX_LISTED = 1000
/** "Part size: 5 MiB to 5 GiB. There is no minimum size limit on the last part." */
const MIN_PART_BYTES = 5 << 20

/** Source: Amazon S3 API Reference, "CreateMultipartUpload". */
export function createUpload(request: S3Request): Response {
  const { call, bucket, key, headers } = request
  const { uploads } = call.world.tables
  const record = requireBucket(request)
  authorizeBucket(request, record, { action: 's3:PutObject', resource: objectArn(request) })
  refuseAcl(request, record)
  const tagging = readTaggingHeader(request, record)
  checkKey(request)
  if (uploads.size >= MAX_UPLOADS) throw s3Fault('SlowDown')
  const uploadId = newUploadId(call.nowMs)
  const kept = keptHeaders(headers)
  uploads.set(uploadId, {
    uploadId,
    bucket,
    key,
    headers: kept,
    ...tagging,
    createdAtMs: call.nowMs,
  })
  return xmlResponse(
    'InitiateMultipartUploadResult',
    writeElement('Bucket', bucket) + writeElement('Key', key) + writeElement('UploadId', uploadId),
  )
}

/** Upload ids come in the order of their times, which is the order of lists; the rest is random. */
const newUploadId = (nowMs: number): string =>
  `${nowMs.toString(36).padStart(10, '0')}.${randomBytes(24).toString('base64url')}`

export function uploadPart(request: S3Request): Response {
  const { body, headers } = request
  const record = requireBucket(request)
  authorizeBucket(request, record, { action: 's3:PutObject', resource: objectArn(request) })
  const place = readPart(request, body.length)
  const sent = (name: string): string | undefined => headers.get(name) ?? request.trailers[name]
  const checksums = checkChecksums(body, sent)
  const etag = keepPart(request, place, body)
  return new Response(null, { status: 200, headers: { etag, ...checksums } })
}

/** UploadPartCopy, within the region: an object or a range of one as a part. */
export function uploadPartCopy(request: S3Request): Response {
  const record = requireBucket(request)
  const source = readCopySource(request)
  const { found } = source
  authorizeBucket(request, record, { action: 's3:PutObject', resource: objectArn(request) })
  const range = readCopyRange(request.headers.get('x-amz-copy-source-range'), found.size)
  const place = readPart(request, range.to - range.from)
  const body = Buffer.from(found.body, 'base64').subarray(range.from, range.to)
  const etag = keepPart(request, place, body)
  const modified = new Date(request.call.nowMs)
  const answer = xmlResponse(
    'CopyPartResult',
    writeElement('LastModified', modified) + writeElement('ETag', etag),
  )
  return withSourceVersion(answer, source)
}

/** `bytes=FROM-TO`, both ends included; all where there is none. @throws AwsFault */
function readCopyRange(header: string | null, size: number): { from: number; to: number } {
  if (header === null) return { from: 0, to: size }
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header) ?? []
  const [from, to] = [Number(first), Number(last) + 1]
  if (first === undefined || to <= from) {
    throw s3Fault(
      'InvalidArgument',
      { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header.slice(0, 100) },
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    )
  }
  if (to <= size) return { from, to }
  throw s3Fault('InvalidRequest', {}, 'The specified copy range is invalid for the source object')
}

interface PartPlace {
  readonly uploadId: string
  readonly number: number
}

/** Where a part of so many bytes goes. @throws AwsFault */
function readPart(request: S3Request, size: number): PartPlace {
  const { uploadId } = requireUpload(request)
  const number = readPartNumber(request.query.get('partNumber') ?? '')
  const others = partsOf(request, uploadId).filter((part) => part.number !== number)
  const bytes = others.reduce((sum, part) => sum + part.size, size)
  if (bytes > MAX_OBJECT_BYTES) throw s3Fault('EntityTooLarge')
  return { uploadId, number }
}

/** Keeps a part; its entity tag. */
function keepPart({ call }: S3Request, { uploadId, number }: PartPlace, body: Uint8Array): string {
  const etag = `"${createHash('md5').update(body).digest('hex')}"`
  call.world.tables.parts.set(partKey(uploadId, number), {
    uploadId,
    number,
    body: Buffer.from(body).toString('base64'),
    size: body.length,
    etag,
    modifiedAtMs: call.nowMs,
  })
  return etag
}

/** Source: Amazon S3 API Reference, "CompleteMultipartUpload". */
export function completeUpload(request: S3Request): Response {
  const { call, bucket, key } = request
  const record = requireBucket(request)
  authorizeBucket(request, record, { action: 's3:PutObject', resource: objectArn(request) })
  const upload = requireUpload(request)
  const chosen = readChosen(request, upload)
  checkKey(request)
  checkWriteConditions(request)
  const body = Buffer.concat(chosen.map((part) => Buffer.from(part.body, 'base64')))
  const checksums = checkWholeChecksums(body, request.headers)
  const hashes = chosen.map(({ etag }) => Buffer.from(etag.slice(1, -1), 'hex'))
  const hash = createHash('md5').update(Buffer.concat(hashes)).digest('hex')
  const etag = `"${hash}-${chosen.length}"`
  const version = keepObject(request, record, {
    bucket,
    key,
    body: body.toString('base64'),
    size: body.length,
    etag,
    headers: { ...upload.headers, ...checksums },
    ...(upload.tags !== undefined && { tags: upload.tags }),
    modifiedAtMs: call.nowMs,
  })
  forgetUpload(request, upload.uploadId)
  const answer = xmlResponse(
    'CompleteMultipartUploadResult',
    writeElement('Location', new URL(`/${bucket}/${encodeURIComponent(key)}`, 'http://s3').href) +
      writeElement('Bucket', bucket) +
      writeElement('Key', key) +
      writeElement('ETag', etag),
  )
  for (const [name, value] of Object.entries(version)) answer.headers.set(name, value)
  return answer
}

/** The parts that a completion names, each as it was uploaded. @throws AwsFault */
function readChosen(request: S3Request, { uploadId }: UploadRecord): readonly PartRecord[] {
  const named = childrenOf(readXmlRoot(request, 'CompleteMultipartUpload'), 'Part')
  if (named.length === 0 || named.length > MAX_PARTS) throw s3Fault('MalformedXML')
  let last = 0
  const chosen = named.map((element) => {
    const number = readPartNumber(textOf(element, 'PartNumber') ?? '')
    if (number <= last) throw s3Fault('InvalidPartOrder')
    last = number
    const part = request.call.world.tables.parts.get(partKey(uploadId, number))
    const etag = textOf(element, 'ETag')?.replaceAll('"', '')
    if (part === undefined || part.etag !== `"${etag ?? ''}"`) throw s3Fault('InvalidPart')
    return part
  })
  const small = chosen.slice(0, -1).some(({ size }) => size < MIN_PART_BYTES)
  if (small) throw s3Fault('EntityTooSmall')
  return chosen
}

export function abortUpload(request: S3Request): Response {
  const record = requireBucket(request)
  const resource = objectArn(request)
  authorizeBucket(request, record, { action: 's3:AbortMultipartUpload', resource })
  forgetUpload(request, requireUpload(request).uploadId)
  return noContent()
}

/** Source: Amazon S3 API Reference, "ListParts". */
export function listParts(request: S3Request): Response {
  const { bucket, key, query } = request
  const record = requireBucket(request)
  const resource = objectArn(request)
  authorizeBucket(request, record, { action: 's3:ListMultipartUploadParts', resource })
  const { uploadId } = requireUpload(request)
  const limit = readCount(query.get('max-parts'), MAX_LISTED)
  const marker = readCount(query.get('part-number-marker') ?? '0', MAX_PARTS)
  const after = partsOf(request, uploadId).filter(({ number }) => number > marker)
  const page = after.slice(0, limit)
  const last = page.length < after.length ? page.at(-1) : undefined
  const parts = page.map((part) => ({
    PartNumber: part.number,
    LastModified: new Date(part.modifiedAtMs),
    ETag: part.etag,
    Size: part.size,
  }))
  const head = {
    Bucket: bucket,
    Key: key,
    UploadId: uploadId,
    Owner: { ID: canonicalIdOf(record.accountId) },
    StorageClass: 'STANDARD',
    PartNumberMarker: marker,
    NextPartNumberMarker: last?.number,
    MaxParts: limit,
    IsTruncated: last !== undefined,
    Part: parts,
  }
  return xmlResponse('ListPartsResult', writeChildren(head, 'flat'))
}

/** Source: Amazon S3 API Reference, "ListMultipartUploads". */
export function listUploads(request: S3Request): Response {
  const { call, bucket, query } = request
  const record = requireBucket(request)
  const resource = bucketArn(request)
  authorizeBucket(request, record, { action: 's3:ListBucketMultipartUploads', resource })
  // Folders of uploads are not made here.
  if (query.has('delimiter')) throw s3Fault('NotImplemented')
  const prefix = query.get('prefix') ?? ''
  const limit = readCount(query.get('max-uploads'), MAX_LISTED)
  const keyMarker = query.get('key-marker') ?? ''
  const idMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '')
  const after = [...call.world.tables.uploads.values()]
    .filter((one) => one.bucket === bucket && one.key.startsWith(prefix))
    .filter(
      ({ key, uploadId }) =>
        key > keyMarker || (key === keyMarker && idMarker !== '' && uploadId > idMarker),
    )
    .sort(compareUploads)
  const page = after.slice(0, limit)
  const last = page.length < after.length ? page.at(-1) : undefined
  const owner = { ID: canonicalIdOf(record.accountId) }
  const head = {
    Bucket: bucket,
    KeyMarker: keyMarker,
    UploadIdMarker: idMarker,
    NextKeyMarker: last?.key,
    NextUploadIdMarker: last?.uploadId,
    Prefix: prefix === '' ? undefined : prefix,
    MaxUploads: limit,
    IsTruncated: last !== undefined,
    Upload: page.map(({ key, uploadId, createdAtMs }) => ({
      Key: key,
      UploadId: uploadId,
      Owner: owner,
      StorageClass: 'STANDARD',
      Initiated: new Date(createdAtMs),
    })),
  }
  return xmlResponse('ListMultipartUploadsResult', writeChildren(head, 'flat'))
}

/** By key, then by the time they began. */
function compareUploads(a: UploadRecord, b: UploadRecord): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1
  return a.uploadId < b.uploadId ? -1 : 1
}

function requireUpload({ call, bucket, key, query }: S3Request): UploadRecord {
  const uploadId = query.get('uploadId') ?? ''
  const upload = call.world.tables.uploads.get(uploadId)
  if (upload?.bucket === bucket && upload.key === key) return upload
  throw s3Fault('NoSuchUpload', { UploadId: uploadId.slice(0, 200) })
}

function readPartNumber(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= MAX_PARTS) return number
  throw s3Fault(
    'InvalidArgument',
    { ArgumentName: 'partNumber' },
    `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`,
  )
}

const partKey = (uploadId: string, number: number): string => `${uploadId}/${number}`

function partsOf({ call }: S3Request, uploadId: string): readonly PartRecord[] {
  return [...call.world.tables.parts.values()]
    .filter((part) => part.uploadId === uploadId)
    .sort((a, b) => a.number - b.number)
}

function forgetUpload(request: S3Request, uploadId: string): void {
  const { uploads, parts } = request.call.world.tables
  for (const { number } of partsOf(request, uploadId)) parts.delete(partKey(uploadId, number))
  uploads.delete(uploadId)
}
