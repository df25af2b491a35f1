/** Tags of buckets and objects. Source: Amazon S3 User Guide, "Categorizing your storage using tags". */
import type { ContextKeys } from '../../../iam/request.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { BucketRecord, ObjectRecord, Tags } from '../records.ts'
import { childrenOf, writeElement } from '../wire/xml.ts'
import { noContent, readXmlRoot, xmlResponse } from './documents.ts'
import { s3Fault } from './fault.ts'
import { authorizeBucket, bucketArn, objectArn, requireBucket, type S3Request } from './request.ts'
import {
  findVersion,
  isDeleteMarker,
  missingVersion,
  replaceVersion,
  versionContext,
  versionHeader,
} from './versioning.ts'

const MAX_OBJECT_TAGS = 10
const TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

const invalidTag = (message: string): Error => s3Fault('InvalidTag', {}, message)

/** Tags as they were sent, each by S3's rules. @throws AwsFault `InvalidTag` */
function readTags(pairs: readonly (readonly [string, string])[]): Tags {
  for (const [key, value] of pairs) {
    if (key.length < 1 || key.length > 128 || !TEXT.test(key)) {
      throw invalidTag('The TagKey you have provided is invalid')
    }
    if (value.length > 256 || !TEXT.test(value)) {
      throw invalidTag('The TagValue you have provided is invalid')
    }
    if (key.startsWith('aws:')) throw invalidTag('System tags cannot be added/updated by requester')
  }
  const tags = new Map(pairs)
  if (tags.size !== pairs.length) {
    throw invalidTag('Cannot provide multiple Tags with the same key')
  }
  return Object.fromEntries(tags)
}

/** The `Tag` elements of a `TagSet` or `Tags`. */
export function readTagElements(set: unknown): Tags {
  return readTags(
    childrenOf(set, 'Tag').map((tag) => {
      const [[key], [value]] = [childrenOf(tag, 'Key'), childrenOf(tag, 'Value')]
      if (typeof key !== 'string' || typeof value !== 'string') throw s3Fault('MalformedXML')
      return [key, value] as const
    }),
  )
}

function readTagging(request: S3Request): Tags {
  const sets = childrenOf(readXmlRoot(request, 'Tagging'), 'TagSet')
  if (sets.length !== 1) throw s3Fault('MalformedXML')
  return readTagElements(sets[0])
}

const taggingResponse = (tags: Tags): Response => {
  const set = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  return xmlResponse('Tagging', `<TagSet>${writeElement('Tag', set, 'flat')}</TagSet>`)
}

/** @throws AwsFault `BadRequest` */
export function checkBucketTags(request: S3Request, tags: Tags): void {
  const most = quotaOf(request.call, 'tagsPerResource')
  if (Object.keys(tags).length <= most) return
  throw s3Fault('BadRequest', {}, `Bucket tag count cannot be greater than ${most}`)
}

/** @throws AwsFault `BadRequest` */
function checkObjectTags(tags: Tags): Tags {
  if (Object.keys(tags).length <= MAX_OBJECT_TAGS) return tags
  throw s3Fault('BadRequest', {}, `Object tags cannot be greater than ${MAX_OBJECT_TAGS}`)
}

/** What a policy sees of the tags that a request brings. */
const requestedTags = (tags: Tags): ContextKeys => ({
  's3:RequestObjectTagKeys': Object.keys(tags),
  ...Object.fromEntries(
    Object.entries(tags).map(([key, value]) => [`s3:RequestObjectTag/${key}`, value]),
  ),
})

/** What a policy sees of the tags that an object has. */
export const existingTags = (object: ObjectRecord | undefined): ContextKeys =>
  Object.fromEntries(
    Object.entries(object?.tags ?? {}).map(([key, value]) => [
      `s3:ExistingObjectTag/${key}`,
      value,
    ]),
  )

/**
 * The tags that a write brings in `x-amz-tagging`, which its writer must be allowed to set.
 * @throws AwsFault `InvalidArgument`, `InvalidTag`, `AccessDenied`
 */
export function readTaggingHeader(
  request: S3Request,
  record: BucketRecord,
): Pick<ObjectRecord, 'tags'> {
  const header = request.headers.get('x-amz-tagging')
  if (header === null) return {}
  const tags = checkObjectTags(readTags([...new URLSearchParams(header)]))
  if (Object.keys(tags).length === 0) return {}
  authorizeBucket(request, record, {
    action: 's3:PutObjectTagging',
    resource: objectArn(request),
    context: requestedTags(tags),
  })
  return { tags }
}

