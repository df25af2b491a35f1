import { authorize } from '../identity/authorization.ts'
import { requestTagKeys, resourceTagKeys, TAG_PATTERN } from '../iam/tags.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { Tags } from '../records.ts'
import type { Table } from '../../state.ts'
import { AwsFault } from '../wire/fault.ts'
import { type JsonInput, type JsonRoute, readJsonObject } from '../wire/json.ts'
import { isRecord } from '../wire/xml.ts'
import { accountOf, type Call } from '../world.ts'
import { invalidParameter } from './body.ts'

/** Tags of a request's body. @throws AwsFault `InvalidParameterException`, or what `fault` makes */
export function readTags(
  call: Call,
  value: unknown,
  fault: (message: string) => AwsFault = invalidParameter,
): Tags {
  if (value === undefined || value === null) return {}
  if (!isRecord(value)) throw fault('tags is not a map of strings')
  const tags: Record<string, string> = {}
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string' || !isTag(key, text)) {
      throw fault(`tag ${JSON.stringify(key.slice(0, 128))} is not valid`)
    }
    if (/^aws:/i.test(key)) {
      throw fault('Tag keys that start with aws: are reserved for AWS use.')
    }
    tags[key] = text
  }
  const most = quotaOf(call, 'tagsPerResource')
  if (Object.keys(tags).length > most) {
    throw fault(`A resource has at most ${most} tags`)
  }
  return tags
}

const TAG_TEXT = new RegExp(`^${TAG_PATTERN}$`, 'u')

/** Source: Amazon EKS API Reference, TagResource: lengths and characters. */
const isTag = (key: string, value: string): boolean =>
  key.length >= 1 &&
  key.length <= 128 &&
  value.length <= 256 &&
  TAG_TEXT.test(key) &&
  TAG_TEXT.test(value)

/** The condition keys of tags that a request brings. */
export const tagContext = (tags: Tags): ReturnType<typeof requestTagKeys> =>
  requestTagKeys(Object.entries(tags).map(([Key, Value]) => ({ Key, Value })))

/** What a tag operation is about. */
interface Tagged {
  readonly tags: Tags
  save(tags: Tags): void
}

/** Finds the record with that ARN in a table whose keys begin with account and region. */
function findTagged<T extends { readonly tags: Tags }>(
  table: Table<T>,
  arn: string,
  place: { readonly prefix: string; readonly arnOf: (record: T) => string },
): Tagged | undefined {
  for (const [key, record] of table.entries()) {
    if (place.arnOf(record) !== arn || !key.startsWith(place.prefix)) continue
    return { tags: record.tags, save: (tags) => table.set(key, { ...record, tags }) }
  }
  return undefined
}

function readTagged(call: Call, arn: string): Tagged {
  const { tables } = call.world
  const prefix = `${accountOf(call)}/${call.region}/`
  const found =
    findTagged(tables.clusters, arn, { prefix, arnOf: (one) => one.arn }) ??
    findTagged(tables.accessEntries, arn, { prefix, arnOf: (one) => one.accessEntryArn }) ??
    findTagged(tables.addons, arn, { prefix, arnOf: (one) => one.addonArn }) ??
    findTagged(tables.nodegroups, arn, { prefix, arnOf: (one) => one.nodegroupArn }) ??
    findTagged(tables.fargateProfiles, arn, { prefix, arnOf: (one) => one.fargateProfileArn }) ??
    findAssociation(call, arn)
  if (found !== undefined) return found
  throw new AwsFault('NotFoundException', `No resource found for ARN ${arn.slice(0, 300)}`, {
    status: 404,
  })
}

function findAssociation(call: Call, arn: string): Tagged | undefined {
  const { associations } = call.world.tables
  for (const [key, record] of associations.entries()) {
    const { association } = record
    if (association.associationArn !== arn || record.accountId !== accountOf(call)) continue
    return {
      tags: association.tags,
      save: (tags) => associations.set(key, { ...record, association: { ...association, tags } }),
    }
  }
  return undefined
}

/** The tags of a resource, none where there is no such resource: for its condition keys. */
function knownTags(call: Call, arn: string): Tags {
  try {
    return readTagged(call, arn).tags
  } catch {
    return {}
  }
}

/** The tag operations know this code alone for what is wrong with a call. */
const badRequest = (message: string): AwsFault => new AwsFault('BadRequestException', message)

async function tagResource(call: Call, input: JsonInput): Promise<unknown> {
  const [arn = ''] = input.labels
  const added = readTags(call, readJsonObject(input.body)['tags'], badRequest)
  const context = { ...resourceTagKeys(knownTags(call, arn)), ...tagContext(added) }
  authorize(call, { action: 'eks:TagResource', resource: arn, context })
  const tagged = readTagged(call, arn)
  tagged.save(readTags(call, { ...tagged.tags, ...added }, badRequest))
  return {}
}

async function untagResource(call: Call, input: JsonInput): Promise<unknown> {
  const [arn = ''] = input.labels
  const keys = input.url.searchParams.getAll('tagKeys')
  const context = { ...resourceTagKeys(knownTags(call, arn)), 'aws:TagKeys': keys }
  authorize(call, { action: 'eks:UntagResource', resource: arn, context })
  const tagged = readTagged(call, arn)
  const kept = Object.entries(tagged.tags).filter(([key]) => !keys.includes(key))
  tagged.save(Object.fromEntries(kept))
  return {}
}

async function listTagsForResource(call: Call, input: JsonInput): Promise<unknown> {
  const [arn = ''] = input.labels
  const context = resourceTagKeys(knownTags(call, arn))
  authorize(call, { action: 'eks:ListTagsForResource', resource: arn, context })
  return { tags: readTagged(call, arn).tags }
}

export const TAG_ROUTES: readonly JsonRoute[] = [
  { operation: 'TagResource', method: 'POST', path: '/tags/*', run: tagResource },
  { operation: 'UntagResource', method: 'DELETE', path: '/tags/*', run: untagResource },
  { operation: 'ListTagsForResource', method: 'GET', path: '/tags/*', run: listTagsForResource },
]
