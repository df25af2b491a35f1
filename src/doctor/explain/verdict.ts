/** What is said of each link of the way from a pod to what it may do. Values, in order of the way. */
import type { StatementOutcome } from '../../iam/evaluate.ts'
import type { Fix } from './fix.ts'
import type { LinkName } from './link-names.ts'
import type { ReasonCode } from './reasons.ts'

interface Said {
  readonly link: LinkName
  /** One sentence, without its full stop. */
  readonly text: string
  /** What was looked at, a line each. */
  readonly evidence: readonly string[]
  /** Of policies: what each statement said. */
  readonly statements?: readonly StatementOutcome[]
}

export type LinkVerdict =
  | (Said & { readonly status: 'ok'; readonly warnings: readonly string[] })
  | Broken
  /** It could not be looked at. */
  | (Said & { readonly status: 'unknown' })
  /** The way does not go over it. */
  | (Said & { readonly status: 'not-applicable' })

export interface Broken extends Said {
  readonly status: 'broken'
  readonly reason: ReasonCode
  /** What was there, and what was wanted in its place. */
  readonly found: string
  readonly wanted: string
  readonly fix: Fix
}

type More = Partial<Pick<Said, 'evidence' | 'statements'>>

export const ok = (
  link: LinkName,
  text: string,
  more: More & { readonly warnings?: readonly string[] } = {},
): LinkVerdict => ({ link, status: 'ok', text, evidence: [], warnings: [], ...more })

export const broken = (
  link: LinkName,
  reason: ReasonCode,
  what: Pick<Broken, 'text' | 'found' | 'wanted' | 'fix'> & More,
): Broken => ({ link, status: 'broken', reason, evidence: [], ...what })

export const notKnown = (link: LinkName, text: string, more: More = {}): LinkVerdict => ({
  link,
  status: 'unknown',
  text,
  evidence: [],
  ...more,
})

export const notApplicable = (link: LinkName, text: string): LinkVerdict => ({
  link,
  status: 'not-applicable',
  text,
  evidence: [],
})
