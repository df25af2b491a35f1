import { issuerHostPathOf } from '../arn.ts'
import { compileText, matchesPattern } from '../pattern.ts'
import { readOperator } from '../policy-conditions.ts'
import type { ConditionOperator } from '../policy-document.ts'
import type { JsonMember, JsonNode } from '../json-document.ts'
import { formatJsonDocument } from '../json-text.ts'
import { memberOf, statementName, textOf, textsOf } from '../trust-statements.ts'

/**
 * A statement of a trust policy as far as it can be read, also where IAM would refuse it: what is
 * wrong with it is for findings to say.
 */
export interface LooseStatement {
  /** Its Sid, or `#1`. */
  readonly name: string
  readonly effect: string | undefined
  /** `"*"` alone is AWS `*`. */
  readonly principals: readonly { readonly type: string; readonly value: string }[]
  /** None where there is a NotAction. */
  readonly actions: readonly string[]
  readonly conditions: readonly LooseCondition[]
  /** What stands in Condition and is no operator with keys. */
  readonly strayConditions: readonly string[]
}

export interface LooseCondition {
  /** As written. */
  readonly operatorName: string
  readonly operator: ConditionOperator
  readonly key: string
  readonly values: readonly string[]
}

/** Reads one statement; nothing of it makes this fail. */
export function readLooseStatement(statement: JsonNode, at: number): LooseStatement {
  const condition = memberOf(statement, 'Condition')
  const operators = condition?.kind === 'object' ? condition.members : []
  const read = operators.map(readOperatorBlock)
  return {
    name: statementName(statement, at),
    effect: textOf(memberOf(statement, 'Effect')),
    principals: readPrincipals(memberOf(statement, 'Principal')),
    actions: textsOf(memberOf(statement, 'Action')) ?? [],
    conditions: read.flatMap((block) => (typeof block === 'string' ? [] : block)),
    strayConditions: read.filter((block) => typeof block === 'string'),
  }
}

function readPrincipals(node: JsonNode | undefined): LooseStatement['principals'] {
  if (textOf(node) === '*') return [{ type: 'AWS', value: '*' }]
  if (node?.kind !== 'object') return []
  return node.members.flatMap(({ key, value }) =>
    (textsOf(value) ?? []).map((text) => ({ type: key, value: text })),
  )
}

/** The block's conditions, or its name where it is none. */
function readOperatorBlock({ key: name, value }: JsonMember): readonly LooseCondition[] | string {
  if (value.kind !== 'object') return name
  try {
    const operator = readOperator(name)
    return value.members.map((member) => ({
      operatorName: name,
      operator,
      key: member.key,
      values: readValues(member.value),
    }))
  } catch {
    return name
  }
}

const readValues = (node: JsonNode): readonly string[] =>
  (node.kind === 'array' ? node.items : [node]).map(
    (item) => textOf(item) ?? formatJsonDocument(item),
  )

/** Whether one of the statement's actions covers the action. */
export const allowsAction = ({ actions }: LooseStatement, action: string): boolean =>
  actions.some((name) => matchesPattern(compileText(name.toLowerCase()), action.toLowerCase()))

/** Whether the operator compares texts, and holds only where one of the values is there. */
export const isPositiveText = ({ operator: { base } }: LooseCondition): boolean =>
  /^(?:StringEquals|StringEqualsIgnoreCase|StringLike|ArnEquals|ArnLike)$/.test(base)

/** Whether a request without the key is not let in by the condition. */
export const isRequired = (condition: LooseCondition): boolean =>
  isPositiveText(condition) &&
  !condition.operator.ifExists &&
  condition.operator.set !== 'ForAllValues'

/** Whether `*` and `?` are wildcards in the condition's values. */
export const readsWildcards = ({ operator: { base } }: LooseCondition): boolean =>
  base === 'StringLike' || base === 'ArnLike' || base === 'ArnEquals'

/** The OIDC issuers that a statement's principals name, without `https://`; none twice. */
export const issuersOf = ({ principals }: LooseStatement): readonly string[] => [
  ...new Set(
    principals.flatMap(({ type, value }) =>
      type === 'Federated' ? [issuerHostPathOf(value) ?? []].flat() : [],
    ),
  ),
]

/** The conditions on `ISSUER:CLAIM`, of any of the statement's issuers. */
export function claimConditions(
  statement: LooseStatement,
  isClaim: (claim: string) => boolean,
): readonly LooseCondition[] {
  const issuers = issuersOf(statement).map((issuer) => issuer.toLowerCase())
  return statement.conditions.filter(({ key }) => {
    const [, issuer = '', claim = ''] = /^(.+):([^:]+)$/.exec(key.toLowerCase()) ?? []
    return issuers.includes(issuer) && isClaim(claim)
  })
}

/** Whether the statement lets tokens of an OIDC provider of some account in. */
export const isWebIdentity = (statement: LooseStatement): boolean =>
  statement.effect === 'Allow' &&
  issuersOf(statement).length > 0 &&
  allowsAction(statement, 'sts:AssumeRoleWithWebIdentity')

/** Values as a message shows them. */
export function quoteSome(values: readonly string[]): string {
  const shown = values.slice(0, 5).map((value) => JSON.stringify(value.slice(0, 200)))
  return [...shown, ...(values.length > 5 ? [`${values.length - 5} more`] : [])].join(', ')
}
