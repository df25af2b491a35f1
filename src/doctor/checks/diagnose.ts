import type { DoctorFacts } from '../facts/doctor-facts.ts'
import type { CheckResult, DoctorFinding, NotLookedAt } from './finding.ts'
import { checkIssuer, checkSigningKeys } from './issuers.ts'
import { checkNodeRoles } from './node-roles.ts'
import { checkAnnotations, checkAssociations, checkProviders } from './orphans.ts'
import { checkPods } from './pods.ts'
import { checkAgents, checkWebhooks } from './running-parts.ts'
import { CHECKS, type CheckId } from './table.ts'
import { checkTrust } from './trust.ts'

export interface Diagnosis {
  /** Errors first, then in the order of the table, then by subject. */
  readonly findings: readonly DoctorFinding[]
  readonly notLookedAt: readonly NotLookedAt[]
}

/** Every check over what was gathered. What could not be read is neither well nor a finding. */
export function diagnose(facts: DoctorFacts): Diagnosis {
  const results: readonly CheckResult[] = [
    checkNodeRoles(facts),
    checkTrust(facts),
    checkProviders(facts),
    checkSigningKeys(facts),
    ...facts.clusters.flatMap((cluster) => [
      checkPods(cluster),
      checkAssociations(cluster),
      checkAnnotations(cluster, facts),
      checkIssuer(cluster, facts),
      checkWebhooks(cluster, facts),
      checkAgents(cluster, facts),
    ]),
  ]
  const findings = results.flatMap(({ findings: raw }) =>
    raw.map(({ fix, id, subject, what }): DoctorFinding => {
      const { matters, mend, severity } = CHECKS[id]
      return { id, severity, subject, what, why: matters, fix: fix ?? mend }
    }),
  )
  return {
    findings: findings.toSorted(inOrder),
    notLookedAt: results.flatMap(({ notLookedAt }) => notLookedAt),
  }
}

const ORDER = new Map(Object.keys(CHECKS).map((id, at) => [id, at]))
const rankOf = ({ id, severity }: { id: CheckId; severity: string }): number =>
  (severity === 'error' ? 0 : 1000) + (ORDER.get(id) ?? 0)

const inOrder = (one: DoctorFinding, other: DoctorFinding): number =>
  rankOf(one) - rankOf(other) || one.subject.localeCompare(other.subject)
