import { addStatements, type TrustEdit } from '../../iam/trust-edit.ts'
import { findOwnStatements, readTrustText } from '../../iam/trust-statements.ts'
import { mergedGrants } from './own-trust.ts'
import type { RoleUse } from './role-uses.ts'

/**
 * The trust policy of a role that somebody else made, with all uses let in: one compact statement
 * of podrole's own for each issuer, or namespace of a cluster, for those that nothing lets in yet.
 * @throws PodroleError `InvalidJson`, `InvalidTrustPolicy`
 */
export function givenTrust(before: string, uses: readonly RoleUse[]): TrustEdit {
  const granted = mergedGrants(uses)
  const { statements } = readTrustText(before)
  // The evaluator is asked only where the lists do not say it already.
  const isListed = granted.every((one) => {
    const listed = new Set(findOwnStatements(statements, one).flatMap(({ values }) => values))
    return one.entries.every(({ value }) => listed.has(value))
  })
  if (isListed && !before.includes('"Deny"')) {
    return { before, after: before, remarks: [], subjects: [] }
  }
  return addStatements(before, granted)
}
