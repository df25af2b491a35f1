/**
 * Rules on statements for tokens of OIDC providers.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
 */
import { tryParseArn } from '../arn.ts'
import type { TrustRule } from './finding.ts'
import type { LooseCondition, LooseStatement } from './statements.ts'
import {
  claimConditions,
  isPositiveText,
  isRequired,
  issuersOf,
  isWebIdentity,
  quoteSome,
  readsWildcards,
} from './statements.ts'

const SUBJECT = /^(?:cluster:[^:]*:)?system:serviceaccount:/

const valuesOf = (statement: LooseStatement, claim: string): readonly string[] =>
  claimConditions(statement, (name) => name === claim)
    .filter(isPositiveText)
    .flatMap(({ values }) => values)

const subjectsInAudience = (statement: LooseStatement): readonly string[] =>
  valuesOf(statement, 'aud').filter((value) => SUBJECT.test(value))

export const noAudience: TrustRule = (statement) => {
  if (!isWebIdentity(statement) || !isOfOwnProvider(statement)) return undefined
  if (valuesOf(statement, 'aud').length > 0 || isMisplaced(statement, 'aud')) return undefined
  const [issuer = ''] = issuersOf(statement)
  return {
    code: 'no-audience',
    level: 'warning',
    statement: statement.name,
    text: `no condition on ${issuer}:aud: a token that was issued for something else opens the role too, where the provider has its audience`,
    hint: `Add "${issuer}:aud": "sts.amazonaws.com" to StringEquals, beside the subject and not in its place.`,
  }
}

export const noSubject: TrustRule = (statement) => {
  if (!isWebIdentity(statement) || !isOfOwnProvider(statement)) return undefined
  // A provider's own claims, such as a repository, narrow as well.
  const narrow = claimConditions(statement, (claim) => !/^(?:aud|oaud|amr)$/.test(claim))
  if (narrow.some(isPositiveText) || subjectsInAudience(statement).length > 0) return undefined
  if (isMisplaced(statement, 'sub')) return undefined
  const [issuer = ''] = issuersOf(statement)
  return {
    code: 'no-subject',
    level: 'error',
    statement: statement.name,
    text: `no condition on ${issuer}:sub: every service account of every cluster with this issuer may take the role`,
    hint: `Add "${issuer}:sub": "system:serviceaccount:NAMESPACE:NAME" to StringEquals.`,
  }
}

export const keyNeverMatches: TrustRule = (statement) => {
  const keys = misplacedKeys(statement)
  const [first] = keys
  if (first === undefined) return undefined
  const [issuer = ''] = issuersOf(statement)
  const effect =
    statement.effect === 'Deny'
      ? 'so that this Deny never applies'
      : keys.some(isRequired)
        ? 'so that the statement admits nobody'
        : 'so that the condition says nothing'
  return {
    code: 'key-never-matches',
    level: 'error',
    statement: statement.name,
    text: `condition key ${quoteSome(keys.map(({ key }) => key))} can never match: ${misplacedReason(first.key, issuer)}, ${effect}`,
    hint: `The keys of this provider begin with "${issuer}:", exactly as its ARN ends.`,
  }
}

/** Whether the claim is asked for under a wrong key, which is a finding of its own. */
const isMisplaced = (statement: LooseStatement, claim: 'aud' | 'sub'): boolean =>
  misplacedKeys(statement).some(
    (condition) => condition.key.toLowerCase().endsWith(`:${claim}`) && isRequired(condition),
  )

/** Keys of an issuer's claims whose issuer is none of the statement's. */
function misplacedKeys(statement: LooseStatement): readonly LooseCondition[] {
  const issuers = issuersOf(statement).map((issuer) => issuer.toLowerCase())
  if (issuers.length === 0) return []
  return statement.conditions.filter(({ key }) => {
    const [, issuer] = /^(.+):(?:aud|sub|amr|email|oaud|azp)$/.exec(key.toLowerCase()) ?? []
    return issuer !== undefined && !/^(?:saml|sts|aws)$/.test(issuer) && !issuers.includes(issuer)
  })
}

