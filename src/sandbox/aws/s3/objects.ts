import { createHash } from 'node:crypto'
import type { BucketRecord, ObjectRecord } from '../records.ts'
import { canonicalIdOf } from '../world.ts'
import { pageOf } from '../wire/pages.ts'
import { writeElement } from '../wire/xml.ts'
import { readCount } from './buckets.ts'
import { xmlResponse } from './documents.ts'
import { checkChecksums } from './checksums.ts'
import { s3Fault } from './fault.ts'
import { isReadByAcl, readObjectAcl } from './ownership.ts'
import { existingTags, readTaggingHeader } from './tagging.ts'
import {
  authorizeBucket,
  bucketArn,
  findObject,
  MAX_OBJECT_BYTES,
  objectArn,
  requireBucket,
  type S3Request,
} from './request.ts'
import {
  findVersion,
  isDeleteMarker,
  keepObject,
  missingVersion,
  versionContext,
  versionHeader,
} from './versioning.ts'

/** Headers of a write that come back with each read. */
const KEPT_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
]
const MAX_OBJECTS = 200_000
const MAX_KEY_BYTES = 1024
const MAX_METADATA_BYTES = 2048

export function putObject(request: S3Request): Response {
  const { call, key, body, headers } = request
  const record = requireBucket(request)
  authorizeBucket(request, record, { action: 's3:PutObject', resource: objectArn(request) })
  const acl = readObjectAcl(request, record)
  if (headers.has('x-amz-object-lock-mode')) throw s3Fault('NotImplemented')
  const tagging = readTaggingHeader(request, record)
  checkKey(request)
  if (body.length > MAX_OBJECT_BYTES) throw s3Fault('EntityTooLarge')
  checkWriteConditions(request)
  const checksums = checkChecksums(
    body,
    (name) => headers.get(name) ?? request.trailers[name] ?? undefined,
  )
  const etag = `"${createHash('md5').update(body).digest('hex')}"`
  const version = keepObject(request, record, {
    bucket: record.name,
    key,
    body: Buffer.from(body).toString('base64'),
    size: body.length,
    etag,
    headers: { ...keptHeaders(headers), ...checksums },
    ...acl,
    ...tagging,
    modifiedAtMs: call.nowMs,
  })
  return new Response(null, { status: 200, headers: { etag, ...checksums, ...version } })
}

/** Whether one more object may be kept under this key. @throws AwsFault */
export function checkKey({ call, key }: S3Request): void {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw s3Fault('KeyTooLongError')
  const { objects, versions } = call.world.tables
  if (objects.size + versions.size >= MAX_OBJECTS) throw s3Fault('EntityTooLarge')
}

/** The headers of a write that come back with each read. */
export function keptHeaders(headers: Headers): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {}
  let metadata = 0
  for (const [name, value] of headers) {
    if (name.startsWith('x-amz-meta-')) {
      metadata += name.length - 'x-amz-meta-'.length + value.length
      kept[name] = value
    } else if (KEPT_HEADERS.includes(name)) kept[name] = value
  }
  if (metadata > MAX_METADATA_BYTES)
    throw s3Fault('InvalidRequest', {}, 'Your metadata is too large')
  const encodings = (kept['content-encoding'] ?? '')
    .split(',')
    .map((encoding) => encoding.trim())
    .filter((encoding) => encoding !== '' && encoding !== 'aws-chunked')
  delete kept['content-encoding']
  if (encodings.length > 0) kept['content-encoding'] = encodings.join(',')
  return kept
}

/** @throws AwsFault `PreconditionFailed`, `NoSuchKey` */
export function checkWriteConditions(request: S3Request): void {
  const present = findObject(request)
  if (request.headers.get('if-none-match') === '*' && present !== undefined) {
    throw s3Fault('PreconditionFailed', { Condition: 'If-None-Match' })
  }
  const wanted = request.headers.get('if-match')
  if (wanted === null) return
  if (present === undefined) throw s3Fault('NoSuchKey', { Key: request.key })
  if (!matches(wanted, present.etag)) throw s3Fault('PreconditionFailed', { Condition: 'If-Match' })
}

