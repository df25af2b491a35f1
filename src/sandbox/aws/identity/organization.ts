import { parsePolicy } from '../../../iam/policy.ts'
import type { Tables } from '../records.ts'

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
  documents: readonly string[],
): void {
  for (const text of documents) parsePolicy(text, 'identity')
  if (documents.length === 0) tables.organization.delete(accountId)
  else tables.organization.set(accountId, { accountId, serviceControlPolicies: documents })
}
