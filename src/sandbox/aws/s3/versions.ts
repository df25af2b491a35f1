import { pageOf } from '../wire/pages.ts'
import { writeElement } from '../wire/xml.ts'
import { canonicalIdOf } from '../world.ts'
import { readCount } from './buckets.ts'
import { xmlResponse } from './documents.ts'
import { encodeKey, rowsOf } from './objects.ts'
import { authorizeBucket, bucketArn, requireBucket, type S3Request } from './request.ts'

/** ListObjectVersions of a bucket without versioning: each object has one, called `null`. */
export function listVersions(request: S3Request): Response {
  const { query } = request
  const record = requireBucket(request)
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const marker = query.get('key-marker') ?? ''
  authorizeBucket(request, record, {
    action: 's3:ListBucketVersions',
    resource: bucketArn(request),
    context: {
      ...(query.has('prefix') && { 's3:prefix': prefix }),
      ...(query.has('delimiter') && { 's3:delimiter': delimiter }),
    },
  })
  const limit = readCount(query.get('max-keys'), 1000)
  const encode = query.get('encoding-type') === 'url' ? encodeKey : (key: string): string => key
  const rows = rowsOf(request, prefix, delimiter).filter(({ key }) => key > marker)
  const page = pageOf(rows, ({ key }) => key, { limit, token: undefined, fault: '' })
  const last = page.next === undefined ? undefined : page.items.at(-1)?.key
  const versions = page.items.flatMap(({ key, object }) =>
    object === undefined
      ? []
      : [
          {
            Key: encode(key),
            VersionId: 'null',
            IsLatest: true,
            LastModified: new Date(object.modifiedAtMs),
            ETag: object.etag,
            Size: object.size,
            Owner: { ID: canonicalIdOf(record.accountId) },
            StorageClass: 'STANDARD',
          },
        ],
  )
  const prefixes = page.items
    .filter(({ object }) => object === undefined)
    .map(({ key }) => ({ Prefix: encode(key) }))
  const content = [
    writeElement('Name', record.name),
    writeElement('Prefix', encode(prefix)),
    writeElement('KeyMarker', encode(marker)),
    writeElement('VersionIdMarker', query.get('version-id-marker') ?? ''),
    writeElement('NextKeyMarker', last === undefined ? undefined : encode(last)),
    writeElement('NextVersionIdMarker', last === undefined ? undefined : 'null'),
    writeElement('MaxKeys', limit),
    writeElement('Delimiter', delimiter === '' ? undefined : encode(delimiter)),
    writeElement('EncodingType', query.get('encoding-type') === 'url' ? 'url' : undefined),
    writeElement('IsTruncated', page.next !== undefined),
    writeElement('Version', versions, 'flat'),
    writeElement('CommonPrefixes', prefixes, 'flat'),
  ]
  return xmlResponse('ListVersionsResult', content.join(''))
}
