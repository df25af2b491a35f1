import type { Tags } from '../records.ts'
import type { Constraints } from '../wire/constraints.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { AwsFault } from '../wire/fault.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { Call } from '../world.ts'
import type { Node } from '../wire/xml.ts'
import { invalidInput, limitExceeded } from './faults.ts'

export const TAG_PATTERN = '[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*'

export interface Tag {
  readonly Key: string
  readonly Value: string
}

/** `Tags.member.N.Key|Value`, each checked by its shape. */
export function readTags(
  call: Call,
  parameters: QueryParameters,
  constraints: Constraints,
): readonly Tag[] {
  const tags = parameters.records('Tags', ['Key', 'Value'])
  constraints.count('tags', tags.length, quotaOf(call, 'tagsPerResource'))
  return tags.map(({ Key, Value }, index) => {
    const at = `tags.${index + 1}.member`
    constraints.text(`${at}.key`, Key, { required: true, min: 1, max: 128, pattern: TAG_PATTERN })
    constraints.text(`${at}.value`, Value, { required: true, max: 256, pattern: TAG_PATTERN })
    return { Key: Key ?? '', Value: Value ?? '' }
  })
}

/**
 * Whether keys that differ by case alone are one key: they are for users and roles, for everything
 * else of IAM they are two. Source: IAM User Guide, "Tags for IAM resources", Case sensitivity.
 */
export type TagCase = 'folded' | 'exact'

const foldOf =
  (tagCase: TagCase) =>
  (key: string): string =>
    tagCase === 'folded' ? key.toLowerCase() : key

/**
 * Tags as a record; of keys that are the same the later one stays.
 * @throws AwsFault `InvalidInput`, `LimitExceeded`
 */
export function mergeTags(call: Call, known: Tags, added: readonly Tag[], tagCase: TagCase): Tags {
  checkTags(added, { tagCase })
  const fold = foldOf(tagCase)
  const merged = new Map(Object.entries(known))
  for (const { Key, Value } of added) {
    const same = [...merged.keys()].find((key) => fold(key) === fold(Key))
    if (same !== undefined) merged.delete(same)
    merged.set(Key, Value)
  }
  if (merged.size > quotaOf(call, 'tagsPerResource')) {
    throw limitExceeded('The number of tags has reached the maximum limit.')
  }
  return Object.fromEntries(merged)
}

/** @throws AwsFault `InvalidInput`, or what `fault` makes: each service has its own code */
export function checkTags(
  tags: readonly Tag[],
  {
    fault = invalidInput,
    tagCase = 'folded',
  }: { readonly fault?: (message: string) => AwsFault; readonly tagCase?: TagCase },
): void {
  const keys = tags.map(({ Key }) => foldOf(tagCase)(Key))
  if (new Set(keys).size !== keys.length) {
    throw fault('Duplicate tag keys found. Please note that Tag keys are case insensitive.')
  }
  if (keys.some((key) => key.toLowerCase().startsWith('aws:'))) {
    throw fault('Tag keys that start with aws: are reserved for AWS use.')
  }
}

export function withoutTags(known: Tags, keys: readonly string[], tagCase: TagCase): Tags {
  const fold = foldOf(tagCase)
  const gone = new Set(keys.map(fold))
  return Object.fromEntries(Object.entries(known).filter(([key]) => !gone.has(fold(key))))
}

export const tagNodes = (tags: Tags): Node =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

/** `aws:RequestTag/K` and `aws:TagKeys` of a request that sets tags. */
export function requestTagKeys(
  tags: readonly Tag[],
): Readonly<Record<string, string | readonly string[]>> {
  if (tags.length === 0) return {}
  const context: Record<string, string | readonly string[]> = {
    'aws:TagKeys': tags.map(({ Key }) => Key),
  }
  for (const { Key, Value } of tags) context[`aws:RequestTag/${Key}`] = Value
  return context
}

/** `aws:ResourceTag/K`, and IAM's own name for it. */
export function resourceTagKeys(tags: Tags): Readonly<Record<string, string>> {
  const context: Record<string, string> = {}
  for (const [key, value] of Object.entries(tags)) {
    context[`aws:ResourceTag/${key}`] = value
    context[`iam:ResourceTag/${key}`] = value
  }
  return context
}

/** One page's size of IAM's lists. @throws AwsFault through `constraints` */
export function readMaxItems(parameters: QueryParameters, constraints: Constraints): number {
  const given = constraints.integer('maxItems', parameters.get('MaxItems'), { min: 1, max: 1000 })
  return given ?? 100
}

/** IAM's paging members. */
export function pageMembers(next: string | undefined): Readonly<Record<string, Node>> {
  return next === undefined ? { IsTruncated: false } : { IsTruncated: true, Marker: next }
}

/** What a list asks for, once more than its first page is wanted. */
export function readPage(
  parameters: QueryParameters,
  constraints: Constraints,
): { readonly limit: number; readonly token: string | undefined; readonly fault: string } {
  const limit = readMaxItems(parameters, constraints)
  const marker = parameters.get('Marker')
  const token = constraints.text('marker', marker, { min: 1, pattern: '[\\u0020-\\u00FF]+' })
  return { limit, token, fault: 'ValidationError' }
}

/** The keys that are to go. */
export function readTagKeys(
  call: Call,
  parameters: QueryParameters,
  constraints: Constraints,
): readonly string[] {
  const keys = parameters.list('TagKeys')
  constraints.count('tagKeys', keys.length, quotaOf(call, 'tagsPerResource'))
  keys.forEach((key, index) => {
    const shape = { min: 1, max: 128, pattern: TAG_PATTERN }
    constraints.text(`tagKeys.${index + 1}.member`, key, shape)
  })
  return keys
}
