/** Why a plan would refuse a role that is named by its ARN: asked for each, not for the first one. */
import { tryParseArn } from '../../../iam/arn.ts'
import type { ServiceAccountName } from '../../../iam/service-account-name.ts'
import { formatServiceAccountName } from '../../../iam/service-account-name.ts'
import { messageOf } from '../../../lib/errors.ts'
import { givenTrust } from '../../plan/given-trust.ts'
import type { ObservedCluster, PlanRole } from '../../plan/observed-state.ts'
import type { RoleUse, RoleWay } from '../../plan/role-uses.ts'

/** Undefined where it has the role. What is no ARN is for the reader of files to tell. */
export function givenFault(
  arn: string,
  role: PlanRole | undefined,
  of: {
    readonly cluster: ObservedCluster
    readonly accountId: string
    readonly holder: ServiceAccountName
    readonly by: RoleWay
  },
): string | undefined {
  const { accountId, by, cluster, holder } = of
  const parsed = tryParseArn(arn)
  if (parsed === undefined) return undefined
  if (parsed.accountId !== accountId) {
    return `role ${arn} is not of the cluster's account ${accountId}`
  }
  if (role === undefined) return `there is no role ${arn}`
  const use: RoleUse = {
    path: '',
    block: 'iam.serviceAccounts',
    cluster,
    serviceAccount: holder,
    subject: holder,
    by,
    role: { kind: 'given', arn },
  }
  try {
    if (givenTrust(role.trustPolicy, [use]).subjects.length === 0) return undefined
    return `role ${arn} does not let in ${formatServiceAccountName(holder)}`
  } catch (error) {
    return `the trust policy of role ${arn} cannot be read: ${messageOf(error)}`
  }
}
