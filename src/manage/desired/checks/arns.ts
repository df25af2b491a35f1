import { tryParseArn } from '../../../iam/arn.ts'
import { quoteValue } from '../faults.ts'
import type { CheckContext } from './check.ts'

const ROLE = /^role\/(?:[\x21-\x7e]{0,510}\/)?[\w+=,.@-]{1,64}$/
const POLICY = /^policy\/(?:[\x21-\x7e]{1,510}\/)?[\w+=,.@-]{1,128}$/
const PRINCIPAL = /^(?:role|user)\/(?:[\x21-\x7e]{0,510}\/)?[\w+=,.@-]{1,64}$/
const ACCESS_POLICY = /^cluster-access-policy\/[A-Za-z0-9]{1,128}$/

/** What an ARN must be like, in the words of a fault. */
interface ArnRule {
  readonly what: string
  /** Behind `arn:PARTITION:`. */
  readonly form: string
  readonly service: string
  readonly account: RegExp
  readonly resource: RegExp
}

const ROLE_RULE: ArnRule = {
  what: 'a role',
  form: 'iam::ACCOUNT:role/NAME',
  service: 'iam',
  account: /^\d{12}$/,
  resource: ROLE,
}
const POLICY_RULE: ArnRule = {
  what: 'a managed policy',
  form: 'iam::ACCOUNT:policy/NAME (ACCOUNT "aws" for AWS\'s own)',
  service: 'iam',
  account: /^(?:aws|\d{12})$/,
  resource: POLICY,
}
const PRINCIPAL_RULE: ArnRule = {
  what: 'a role or user',
  form: 'iam::ACCOUNT:role/NAME or user/NAME',
  service: 'iam',
  account: /^\d{12}$/,
  resource: PRINCIPAL,
}
const ACCESS_POLICY_RULE: ArnRule = {
  what: 'a cluster access policy',
  form: 'eks::aws:cluster-access-policy/NAME',
  service: 'eks',
  account: /^aws$/,
  resource: ACCESS_POLICY,
}

type Place = Pick<CheckContext, 'partition' | 'accountId'>

/** The fault of what is to be a role's ARN, of the cluster's account where it is known. */
export const roleArnFault = (text: string, place: Place): string | undefined =>
  arnFault(text, ROLE_RULE, place) ??
  accountFault(text, place, 'a role of another account can be the targetRoleARN')

/** Of a managed policy, AWS's or the account's. */
export const policyArnFault = (text: string, place: Place): string | undefined =>
  arnFault(text, POLICY_RULE, place) ??
  accountFault(text, place, 'a policy is attached in its own account alone')

/** Of an access entry's principal, which may be of any account. */
export const principalArnFault = (text: string, place: Place): string | undefined =>
  arnFault(text, PRINCIPAL_RULE, place)

export const accessPolicyArnFault = (text: string, place: Place): string | undefined =>
  arnFault(text, ACCESS_POLICY_RULE, place)

function arnFault(text: string, rule: ArnRule, { partition }: Place): string | undefined {
  const arn = tryParseArn(text)
  const wanted = `wanted arn:${partition ?? 'PARTITION'}:${rule.form}`
  const isOne =
    arn !== undefined &&
    arn.service === rule.service &&
    arn.region === '' &&
    rule.account.test(arn.accountId) &&
    rule.resource.test(arn.resource)
  if (!isOne) return `${quoteValue(text)} is not the ARN of ${rule.what}: ${wanted}`
  if (partition === undefined || arn.partition === partition) return undefined
  return `${quoteValue(text)} is in the partition ${arn.partition}, the cluster's region is in ${partition}`
}

function accountFault(text: string, { accountId }: Place, hint: string): string | undefined {
  const found = tryParseArn(text)?.accountId
  if (accountId === undefined || found === undefined) return undefined
  if (found === accountId || found === 'aws') return undefined
  return `${quoteValue(text)} is of account ${found}, the cluster is in ${accountId}; ${hint}`
}
