/** A trust statement as lists that may grow: who, which actions, and the values of each condition. */
import type { JsonNode } from '../json-document.ts'
import { formatJsonDocument } from '../json-text.ts'
import { readOperator } from '../policy-conditions.ts'
import { isWild, memberOf, textOf, textsOf } from '../trust-statements.ts'

/**
 * An Allow statement that admits every combination of one value from each of its lists, and those
 * alone: a list of one more value admits so many more, whatever the others hold.
 */
export interface TrustBox {
  /** Places of the statements that it comes from. */
  readonly at: readonly number[]
  readonly sid: string
  readonly principalType: string
  /** By name: `principal`, `action`, or the lower case of a condition key. */
  readonly lists: ReadonlyMap<string, readonly string[]>
  /** Condition keys as they were spelled. */
  readonly spelling: ReadonlyMap<string, string>
  /** Conditions that are compared as wholes: all but StringEquals and StringLike. */
  readonly fixed: readonly FixedCondition[]
}

export interface FixedCondition {
  readonly operator: string
  readonly key: string
  readonly value: JsonNode
}

export const PRINCIPAL = 'principal'
export const ACTION = 'action'

const ACTIONS = [
  'sts:AssumeRole',
  'sts:AssumeRoleWithWebIdentity',
  'sts:SetSourceIdentity',
  'sts:TagSession',
] as const
const CANONICAL = new Map<string, string>(ACTIONS.map((name) => [name.toLowerCase(), name]))

/** Reads a statement; or says in a few words what keeps it from being one of lists. */
export function readBox(statement: JsonNode, at: number): TrustBox | string {
  if (textOf(memberOf(statement, 'Effect')) !== 'Allow') return 'it does not allow'
  const principal = memberOf(statement, 'Principal')
  const [member, ...others] = principal?.kind === 'object' ? principal.members : []
  if (member === undefined || others.length > 0) return 'its Principal is not of one type'
  const principals = textsOf(member.value) ?? []
  const isOidc = member.key === 'Federated' && principals.every(isOidcProvider)
  if (principals.length === 0 || !(isOidc || member.key === 'Service')) {
    return `its Principal is ${member.key}, neither OIDC providers nor services`
  }
  // There a star is a star, or everybody, and no pattern.
  if (principals.some(isWild)) return 'its Principal holds a wildcard'
  const actions = textsOf(memberOf(statement, 'Action'))
  if (actions === undefined) return 'it names no Action'
  const lists = new Map<string, readonly string[]>([
    [PRINCIPAL, unique(principals)],
    [ACTION, unique(actions.map((name) => CANONICAL.get(name.toLowerCase()) ?? name))],
  ])
  const box = { lists, spelling: new Map<string, string>(), fixed: [] as FixedCondition[] }
  const condition = memberOf(statement, 'Condition')
  for (const operator of condition?.kind === 'object' ? condition.members : []) {
    for (const { key, value } of operator.value.kind === 'object' ? operator.value.members : []) {
      if (!isList(operator.key, value)) box.fixed.push({ operator: operator.key, key, value })
      else if (lists.has(key.toLowerCase())) return `it compares ${key} twice`
      else {
        lists.set(key.toLowerCase(), unique(textsOf(value) ?? []))
        box.spelling.set(key.toLowerCase(), key)
      }
    }
  }
  const sid = textOf(memberOf(statement, 'Sid')) ?? ''
  return { at: [at], sid, principalType: member.key, ...box }
}

const isOidcProvider = (arn: string): boolean => arn.includes(':oidc-provider/')

const unique = (values: readonly string[]): readonly string[] => [...new Set(values)]

/** A list of values of which one must be equal, or like. */
function isList(operatorName: string, value: JsonNode): boolean {
  const { base, ifExists, set } = readOperator(operatorName)
  if (ifExists || set !== undefined) return false
  const values = textsOf(value) ?? []
  if (values.length === 0) return false
  // Under StringEquals a star is a star; moved into another list it would mean more.
  return base === 'StringLike' || (base === 'StringEquals' && !values.some(isWild))
}

/** A condition that is compared as a whole, so that two spellings of the same are the same. */
export function fixedText({ key, operator, value }: FixedCondition): string {
  const items = value.kind === 'array' ? value.items : [value]
  const values = items.map((item) =>
    item.kind === 'string' ? item.value : formatJsonDocument(item),
  )
  return JSON.stringify([operator.toLowerCase(), key.toLowerCase(), values.toSorted()])
}

/** The statement as IAM's JSON, without white space. */
export function writeBox(box: Omit<TrustBox, 'at'>): string {
  const operators = new Map<string, Map<string, string>>()
  const put = (operator: string, key: string, value: string): void => {
    const name = [...operators.keys()].find((one) => one.toLowerCase() === operator.toLowerCase())
    const keys = operators.get(name ?? operator) ?? new Map<string, string>()
    keys.set(key, value)
    operators.set(name ?? operator, keys)
  }
  const listed = [...box.lists].filter(([name]) => box.spelling.has(name))
  for (const operator of ['StringEquals', 'StringLike']) {
    for (const [name, values] of listed) {
      if (values.some(isWild) !== (operator === 'StringLike')) continue
      put(operator, box.spelling.get(name) ?? name, quoted(values))
    }
  }
  for (const { key, operator, value } of box.fixed) put(operator, key, formatJsonDocument(value))
  const conditions = [...operators].map(
    ([operator, keys]) => `${JSON.stringify(operator)}:${objectOf([...keys])}`,
  )
  return objectOf([
    ...(box.sid === '' ? [] : ([['Sid', JSON.stringify(box.sid)]] as const)),
    ['Effect', '"Allow"'],
    ['Principal', objectOf([[box.principalType, quoted(box.lists.get(PRINCIPAL) ?? [])]])],
    ['Action', quoted(box.lists.get(ACTION) ?? [])],
    ...(conditions.length === 0 ? [] : ([['Condition', `{${conditions.join(',')}}`]] as const)),
  ])
}

const quoted = (values: readonly string[]): string =>
  formatJsonDocument(
    values.length === 1
      ? { kind: 'string', value: values[0] ?? '' }
      : { kind: 'array', items: values.map((value) => ({ kind: 'string', value })) },
  )

const objectOf = (members: readonly (readonly [string, string])[]): string =>
  `{${members.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`
