import { conditionHolds } from './condition.ts'
import type { ContextLookup } from './context-lookup.ts'
import { compileText, compilePattern, matchesPattern } from './pattern.ts'
import type {
  PolicyCondition,
  PolicyDocument,
  PolicyKind,
  PolicyStatement,
} from './policy-document.ts'
import { replaceVariables } from './policy-variables.ts'
import { describeCaller, matchStatementPrincipal } from './principal.ts'
import type { PrincipalMatch } from './principal.ts'
import type { AccessRequest } from './request.ts'

/** Where a policy stands in an evaluation. */
export type PolicyUse = 'identity' | 'boundary' | 'session' | 'resource' | 'trust' | 'organization'

/** A policy with the name that reasons show: `inline:read`, or the ARN of a managed policy. */
export interface PolicySource {
  readonly name: string
  readonly document: PolicyDocument
}

/** The first thing that kept a statement from matching. */
export type Mismatch =
  | {
      readonly reason: 'principal'
      /** `TYPE:VALUE` each; `negated` for NotPrincipal. */
      readonly wanted: readonly string[]
      readonly negated: boolean
      readonly actual: string
    }
  | {
      readonly reason: 'action' | 'resource'
      readonly wanted: readonly string[]
      /** NotAction, NotResource. */
      readonly negated: boolean
      readonly actual: string
    }
  | ({ readonly reason: 'condition' } & JudgedCondition)

/** What one statement said to one request. */
export interface StatementOutcome {
  readonly policy: string
  readonly policyUse: PolicyUse
  /** Its Sid, or `#1` for the first statement without one. */
  readonly statement: string
  readonly effect: 'Allow' | 'Deny'
  readonly matched: boolean
  /** Present when it did not match. */
  readonly mismatch?: Mismatch
  /** Present when it matched under conditions: all of them held. */
  readonly conditions?: readonly JudgedCondition[]
}

/** A condition, and what the request held under its key; undefined when it was absent. */
export interface JudgedCondition {
  readonly operator: string
  readonly key: string
  readonly wanted: readonly string[]
  readonly actual: readonly string[] | undefined
}

/** A statement that matched keeps how it named the caller. */
export interface JudgedStatement {
  readonly outcome: StatementOutcome
  readonly principal: PrincipalMatch | undefined
}

/** What every statement of an evaluation is judged against. */
export interface EvaluationScope {
  readonly request: AccessRequest
  readonly context: ContextLookup
  readonly hasBoundary: boolean
}

/** Parts of an ARN in which variables are not replaced. */
const FIXED_PARTS = 5
const ARN_PARTS = 6

/** Judges every statement of one policy. */
export function judgePolicy(
  source: PolicySource,
  policyUse: PolicyUse,
  scope: EvaluationScope,
): readonly JudgedStatement[] {
  return source.document.statements.map((statement, index) => {
    const principal = principalOf(statement, policyUse, scope)
    const mismatch =
      principalMismatch(statement, policyUse, principal, scope) ??
      actionMismatch(statement, scope.request.action) ??
      resourceMismatch(statement, source.document, scope) ??
      conditionMismatch(statement, source.document.version, scope.context)
    const outcome = {
      policy: source.name,
      policyUse,
      statement:
        statement.sid === undefined || statement.sid === '' ? `#${index + 1}` : statement.sid,
      effect: statement.effect,
      matched: mismatch === undefined,
    }
    if (mismatch !== undefined) return { outcome: { ...outcome, mismatch }, principal }
    const conditions = statement.conditions.map((one) => conditionOf(one, scope.context))
    return {
      outcome: conditions.length === 0 ? outcome : { ...outcome, conditions },
      principal,
    }
  })
}

function principalOf(
  statement: PolicyStatement,
  policyUse: PolicyUse,
  scope: EvaluationScope,
): PrincipalMatch | undefined {
  if (policyUse !== 'trust' && policyUse !== 'resource') return undefined
  return matchStatementPrincipal(statement, {
    caller: scope.request.caller,
    accountId: scope.request.resourceAccountId,
    kind: policyUse,
    hasBoundary: scope.hasBoundary,
  })
}

function principalMismatch(
  statement: PolicyStatement,
  policyUse: PolicyUse,
  principal: PrincipalMatch | undefined,
  scope: EvaluationScope,
): Mismatch | undefined {
  if ((policyUse !== 'trust' && policyUse !== 'resource') || principal !== undefined) {
    return undefined
  }
  const negated = statement.notPrincipals !== undefined
  const principals = statement.principals ?? statement.notPrincipals ?? []
  const wanted = principals.map(({ type, value }) => `${type}:${value}`)
  return {
    reason: 'principal',
    wanted,
    negated,
    actual: describeCaller(scope.request.caller),
  }
}

/** Action names are compared without case. */
function actionMismatch(statement: PolicyStatement, action: string): Mismatch | undefined {
  const negated = statement.actions === undefined
  const wanted = statement.actions ?? statement.notActions ?? []
  const folded = action.toLowerCase()
  const found = wanted.some((name) => matchesPattern(compileText(name.toLowerCase()), folded))
  return found === negated ? { reason: 'action', wanted, negated, actual: action } : undefined
}

function resourceMismatch(
  statement: PolicyStatement,
  document: PolicyDocument,
  scope: EvaluationScope,
): Mismatch | undefined {
  const wanted = statement.resources ?? statement.notResources
  if (wanted === undefined) return undefined
  const negated = statement.resources === undefined
  const { resource } = scope.request
  const variables = document.version === '2012-10-17' ? scope.context : undefined
  const found = wanted.some((name) => resourceMatches(name, resource, variables, document.kind))
  return found === negated ? { reason: 'resource', wanted, negated, actual: resource } : undefined
}

/**
 * `*` and `?` cross `/` and, at a part's end, `:`. Variables are replaced in the sixth part only,
 * and one without a value makes the resource match nothing. Parts that are missing are `*`.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
 */
function resourceMatches(
  wanted: string,
  actual: string,
  variables: ContextLookup | undefined,
  kind: PolicyKind,
): boolean {
  if (wanted === '*') return true
  const cut = endOfFixedParts(wanted)
  if (cut === undefined) {
    const missing = ARN_PARTS - wanted.split(':', ARN_PARTS).length
    const padded = kind === 'session' ? wanted : wanted + ':*'.repeat(missing)
    return matchesPattern(compileText(padded), actual)
  }
  const last = replaceVariables(wanted.slice(cut), variables)
  if (last === undefined) return false
  return matchesPattern(
    compilePattern([{ text: wanted.slice(0, cut), literal: false }, ...last]),
    actual,
  )
}

/** The place behind the fifth colon; undefined where there are fewer. */
function endOfFixedParts(arn: string): number | undefined {
  let at = 0
  for (let part = 0; part < FIXED_PARTS; part += 1) {
    const colon = arn.indexOf(':', at)
    if (colon === -1) return undefined
    at = colon + 1
  }
  return at
}

function conditionMismatch(
  statement: PolicyStatement,
  version: PolicyDocument['version'],
  context: ContextLookup,
): Mismatch | undefined {
  const failed = statement.conditions.find(
    (condition) => !conditionHolds(condition, context, version),
  )
  return failed && { reason: 'condition', ...conditionOf(failed, context) }
}

const conditionOf = (condition: PolicyCondition, context: ContextLookup): JudgedCondition => ({
  operator: condition.operatorName,
  key: condition.key,
  wanted: condition.values,
  actual: context.find(condition.key)?.values,
})
