import type { QuotaReading } from '../../aws/iam-quotas.ts'
import {
  type CompactedTrust,
  type CompactOptions,
  compactTrust,
} from '../../iam/trust-compact/compact.ts'
import { type EqualityProof, proveSame } from '../../iam/trust-compact/differences.ts'
import { shardTrust } from '../../iam/trust-compact/shards.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { Patience } from '../../lib/waiting.ts'
import { shardName } from '../plan/shards.ts'
import type { KeepPriorTrust } from './prior-trust.ts'
import type { RolePort } from './role-port.ts'
import { writeTrust } from './trust-change.ts'

/** A compaction that the evaluator was asked about. */
export interface ProvenCompaction extends CompactedTrust {
  /** For each role its trust policy: one, or several where one has not room for all. */
  readonly roles: readonly { readonly name: string; readonly trustPolicy: string }[]
  readonly proof: EqualityProof
}

/**
 * The smallest trust policy that admits the same, in as many roles as the quota makes necessary.
 * @throws PodroleError `NotTheSameTrust`, `TrustPolicyTooLong`, `MalformedPolicyDocument`
 */
export function planCompaction(
  role: string,
  before: string,
  options: CompactOptions & { readonly quota: number },
): ProvenCompaction {
  const compacted = compactTrust(before, options)
  const policies = shardTrust(compacted.after, options.quota)
  const proof = proveSame(before, policies)
  const roles = policies.map((trustPolicy, at) => ({ name: shardName(role, at), trustPolicy }))
  return { ...compacted, roles, proof }
}

/** Reads a role's trust policy and its account's quota, and writes nothing. */
export async function compactionOf(
  port: RolePort,
  role: string,
  options: CompactOptions & { readonly limit?: number },
): Promise<ProvenCompaction & { readonly quota: QuotaReading }> {
  const [text, quota] = await Promise.all([port.trustPolicyOf(role), port.trustQuota()])
  const plan = planCompaction(role, text, { ...options, quota: options.limit ?? quota.value })
  return { ...plan, quota }
}

/**
 * Writes a compaction; the file that holds the policy as it was. The policy is read again right
 * before it is written: IAM has no conditional write.
 * @throws PodroleError `TrustNeedsRoles`, `TrustPolicyChanged`; ServiceFault
 */
export async function writeCompaction(
  port: RolePort,
  { before, roles }: ProvenCompaction,
  how: { readonly keep: KeepPriorTrust; readonly patience?: Patience },
): Promise<string> {
  const [role, ...others] = roles
  if (role === undefined || others.length > 0) {
    throw new PodroleError(
      'TrustNeedsRoles',
      `one role has not room for all: ${roles.length} roles are needed, and nothing was written`,
      {
        hint: `Make ${others.map(({ name }) => name).join(', ')} with these policies and move service accounts there first: who is cut from ${role?.name ?? 'the role'} before that has no credentials. podrole apply does it in this order.`,
      },
    )
  }
  if ((await port.trustPolicyOf(role.name)) !== before) {
    throw new PodroleError(
      'TrustPolicyChanged',
      `the trust policy of role ${role.name} was changed by somebody else meanwhile; nothing was written`,
      { hint: 'Run the command again: it begins with the policy as it is now.' },
    )
  }
  const file = how.keep({ accountId: port.accountId, name: role.name }, before)
  const { patience } = how
  await writeTrust(port, role.name, {
    before,
    after: role.trustPolicy,
    ...(patience !== undefined && { patience }),
  })
  return file
}
