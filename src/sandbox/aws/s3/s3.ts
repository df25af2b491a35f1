import { AwsFault, internalFault } from '../wire/fault.ts'
import {
  createBucket,
  deleteBucket,
  deleteBucketPolicy,
  deletePublicAccessBlock,
  getBucketLocation,
  getBucketPolicy,
  getPublicAccessBlock,
  headBucket,
  listBuckets,
  putBucketPolicy,
  putPublicAccessBlock,
} from './buckets.ts'
import { copyObject } from './copies.ts'
import { s3Fault } from './fault.ts'
import { deleteObject, deleteObjects } from './deletions.ts'
import { getObject, listObjects, putObject } from './objects.ts'
import {
  deleteOwnershipControls,
  getAcl,
  getOwnershipControls,
  putAcl,
  putOwnershipControls,
} from './ownership.ts'
import type { S3Request } from './request.ts'
import { SETTING_OPERATIONS } from './settings.ts'
import {
  deleteBucketTagging,
  deleteObjectTagging,
  getBucketTagging,
  getObjectTagging,
  putBucketTagging,
  putObjectTagging,
} from './tagging.ts'
import {
  abortUpload,
  completeUpload,
  createUpload,
  listParts,
  listUploads,
  uploadPart,
  uploadPartCopy,
} from './uploads.ts'
import { getVersioning, putVersioning } from './versioning.ts'
import { listVersions } from './versions.ts'

type Operation = (request: S3Request) => Response

/** `LEVEL METHOD SUBRESOURCE` → operation; a row is all that a new one needs. */
const OPERATIONS: Readonly<Record<string, readonly [name: string, run: Operation]>> = {
  'service GET': ['ListBuckets', listBuckets],
  'bucket PUT': ['CreateBucket', createBucket],
  'bucket HEAD': ['HeadBucket', headBucket],
  'bucket DELETE': ['DeleteBucket', deleteBucket],
  'bucket GET': ['ListObjects', listObjects],
  'bucket GET list-type': ['ListObjectsV2', listObjects],
  'bucket GET location': ['GetBucketLocation', getBucketLocation],
  'bucket GET policy': ['GetBucketPolicy', getBucketPolicy],
  'bucket PUT policy': ['PutBucketPolicy', putBucketPolicy],
  'bucket DELETE policy': ['DeleteBucketPolicy', deleteBucketPolicy],
  'bucket GET publicAccessBlock': ['GetPublicAccessBlock', getPublicAccessBlock],
  'bucket PUT publicAccessBlock': ['PutPublicAccessBlock', putPublicAccessBlock],
  'bucket DELETE publicAccessBlock': ['DeletePublicAccessBlock', deletePublicAccessBlock],
  'bucket GET ownershipControls': ['GetBucketOwnershipControls', getOwnershipControls],
  'bucket PUT ownershipControls': ['PutBucketOwnershipControls', putOwnershipControls],
  'bucket DELETE ownershipControls': ['DeleteBucketOwnershipControls', deleteOwnershipControls],
  'bucket GET acl': ['GetBucketAcl', getAcl],
  'bucket PUT acl': ['PutBucketAcl', putAcl],
  'object GET acl': ['GetObjectAcl', getAcl],
  'object PUT acl': ['PutObjectAcl', putAcl],
  ...SETTING_OPERATIONS,
  'bucket GET tagging': ['GetBucketTagging', getBucketTagging],
  'bucket PUT tagging': ['PutBucketTagging', putBucketTagging],
  'bucket DELETE tagging': ['DeleteBucketTagging', deleteBucketTagging],
  'object GET tagging': ['GetObjectTagging', getObjectTagging],
  'object GET tagging versionId': ['GetObjectTagging', getObjectTagging],
  'object PUT tagging': ['PutObjectTagging', putObjectTagging],
  'object PUT tagging versionId': ['PutObjectTagging', putObjectTagging],
  'object DELETE tagging': ['DeleteObjectTagging', deleteObjectTagging],
  'object DELETE tagging versionId': ['DeleteObjectTagging', deleteObjectTagging],
  'bucket GET versioning': ['GetBucketVersioning', getVersioning],
  'bucket PUT versioning': ['PutBucketVersioning', putVersioning],
  'bucket GET versions': ['ListObjectVersions', listVersions],
  'bucket POST delete': ['DeleteObjects', deleteObjects],
  'object GET': ['GetObject', getObject],
  'object GET versionId': ['GetObject', getObject],
  'object HEAD': ['HeadObject', getObject],
  'object HEAD versionId': ['HeadObject', getObject],
  'object PUT': ['PutObject', putObject],
  'object PUT x-amz-copy-source': ['CopyObject', copyObject],
  'bucket GET uploads': ['ListMultipartUploads', listUploads],
  'object POST uploads': ['CreateMultipartUpload', createUpload],
  'object PUT partNumber uploadId': ['UploadPart', uploadPart],
  'object PUT partNumber uploadId x-amz-copy-source': ['UploadPartCopy', uploadPartCopy],
  'object GET uploadId': ['ListParts', listParts],
  'object POST uploadId': ['CompleteMultipartUpload', completeUpload],
  'object DELETE uploadId': ['AbortMultipartUpload', abortUpload],
  'object DELETE': ['DeleteObject', deleteObject],
  'object DELETE versionId': ['DeleteObject', deleteObject],
}

/** How each operation is asked for. */
export const S3_ROUTES: readonly string[] = Object.keys(OPERATIONS)

/** The names of S3's operations here. */
export const S3_OPERATION_NAMES: readonly string[] = [
  ...new Set(Object.values(OPERATIONS).map(([name]) => name)),
]

/** Query parameters that belong to an operation without choosing it. */
const PLAIN = new Set(
  'prefix delimiter max-keys encoding-type continuation-token start-after fetch-owner max-buckets bucket-region x-id marker max-uploads key-marker version-id-marker upload-id-marker max-parts part-number-marker response-content-type response-content-language response-expires response-cache-control response-content-disposition response-content-encoding'.split(
    ' ',
  ),
)

const COPY = 'x-amz-copy-source'

/** What a request asks for; undefined where the sandbox's S3 has no such operation. */
export function findOperation(
  method: string,
  at: { readonly bucket: string; readonly key: string },
  query: URLSearchParams,
  headers: Headers,
): { readonly name: string; readonly run: Operation } | undefined {
  const level = at.bucket === '' ? 'service' : at.key === '' ? 'bucket' : 'object'
  const chosen = [...query.keys()].filter(
    (name) => !PLAIN.has(name) && !name.toLowerCase().startsWith('x-amz-'),
  )
  // No query parameter can be this one: those that begin with x-amz- are not among the chosen.
  if (headers.has(COPY)) chosen.push(COPY)
  const key = [level, method, ...chosen.sort()].join(' ')
  const found = Object.hasOwn(OPERATIONS, key) ? OPERATIONS[key] : undefined
  return found === undefined ? undefined : { name: found[0], run: found[1] }
}

/** The answer to an operation. @throws AwsFault */
export function runOperation(request: S3Request, run: Operation | undefined): Response {
  if (run === undefined) throw s3Fault('NotImplemented')
  const response = run(request)
  response.headers.set('x-amz-request-id', request.call.requestId)
  return response
}

/** A thrown thing as a fault of S3's. */
export function asS3Fault(thrown: unknown): AwsFault {
  return thrown instanceof AwsFault ? thrown : internalFault('InternalError')
}
