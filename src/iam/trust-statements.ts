import { createHash } from 'node:crypto'
import { PodroleError } from '../lib/errors.ts'
import { duplicateKeyOf, parseJsonDocument } from './json-document.ts'
import type { JsonMember, JsonNode } from './json-document.ts'
import { formatJsonDocument } from './json-text.ts'
import type { GrantedStatement } from './trust-grant.ts'

type JsonObject = Extract<JsonNode, { readonly kind: 'object' }>

/** A trust policy as it was written, cut into its statements. */
export interface TrustText {
  readonly root: JsonObject
  readonly statements: readonly JsonObject[]
}

/** Where a statement of podrole's own keeps the values of its list. */
export interface OwnStatement {
  /** Its place among the statements. */
  readonly at: number
  readonly operator: ListOperator
  readonly values: readonly string[]
}

type ListOperator = 'StringEquals' | 'StringLike'
const LIST_OPERATORS: readonly ListOperator[] = ['StringEquals', 'StringLike']

/**
 * Reads a trust policy as far as an edit needs it: one Statement, an object or objects. What the
 * statements say is not judged.
 * @throws PodroleError `InvalidJson`, `InvalidTrustPolicy`
 */
export function readTrustText(text: string): TrustText {
  const root = parseJsonDocument(text)
  const found = root.kind === 'object' ? membersOf(root, 'Statement') : []
  const [member] = found
  const items = member?.value.kind === 'array' ? member.value.items : [member?.value]
  const statements = items.filter((item): item is JsonObject => item?.kind === 'object')
  if (root.kind === 'object' && found.length === 1 && statements.length === items.length) {
    return { root, statements }
  }
  throw new PodroleError(
    'InvalidTrustPolicy',
    'Cannot read the trust policy: wanted an object with one Statement, which is an object or an array of objects',
    { status: 400 },
  )
}

/**
 * The text of the policy with other statements. A lone Statement object becomes an array, which
 * IAM reads as the same; nothing else of the document changes.
 */
export function formatTrustText({ root, statements }: TrustText): string {
  const list: JsonNode = { kind: 'array', items: statements }
  const members = root.members.map((member) =>
    member.key === 'Statement' ? { ...member, value: list } : member,
  )
  return formatJsonDocument({ kind: 'object', members })
}

/** What people call a statement: its Sid, or `#1` for the first one. */
export function statementName(statement: JsonNode, at: number): string {
  const sid = textOf(memberOf(statement, 'Sid'))
  return sid === undefined || sid === '' ? `#${at + 1}` : sid
}

/**
 * The statements that podrole wrote for the same issuer or cluster, by Sid and by what they say:
 * one whose principal, actions or fixed conditions were changed by somebody is somebody's now.
 * Further conditions and actions are taken as the user's own.
 */
export function findOwnStatements(
  statements: readonly JsonNode[],
  granted: GrantedStatement,
): readonly OwnStatement[] {
  return statements.flatMap((statement, at) => {
    const own = readOwnStatement(statement, granted)
    return own === undefined ? [] : [{ ...own, at }]
  })
}

function readOwnStatement(
  statement: JsonNode,
  granted: GrantedStatement,
): Omit<OwnStatement, 'at'> | undefined {
  const sid = textOf(memberOf(statement, 'Sid')) ?? ''
  const isSid =
    sid.startsWith(granted.sidPrefix) && SID_TAIL.test(sid.slice(granted.sidPrefix.length))
  if (!isSid || textOf(memberOf(statement, 'Effect')) !== 'Allow') return undefined
  if (!hasPrincipal(statement, granted) || !hasActions(statement, granted)) return undefined
  const condition = memberOf(statement, 'Condition')
  if (hasTwins(statement) || hasTwins(condition)) return undefined
  if (!hasFixedConditions(condition, granted)) return undefined
  const lists = LIST_OPERATORS.flatMap((operator) =>
    membersOf(memberOf(condition, operator, true), granted.listKey, true).map(({ value }) => ({
      operator,
      values: textsOf(value),
    })),
  )
  const [list] = lists
  if (list?.values === undefined || lists.length !== 1) return undefined
  const { operator, values } = list
  // Moved under StringLike, such a value would mean more than it does.
  if (operator === 'StringEquals' && values.some(isWild)) return undefined
  return { operator, values }
}

/** Which of two members of one name counts is nobody's to say. */
const hasTwins = (node: JsonNode | undefined): boolean =>
  node?.kind === 'object' && duplicateKeyOf(node.members, (key) => key.toLowerCase()) !== undefined

function hasPrincipal(statement: JsonNode, { principal }: GrantedStatement): boolean {
  const found = memberOf(statement, 'Principal')
  if (found?.kind !== 'object' || found.members.length !== 1) return false
  return Object.entries(principal).every(([type, wanted]) => {
    const [value, ...others] = textsOf(memberOf(found, type)) ?? []
    return value === wanted && others.length === 0
  })
}

function hasActions(statement: JsonNode, { actions }: GrantedStatement): boolean {
  const found = (textsOf(memberOf(statement, 'Action')) ?? []).map((one) => one.toLowerCase())
  return actions.every((action) => found.includes(action.toLowerCase()))
}

