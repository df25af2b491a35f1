/**
 * Versions of objects: what a write, a deletion and the deletion of a version do to the others of
 * their key. Source: Amazon S3 User Guide, "Working with objects in a versioning-enabled bucket" and
 * "Working with objects in a versioning-suspended bucket".
 */
import { randomBytes } from 'node:crypto'
import type { ContextKeys } from '../../../iam/request.ts'
import type { BucketRecord, DeleteMarkerRecord, ObjectRecord, Tables } from '../records.ts'
import { objectKey } from '../records.ts'
import { textOf, writeElement } from '../wire/xml.ts'
import { readXmlRoot, xmlResponse } from './documents.ts'
import { s3Fault } from './fault.ts'
import { authorizeBucket, bucketArn, missingKey, requireBucket, type S3Request } from './request.ts'

type VersionTables = Pick<Tables, 'objects' | 'versions'>

export type Version = ObjectRecord | DeleteMarkerRecord

/** What S3 calls a version that was written while its bucket kept none. */
const NULL = 'null'

/** Random characters, as AWS's ids are. */
const newVersionId = (): string => randomBytes(24).toString('base64url').replaceAll('-', '.')

export const versionIdOf = ({ versionId = NULL }: Version): string => versionId

export const isDeleteMarker = (version: Version): version is DeleteMarkerRecord =>
  'isDeleteMarker' in version

/** Neither bucket names nor version ids hold a slash. */
const placeOf = (version: Version): string =>
  `${version.bucket}/${versionIdOf(version)}/${version.key}`

const newestFirst = (one: Version, other: Version): number =>
  (other.number ?? 0) - (one.number ?? 0)

/** All versions of a bucket's keys that are wanted, by key and the newest first. */
export function versionsIn(
  { objects, versions }: VersionTables,
  bucket: string,
  isWanted: (key: string) => boolean,
): ReadonlyMap<string, readonly Version[]> {
  const found = new Map<string, Version[]>()
  for (const table of [versions, objects]) {
    for (const version of table.values()) {
      if (version.bucket !== bucket || !isWanted(version.key)) continue
      const ofKey = found.get(version.key)
      if (ofKey === undefined) found.set(version.key, [version])
      else ofKey.push(version)
    }
  }
  return new Map([...found].map(([key, all]) => [key, inOrder(all)]))
}

/** The newest first; a version that a kill left in both tables is one. */
const inOrder = (all: readonly Version[]): readonly Version[] =>
  [...new Map(all.map((version) => [versionIdOf(version), version])).values()].sort(newestFirst)

/** One key's, without a look at every object. */
function versionsOf(
  { objects, versions }: VersionTables,
  bucket: string,
  key: string,
): readonly Version[] {
  const found: Version[] = []
  for (const version of versions.values()) {
    if (version.key === key && version.bucket === bucket) found.push(version)
  }
  const current = objects.get(objectKey(bucket, key))
  return inOrder(current === undefined ? found : [...found, current])
}

/** The version of the request's key that has that id, or what the key gives or hides behind. */
export function findVersion(request: S3Request, versionId: string | null): Version | undefined {
  const { tables } = request.call.world
  const { bucket, key } = request
  if (versionId === null) {
    const current = tables.objects.get(objectKey(bucket, key))
    return current ?? versionsOf(tables, bucket, key)[0]
  }
  return versionsOf(tables, bucket, key).find((version) => versionIdOf(version) === versionId)
}

const isVersionId = (text: string): boolean => text === NULL || /^[\w.]{32}$/.test(text)

function wrongVersionId(text: string): Error {
  const members = { ArgumentName: 'versionId', ArgumentValue: text.slice(0, 100) }
  return s3Fault('InvalidArgument', members, 'Invalid version id specified')
}

/** What a policy sees of the version that a request names. */
export function versionContext({ query }: S3Request): ContextKeys {
  const versionId = query.get('versionId')
  return versionId === null ? {} : { 's3:VersionId': versionId }
}

/** Which version was read, where the bucket keeps or kept versions. */
export const versionHeader = (
  { versioning }: BucketRecord,
  version: Version,
): Readonly<Record<string, string>> =>
  versioning === undefined ? {} : { 'x-amz-version-id': versionIdOf(version) }

/** What is said where a read finds no object: for a delete marker that it is one. */
export function missingVersion(
  request: S3Request,
  record: BucketRecord,
  found: Version | undefined,
): Error {
  const versionId = request.query.get('versionId')
  const fault = missingKey(request, record)
  if (fault.code === 'AccessDenied') return fault
  const marker = found && { 'x-amz-delete-marker': 'true', 'x-amz-version-id': versionIdOf(found) }
  if (versionId === null) return s3Fault('NoSuchKey', { Key: request.key }, undefined, marker)
  if (!isVersionId(versionId)) return wrongVersionId(versionId)
  if (found === undefined)
    return s3Fault('NoSuchVersion', { Key: request.key, VersionId: versionId })
  if (request.headers.has('x-amz-copy-source')) {
    const text =
      'The source of a copy request may not specifically refer to a delete marker by version id.'
    return s3Fault('InvalidRequest', {}, text)
  }
  const members = { Method: request.method, ResourceType: 'DeleteMarker' }
  return s3Fault('MethodNotAllowed', members, undefined, {
    ...marker,
    'last-modified': new Date(found.modifiedAtMs).toUTCString(),
  })
}

