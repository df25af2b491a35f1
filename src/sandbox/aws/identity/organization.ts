import type { PolicyDocument } from '../../../iam/policy-document.ts'
import { parsePolicy } from '../../../iam/policy.ts'
import type { ServiceControlPolicy, Tables } from '../records.ts'

/** A service control policy over one account, or (`*`) over all. */
export interface ServiceControlSetting extends ServiceControlPolicy {
  readonly accountId: string
}

/**
 * Puts an account (`*` for all) under service control policies: each must allow what its users,
 * roles and root user ask for, and none may deny it. They give nothing by themselves, and say
 * nothing of web identities, services and service-linked roles. None takes the limits away; it
 * holds from the next call on.
 * https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
 * @throws PodroleError `MalformedPolicyDocument`
 */
export function setServiceControlPolicies(
  tables: Tables,
  accountId: string,
  policies: readonly ServiceControlPolicy[],
): void {
  for (const { document } of policies) parsePolicy(document, 'identity')
  if (policies.length === 0) tables.organization.delete(accountId)
  else tables.organization.set(accountId, { accountId, serviceControlPolicies: policies })
}

/** The policies that a run begins with, in place of those that an earlier one began with. */
export function beginServiceControlPolicies(
  tables: Tables,
  settings: readonly ServiceControlSetting[],
): void {
  for (const [accountId] of tables.organization.entries()) tables.organization.delete(accountId)
  const byAccount = Map.groupBy(settings, ({ accountId }) => accountId)
  for (const [accountId, own] of byAccount) {
    const policies = own.map(({ name, document }) => ({ name, document }))
    setServiceControlPolicies(tables, accountId, policies)
  }
}

const FULL_ACCESS = parsePolicy(
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Sid: 'FullAWSAccess', Effect: 'Allow', Action: '*', Resource: '*' }],
  }),
  'identity',
)

/**
 * A policy with what stands beside it: where it only denies, that is FullAWSAccess, which
 * Organizations attaches everywhere; one that allows something is a list of what is allowed.
 */
export function withFullAccess(document: PolicyDocument): PolicyDocument {
  const allows = document.statements.some(({ effect }) => effect === 'Allow')
  if (allows) return document
  return { ...document, statements: [...document.statements, ...FULL_ACCESS.statements] }
}