function hasFixedConditions(condition: JsonNode | undefined, granted: GrantedStatement): boolean {
  return Object.entries(granted.fixed).every(([operator, keys]) =>
    Object.entries(keys).every(([key, wanted]) => {
      const node = memberOf(memberOf(condition, operator, true), key, true)
      const values = node?.kind === 'boolean' ? [String(node.value)] : textsOf(node)
      return values?.length === 1 && values[0] === wanted
    }),
  )
}

/** A statement of podrole's own with other values in its list. */
export function withListValues(
  statement: JsonObject,
  granted: Pick<GrantedStatement, 'listKey'>,
  list: { readonly operator: ListOperator; readonly values: readonly string[] },
): JsonObject {
  const condition = memberOf(statement, 'Condition')
  if (condition?.kind !== 'object') return statement
  const [first = ''] = list.values
  const value: JsonNode =
    list.values.length === 1
      ? { kind: 'string', value: first }
      : { kind: 'array', items: list.values.map((text) => ({ kind: 'string', value: text })) }
  return replaceMember(statement, 'Condition', {
    kind: 'object',
    members: placeList(condition.members, granted.listKey, { operator: list.operator, value }),
  })
}

/** The operators of a Condition with the list under one of them and under no other. */
function placeList(
  operators: readonly JsonMember[],
  listKey: string,
  list: { readonly operator: ListOperator; readonly value: JsonNode },
): readonly JsonMember[] {
  const isTarget = (key: string): boolean => sameName(key, list.operator)
  const entry = { key: listKey, value: list.value }
  const kept = operators.flatMap((operator) => {
    const isList = LIST_OPERATORS.some((name) => sameName(operator.key, name))
    if (!isList || operator.value.kind !== 'object') return [operator]
    const { members } = operator.value
    const at = members.findIndex(({ key }) => sameName(key, listKey))
    if (isTarget(operator.key)) {
      const placed =
        at === -1
          ? [...members, entry]
          : members.toSpliced(at, 1, { ...entry, key: members[at]?.key ?? listKey })
      return [{ ...operator, value: { kind: 'object' as const, members: placed } }]
    }
    if (at === -1) return [operator]
    const others = members.toSpliced(at, 1)
    return others.length === 0
      ? []
      : [{ ...operator, value: { kind: 'object' as const, members: others } }]
  })
  if (kept.some(({ key }) => isTarget(key))) return kept
  const made = { key: list.operator, value: { kind: 'object' as const, members: [entry] } }
  const equals = kept.findIndex(({ key }) => sameName(key, 'StringEquals'))
  return kept.toSpliced(list.operator === 'StringEquals' ? 0 : equals + 1, 0, made)
}

/**
 * A Sid for a statement that is new in this policy: letters and digits, the same in every run, and
 * not one that is there already (IAM: "The Statement Ids in the policy are not unique").
 */
export function newSid(
  statements: readonly JsonNode[],
  granted: Pick<GrantedStatement, 'sidPrefix' | 'scope'>,
): string {
  const taken = new Set(statements.map((statement) => textOf(memberOf(statement, 'Sid'))))
  const hash = createHash('sha256').update(granted.scope).digest('hex').slice(0, SID_HASH_DIGITS)
  const base = granted.sidPrefix + hash
  let sid = base
  for (let count = 2; taken.has(sid); count += 1) sid = `${base}n${count}`
  return sid
}

const SID_HASH_DIGITS = 8
/** What `newSid` writes behind a prefix; a document with one statement has the prefix alone. */
const SID_TAIL = /^(?:[0-9a-f]{8}(?:n\d+)?)?$/

/** Whether StringLike reads the value as more than itself. */
export const isWild = (value: string): boolean => /[*?]|\$\{/.test(value)

/** The first member of that name; key names of conditions are compared without case. */
export function memberOf(
  node: JsonNode | undefined,
  key: string,
  anyCase = false,
): JsonNode | undefined {
  return membersOf(node, key, anyCase)[0]?.value
}

function membersOf(
  node: JsonNode | undefined,
  key: string,
  anyCase = false,
): readonly JsonMember[] {
  if (node?.kind !== 'object') return []
  return node.members.filter((member) => (anyCase ? sameName(member.key, key) : member.key === key))
}

const sameName = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

/** The value of a string. */
export const textOf = (node: JsonNode | undefined): string | undefined =>
  node?.kind === 'string' ? node.value : undefined

/** A string or an array of strings; undefined for anything else. */
export function textsOf(node: JsonNode | undefined): readonly string[] | undefined {
  if (node === undefined) return undefined
  const items = node.kind === 'array' ? node.items : [node]
  const texts = items.map(textOf)
  return texts.every((text): text is string => text !== undefined) ? texts : undefined
}

function replaceMember(node: JsonObject, key: string, value: JsonNode): JsonObject {
  const members = node.members.map((member) => (member.key === key ? { ...member, value } : member))
  return { kind: 'object', members }
}
