import { PodroleError } from '../lib/errors.ts'
import type { JsonNode } from './json-document.ts'
import { jsonNodeOf } from './json-text.ts'
import { admissionOf } from './trust-admission.ts'
import { grantedStatements, statementOf } from './trust-grant.ts'
import type { GrantedEntry, GrantedStatement, TrustGrant } from './trust-grant.ts'
import type { TrustText } from './trust-statements.ts'
import {
  findOwnStatements,
  formatTrustText,
  isWild,
  newSid,
  readTrustText,
  statementName,
  withListValues,
} from './trust-statements.ts'

/** What an edit found out about one service account; the codes are stable. */
export interface TrustRemark {
  readonly code:
    | 'already-trusted'
    | 'trusted-by-other-statement'
    | 'denied-by-statement'
    | 'not-trusted'
    | 'still-trusted'
    | 'long-subject'
  /** `payments/worker`, or `payments/worker of cluster edge`. */
  readonly subject: string
  /** Names of statements: a Sid, or `#1`. */
  readonly statements: readonly string[]
  /** One sentence. */
  readonly text: string
}

/** A trust policy before and after an edit; the same text where nothing was to be done. */
export interface TrustEdit {
  /** Exactly as it was read: what a revert writes back. */
  readonly before: string
  readonly after: string
  readonly remarks: readonly TrustRemark[]
  /** Labels of what was added or removed. */
  readonly subjects: readonly string[]
}

/** A trust policy that trusts nobody yet; IAM takes it with a statement only. */
export const EMPTY_TRUST = '{"Version":"2012-10-17","Statement":[]}'

interface Step {
  readonly policy: TrustText
  readonly remarks: readonly TrustRemark[]
  readonly subjects: readonly string[]
}

/**
 * The policy with the grant's service accounts admitted: added to podrole's own statement for that
 * issuer or cluster, or to a new one behind all others. Who is admitted already, by whatever
 * statement, is remarked on and not added again.
 * @throws PodroleError `InvalidJson`, `InvalidTrustPolicy` and those of `grantedStatements`.
 */
export function addTrust(before: string, grant: TrustGrant): TrustEdit {
  return addStatements(before, grantedStatements(grant))
}

/**
 * The same for several grants at once, as statements.
 * @throws PodroleError `InvalidJson`, `InvalidTrustPolicy`
 */
export function addStatements(before: string, granted: readonly GrantedStatement[]): TrustEdit {
  return edit(before, granted, addStatement)
}

/**
 * The policy without the grant's service accounts in podrole's own statements. A statement whose
 * last one goes is removed; statements of others are not touched, and who is still admitted by one
 * is remarked on.
 * @throws PodroleError `LastTrustStatement`: IAM takes no policy without a statement; and those of
 * `addTrust`.
 */
export function removeTrust(before: string, grant: TrustGrant): TrustEdit {
  return edit(before, grantedStatements(grant), removeStatement)
}

/**
 * The same for several statements, which may be of different issuers and clusters.
 * @throws PodroleError as `removeTrust`
 */
export function removeStatements(before: string, granted: readonly GrantedStatement[]): TrustEdit {
  return edit(before, granted, removeStatement)
}

function edit(
  before: string,
  statements: readonly GrantedStatement[],
  change: (policy: TrustText, granted: GrantedStatement) => Step,
): TrustEdit {
  let step: Step = { policy: readTrustText(before), remarks: [], subjects: [] }
  for (const granted of statements) {
    const next = change(step.policy, granted)
    step = {
      policy: next.policy,
      remarks: [...step.remarks, ...next.remarks],
      subjects: [...step.subjects, ...next.subjects],
    }
  }
  const { policy, remarks, subjects } = step
  return {
    before,
    after: subjects.length === 0 ? before : formatTrustText(policy),
    remarks,
    subjects,
  }
}

function addStatement(policy: TrustText, granted: GrantedStatement): Step {
  const [own] = findOwnStatements(policy.statements, granted)
  const remarks: TrustRemark[] = []
  const missing: GrantedEntry[] = []
  const admission = admissionOf(policy, granted)
  for (const entry of granted.entries) {
    const { allowedBy, deniedBy } = admission(entry)
    if (own?.values.includes(entry.value)) remarks.push(alreadyTrusted(policy, own.at, entry))
    else if (allowedBy.length > 0) remarks.push(trustedByOther(allowedBy, entry))
    else missing.push(entry)
    if (deniedBy.length > 0) remarks.push(denied(deniedBy, entry))
    if (isLongSubject(granted, entry)) remarks.push(longSubject(entry))
  }
  if (missing.length === 0) return { policy, remarks, subjects: [] }
  const subjects = missing.map(({ label }) => label)
  const statements = own
    ? extendStatement(policy, granted, { own, missing })
    : [...policy.statements, newStatement(policy.statements, { ...granted, entries: missing })]
  return { policy: { ...policy, statements }, remarks, subjects }
}

