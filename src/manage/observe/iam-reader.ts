import type * as IamSdk from '@aws-sdk/client-iam'
import type { AwsAccount } from '../../aws/account.ts'
import type { Environment } from '../../aws/endpoints.ts'
import { readIamQuota } from '../../aws/iam-quotas.ts'
import { callSdk } from '../../aws/sdk-fault.ts'
import { outlastThrottling } from '../../aws/throttling.ts'
import type { Tags } from '../../iam/tags.ts'
import type { Clock } from '../../lib/clock.ts'
import { codeOf } from '../../lib/errors.ts'
import type { PlanProvider, PlanRole } from '../plan/observed-state.ts'
import type { IamReader } from './ports.ts'

/** As many as IAM gives at once. */
const ROLES_PER_PAGE = 1000

export interface ReadingAround {
  readonly environment: Environment
  readonly clock: Clock
  /** Told the name of every operation that is called. */
  readonly onCall: (operation: string) => void
}

/** IAM by the AWS SDK: a call for a thousand roles, where reading each would be four for each. */
export async function iamReader(account: AwsAccount, around: ReadingAround): Promise<IamReader> {
  const sdk = await import('@aws-sdk/client-iam')
  const iam = new sdk.IAMClient(account.clientConfig)
  const call = <T>(operation: string, subject: string, send: () => Promise<T>): Promise<T> =>
    outlastThrottling(() => {
      around.onCall(operation)
      return callSdk(`${operation}${subject}`, send)
    })
  return {
    partition: account.partition,
    accountId: account.accountId,
    roles: async () => {
      const roles: PlanRole[] = []
      let Marker: string | undefined
      do {
        const input = { Filter: ['Role' as const], MaxItems: ROLES_PER_PAGE, Marker }
        const page = await call('GetAccountAuthorizationDetails', '', () =>
          iam.send(new sdk.GetAccountAuthorizationDetailsCommand(input)),
        )
        for (const role of page.RoleDetailList ?? []) roles.push(roleOf(role))
        Marker = page.IsTruncated === true ? page.Marker : undefined
      } while (Marker !== undefined)
      return roles
    },
    provider: async (arn) => {
      try {
        const found = await call('GetOpenIDConnectProvider', ` ${arn}`, () =>
          iam.send(new sdk.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: arn })),
        )
        return providerOf(arn, found)
      } catch (error) {
        if (codeOf(error) === 'NoSuchEntity') return undefined
        throw error
      }
    },
    trustQuota: () => {
      around.onCall('GetServiceQuota')
      return readIamQuota(account, 'trust-policy-characters', around)
    },
  }
}

/** A provider as a plan looks at it. */
export const providerOf = (
  arn: string,
  found: IamSdk.GetOpenIDConnectProviderResponse,
): PlanProvider => ({
  arn,
  clientIds: found.ClientIDList ?? [],
  tags: tagsOf(found.Tags),
  thumbprints: found.ThumbprintList ?? [],
})

function roleOf(role: IamSdk.RoleDetail): PlanRole {
  const boundaryArn = role.PermissionsBoundary?.PermissionsBoundaryArn
  return {
    name: role.RoleName ?? '',
    arn: role.Arn ?? '',
    trustPolicy: decodeURIComponent(role.AssumeRolePolicyDocument ?? ''),
    tags: tagsOf(role.Tags),
    policyArns: (role.AttachedManagedPolicies ?? []).flatMap(({ PolicyArn }) => PolicyArn ?? []),
    inline: Object.fromEntries(
      (role.RolePolicyList ?? []).map(({ PolicyDocument = '', PolicyName = '' }) => [
        PolicyName,
        decodeURIComponent(PolicyDocument),
      ]),
    ),
    ...(boundaryArn !== undefined && { boundaryArn }),
  }
}

const tagsOf = (tags: readonly IamSdk.Tag[] = []): Tags =>
  Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]))