/** GetObject and HeadObject. */
export function getObject(request: S3Request): Response {
  const record = requireBucket(request)
  const object = requireVersion(request, record)
  const headers = {
    'content-type': 'binary/octet-stream',
    ...object.headers,
    ...overridden(request),
    etag: object.etag,
    'last-modified': new Date(object.modifiedAtMs).toUTCString(),
    'accept-ranges': 'bytes',
    ...tagCount(object),
    ...versionHeader(record, object),
  }
  if (isUnchanged(request, object)) return new Response(null, { status: 304, headers })
  const range = readRange(request.headers.get('range'), object.size)
  if (range === undefined) {
    const body = Buffer.from(object.body, 'base64')
    return request.method === 'HEAD'
      ? new Response(null, { headers: { ...headers, 'content-length': String(object.size) } })
      : new Response(body, { headers })
  }
  // The checksum is the whole object's; a part has none.
  const partHeaders = Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith('x-amz-checksum-')),
  )
  const body = Buffer.from(object.body, 'base64').subarray(range.from, range.to + 1)
  return new Response(request.method === 'HEAD' ? null : body, {
    status: 206,
    headers: {
      ...partHeaders,
      'content-length': String(range.to - range.from + 1),
      'content-range': `bytes ${range.from}-${range.to}/${object.size}`,
    },
  })
}

/** The object that is read, or the version of it that the query names. @throws AwsFault */
export function requireVersion(request: S3Request, record: BucketRecord): ObjectRecord {
  const versionId = request.query.get('versionId')
  const found = findVersion(request, versionId)
  const object = found === undefined || isDeleteMarker(found) ? undefined : found
  authorizeBucket(request, record, {
    action: versionId === null ? 's3:GetObject' : 's3:GetObjectVersion',
    resource: objectArn(request),
    grantsEverybody: isReadByAcl(record, object),
    context: { ...existingTags(object), ...versionContext(request) },
  })
  if (object !== undefined) return object
  throw missingVersion(request, record, found)
}

const tagCount = ({ tags = {} }: ObjectRecord): Readonly<Record<string, string>> => {
  const count = Object.keys(tags).length
  return count === 0 ? {} : { 'x-amz-tagging-count': String(count) }
}

/** Headers of the answer that a signed request chooses: `response-content-type`, … */
function overridden({ call, query }: S3Request): Readonly<Record<string, string>> {
  const chosen = KEPT_HEADERS.filter((name) => query.has(`response-${name}`))
  if (chosen.length > 0 && call.identity.key === undefined) {
    throw s3Fault(
      'InvalidRequest',
      {},
      'Request specific response headers cannot be used for anonymous GET requests.',
    )
  }
  return Object.fromEntries(chosen.map((name) => [name, query.get(`response-${name}`) ?? '']))
}

/** Source: RFC 9110 section 13.2.2. */
function isUnchanged(request: S3Request, object: ObjectRecord): boolean {
  const { headers } = request
  const modified = Math.floor(object.modifiedAtMs / 1000) * 1000
  const ifMatch = headers.get('if-match')
  const since = headers.get('if-unmodified-since')
  if (ifMatch !== null ? !matches(ifMatch, object.etag) : since && modified > Date.parse(since)) {
    throw s3Fault('PreconditionFailed')
  }
  const ifNoneMatch = headers.get('if-none-match')
  if (ifNoneMatch !== null) return matches(ifNoneMatch, object.etag)
  const modifiedSince = headers.get('if-modified-since')
  return modifiedSince !== null && modified <= Date.parse(modifiedSince)
}

/** Whether an If-Match or If-None-Match header names that entity tag. */
export function matches(header: string, etag: string): boolean {
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes('*') || tags.includes(etag) || tags.includes(etag.replaceAll('"', ''))
}

