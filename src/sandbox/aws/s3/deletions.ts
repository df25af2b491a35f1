/** DeleteObject and DeleteObjects, of objects and of their versions. */
import { messageOf } from '../../../lib/errors.ts'
import type { BucketRecord } from '../records.ts'
import { AwsFault } from '../wire/fault.ts'
import { childrenOf, textOf, writeElement } from '../wire/xml.ts'
import { readXmlRoot, xmlResponse } from './documents.ts'
import { s3Fault } from './fault.ts'
import { authorizeBucket, objectArn, requireBucket, type S3Request } from './request.ts'
import { type Removal, removeObject, removeVersion } from './versioning.ts'

/** What is to be deleted: an object, or one version of it. */
interface Deletion {
  readonly key: string
  readonly versionId: string | undefined
}

function remove(request: S3Request, record: BucketRecord, { key, versionId }: Deletion): Removal {
  const resource = objectArn(request, key)
  if (versionId === undefined) {
    authorizeBucket(request, record, { action: 's3:DeleteObject', resource })
    return removeObject(request, record, key)
  }
  const context = { 's3:VersionId': versionId }
  authorizeBucket(request, record, { action: 's3:DeleteObjectVersion', resource, context })
  return removeVersion(request, key, versionId)
}

export function deleteObject(request: S3Request): Response {
  const record = requireBucket(request)
  const { key, query } = request
  const removal = remove(request, record, { key, versionId: query.get('versionId') ?? undefined })
  const headers = {
    ...(removal.versionId !== undefined && { 'x-amz-version-id': removal.versionId }),
    ...(removal.deleteMarker && { 'x-amz-delete-marker': 'true' }),
  }
  return new Response(null, { status: 204, headers })
}

/** What is said of one of them. */
type Row = Readonly<Record<string, string | boolean | undefined>>

export function deleteObjects(request: S3Request): Response {
  const record = requireBucket(request)
  const { deletions, quiet } = readDeletions(request)
  const deleted: Row[] = []
  const faults: Row[] = []
  for (const deletion of deletions) {
    const { key, versionId } = deletion
    try {
      const removal = remove(request, record, deletion)
      deleted.push({
        Key: key,
        VersionId: versionId,
        DeleteMarker: removal.deleteMarker,
        DeleteMarkerVersionId: removal.deleteMarker && removal.versionId,
      })
    } catch (error) {
      faults.push({ Key: key, VersionId: versionId, ...faultMembers(error) })
    }
  }
  const content =
    (quiet ? '' : writeElement('Deleted', deleted, 'flat')) + writeElement('Error', faults, 'flat')
  return xmlResponse('DeleteResult', content)
}

/** What a `Delete` document names. @throws AwsFault `MalformedXML` */
function readDeletions(request: S3Request): {
  readonly deletions: readonly Deletion[]
  readonly quiet: boolean
} {
  const root = readXmlRoot(request, 'Delete')
  const deletions = childrenOf(root, 'Object').map((object) => {
    const [key] = childrenOf(object, 'Key')
    if (typeof key !== 'string' || key === '') throw s3Fault('MalformedXML')
    return { key, versionId: textOf(object, 'VersionId') || undefined }
  })
  if (deletions.length === 0 || deletions.length > 1000) throw s3Fault('MalformedXML')
  return { deletions, quiet: textOf(root, 'Quiet') === 'true' }
}

/** The error of one key in a list of results. */
function faultMembers(thrown: unknown): { readonly Code: string; readonly Message: string } {
  return thrown instanceof AwsFault
    ? { Code: thrown.code, Message: messageOf(thrown) }
    : { Code: 'InternalError', Message: 'We encountered an internal error.' }
}