type OwnStatement = ReturnType<typeof findOwnStatements>[number]
type Statements = TrustText['statements']

function extendStatement(
  policy: TrustText,
  granted: GrantedStatement,
  add: { readonly own: OwnStatement; readonly missing: readonly GrantedEntry[] },
): Statements {
  const { own, missing } = add
  const values = [...own.values, ...missing.map(({ value }) => value)]
  const operator = values.some(isWild) ? 'StringLike' : own.operator
  return policy.statements.map((statement, at) =>
    at === own.at ? withListValues(statement, granted, { operator, values }) : statement,
  )
}

function newStatement(statements: Statements, granted: GrantedStatement): Statements[number] {
  const node: JsonNode = jsonNodeOf(statementOf(granted, newSid(statements, granted)))
  if (node.kind !== 'object') throw new TypeError('a statement is an object')
  return node
}

function removeStatement(policy: TrustText, granted: GrantedStatement): Step {
  const gone = new Set(granted.entries.map(({ value }) => value))
  const owned = findOwnStatements(policy.statements, granted)
  const statements = policy.statements.flatMap((statement, at) => {
    const own = owned.find((one) => one.at === at)
    const values = own?.values.filter((value) => !gone.has(value)) ?? []
    if (own === undefined || values.length === own.values.length) return [statement]
    if (values.length === 0) return []
    const operator = values.some(isWild) ? own.operator : 'StringEquals'
    return [withListValues(statement, granted, { operator, values })]
  })
  if (statements.length === 0) throw lastStatement(policy)
  const after = { ...policy, statements }
  const admission = admissionOf(after, granted)
  const listed = new Set(owned.flatMap(({ values }) => values))
  const removed = granted.entries.filter(({ value }) => listed.has(value))
  const remarks = granted.entries.flatMap((entry) => [
    ...(listed.has(entry.value) ? [] : [notTrusted(entry)]),
    ...stillTrusted(admission(entry).allowedBy, entry),
  ])
  return { policy: after, remarks, subjects: removed.map(({ label }) => label) }
}

const lastStatement = ({ statements }: TrustText): PodroleError =>
  new PodroleError(
    'LastTrustStatement',
    `Cannot remove statement ${statements.map(statementName).join(', ')}: it is the last of the trust policy, and IAM takes no trust policy without a statement`,
    { hint: 'Delete the role instead, or trust somebody else first.' },
  )

/** What STS models as the length of a subject; what it does beyond is not documented. */
const MAX_SUBJECT = 255

const isLongSubject = ({ caller }: GrantedStatement, { value }: GrantedEntry): boolean =>
  caller.kind === 'web-identity' && value.length > MAX_SUBJECT

const longSubject = ({ label, value }: GrantedEntry): TrustRemark => ({
  code: 'long-subject',
  subject: label,
  statements: [],
  text: `the subject of ${label} has ${value.length} characters, more than the ${MAX_SUBJECT} that STS models: it may refuse its tokens`,
})

const alreadyTrusted = (
  { statements }: TrustText,
  at: number,
  { label }: GrantedEntry,
): TrustRemark => {
  const name = statementName(statements[at] ?? { kind: 'null' }, at)
  return {
    code: 'already-trusted',
    subject: label,
    statements: [name],
    text: `${label} is in statement ${name} already`,
  }
}

const trustedByOther = (names: readonly string[], { label }: GrantedEntry): TrustRemark => ({
  code: 'trusted-by-other-statement',
  subject: label,
  statements: names,
  text: `${label} is admitted already, by statement ${names.join(', ')}: not added again`,
})

const denied = (names: readonly string[], { label }: GrantedEntry): TrustRemark => ({
  code: 'denied-by-statement',
  subject: label,
  statements: names,
  text: `${label} stays out: statement ${names.join(', ')} denies it, which wins over every Allow`,
})

const notTrusted = ({ label }: GrantedEntry): TrustRemark => ({
  code: 'not-trusted',
  subject: label,
  statements: [],
  text: `${label} is in no statement of podrole's own for this issuer or cluster: nothing to remove`,
})

const stillTrusted = (names: readonly string[], { label }: GrantedEntry): readonly TrustRemark[] =>
  names.length === 0
    ? []
    : [
        {
          code: 'still-trusted',
          subject: label,
          statements: names,
          text: `${label} is still admitted, by statement ${names.join(', ')}, which was not touched`,
        },
      ]
