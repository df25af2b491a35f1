/** Rules on statements of any kind. */
import { POD_IDENTITY_SERVICE } from '../trust-grant.ts'
import type { TrustRule } from './finding.ts'
import type { LooseStatement } from './statements.ts'
import { allowsAction, isRequired, quoteSome } from './statements.ts'

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html */
export const unknownConditionElement: TrustRule = ({ name, strayConditions }) => {
  if (strayConditions.length === 0) return undefined
  return {
    code: 'unknown-condition-element',
    level: 'error',
    statement: name,
    text: `Condition holds ${quoteSome([...new Set(strayConditions)])}, which is no condition operator: IAM refuses the policy`,
    hint: 'A policy holds no comments; the Sid, of letters and digits, is the place for a word.',
  }
}

/** Keys whose values are names or ARNs, so that a star in them was meant as a wildcard. */
const PATTERN_KEYS =
  /(?::sub|:aud|^aws:requesttag\/(?:eks|kubernetes)-.*|^aws:(?:principalarn|sourcearn|userid))$/i

export const wildcardInEquals: TrustRule = (statement) => {
  const found = statement.conditions.filter(
    ({ operator: { base }, key, values }) =>
      /^StringEquals(?:IgnoreCase)?$/.test(base) &&
      PATTERN_KEYS.test(key) &&
      values.some(hasWildcard),
  )
  const [first] = found
  if (first === undefined) return undefined
  const values = found.flatMap((condition) => condition.values).filter(hasWildcard)
  return {
    code: 'wildcard-in-equals',
    level: 'error',
    statement: statement.name,
    text: `${first.operatorName} on ${first.key} compares with ${quoteSome(values)} letter by letter: "*" and "?" are no wildcards there`,
    hint: 'Use StringLike for patterns.',
  }
}

/** A policy variable such as `${*}` is no wildcard. */
const hasWildcard = (value: string): boolean => /[*?]/.test(value.replaceAll(/\$\{[^}]*\}/g, ''))

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html */
export const noTagSession: TrustRule = (statement, { statements }) => {
  const use = statement.effect === 'Allow' ? tagUse(statement) : undefined
  if (use === undefined) return undefined
  const mayTag = statements.some(
    (other) =>
      other.effect === 'Allow' &&
      allowsAction(other, 'sts:TagSession') &&
      statement.principals.every(({ type, value }) =>
        other.principals.some((one) => one.type === type && one.value === value),
      ),
  )
  if (mayTag) return undefined
  return {
    code: 'no-tag-session',
    level: 'error',
    statement: statement.name,
    text: `sts:TagSession is not allowed, and ${use}: the call fails`,
    hint: 'Add "sts:TagSession" to the Action of this statement.',
  }
}

/** What passes session tags, where something does. */
function tagUse(statement: LooseStatement): string | undefined {
  const assumes = ['sts:AssumeRole', 'sts:AssumeRoleWithWebIdentity'].some((action) =>
    allowsAction(statement, action),
  )
  if (!assumes) return undefined
  if (isPodIdentity(statement)) {
    return 'EKS Pod Identity passes session tags unless the association disables them'
  }
  const { conditions } = statement
  const isFleet = conditions.some(
    ({ key, values }) => /:sub$/i.test(key) && values.some((value) => value.startsWith('cluster:')),
  )
  if (isFleet) return 'tokens of a fleet issuer carry session tags'
  const tag = conditions.find(
    (condition) => /^aws:RequestTag\//i.test(condition.key) && isRequired(condition),
  )
  return tag === undefined ? undefined : `the condition on ${tag.key} asks for a session tag`
}

/** Keys that say who a caller is and that the caller cannot choose. */
const IDENTITY_KEYS =
  /^aws:(?:principalarn|principalaccount|principalorgid|principalorgpaths|userid)$/i

export const awsAnyone: TrustRule = (statement) => {
  const isAnyone = statement.principals.some(({ type, value }) => type === 'AWS' && value === '*')
  if (statement.effect !== 'Allow' || !isAnyone) return undefined
  const narrow = statement.conditions.some(
    (condition) =>
      IDENTITY_KEYS.test(condition.key) && isRequired(condition) && !condition.values.includes('*'),
  )
  if (narrow) return undefined
  return {
    code: 'aws-anyone',
    level: 'error',
    statement: statement.name,
    text: 'principal AWS "*" without a condition on who calls: any user or role of any AWS account may take the role',
    hint: 'Name the accounts or roles as principals, or add a condition on aws:PrincipalArn or aws:PrincipalOrgID.',
  }
}

/** https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html */
export const podIdentityOpen: TrustRule = (statement) => {
  if (statement.effect !== 'Allow' || !isPodIdentity(statement)) return undefined
  const has = (keys: RegExp): boolean =>
    statement.conditions.some((condition) => keys.test(condition.key) && isRequired(condition))
  if (has(/^aws:(?:RequestTag\/eks-cluster-(?:arn|name)|SourceArn)$/i)) return undefined
  const isOfAccount = has(/^aws:Source(?:Account|OrgID)$/i)
  return {
    code: 'pod-identity-open',
    level: 'warning',
    statement: statement.name,
    text: isOfAccount
      ? 'every cluster of the account may give this role to its pods: only the account is asked for'
      : 'every EKS cluster that may associate the role may give it to its pods: no condition names the cluster',
    hint: 'Add a condition on aws:RequestTag/eks-cluster-arn, kubernetes-namespace and kubernetes-service-account; an association that disables session tags leaves aws:SourceAccount alone.',
  }
}

const isPodIdentity = (statement: LooseStatement): boolean =>
  allowsAction(statement, 'sts:AssumeRole') &&
  statement.principals.some(
    ({ type, value }) => type === 'Service' && value === POD_IDENTITY_SERVICE,
  )