/**
 * The tags of a copy: those of its source, whose reader must be allowed to see them, or those that
 * the request brings. @throws AwsFault
 */
export function copiedTags(
  request: S3Request,
  record: BucketRecord,
  from: {
    readonly request: S3Request
    readonly record: BucketRecord
    readonly found: ObjectRecord
  },
): Pick<ObjectRecord, 'tags'> {
  const directive = request.headers.get('x-amz-tagging-directive') ?? 'COPY'
  if (directive === 'REPLACE') return readTaggingHeader(request, record)
  if (directive !== 'COPY') throw s3Fault('InvalidArgument', {}, 'Unknown tagging directive.')
  const { tags } = from.found
  if (tags === undefined) return {}
  authorizeBucket(from.request, from.record, {
    action: taggingAction(from.request, 'Get'),
    resource: objectArn(from.request),
    context: { ...existingTags(from.found), ...versionContext(from.request) },
  })
  authorizeBucket(request, record, {
    action: 's3:PutObjectTagging',
    resource: objectArn(request),
    context: requestedTags(tags),
  })
  return { tags }
}

export function getBucketTagging(request: S3Request): Response {
  const record = requireBucket(request)
  const resource = bucketArn(request)
  authorizeBucket(request, record, { action: 's3:GetBucketTagging', resource })
  const { tags = {}, name } = record
  if (Object.keys(tags).length === 0) throw s3Fault('NoSuchTagSet', { BucketName: name })
  return taggingResponse(tags)
}

export function putBucketTagging(request: S3Request): Response {
  const record = requireBucket(request)
  const resource = bucketArn(request)
  authorizeBucket(request, record, { action: 's3:PutBucketTagging', resource })
  const tags = readTagging(request)
  checkBucketTags(request, tags)
  request.call.world.tables.buckets.set(record.name, { ...record, tags })
  return noContent()
}

/** Asks for the permission to set them. */
export function deleteBucketTagging(request: S3Request): Response {
  const record = requireBucket(request)
  const resource = bucketArn(request)
  authorizeBucket(request, record, { action: 's3:PutBucketTagging', resource })
  const { tags: _gone, ...rest } = record
  request.call.world.tables.buckets.set(record.name, rest)
  return noContent()
}

/** What a tagging operation is about. */
interface Tagged {
  readonly object: ObjectRecord
  /** Of the answer. */
  readonly headers: Readonly<Record<string, string>>
}

/** @throws AwsFault `AccessDenied`, `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` */
function requireTagged(request: S3Request, verb: Verb, context: ContextKeys = {}): Tagged {
  const record = requireBucket(request)
  const found = findVersion(request, request.query.get('versionId'))
  const object = found === undefined || isDeleteMarker(found) ? undefined : found
  authorizeBucket(request, record, {
    action: taggingAction(request, verb),
    resource: objectArn(request),
    context: { ...existingTags(object), ...versionContext(request), ...context },
  })
  if (object === undefined) throw missingVersion(request, record, found)
  return { object, headers: versionHeader(record, object) }
}

type Verb = 'Get' | 'Put' | 'Delete'

/** The action that the tags of an object, or of the version that the query names, need. */
const taggingAction = ({ query }: S3Request, verb: Verb): string =>
  `s3:${verb}Object${query.has('versionId') ? 'Version' : ''}Tagging`

export function getObjectTagging(request: S3Request): Response {
  const { object, headers } = requireTagged(request, 'Get')
  const answer = taggingResponse(object.tags ?? {})
  for (const [name, value] of Object.entries(headers)) answer.headers.set(name, value)
  return answer
}

export function putObjectTagging(request: S3Request): Response {
  const tags = checkObjectTags(readTagging(request))
  const { object, headers } = requireTagged(request, 'Put', requestedTags(tags))
  replaceVersion(request.call.world.tables, { ...object, tags })
  return new Response(null, { status: 200, headers })
}

export function deleteObjectTagging(request: S3Request): Response {
  const { object, headers } = requireTagged(request, 'Delete')
  const { tags: _gone, ...rest } = object
  replaceVersion(request.call.world.tables, rest)
  return new Response(null, { status: 204, headers })
}