/** Puts an object where its version is kept. */
export function replaceVersion({ objects, versions }: Tables, object: ObjectRecord): void {
  const at = objectKey(object.bucket, object.key)
  const current = objects.get(at)
  const isCurrent = current !== undefined && versionIdOf(current) === versionIdOf(object)
  if (isCurrent) objects.set(at, object)
  else versions.set(placeOf(object), object)
}

/** Keeps an object as what its key gives. @returns headers of the answer: the new version's id */
export function keepObject(
  { call }: S3Request,
  { versioning }: BucketRecord,
  object: ObjectRecord,
): Readonly<Record<string, string>> {
  const { tables } = call.world
  const at = objectKey(object.bucket, object.key)
  if (versioning === undefined) {
    tables.objects.set(at, object)
    return {}
  }
  const number = makeRoom(tables, versioning, object)
  if (versioning === 'Suspended') {
    tables.objects.set(at, { ...object, number })
    return {}
  }
  const versionId = newVersionId()
  tables.objects.set(at, { ...object, number, versionId })
  return { 'x-amz-version-id': versionId }
}

/**
 * Puts what a key gives among its versions; the version `null` goes where the next one is called so
 * too. @returns the next one's number
 */
function makeRoom(
  tables: VersionTables,
  versioning: 'Enabled' | 'Suspended',
  { bucket, key }: { readonly bucket: string; readonly key: string },
): number {
  const { objects, versions } = tables
  const all = versionsOf(tables, bucket, key)
  const current = objects.get(objectKey(bucket, key))
  for (const version of versioning === 'Suspended' ? all : []) {
    if (version.versionId === undefined) versions.delete(placeOf(version))
  }
  const isReplaced = versioning === 'Suspended' && current?.versionId === undefined
  if (current !== undefined && !isReplaced) versions.set(placeOf(current), current)
  return (all[0]?.number ?? 0) + 1
}

/** What a deletion did. */
export interface Removal {
  /** Of the delete marker that it made, or of the version that is gone. */
  readonly versionId?: string
  /** True where it made or took away a delete marker. */
  readonly deleteMarker?: true
}

/** Deletes an object, by a delete marker where its bucket keeps or kept versions. */
export function removeObject(request: S3Request, record: BucketRecord, key: string): Removal {
  const { call, bucket } = request
  const { tables } = call.world
  const { versioning } = record
  if (versioning === undefined) {
    tables.objects.delete(objectKey(bucket, key))
    return {}
  }
  const marker: DeleteMarkerRecord = {
    bucket,
    key,
    isDeleteMarker: true,
    number: makeRoom(tables, versioning, { bucket, key }),
    ...(versioning === 'Enabled' && { versionId: newVersionId() }),
    modifiedAtMs: call.nowMs,
  }
  tables.versions.set(placeOf(marker), marker)
  tables.objects.delete(objectKey(bucket, key))
  return { versionId: versionIdOf(marker), deleteMarker: true }
}

/** Deletes one version for good; the one before it comes back where it was the newest. */
export function removeVersion(request: S3Request, key: string, versionId: string): Removal {
  if (!isVersionId(versionId)) throw wrongVersionId(versionId)
  const { objects, versions } = request.call.world.tables
  const at = objectKey(request.bucket, key)
  const all = versionsOf(request.call.world.tables, request.bucket, key)
  const found = all.find((version) => versionIdOf(version) === versionId)
  if (found === undefined) return { versionId }
  const next = all[0] === found ? all[1] : undefined
  if (next !== undefined && !isDeleteMarker(next)) {
    objects.set(at, next)
    versions.delete(placeOf(next))
  } else if (all[0] === found) objects.delete(at)
  versions.delete(placeOf(found))
  return { versionId, ...(isDeleteMarker(found) && { deleteMarker: true }) }
}

export function getVersioning(request: S3Request): Response {
  const record = requireBucket(request)
  const resource = bucketArn(request)
  authorizeBucket(request, record, { action: 's3:GetBucketVersioning', resource })
  return xmlResponse('VersioningConfiguration', writeElement('Status', record.versioning))
}

/** Without deletion by MFA, which is refused. */
export function putVersioning(request: S3Request): Response {
  const record = requireBucket(request)
  const resource = bucketArn(request)
  authorizeBucket(request, record, { action: 's3:PutBucketVersioning', resource })
  const root = readXmlRoot(request, 'VersioningConfiguration')
  const [status, mfa] = [textOf(root, 'Status'), textOf(root, 'MfaDelete')]
  if (mfa !== undefined && mfa !== 'Enabled' && mfa !== 'Disabled') throw s3Fault('MalformedXML')
  if (mfa === 'Enabled') throw s3Fault('NotImplemented')
  if (status === undefined) throw s3Fault('IllegalVersioningConfigurationException')
  if (status !== 'Enabled' && status !== 'Suspended') throw s3Fault('MalformedXML')
  request.call.world.tables.buckets.set(record.name, { ...record, versioning: status })
  return new Response(null, { status: 200 })
}
