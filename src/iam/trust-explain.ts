import { authorizeTrust, type StatementOutcome } from './evaluate.ts'
import { parsePolicy } from './policy.ts'
import type { PolicyCondition, PolicyDocument, PolicyStatement } from './policy-document.ts'
import { variableNames } from './policy-variables.ts'
import type { Caller, ContextKeys } from './request.ts'

/** One call of the AssumeRole family, as far as it is known before it is made. */
export interface TrustQuestion {
  readonly caller: Caller
  /** All of them are needed: `sts:AssumeRole`, and `sts:TagSession` where there are tags. */
  readonly actions: readonly string[]
  readonly context: ContextKeys
  /** Whether the request's value of a key is known, where it is not in `context` as absent. */
  readonly isKnown: (key: string) => boolean
  readonly role: { readonly arn: string; readonly accountId: string }
}

/** What a trust policy says to a call. */
export interface TrustExplanation {
  readonly admits: 'yes' | 'no' | 'maybe'
  /** What every statement said to the action that is missing, or else to the first one. */
  readonly statements: readonly StatementOutcome[]
  /** The action that nothing allows. */
  readonly missing?: string
  /** The Deny that refuses it. */
  readonly denied?: StatementOutcome
  /** Of the Allow statements the one that came furthest. */
  readonly nearest?: StatementOutcome
  /** Keys that AWS alone knows, on which it hangs. */
  readonly keys: readonly string[]
}

/**
 * Judges a trust policy statement by statement. A condition on a key that only AWS knows is open:
 * the policy is judged as if all of them were for the caller, and as if all were against it. What
 * is `maybe` hangs on them alone.
 * @throws PodroleError `MalformedPolicyDocument`: IAM would not take the policy
 */
export function explainTrust(text: string, question: TrustQuestion): TrustExplanation {
  const document = parsePolicy(text, 'trust')
  const asked = question.actions.map((action) => ({
    action,
    statements: ask(document, question, action).statements,
    best: ask(settle(document, question, 'Allow'), question, action),
    worst: ask(settle(document, question, 'Deny'), question, action),
  }))
  for (const { action, best, statements } of asked) {
    const denied = best.statements.find(({ effect, matched }) => matched && effect === 'Deny')
    if (denied !== undefined) return { admits: 'no', statements, denied, missing: action, keys: [] }
  }
  const missing = asked.find(({ best }) => !best.allowed)
  if (missing !== undefined) {
    const { action, statements } = missing
    const nearest = nearestOf(statements)
    return {
      admits: 'no',
      statements,
      missing: action,
      keys: [],
      ...(nearest && { nearest }),
    }
  }
  const open = asked.find(({ worst }) => !worst.allowed)
  if (open === undefined) return { admits: 'yes', statements: asked[0]?.statements ?? [], keys: [] }
  const { action, best, statements, worst } = open
  const keys = document.statements.flatMap((statement, at) => {
    const settled = statement.effect === 'Allow' ? best : worst
    if (settled.statements[at]?.matched !== true) return []
    return openConditions(statement, document, question).map(({ key }) => key)
  })
  return { admits: 'maybe', statements, missing: action, keys: [...new Set(keys)] }
}

function ask(
  document: PolicyDocument,
  { caller, context, role }: TrustQuestion,
  action: string,
): { readonly allowed: boolean; readonly statements: readonly StatementOutcome[] } {
  const request = { caller, action, context, resource: role.arn, resourceAccountId: role.accountId }
  return authorizeTrust(request, { name: 'trust', document }, { identity: [] })
}

/** The policy where every open condition of that effect holds, and of the other one none does. */
function settle(
  document: PolicyDocument,
  question: TrustQuestion,
  holding: PolicyStatement['effect'],
): PolicyDocument {
  const statements = document.statements.map((statement): PolicyStatement => {
    const open = openConditions(statement, document, question)
    if (open.length === 0) return statement
    const { notActions: _, ...rest } = statement
    // A statement without actions never matches, and the others keep their places.
    if (statement.effect !== holding) return { ...rest, actions: [] }
    return { ...statement, conditions: statement.conditions.filter((one) => !open.includes(one)) }
  })
  return { ...document, statements }
}

function openConditions(
  { conditions }: PolicyStatement,
  { version }: PolicyDocument,
  question: TrustQuestion,
): readonly PolicyCondition[] {
  return conditions.filter(({ key, values }) => {
    const variables = version === '2012-10-17' ? values.flatMap(variableNames) : []
    return [key, ...variables].some((name) => !isKnown(question, name))
  })
}

function isKnown({ context, isKnown: isKnownAbsent }: TrustQuestion, key: string): boolean {
  const name = key.toLowerCase()
  return Object.keys(context).some((one) => one.toLowerCase() === name) || isKnownAbsent(name)
}

const PROGRESS = { principal: 0, action: 1, resource: 2, condition: 3 } as const

function nearestOf(statements: readonly StatementOutcome[]): StatementOutcome | undefined {
  const progress = ({ mismatch }: StatementOutcome): number =>
    mismatch === undefined ? 4 : PROGRESS[mismatch.reason]
  return statements
    .filter(({ effect }) => effect === 'Allow')
    .reduce<StatementOutcome | undefined>(
      (best, one) => (best === undefined || progress(one) > progress(best) ? one : best),
      undefined,
    )
}
