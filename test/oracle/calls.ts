/**
 * What a role's trust policy says to a call of the AssumeRole family, from AWS's documentation
 * alone: when it is made, and before, where some keys are AWS's own.
 *
 * Sources: IAM User Guide, "AWS JSON policy elements: NotPrincipal", "… Sid", "Grammar of the IAM
 * JSON policy language" (reference_policies_grammar).
 */
import type { JsonPolicy, JsonStatement, OracleOptions, OracleRequest } from './oracle.ts'
import { oracleTrust } from './oracle.ts'
import type { Context } from './template.ts'

/** A call that wants a role, as it can be known before it is made. */
export interface TrustCall extends Omit<OracleRequest, 'action'> {
  /** All of them are needed. */
  readonly actions: readonly string[]
}

/** `refused`: IAM does not take the policy, so that no role has it. */
export type Answer = 'yes' | 'no' | 'refused'

/** The answer to a call with these keys besides; without a call STS does not take the token. */
export function oracleAnswer(
  trust: JsonPolicy,
  call: TrustCall | undefined,
  requestKeys: Context,
  options: OracleOptions = {},
): Answer {
  if (!isTakenByIam(trust)) return 'refused'
  if (call === undefined) return 'no'
  const context = { ...requestKeys, ...call.context }
  return isAllowed(trust, { ...call, context }, options) ? 'yes' : 'no'
}

/**
 * What can be said before the call is made: `maybe` where a condition on a key that AWS alone knows
 * would turn the answer. Both answers of each such condition are tried.
 */
export function oracleForesight(
  trust: JsonPolicy,
  call: TrustCall | undefined,
  requestKeys: Context,
  options: OracleOptions = {},
): Answer | 'maybe' {
  if (call === undefined) return 'no'
  if (!isTakenByIam(trust)) return 'refused'
  const answers = new Set(
    outcomesOf(trust, Object.keys(requestKeys)).map((policy) => isAllowed(policy, call, options)),
  )
  if (answers.size === 2) return 'maybe'
  return answers.has(true) ? 'yes' : 'no'
}

const isAllowed = (
  trust: JsonPolicy,
  { actions, ...request }: TrustCall,
  options: OracleOptions,
): boolean =>
  actions.every(
    (action) => oracleTrust(trust, { ...request, action }, { identity: [] }, options).allowed,
  )

const list = (value: unknown): readonly unknown[] => {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}
export const texts = (value: unknown): readonly string[] => list(value).map(String)
export const text = (value: unknown): string => String(value)

/** The policy under each answer of its conditions on those keys, statement by statement. */
function outcomesOf(trust: JsonPolicy, keys: readonly string[]): readonly JsonPolicy[] {
  const isOpen = (key: string, wanted: unknown): boolean =>
    keys.some(
      (name) =>
        name.toLowerCase() === key.toLowerCase() ||
        (trust.Version === '2012-10-17' &&
          texts(wanted).some((one) => one.toLowerCase().includes(`\${${name.toLowerCase()}`))),
    )
  let outcomes: readonly (readonly JsonStatement[])[] = [[]]
  for (const statement of list(trust.Statement) as readonly JsonStatement[]) {
    const block = Object.entries(statement.Condition ?? {})
    const rest = block.map(([operator, wants]) => [
      operator,
      Object.fromEntries(Object.entries(wants).filter(([key, wanted]) => !isOpen(key, wanted))),
    ])
    const hasOpen = block.some(([, wants]) =>
      Object.entries(wants).some(([key, wanted]) => isOpen(key, wanted)),
    )
    const holding = { ...statement, Condition: Object.fromEntries(rest) as object } as JsonStatement
    outcomes = outcomes.flatMap((before) =>
      hasOpen ? [[...before, holding], before] : [[...before, statement]],
    )
  }
  return outcomes.map((Statement) => ({ ...trust, Statement }))
}

/** The grammar of a trust policy, as far as the generator breaks it. */
function isTakenByIam(trust: JsonPolicy): boolean {
  const statements = list(trust.Statement) as readonly Readonly<Record<string, unknown>>[]
  const sids = statements.map((one) => one['Sid']).filter((sid) => sid !== undefined)
  return new Set(sids).size === sids.length && statements.every(isStatement)
}

function isStatement(statement: Readonly<Record<string, unknown>>): boolean {
  if ('NotPrincipal' in statement || 'Resource' in statement) return false
  if (!('Principal' in statement) || !['Allow', 'Deny'].includes(text(statement['Effect'])))
    return false
  const actions = texts(statement['Action'] ?? statement['NotAction'])
  if (actions.length === 0) return false
  if (actions.some((action) => !action.toLowerCase().startsWith('sts:'))) return false
  const principal = Object(statement['Principal']) as Readonly<Record<string, unknown>>
  const names = Object.values(principal).flatMap(texts)
  if (texts(principal['Service']).includes('*')) return false
  if (statement['Principal'] !== '*' && names.some((name) => name !== '*' && name.includes('*')))
    return false
  return Object.values(Object(statement['Condition'])).every((wants) => {
    const keys = Object.keys(Object(wants)).map((key) => key.toLowerCase())
    return new Set(keys).size === keys.length
  })
}
