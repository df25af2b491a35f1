import type { TokenClaims } from './claims.ts'
import { TokenFault } from './verify.ts'

/** What AWS reads from a token besides who it is. */
export interface AwsClaims {
  readonly tags: readonly SessionTag[]
  readonly transitiveKeys: readonly string[]
  readonly sourceIdentity: string | undefined
  /** The roles that the issuer allows; undefined where it says nothing. */
  readonly roles: readonly string[] | undefined
}

/** In AWS's own spelling. */
interface SessionTag {
  readonly Key: string
  readonly Value: string
}

const TAGS = 'https://aws.amazon.com/tags'
const FLAT_TAG = `${TAGS}/principal_tags/`
const FLAT_TRANSITIVE = `${TAGS}/transitive_tag_keys`
const SOURCE_IDENTITY = 'https://aws.amazon.com/source_identity'
const ROLES = 'https://aws.amazon.com/roles'
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u
/** AWS's quota of session tags. */
const MAX_TAGS = 50

/**
 * The claims of `https://aws.amazon.com/…`, session tags in both their forms.
 * Source: IAM User Guide, "Pass session tags in AWS STS".
 * @throws TokenFault `malformed`; the message is STS's own
 */
export function readAwsClaims({ raw }: TokenClaims, maxTags: number = MAX_TAGS): AwsClaims {
  const { tags, transitive } = readTagClaims(raw)
  const keys = tags.map(({ Key }) => Key.toLowerCase())
  const good =
    tags.length <= maxTags &&
    new Set(keys).size === keys.length &&
    tags.every(({ Key, Value }) => isTag(Key, Value)) &&
    transitive.every((key) => keys.includes(key.toLowerCase()))
  if (!good) throw badTags()
  return {
    tags,
    transitiveKeys: transitive,
    sourceIdentity: readSourceIdentity(raw),
    roles: readRoles(raw),
  }
}

function isTag(key: string, value: string): boolean {
  if (key.length < 1 || key.length > 128 || value.length > 256) return false
  return TAG_TEXT.test(key) && TAG_TEXT.test(value) && !key.toLowerCase().startsWith('aws:')
}

function readTagClaims(raw: Readonly<Record<string, unknown>>): {
  tags: readonly SessionTag[]
  transitive: readonly string[]
} {
  const nested = Object.hasOwn(raw, TAGS) ? raw[TAGS] : undefined
  if (nested !== undefined && !isRecord(nested)) throw badTags()
  const principal = nested?.['principal_tags'] ?? {}
  if (!isRecord(principal)) throw badTags()
  const flat = Object.entries(raw)
    .filter(([name]) => name.startsWith(FLAT_TAG))
    .map(([name, value]) => [name.slice(FLAT_TAG.length), value] as const)
  const nestedTags = Object.entries(principal).map((entry) => tagOf(entry))
  // A tag that is in both forms with one value is one tag.
  const further = flat
    .map((entry) => tagOf(entry))
    .filter(({ Key, Value }) => !nestedTags.some((one) => one.Key === Key && one.Value === Value))
  const transitive = [...texts(nested?.['transitive_tag_keys']), ...texts(raw[FLAT_TRANSITIVE])]
  return { tags: [...nestedTags, ...further], transitive: [...new Set(transitive)] }
}

const tagOf = ([Key, value]: readonly [string, unknown]): SessionTag => ({
  Key,
  Value: oneText(value),
})

/** A tag has one value: a string, or a list that holds one. */
function oneText(value: unknown): string {
  const one: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value
  if (typeof one !== 'string') throw badTags()
  return one
}

function texts(value: unknown): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw badTags()
  return value.map((one: unknown) => {
    if (typeof one !== 'string') throw badTags()
    return one
  })
}

const malformed = (message: string): TokenFault => new TokenFault('malformed', message)

const badTags = (): TokenFault =>
  malformed('The principal_tags passed in claim is not in correct format')

function readSourceIdentity(raw: Readonly<Record<string, unknown>>): string | undefined {
  if (!Object.hasOwn(raw, SOURCE_IDENTITY)) return undefined
  const value = raw[SOURCE_IDENTITY]
  if (typeof value === 'string' && /^[\w+=,.@-]{2,64}$/.test(value)) return value
  throw malformed('The source_identity passed in claim is not in correct format')
}

function readRoles(raw: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  if (!Object.hasOwn(raw, ROLES)) return undefined
  const value = raw[ROLES]
  if (typeof value === 'string') return value.split(';').map((role) => role.trim())
  if (Array.isArray(value)) return value.filter((role): role is string => typeof role === 'string')
  return []
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
