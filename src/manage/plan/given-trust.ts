import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import { addStatements, type TrustEdit } from '../../iam/trust-edit.ts'
import { judgeTrust } from '../../iam/trust-judge.ts'
import { findOwnStatements, readTrustText } from '../../iam/trust-statements.ts'
import { grantOf, mergedGrants } from './own-trust.ts'
import type { RoleUse } from './role-uses.ts'

interface GivenTrust extends TrustEdit {
  /** Who is let in where conditions of the role's maker hold, on keys that AWS alone knows. */
  readonly conditional: readonly { readonly subject: string; readonly keys: readonly string[] }[]
}

/**
 * The trust policy of a role that somebody else made, with all uses let in: one compact statement
 * of podrole's own for each issuer, or namespace of a cluster, for those that nothing lets in yet.
 * Whom a statement lets in under further conditions is let in as its maker wants it: a statement
 * of podrole's beside it would go around them.
 * @throws PodroleError `InvalidJson`, `InvalidTrustPolicy`
 */
export function givenTrust(before: string, uses: readonly RoleUse[]): GivenTrust {
  const granted = mergedGrants(uses)
  const { statements } = readTrustText(before)
  // The evaluator is asked only where the lists do not say it already.
  const isListed = granted.every((one) => {
    const listed = new Set(findOwnStatements(statements, one).flatMap(({ values }) => values))
    return one.entries.every(({ value }) => listed.has(value))
  })
  if (isListed && !before.includes('"Deny"')) {
    return { before, after: before, remarks: [], subjects: [], conditional: [] }
  }
  const edit = addStatements(before, granted)
  if (edit.subjects.length === 0) return { ...edit, conditional: [] }
  const judged = uses.map((use) => ({ use, keys: conditionKeys(before, use) }))
  const conditional = judged.flatMap(({ keys, use }) =>
    keys.length === 0 ? [] : [{ subject: formatServiceAccountName(use.subject), keys }],
  )
  if (conditional.length === 0) return { ...edit, conditional }
  const rest = judged.filter(({ keys }) => keys.length === 0).map(({ use }) => use)
  return { ...addStatements(before, mergedGrants(rest)), conditional }
}

/** The keys of conditions on which alone it hangs whether the policy lets it in. */
function conditionKeys(before: string, use: RoleUse): readonly string[] {
  try {
    const verdict = judgeTrust(before, grantOf([use]))
    return verdict.admits === 'maybe' ? verdict.keys : []
  } catch {
    // IAM would not take the policy; what is in it is nobody's to guess.
    return []
  }
}
