/** Shapes of the service models of IAM and STS, as the model checks them. */
import type { Faults, Tags, World } from './world.suite.ts'
import { type Members, type Plain, type PolicyText, textOf } from './operations.suite.ts'

const NAME = /^[\w+=,.@-]+$/
const TAG = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u
const TEXT = /^[\t\n\r -\u00FF]+$/

export const isMissing = (input: Members, name: string): boolean => input[name] === undefined

export function checkName(faults: Faults, input: Members, name: string, most: number): string {
  const text = textOf(input, name)
  faults.shape(text.length > most || !NAME.test(text))
  return text
}

/** Path, `/` where the call names none. */
export function checkPath(faults: Faults, input: Members): string {
  if (isMissing(input, 'Path')) return '/'
  const path = textOf(input, 'Path')
  faults.shape(path.length > 512 || !/^(?:\/|\/[\u0021-\u007E]+\/)$/.test(path))
  return path
}

export function checkPathPrefix(faults: Faults, input: Members): string {
  if (isMissing(input, 'PathPrefix')) return '/'
  const prefix = textOf(input, 'PathPrefix')
  faults.shape(prefix.length > 512 || !/^\/[\u0021-\u007F]*$/.test(prefix))
  return prefix
}

export function checkArn(faults: Faults, input: Members, name: string): string {
  const arn = textOf(input, name)
  faults.shape(arn.length < 20 || arn.length > 2048)
  return arn
}

/** A whole number between two, which may be left out. */
export function checkNumber(
  faults: Faults,
  input: Members,
  name: string,
  [least, most]: readonly [number, number],
): number | undefined {
  const value = input[name]
  if (typeof value !== 'number') return undefined
  faults.shape(value < least || value > most)
  return value
}

/** A policy document, which the call must have. */
export function checkDocument(faults: Faults, input: Members, name: string): PolicyText {
  const value = input[name] as PolicyText | undefined
  faults.shape(value === undefined || value.text.length > 131_072 || !TEXT.test(value.text))
  return value ?? { text: '', isMalformed: true, statements: [] }
}

export function checkDescription(faults: Faults, input: Members): string | undefined {
  if (isMissing(input, 'Description')) return undefined
  const text = textOf(input, 'Description')
  const isGood = /^[\t\n\r -~\u00A1-\u00FF]*$/.test(text)
  faults.shape(text.length > 1000 || !isGood)
  return text
}

export const isTag = (key: string, value: string): boolean =>
  key.length >= 1 && key.length <= 128 && value.length <= 256 && TAG.test(key) && TAG.test(value)

/** Tags of a call as pairs: keys need not differ yet. */
export const tagPairs = (input: Members): readonly (readonly [string, string])[] =>
  ((input['Tags'] ?? []) as readonly Members[]).map(
    (tag) => [textOf(tag, 'Key'), textOf(tag, 'Value')] as const,
  )

/**
 * Tags of a call added to those that are there. Keys of roles and users that differ in case alone
 * are one key, of which the newer stays; keys of everything else differ by case too.
 * Source: IAM User Guide, "Tags for IAM resources".
 */
export function checkTags(
  world: World,
  faults: Faults,
  input: Members,
  at: { readonly known: Tags; readonly foldsCase: boolean },
): Tags {
  const pairs = tagPairs(input)
  const fold = (key: string): string => (at.foldsCase ? key.toLowerCase() : key)
  for (const [key, value] of pairs) {
    faults.shape(!isTag(key, value))
    faults.add(key.toLowerCase().startsWith('aws:'), 'InvalidInput')
  }
  faults.add(new Set(pairs.map(([key]) => fold(key))).size < pairs.length, 'InvalidInput')
  const merged = new Map(at.known)
  for (const [key, value] of pairs) {
    for (const other of merged.keys()) if (fold(other) === fold(key)) merged.delete(other)
    merged.set(key, value)
  }
  const most = world.quotas.tagsPerResource
  faults.shape(pairs.length > 50)
  // A call with more than all that a resource may have: of its shape where the quota is AWS's own.
  faults.add(pairs.length > most, 'ValidationError', 'LimitExceeded')
  faults.add(merged.size > most, 'LimitExceeded')
  return merged
}

export function withoutKeys(tags: Tags, keys: readonly string[], foldsCase: boolean): Tags {
  const fold = (key: string): string => (foldsCase ? key.toLowerCase() : key)
  const gone = new Set(keys.map(fold))
  return new Map([...tags].filter(([key]) => !gone.has(fold(key))))
}

/** As the wire shows them, in an order of their own. */
export const tagRows = (tags: Tags): Plain =>
  [...tags].map(([Key, Value]) => ({ Key, Value })).sort((a, b) => (a.Key < b.Key ? -1 : 1))

export const tagsMember = (tags: Tags): Members => (tags.size === 0 ? {} : { Tags: tagRows(tags) })
