import type { BucketRecord } from '../records.ts'
import { type Node, writeElement } from '../wire/xml.ts'
import { canonicalIdOf } from '../world.ts'
import { readCount } from './buckets.ts'
import { xmlResponse } from './documents.ts'
import { s3Fault } from './fault.ts'
import { encodeKey } from './objects.ts'
import { authorizeBucket, bucketArn, requireBucket, type S3Request } from './request.ts'
import { isDeleteMarker, type Version, versionIdOf, versionsIn } from './versioning.ts'

/** A row of the list: a version, or the common prefix of several keys. */
interface Row {
  readonly key: string
  readonly version?: Version
  readonly isLatest: boolean
}

/** ListObjectVersions: by key, the newest first; without versioning each object has one, `null`. */
export function listVersions(request: S3Request): Response {
  const { query } = request
  const record = requireBucket(request)
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  authorizeBucket(request, record, {
    action: 's3:ListBucketVersions',
    resource: bucketArn(request),
    context: {
      ...(query.has('prefix') && { 's3:prefix': prefix }),
      ...(query.has('delimiter') && { 's3:delimiter': delimiter }),
    },
  })
  const limit = readCount(query.get('max-keys'), 1000)
  const isEncoded = query.get('encoding-type') === 'url'
  const encode = isEncoded ? encodeKey : (key: string): string => key
  const rows = rowsBehind(rowsOf(request, prefix, delimiter), query)
  const page = rows.slice(0, limit)
  const isTruncated = rows.length > page.length && page.length > 0
  const last = isTruncated ? page.at(-1) : undefined
  const describe = (wanted: boolean): readonly Node[] =>
    page.flatMap((row) => describeVersion(record, row, encode, wanted))
  const prefixes = page.filter(({ version }) => version === undefined)
  const content = [
    writeElement('Name', record.name),
    writeElement('Prefix', encode(prefix)),
    writeElement('KeyMarker', encode(query.get('key-marker') ?? '')),
    writeElement('VersionIdMarker', query.get('version-id-marker') ?? ''),
    writeElement('NextKeyMarker', last && encode(last.key)),
    writeElement('NextVersionIdMarker', last?.version && versionIdOf(last.version)),
    writeElement('MaxKeys', limit),
    writeElement('Delimiter', delimiter === '' ? undefined : encode(delimiter)),
    writeElement('EncodingType', isEncoded ? 'url' : undefined),
    writeElement('IsTruncated', isTruncated),
    writeElement('Version', describe(false), 'flat'),
    writeElement('DeleteMarker', describe(true), 'flat'),
    writeElement(
      'CommonPrefixes',
      prefixes.map(({ key }) => ({ Prefix: encode(key) })),
      'flat',
    ),
  ]
  return xmlResponse('ListVersionsResult', content.join(''))
}

/** All rows in their order. */
function rowsOf(request: S3Request, prefix: string, delimiter: string): readonly Row[] {
  const { tables } = request.call.world
  const rows: Row[] = []
  const prefixes = new Set<string>()
  for (const [key, all] of versionsIn(tables, request.bucket, (one) => one.startsWith(prefix))) {
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    if (cut === -1) all.forEach((version, at) => rows.push({ key, version, isLatest: at === 0 }))
    else prefixes.add(key.slice(0, cut + delimiter.length))
  }
  for (const key of prefixes) rows.push({ key, isLatest: false })
  // Rows of one key keep their order.
  return rows.sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
}

/** The rows behind the key, or behind the version of it, that the query names. */
function rowsBehind(rows: readonly Row[], query: URLSearchParams): readonly Row[] {
  const marker = query.get('key-marker') ?? ''
  const versionId = query.get('version-id-marker') ?? ''
  if (versionId === '') return rows.filter(({ key }) => key > marker)
  if (marker === '') {
    const text = 'A version-id marker cannot be specified without a key marker.'
    throw s3Fault('InvalidArgument', {}, text)
  }
  const at = rows.findIndex(
    ({ key, version }) => key === marker && version && versionIdOf(version) === versionId,
  )
  // Who deletes page by page has deleted the marker: nothing behind it may be passed over.
  return at === -1 ? rows.filter(({ key }) => key >= marker) : rows.slice(at + 1)
}

function describeVersion(
  { accountId }: BucketRecord,
  { key, version, isLatest }: Row,
  encode: (key: string) => string,
  wantsMarkers: boolean,
): readonly Node[] {
  if (version === undefined || isDeleteMarker(version) !== wantsMarkers) return []
  return [
    {
      Key: encode(key),
      VersionId: versionIdOf(version),
      IsLatest: isLatest,
      LastModified: new Date(version.modifiedAtMs),
      ...(!isDeleteMarker(version) && {
        ETag: version.etag,
        Size: version.size,
        StorageClass: 'STANDARD',
      }),
      Owner: { ID: canonicalIdOf(accountId) },
    },
  ]
}
