/** A session of a role, as the evaluator sees it. */
import { parseArn } from '../../iam/arn.ts'
import type { PolicySource } from '../../iam/evaluate.ts'
import { parsePolicy } from '../../iam/policy.ts'
import type { PolicyKind } from '../../iam/policy-document.ts'
import type { Caller } from '../../iam/request.ts'
import type { PolicyFact, RoleFact, WorkloadFacts } from '../facts/workload-facts.ts'

export function sessionOf(role: RoleFact): Extract<Caller, { readonly kind: 'role-session' }> {
  const { accountId, partition } = parseArn(role.arn)
  return {
    kind: 'role-session',
    accountId,
    arn: `arn:${partition}:sts::${accountId}:assumed-role/${role.name}/session`,
    roleArn: role.arn,
    roleId: role.id,
    sessionName: 'session',
  }
}

/** What a command needs to reach the account of a role. */
export const profileOf = (
  { account, accounts = [account] }: WorkloadFacts,
  { arn }: RoleFact,
): string | undefined =>
  accounts.find(({ accountId }) => accountId === parseArn(arn).accountId)?.profile

/** @throws PodroleError `MalformedPolicyDocument` */
export const sourceOf = (
  { name, text }: PolicyFact,
  kind: PolicyKind = 'identity',
): PolicySource => ({ name, document: parsePolicy(text, kind) })
