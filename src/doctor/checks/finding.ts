import type { CheckId, Severity } from './table.ts'

/** One thing that is wrong. */
export interface DoctorFinding {
  readonly id: CheckId
  readonly severity: Severity
  /** Whom it is about: `role orders`, `cluster prod`, `service account shop/orders of prod`. */
  readonly subject: string
  /** What is so, one sentence without its full stop. */
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** What a check could not look at, and why: it is neither well nor a finding. */
export interface NotLookedAt {
  readonly what: string
  readonly why: string
}

/** What one check saw. */
export interface CheckResult {
  readonly findings: readonly RawFinding[]
  readonly notLookedAt: readonly NotLookedAt[]
}

/** A finding before the table adds what is the same for all of its id. */
export interface RawFinding {
  readonly id: CheckId
  readonly subject: string
  readonly what: string
  /** In place of the table's. */
  readonly fix?: string
}

/** How many of a list a sentence names. */
const MAX_NAMED = 5

export function someOf(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMED).join(', ')
  return names.length > MAX_NAMED ? `${shown} and ${names.length - MAX_NAMED} more` : shown
}
