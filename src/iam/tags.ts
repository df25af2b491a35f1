import { PodroleError } from '../lib/errors.ts'

/** Tags of an IAM resource, by key. */
export type Tags = Readonly<Record<string, string>>

/** Marks what podrole made: it changes and deletes nothing without it, unless it is told to. */
export const OWNER_TAG: Tags = { 'podrole.dev/managed-by': 'podrole' }

const MAX_TAGS = 50
/** The owner tag, and what tells which cluster and which part of a document a resource is for. */
const OWN_TAGS = 4
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
      throw invalidTag(text, TWICE)
    }
    seen.add(key.toLowerCase())
    tags.set(key, value)
  }
  const tooMany = countFault(tags.size)
  if (tooMany !== undefined) throw new PodroleError('InvalidTag', tooMany)
  return Object.fromEntries(tags)
}

/** What is wrong with tags by IAM's rules, by key; the keys together where none is named. */
export function tagFaults(
  tags: Tags,
): readonly { readonly key?: string; readonly message: string }[] {
  const seen = new Set<string>()
  const faults = Object.entries(tags).flatMap(([key, value]) => {
    const message = seen.has(key.toLowerCase()) ? TWICE : tagFault(key, value)
    seen.add(key.toLowerCase())
    return message === undefined ? [] : [{ key, message }]
  })
  const message = countFault(Object.keys(tags).length)
  return message === undefined ? faults : [...faults, { message }]
}

const TWICE = 'its key is given twice (IAM does not tell capitals from small letters)'

function countFault(count: number): string | undefined {
  const most = MAX_TAGS - OWN_TAGS
  if (count <= most) return undefined
  return `${count} tags are given: at most ${most} fit beside podrole's own, IAM takes ${MAX_TAGS}`
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
