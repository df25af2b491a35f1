import { authorizeTrust } from './evaluate.ts'
import { parsePolicy } from './policy.ts'
import type { PolicyDocument, PolicyStatement } from './policy-document.ts'
import type { ContextKeys } from './request.ts'
import { grantedStatements, POD_IDENTITY_SERVICE, SESSION_TAG_KEYS } from './trust-grant.ts'
import type { GrantedStatement, TrustGrant } from './trust-grant.ts'

/** What a trust policy will say to one service account. */
export type TrustVerdict =
  | { readonly admits: 'yes' }
  /** A statement does if conditions hold on keys that only AWS knows. */
  | { readonly admits: 'maybe'; readonly keys: readonly string[] }
  /** `why` is one sentence, without its full stop. */
  | { readonly admits: 'no'; readonly why: string }

/** What is asked for, and what is known of the request that AWS will make. */
interface Question {
  readonly granted: GrantedStatement
  readonly actions: readonly string[]
  readonly context: ContextKeys
  readonly isKnown: (key: string) => boolean
}

/**
 * Judges a trust policy as STS will when the grant's first service account asks by its way. Without
 * session tags the keys of tags are known to be missing.
 * @throws PodroleError `MalformedPolicyDocument` and the like: IAM would not take the policy
 */
export function judgeTrust(text: string, grant: TrustGrant): TrustVerdict {
  return judgeDocument(parsePolicy(text, 'trust'), grant)
}

function judgeDocument(document: PolicyDocument, grant: TrustGrant): TrustVerdict {
  const question = questionOf(grant)
  const denied = document.statements.filter(
    (statement) =>
      statement.effect === 'Deny' &&
      question.actions.some((action) => matches(document, statement, question, action)),
  )
  if (denied.length > 0) return no(`${nameOf(document, denied[0])} denies it`)
  const allows = document.statements.filter(({ effect }) => effect === 'Allow')
  const missing = question.actions.filter(
    (action) => !allows.some((statement) => matches(document, statement, question, action)),
  )
  if (missing.length === 0) return { admits: 'yes' }
  const keys = missing.map((action) => unknownKeysOf(document, allows, question, action))
  return keys.every((found) => found.length > 0)
    ? { admits: 'maybe', keys: [...new Set(keys.flat())] }
    : no(whyNot({ document, allows, missing, grant, question }))
}

const no = (why: string): TrustVerdict => ({ admits: 'no', why })

function questionOf(grant: TrustGrant): Question {
  const [granted] = grantedStatements(grant)
  const context = granted.entries[0]?.context ?? {}
  const known = new Set(Object.keys(context).map((key) => key.toLowerCase()))
  if (grant.way !== 'pod-identity' || grant.disableSessionTags !== true) {
    return { granted, actions: granted.actions, context, isKnown: (key) => known.has(key) }
  }
  return {
    granted,
    // Without tags there is nothing for which EKS would call TagSession.
    actions: ['sts:AssumeRole'],
    context,
    isKnown: (key) => known.has(key) || isTagKey(key),
  }
}

const isTagKey = (key: string): boolean =>
  key === 'aws:tagkeys' ||
  key === 'sts:transitivetagkeys' ||
  SESSION_TAG_KEYS.some((tag) => key === `aws:requesttag/${tag}`)

function matches(
  document: PolicyDocument,
  statement: PolicyStatement,
  { context, granted }: Question,
  action: string,
): boolean {
  const { accountId, caller } = granted
  const alone = { ...document, statements: [statement] }
  const request = { caller, action, context, resource: '*', resourceAccountId: accountId }
  const source = { name: 'trust', document: alone }
  return authorizeTrust(request, source, { identity: [] }).statements.some(({ matched }) => matched)
}

/** The keys on which alone it hangs whether a statement allows the action. */
function unknownKeysOf(
  document: PolicyDocument,
  allows: readonly PolicyStatement[],
  question: Question,
  action: string,
): readonly string[] {
  for (const statement of allows) {
    const unknown = statement.conditions.filter(({ key }) => !question.isKnown(key.toLowerCase()))
    const conditions = statement.conditions.filter((one) => !unknown.includes(one))
    if (unknown.length > 0 && matches(document, { ...statement, conditions }, question, action)) {
      return unknown.map(({ key }) => key)
    }
  }
  return []
}

function whyNot(at: {
  readonly document: PolicyDocument
  readonly allows: readonly PolicyStatement[]
  readonly missing: readonly string[]
  readonly grant: TrustGrant
  readonly question: Question
}): string {
  const { allows, document, grant, missing, question } = at
  const [action = ''] = missing
  const named = allows.filter((statement) =>
    question.actions.some((one) =>
      matches(document, { ...statement, conditions: [] }, question, one),
    ),
  )
  if (named.length === 0) return `no statement trusts ${whom(question.granted)}`
  if (missing.length < question.actions.length) return `no statement allows ${action}`
  const names = named.map((statement) => nameOf(document, statement)).join(', ')
  const isForTags =
    grant.way === 'pod-identity' &&
    grant.disableSessionTags === true &&
    judgeDocument(document, { ...grant, disableSessionTags: false }).admits === 'yes'
  return isForTags
    ? `${names} asks for session tags, which the association disables`
    : `the conditions of ${names} keep it out`
}

function nameOf({ statements }: PolicyDocument, statement: PolicyStatement | undefined): string {
  const at = statements.findIndex((one) => one === statement)
  return `statement ${statement?.sid ?? `#${at + 1}`}`
}

const whom = ({ principal }: GrantedStatement): string =>
  'Service' in principal ? `the service ${POD_IDENTITY_SERVICE}` : principal.Federated
