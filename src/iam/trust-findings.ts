import { PodroleError } from '../lib/errors.ts'
import { parsePolicy } from './policy.ts'
import type { TrustFinding, TrustFindingContext, TrustRule } from './trust-findings/finding.ts'
import {
  awsAnyone,
  noTagSession,
  podIdentityOpen,
  unknownConditionElement,
  wildcardInEquals,
} from './trust-findings/others.ts'
import { readLooseStatement } from './trust-findings/statements.ts'
import {
  audienceHoldsSubject,
  foreignProvider,
  keyNeverMatches,
  noAudience,
  noSubject,
  subjectOpen,
} from './trust-findings/web-identity.ts'
import { readTrustText } from './trust-statements.ts'

export type { TrustFinding } from './trust-findings/finding.ts'

const RULES: readonly TrustRule[] = [
  unknownConditionElement,
  foreignProvider,
  keyNeverMatches,
  wildcardInEquals,
  audienceHoldsSubject,
  noAudience,
  noSubject,
  subjectOpen,
  noTagSession,
  awsAnyone,
  podIdentityOpen,
]

/**
 * What is wrong with a trust policy, statement by statement; also with one that IAM would refuse.
 * @throws PodroleError `InvalidJson`, `InvalidTrustPolicy`: it cannot be read at all
 */
export function findTrustFaults(
  text: string,
  about: Pick<TrustFindingContext, 'role'> = {},
): readonly TrustFinding[] {
  const statements = readTrustText(text).statements.map(readLooseStatement)
  const context = { ...about, statements }
  const findings = statements.flatMap((statement) =>
    RULES.flatMap((rule) => rule(statement, context) ?? []),
  )
  const isExplained = findings.some(({ code }) => code === 'unknown-condition-element')
  const refusal = isExplained ? undefined : refusalOf(text)
  return refusal === undefined ? findings : [...findings, refusal]
}

function refusalOf(text: string): TrustFinding | undefined {
  try {
    parsePolicy(text, 'trust')
    return undefined
  } catch (error) {
    if (!(error instanceof PodroleError)) throw error
    return {
      code: 'malformed-policy',
      level: 'error',
      text: `IAM refuses the policy: ${error.message}`,
      hint: error.hint ?? '',
    }
  }
}
