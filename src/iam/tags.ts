import { PodroleError } from '../lib/errors.ts'

/** Tags of an IAM resource, by key. */
export type Tags = Readonly<Record<string, string>>

/** Marks what podrole made: it changes and deletes nothing without it, unless it is told to. */
export const OWNER_TAG: Tags = { 'podrole.dev/managed-by': 'podrole' }

const MAX_TAGS = 50
const TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** Whether the tags say that podrole made the resource. */
export const isOwned = (tags: Tags): boolean =>
  Object.entries(OWNER_TAG).every(([key, value]) => tags[key] === value)

/**
 * Reads tags written `KEY=VALUE` by IAM's rules; the key ends at the first `=`.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
 * @throws PodroleError `InvalidTag`
 */
export function parseTags(texts: readonly string[]): Tags {
  const tags = new Map<string, string>()
  const seen = new Set<string>()
  for (const text of texts) {
    const at = text.indexOf('=')
    const key = text.slice(0, Math.max(at, 0))
    const value = text.slice(at + 1)
    const fault = at === -1 ? 'wanted KEY=VALUE' : tagFault(key, value)
    if (fault !== undefined) throw invalidTag(text, fault)
    if (seen.has(key.toLowerCase())) {
      throw invalidTag(
        text,
        'its key is given twice (IAM does not tell capitals from small letters)',
      )
    }
    seen.add(key.toLowerCase())
    tags.set(key, value)
  }
  const most = MAX_TAGS - Object.keys(OWNER_TAG).length
  if (tags.size > most) {
    throw new PodroleError(
      'InvalidTag',
      `${tags.size} tags are given: at most ${most} fit beside podrole's own, IAM takes ${MAX_TAGS}`,
    )
  }
  return Object.fromEntries(tags)
}

function tagFault(key: string, value: string): string | undefined {
  if (key === '') return 'its key is empty'
  if (key.length > 128) return `its key has ${key.length} characters, at most 128 are allowed`
  if (value.length > 256) return `its value has ${value.length} characters, at most 256 are allowed`
  if (/^aws:/i.test(key)) return 'keys that begin with "aws:" are for AWS alone'
  if (/^podrole\.dev\//i.test(key)) return 'keys that begin with "podrole.dev/" are podrole\'s own'
  if (TEXT.test(key) && TEXT.test(value)) return undefined
  return 'only letters, digits, spaces and _.:/=+-@ are allowed'
}

const invalidTag = (text: string, fault: string): PodroleError =>
  new PodroleError('InvalidTag', `tag ${JSON.stringify(text.slice(0, 150))} is not one: ${fault}`, {
    hint: 'Write it like team=payments.',
  })

/** As the APIs of IAM take them. */
export const tagList = (tags: Tags): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

/** The tags that are missing or have another value, of those that are wanted. */
export const missingTags = (wanted: Tags, found: Tags): Tags =>
  Object.fromEntries(Object.entries(wanted).filter(([key, value]) => found[key] !== value))