function misplacedReason(key: string, issuer: string): string {
  const named = key.slice(0, key.lastIndexOf(':'))
  const lower = named.toLowerCase()
  const wanted = issuer.toLowerCase()
  if (/^https?:/.test(lower))
    return 'it begins with the scheme, and keys hold the issuer without it'
  if (lower === `${wanted}/` || `${lower}/` === wanted) {
    return `it differs from the provider's ${JSON.stringify(issuer)} by the slash at the end`
  }
  if (lower.replace(/:\d+/, '') === wanted.replace(/:\d+/, '')) {
    return `it holds a port, and the issuer is ${JSON.stringify(issuer)}`
  }
  if (lower.startsWith(`${wanted}/`) || wanted.startsWith(`${lower}/`)) {
    return `its path is not that of the provider, ${JSON.stringify(issuer)}`
  }
  return `it is of another issuer than the statement's provider, ${JSON.stringify(issuer)}`
}

export const subjectOpen: TrustRule = (statement) => {
  if (!isWebIdentity(statement)) return undefined
  const open = claimConditions(statement, (claim) => claim === 'sub')
    .filter(readsWildcards)
    .flatMap(({ values }) => values)
    .filter(admitsAnyNamespace)
  if (open.length === 0) return undefined
  return {
    code: 'subject-open',
    level: 'error',
    statement: statement.name,
    text: `subject ${quoteSome(open)} admits service accounts of any namespace: whoever may create a pod anywhere in the cluster may take the role`,
    hint: 'Name the namespace: "system:serviceaccount:NAMESPACE:*" is the widest that has an owner.',
  }
}

/** Whether the namespace of a subject's pattern begins with a wildcard, or comes before it. */
function admitsAnyNamespace(pattern: string): boolean {
  if (!/[*?]/.test(pattern)) return false
  const at = pattern.lastIndexOf('system:serviceaccount:')
  if (at !== -1) return pattern.startsWith('*', at + 'system:serviceaccount:'.length)
  const head = pattern.slice(0, pattern.search(/[*?]/))
  return 'system:serviceaccount:'.startsWith(head) || /^cluster:[^:]*$/.test(head)
}

export const audienceHoldsSubject: TrustRule = (statement) => {
  const subjects = isWebIdentity(statement) ? subjectsInAudience(statement) : []
  if (subjects.length === 0) return undefined
  const [issuer = ''] = issuersOf(statement)
  return {
    code: 'audience-holds-subject',
    level: 'error',
    statement: statement.name,
    text: `the condition on ${issuer}:aud asks for ${quoteSome(subjects)}, which is a subject and never an audience`,
    hint: `Ask for it under "${issuer}:sub", and for "sts.amazonaws.com" under "${issuer}:aud".`,
  }
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html */
export const foreignProvider: TrustRule = (statement, { role }) => {
  if (role === undefined || statement.effect !== 'Allow') return undefined
  const foreign = statement.principals.filter(({ type, value }) => {
    const arn = type === 'Federated' ? tryParseArn(value) : undefined
    return (
      arn !== undefined && (arn.accountId !== role.accountId || arn.partition !== role.partition)
    )
  })
  if (foreign.length === 0) return undefined
  return {
    code: 'foreign-provider',
    level: 'error',
    statement: statement.name,
    text: `${quoteSome(foreign.map(({ value }) => value))} is not of account ${role.accountId} in partition ${role.partition}, where the role is: such a provider lets nobody in`,
    hint: "Create the provider in the role's own account, or take a role there and chain to this one.",
  }
}

/** Providers that an account made; Google, Amazon and Facebook logins have rules of their own. */
const isOfOwnProvider = ({ principals }: LooseStatement): boolean =>
  principals.some(({ value }) => value.includes(':oidc-provider/'))
