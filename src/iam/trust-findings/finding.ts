import type { LooseStatement } from './statements.ts'

/** What can be wrong with a trust policy. The codes are stable, and there are no others. */
export type TrustFindingCode =
  | 'no-audience'
  | 'no-subject'
  | 'unknown-condition-element'
  | 'key-never-matches'
  | 'wildcard-in-equals'
  | 'subject-open'
  | 'audience-holds-subject'
  | 'foreign-provider'
  | 'no-tag-session'
  | 'aws-anyone'
  | 'pod-identity-open'
  | 'malformed-policy'

export interface TrustFinding {
  readonly code: TrustFindingCode
  /** `error`: it does not work, or lets anybody in. `warning`: it lets in more than is needed. */
  readonly level: 'error' | 'warning'
  /** The statement's Sid, or `#1`; undefined where it is about the whole policy. */
  readonly statement?: string
  /** One sentence. */
  readonly text: string
  /** What to do, one sentence. */
  readonly hint: string
}

/** What a rule knows beside the statement. */
export interface TrustFindingContext {
  /** All statements of the policy. */
  readonly statements: readonly LooseStatement[]
  /** Of the role, where it is known. */
  readonly role?: { readonly partition: string; readonly accountId: string }
}

/** Judges one statement. */
export type TrustRule = (
  statement: LooseStatement,
  context: TrustFindingContext,
) => TrustFinding | undefined