/** One range of bytes, both ends included; a header that is no single range is ignored. */
function readRange(header: string | null, size: number): { from: number; to: number } | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return undefined
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (first !== '' && last !== '' && Number(last) < from) return undefined
  if (from >= size || (first === '' && Number(last) === 0)) throw s3Fault('InvalidRange')
  return { from, to }
}

/** A row of a list: an object, or the common prefix of several. */
export interface Row {
  readonly key: string
  readonly object?: ObjectRecord
}

/** ListObjects and ListObjectsV2. */
export function listObjects(request: S3Request): Response {
  const { query } = request
  const record = requireBucket(request)
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const maxKeys = query.get('max-keys')
  authorizeBucket(request, record, {
    action: 's3:ListBucket',
    resource: bucketArn(request),
    context: {
      ...(query.has('prefix') && { 's3:prefix': prefix }),
      ...(query.has('delimiter') && { 's3:delimiter': delimiter }),
      ...(maxKeys !== null && { 's3:max-keys': maxKeys }),
    },
  })
  const limit = readCount(maxKeys, 1000)
  const encode = query.get('encoding-type') === 'url' ? encodeKey : (key: string): string => key
  const token = query.get('continuation-token') ?? undefined
  const first = query.get('list-type') !== '2'
  const startAfter = query.get(first ? 'marker' : 'start-after') ?? ''
  const rows = rowsOf(request, prefix, delimiter).filter(({ key }) => key > startAfter)
  const page = pageOf(rows, ({ key }) => key, { limit, token, fault: 'InvalidArgument' })
  const contents = page.items
    .filter((row) => row.object !== undefined)
    .map(({ key, object }) => ({
      Key: encode(key),
      LastModified: new Date(object?.modifiedAtMs ?? 0),
      ETag: object?.etag,
      Size: object?.size,
      ...(first && { Owner: { ID: canonicalIdOf(record.accountId) } }),
      StorageClass: 'STANDARD',
    }))
  const prefixes = page.items
    .filter((row) => row.object === undefined)
    .map(({ key }) => ({ Prefix: encode(key) }))
  const content = [
    writeElement('Name', record.name),
    writeElement('Prefix', encode(prefix)),
    writeElement('Delimiter', delimiter === '' ? undefined : encode(delimiter)),
    writeElement('EncodingType', query.get('encoding-type') === 'url' ? 'url' : undefined),
    ...(first
      ? [
          writeElement('Marker', encode(startAfter)),
          // Without a delimiter the last key is the next marker.
          writeElement(
            'NextMarker',
            page.next === undefined || delimiter === ''
              ? undefined
              : encode(page.items.at(-1)?.key ?? ''),
          ),
        ]
      : [
          writeElement('StartAfter', startAfter === '' ? undefined : encode(startAfter)),
          writeElement('ContinuationToken', token),
          writeElement('NextContinuationToken', page.next),
          writeElement('KeyCount', page.items.length),
        ]),
    writeElement('MaxKeys', limit),
    writeElement('IsTruncated', page.next !== undefined),
    writeElement('Contents', contents, 'flat'),
    writeElement('CommonPrefixes', prefixes, 'flat'),
  ]
  return xmlResponse('ListBucketResult', content.join(''))
}

export function rowsOf(request: S3Request, prefix: string, delimiter: string): readonly Row[] {
  const rows = new Map<string, Row>()
  for (const object of request.call.world.tables.objects.values()) {
    const { bucket, key } = object
    if (bucket !== request.bucket || !key.startsWith(prefix)) continue
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const common = cut === -1 ? undefined : key.slice(0, cut + delimiter.length)
    if (common === undefined) rows.set(key, { key, object })
    else rows.set(common, { key: common })
  }
  return [...rows.values()]
}

export const encodeKey = (key: string): string => encodeURIComponent(key).replaceAll('%2F', '/')
