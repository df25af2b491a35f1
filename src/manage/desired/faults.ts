import type { z } from 'zod'
import { checkAll } from '../../lib/collect-faults.ts'
import { PodroleError } from '../../lib/errors.ts'
import { nearestOf } from '../../lib/nearest.ts'

/** One thing that is wrong with a document. */
export interface DesiredFault {
  readonly source: string
  /** `iam.podIdentityAssociations[2].roleARN`; empty for the document itself. */
  readonly path: string
  /** Quotes the value and says what was wanted. */
  readonly message: string
}

export type FaultPath = readonly (string | number)[]

/** `iam.podIdentityAssociations[2].roleARN` */
export const formatPath = (path: FaultPath): string =>
  path
    .map((part, at) => {
      if (typeof part === 'number') return `[${part}]`
      const isPlain = /^[A-Za-z_-][\w-]*$/.test(part)
      if (!isPlain) return `[${quoteValue(part)}]`
      return at === 0 ? part : `.${part}`
    })
    .join('')

/** A value as a message shows it: never more than 100 characters of it. */
export const quoteValue = (value: string): string =>
  JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value)

/**
 * @throws PodroleError `InvalidDesiredState`, where several things are wrong with a line for each
 */
export function throwFaults(faults: readonly DesiredFault[]): void {
  const shown = faults.slice(0, MOST_SHOWN)
  const left = faults.length - shown.length
  checkAll('InvalidDesiredState', [
    ...shown.map((fault) => () => {
      throw new PodroleError('InvalidDesiredState', describeFault(fault))
    }),
    () => {
      if (left === 0) return
      throw new PodroleError('InvalidDesiredState', `and ${left} more things are wrong`)
    },
  ])
}

/** A mistake made once in a generated file is there ten thousand times. */
const MOST_SHOWN = 200

/** `cluster.yaml: iam.withOIDC: …` */
export const describeFault = ({ message, path, source }: DesiredFault): string =>
  [source, path, message].filter((part) => part !== '').join(': ')

/** What a shape check found, in the house's words. */
export function faultsOfIssues(
  issues: readonly z.core.$ZodIssue[],
  root: unknown,
  known: (path: FaultPath) => readonly string[],
): readonly Omit<DesiredFault, 'source'>[] {
  let guesses = 0
  const guess = (key: string, names: readonly string[]): string => {
    guesses += 1
    // Comparing costs; nobody is shown so many.
    return unknownField(key, guesses > MOST_SHOWN ? [] : names)
  }
  return issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: formatPath([...path, key]),
        message: guess(key, known(path)),
      }))
    }
    const value = valueAt(root, path)
    // The length of what is no text is told as its type.
    if (issue.code === 'too_small' && typeof value !== 'string') return []
    return [{ path: formatPath(path), message: messageOfIssue(issue, value) }]
  })
}

/** Says what a field may mean that nothing is known of. */
function unknownField(key: string, known: readonly string[]): string {
  const near = nearestOf(key, known)
  const wanted = known.length === 0 ? '' : `: wanted ${listOf(known)}`
  return `there is no field ${quoteValue(key)}${near === undefined ? wanted : `; did you mean ${quoteValue(near)}?`}`
}

function messageOfIssue(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined ? 'it is missing' : `${show(value)}: wanted ${kindName(issue)}`
    case 'invalid_value':
      return `${show(value)} is not one: wanted ${listOf(issue.values.filter((one) => one !== '').map(String))}`
    case 'too_small':
      return value === '' ? 'it is empty' : `${show(value)} is too short`
    default:
      return `${show(value)}: ${issue.message}`
  }
}

function kindName({ expected }: { readonly expected?: unknown }): string {
  const names: Readonly<Record<string, string>> = {
    array: 'a list',
    object: 'a mapping',
    record: 'a mapping',
    string: 'text (in quotes where it looks like something else)',
    boolean: 'true or false',
  }
  return names[String(expected)] ?? String(expected)
}

function show(value: unknown): string {
  if (value === null) return 'it is empty'
  if (Array.isArray(value)) return 'it is a list'
  if (typeof value === 'object') return 'it is a mapping'
  return typeof value === 'string' ? quoteValue(value) : JSON.stringify(value)
}

const valueAt = (root: unknown, path: FaultPath): unknown =>
  path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined,
    root,
  )

/** `a, b or c` */
export function listOf(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`
}
