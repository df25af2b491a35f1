import type { Decision } from './evaluate.ts'
import type { Mismatch, PolicyUse, StatementOutcome } from './statement.ts'

const USE_WORDS: Readonly<Record<PolicyUse, string>> = {
  identity: 'identity policy',
  boundary: 'permissions boundary',
  session: 'session policy',
  resource: "resource's policy",
  trust: 'trust policy',
  organization: 'service control policy',
}

const MAX_VALUES = 10

/**
 * A decision in plain sentences: the verdict, the statements that matched and, where the verdict
 * is no, what kept each Allow statement from matching. Organization policies (SCP, RCP) are not
 * known to the evaluator, and the last sentence says so where they could still refuse.
 */
export function explainDecision(decision: Decision): string[] {
  const { statements } = decision
  const matched = statements.filter((statement) => statement.matched)
  const missed = decision.allowed ? [] : missedAllows(statements)
  const limited = statements.some(({ policyUse }) => policyUse === 'organization')
  const limits =
    decision.allowed && !limited
      ? ['As far as account policies go: policies of an organization (SCP, RCP) were not asked.']
      : []
  return [
    `${decision.text}.`,
    ...matched.map((statement) => `${nameOf(statement)} ${verbOf(statement)} it.`),
    ...missed.map(explainMismatch),
    ...limits,
  ]
}

/** What one statement said, in one sentence without its full stop. */
export function describeStatement(statement: StatementOutcome): string {
  const { effect, matched, mismatch, policy, policyUse, statement: name } = statement
  const whose = policyUse === 'trust' ? '' : ` ${policy}`
  const head = `${effect} ${name} of ${USE_WORDS[policyUse]}${whose}`
  if (matched) return `${head}: matches`
  return `${head}: ${mismatch === undefined ? 'does not match' : describeMismatch(mismatch)}`
}

function missedAllows(statements: readonly StatementOutcome[]): readonly StatementOutcome[] {
  return statements.filter(({ matched, effect }) => !matched && effect === 'Allow')
}

function nameOf(statement: StatementOutcome): string {
  const { statement: name, policy, policyUse } = statement
  return `Statement ${name} of ${USE_WORDS[policyUse]} ${policy}`
}

function verbOf(statement: StatementOutcome): string {
  return statement.effect === 'Allow' ? 'allows' : 'denies'
}

function explainMismatch(statement: StatementOutcome): string {
  const { mismatch } = statement
  if (mismatch === undefined) return `${nameOf(statement)} did not match.`
  return `${nameOf(statement)} did not match: ${describeMismatch(mismatch)}.`
}

function describeMismatch(mismatch: Mismatch): string {
  const wanted = listValues(mismatch.wanted)
  switch (mismatch.reason) {
    case 'principal':
    case 'action':
    case 'resource': {
      const verb = mismatch.negated ? 'excludes' : 'wants'
      return `its ${mismatch.reason} ${verb} ${wanted}, the request has ${JSON.stringify(mismatch.actual)}`
    }
    case 'condition': {
      const found =
        mismatch.actual === undefined
          ? 'the request has no such key'
          : `the request has ${listValues(mismatch.actual)}`
      return `condition ${mismatch.operator} on ${mismatch.key} wants ${wanted}, ${found}`
    }
    default:
      return mismatch satisfies never
  }
}

function listValues(values: readonly string[]): string {
  const shown = values.slice(0, MAX_VALUES).map((value) => JSON.stringify(value))
  const more = values.length - shown.length
  if (more > 0) shown.push(`${more} more`)
  return shown.length === 0 ? 'nothing' : shown.join(' or ')
}
