/**
 * Condition blocks.
 *
 * Sources: IAM User Guide, "IAM JSON policy elements: Condition operators"
 * (reference_policies_elements_condition_operators), "… Condition"
 * (reference_policies_elements_condition) and "Set operators for multivalued context keys"
 * (reference_policies_condition-single-vs-multi-valued-context-keys).
 */
import type { Context, Piece } from './template.ts'
import { covers, cutArn, cutAtColons, findKey, readTemplate } from './template.ts'

/** A condition block as JSON: operator, key, one value or several. */
export type ConditionBlock = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** What a condition is evaluated with. */
export interface Surroundings {
  readonly context: Context
  /** False for policies of version 2008-10-17 or of none, where `${…}` is plain text. */
  readonly hasVariables: boolean
  /** The answer of this operator (without set and IfExists) is turned round, to test the test. */
  readonly flipped?: string | undefined
}

/** One value of the request against one of the policy. */
type Comparison = (value: string, wanted: string, around: Surroundings) => boolean

const variablesOf = (around: Surroundings): Context | undefined =>
  around.hasVariables ? around.context : undefined

/** The text of a policy value without wildcards; undefined where a variable has no value. */
function readText(wanted: string, around: Surroundings): string | undefined {
  const pieces = readTemplate(wanted, { wildcards: false, variables: variablesOf(around) })
  return pieces?.map((piece) => (piece.kind === 'character' ? piece.character : '')).join('')
}

function readPattern(wanted: string, around: Surroundings): Piece[] | undefined {
  return readTemplate(wanted, { wildcards: true, variables: variablesOf(around) })
}

const isSameText: Comparison = (value, wanted, around) => value === readText(wanted, around)

const isSameTextWithoutCase: Comparison = (value, wanted, around) =>
  value.toLowerCase() === readText(wanted, around)?.toLowerCase()

const isLike: Comparison = (value, wanted, around) => {
  const pattern = readPattern(wanted, around)
  return pattern !== undefined && covers(pattern, value)
}

/** Each of the six parts is compared by itself: a star does not leave its part. */
const isLikeArn: Comparison = (value, wanted, around) => {
  const pattern = readPattern(wanted, around)
  const parts = cutArn(value)
  if (pattern === undefined || parts === undefined) return false
  const patterns = cutAtColons(pattern, 6)
  if (patterns.length !== 6) return false
  return patterns.every((part, at) => covers(part, parts[at] ?? ''))
}

const compareNumbers =
  (compare: (value: number, wanted: number) => boolean): Comparison =>
  (value, wanted) =>
    compare(Number(value), Number(wanted))

/** ISO 8601 text, or seconds since 1970. */
const readDate = (text: string): number =>
  /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text)

const compareDates =
  (compare: (value: number, wanted: number) => boolean): Comparison =>
  (value, wanted) =>
    compare(readDate(value), readDate(wanted))

/** The bits of an address, four or six; undefined for any other text. */
function readAddress(text: string): string | undefined {
  const four = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  if (four !== null)
    return four
      .slice(1)
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('')
  if (!/^[0-9a-f:]+$/i.test(text) || !text.includes(':')) return undefined
  const [head = '', tail] = text.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...zeros, ...right]
    .map((part) => Number.parseInt(part, 16).toString(2).padStart(16, '0'))
    .join('')
}

/** Without a prefix length, one address. */
const isInRange: Comparison = (value, wanted) => {
  const [network = '', length] = wanted.split('/')
  const bits = readAddress(value)
  const networkBits = readAddress(network)
  if (bits === undefined || networkBits === undefined) return false
  if (bits.length !== networkBits.length) return false
  const compared = length === undefined ? bits.length : Number(length)
  return bits.slice(0, compared) === networkBits.slice(0, compared)
}

/** Positive operators. */
const POSITIVE: Readonly<Record<string, Comparison>> = {
  StringEquals: isSameText,
  StringEqualsIgnoreCase: isSameTextWithoutCase,
  StringLike: isLike,
  ArnEquals: isLikeArn,
  ArnLike: isLikeArn,
  NumericEquals: compareNumbers((value, wanted) => value === wanted),
  NumericLessThan: compareNumbers((value, wanted) => value < wanted),
  NumericLessThanEquals: compareNumbers((value, wanted) => value <= wanted),
  NumericGreaterThan: compareNumbers((value, wanted) => value > wanted),
  NumericGreaterThanEquals: compareNumbers((value, wanted) => value >= wanted),
  DateEquals: compareDates((value, wanted) => value === wanted),
  DateLessThan: compareDates((value, wanted) => value < wanted),
  DateLessThanEquals: compareDates((value, wanted) => value <= wanted),
  DateGreaterThan: compareDates((value, wanted) => value > wanted),
  DateGreaterThanEquals: compareDates((value, wanted) => value >= wanted),
  Bool: (value, wanted) => value === wanted,
  BinaryEquals: (value, wanted) => value === wanted,
  IpAddress: isInRange,
}

/** Negated operators and what they negate. */
const NEGATED: Readonly<Record<string, string>> = {
  StringNotEquals: 'StringEquals',
  StringNotEqualsIgnoreCase: 'StringEqualsIgnoreCase',
  StringNotLike: 'StringLike',
  ArnNotEquals: 'ArnEquals',
  ArnNotLike: 'ArnLike',
  NumericNotEquals: 'NumericEquals',
  DateNotEquals: 'DateEquals',
  NotIpAddress: 'IpAddress',
}

/** Every operator, without `Null`. */
export const OPERATORS: readonly string[] = [...Object.keys(POSITIVE), ...Object.keys(NEGATED)]

/** Every operator and every key of a block must hold. */
export function holds(block: ConditionBlock, around: Surroundings): boolean {
  return Object.entries(block).every(([operator, keys]) =>
    Object.entries(keys).every(([key, wanted]) => {
      const list = (Array.isArray(wanted) ? wanted : [wanted]).map(String)
      return holdsForKey(operator, key, { wanted: list, around })
    }),
  )
}

interface Question {
  readonly wanted: readonly string[]
  readonly around: Surroundings
}

function holdsForKey(written: string, key: string, { wanted, around }: Question): boolean {
  const found = findKey(around.context, key)
  const values = typeof found === 'string' ? [found] : (found ?? [])
  if (written === 'Null') {
    const isNull = values.length === 0
    return wanted.includes(String(isNull))
  }
  const isOptional = written.endsWith('IfExists')
  const set = /^(ForAllValues|ForAnyValue):/.exec(written)?.[1]
  const operator = written.replace(/^ForA(?:ll|ny)Values?:/, '').replace(/IfExists$/, '')
  if (values.length === 0) {
    if (isOptional) return true
    if (set === 'ForAllValues') return true
    if (set === 'ForAnyValue') return false
    return operator in NEGATED
  }
  const test = (value: string): boolean => testValue(operator, value, { wanted, around })
  return set === 'ForAllValues' ? values.every(test) : values.some(test)
}

/** Several values in a policy: any for a positive operator, none for a negated one. */
function testValue(operator: string, value: string, { wanted, around }: Question): boolean {
  const negates = NEGATED[operator]
  const compare = POSITIVE[negates ?? operator]
  if (compare === undefined) throw new Error(`no such operator: ${operator}`)
  const isAny = wanted.some((one) => compare(value, one, around))
  const answer = negates === undefined ? isAny : !isAny
  return around.flipped === operator ? !answer : answer
}
