import { authorizeTrust, type StatementOutcome } from './evaluate.ts'
import { parsePolicy } from './policy.ts'
import type { PolicyDocument, PolicyStatement } from './policy-document.ts'
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
 * Judges a trust policy statement by statement. A condition on a key that only AWS knows leaves it
 * open: what is `maybe` hangs on it alone.
 * @throws PodroleError `MalformedPolicyDocument`: IAM would not take the policy
 */
export function explainTrust(text: string, question: TrustQuestion): TrustExplanation {
  const document = parsePolicy(text, 'trust')
  const asked = question.actions.map((action) => ({ action, ...ask(document, question, action) }))
  const first = asked[0]?.statements ?? []
  for (const { action, statements } of asked) {
    const denied = statements.find(({ effect, matched }) => matched && effect === 'Deny')
    if (denied === undefined) continue
    const open = (denied.conditions ?? []).filter(({ key }) => !isKnown(question, key))
    if (open.length > 0) {
      return { admits: 'maybe', statements, missing: action, keys: open.map(({ key }) => key) }
    }
    return { admits: 'no', statements, denied, missing: action, keys: [] }
  }
  const missing = asked.find(({ allowed }) => !allowed)
  if (missing === undefined) return { admits: 'yes', statements: first, keys: [] }
  const { action, statements } = missing
  const keys = keysThatDecide(document, question, action)
  if (keys.length > 0) return { admits: 'maybe', statements, missing: action, keys }
  const nearest = nearestOf(statements)
  return { admits: 'no', statements, missing: action, keys, ...(nearest && { nearest }) }
}

function ask(
  document: PolicyDocument,
  { caller, context, role }: TrustQuestion,
  action: string,
): { readonly allowed: boolean; readonly statements: readonly StatementOutcome[] } {
  const request = { caller, action, context, resource: role.arn, resourceAccountId: role.accountId }
  return authorizeTrust(request, { name: 'trust', document }, { identity: [] })
}

/** The unknown keys of the first Allow statement that would match without its conditions on them. */
function keysThatDecide(
  document: PolicyDocument,
  question: TrustQuestion,
  action: string,
): readonly string[] {
  for (const statement of document.statements) {
    const open = statement.conditions.filter(({ key }) => !isKnown(question, key))
    if (statement.effect !== 'Allow' || open.length === 0) continue
    const conditions = statement.conditions.filter((one) => !open.includes(one))
    const rest: PolicyStatement = { ...statement, conditions }
    if (ask({ ...document, statements: [rest] }, question, action).allowed) {
      return [...new Set(open.map(({ key }) => key))]
    }
  }
  return []
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
