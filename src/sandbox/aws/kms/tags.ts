/** Tags of keys. */
import type { ContextKeys } from '../../../iam/request.ts'
import { requestTagKeys } from '../iam/tags.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { Tags } from '../records.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOf } from '../wire/pages.ts'
import type { TargetInput, TargetOperation } from '../wire/target.ts'
import { readNumber, readStructures, readText, requireText } from '../wire/target-input.ts'
import type { Call } from '../world.ts'
import type { KmsKeyRecord } from './records.ts'

const KEY = { min: 1, max: 128 }

/** `Tags` of a request. @throws AwsFault `TagException` */
export function readKmsTags(input: TargetInput): Tags {
  const tags = readStructures(input, 'Tags').map((tag) => [
    requireText(tag, 'TagKey', KEY),
    requireText(tag, 'TagValue', { max: 256 }),
  ])
  const read: Tags = Object.fromEntries(tags) as Tags
  if (Object.keys(read).length !== tags.length)
    throw new AwsFault('TagException', 'Duplicate tag keys')
  if (Object.keys(read).some((name) => /^aws:/i.test(name))) {
    throw new AwsFault(
      'TagException',
      'aws: prefixed tag key names are not allowed for external use.',
    )
  }
  return read
}

/** @throws AwsFault `TagException` where a new key has too many, else `LimitExceededException` */
export function checkTagCount(call: Call, tags: Tags): void {
  const most = quotaOf(call, 'tagsPerResource')
  if (Object.keys(tags).length <= most) return
  if (call.operation === 'CreateKey') throw new AwsFault('TagException', 'Too many tags')
  throw new AwsFault('LimitExceededException', `A key has at most ${most} tags`)
}

export const tagContext = (tags: Tags): ReturnType<typeof requestTagKeys> =>
  requestTagKeys(Object.entries(tags).map(([Key, Value]) => ({ Key, Value })))

/** What the operations do with a key that the caller may do them on. */
interface Keys {
  readonly require: (call: Call, input: TargetInput, context?: ContextKeys) => KmsKeyRecord
  readonly save: (call: Call, key: KmsKeyRecord) => void
}

export function tagOperations({
  require,
  save,
}: Keys): Record<'TagResource' | 'UntagResource' | 'ListResourceTags', TargetOperation> {
  return {
    TagResource: async (call, input) => {
      const added = readKmsTags(input)
      const key = checkState(require(call, input, tagContext(added)))
      const tags = { ...key.tags, ...added }
      checkTagCount(call, tags)
      save(call, { ...key, tags })
      return undefined
    },
    UntagResource: async (call, input) => {
      const gone = readTagKeys(input)
      const key = checkState(require(call, input, { 'aws:TagKeys': gone }))
      const kept = Object.entries(key.tags).filter(([name]) => !gone.includes(name))
      save(call, { ...key, tags: Object.fromEntries(kept) })
      return undefined
    },
    ListResourceTags: async (call, input) => {
      const limit = readNumber(input, 'Limit', { min: 1, max: 1000 }) ?? 50
      const token = readText(input, 'Marker', { min: 1, max: 1024 })
      const key = require(call, input)
      const ask = { limit, token, fault: 'InvalidMarkerException' }
      const page = pageOf(Object.entries(key.tags), ([name]) => name, ask)
      return {
        Tags: page.items.map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
        Truncated: page.next !== undefined,
        ...(page.next !== undefined && { NextMarker: page.next }),
      }
    },
  }
}

function checkState(key: KmsKeyRecord): KmsKeyRecord {
  if (key.deletionAtMs === undefined) return key
  throw new AwsFault('KMSInvalidStateException', `${key.arn} is pending deletion.`)
}

function readTagKeys(input: TargetInput): readonly string[] {
  const keys = input['TagKeys']
  if (!Array.isArray(keys)) {
    throw new AwsFault('ValidationException', "Value at 'tagKeys' must not be null")
  }
  return keys.map((key: unknown) => requireText({ TagKeys: key }, 'TagKeys', KEY))
}
