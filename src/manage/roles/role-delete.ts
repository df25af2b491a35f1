import type * as IamSdk from '@aws-sdk/client-iam'
import type { AwsAccount } from '../../aws/account.ts'
import { callSdk } from '../../aws/sdk-fault.ts'
import { codeOf } from '../../lib/errors.ts'

/** Deletes a role with all that hangs on it; done where it is gone. @throws ServiceFault */
export type DeleteRole = (name: string) => Promise<void>

/**
 * IAM deletes no role that has policies: they are detached and deleted first, and last the role, so
 * that one whose deletion was cut short keeps its tags and is found again.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
 */
export async function roleDeletion(account: AwsAccount): Promise<DeleteRole> {
  const sdk = await import('@aws-sdk/client-iam')
  const iam = new sdk.IAMClient(account.clientConfig)
  return async (RoleName) => {
    const call = <T>(what: string, send: () => Promise<T>): Promise<T> =>
      callSdk(`${what} ${RoleName}`, send)
    try {
      for (const PolicyArn of await attachedTo(sdk, iam, RoleName)) {
        await call('DetachRolePolicy', () =>
          iam.send(new sdk.DetachRolePolicyCommand({ RoleName, PolicyArn })),
        )
      }
      for (const PolicyName of await inlineOf(sdk, iam, RoleName)) {
        await call('DeleteRolePolicy', () =>
          iam.send(new sdk.DeleteRolePolicyCommand({ RoleName, PolicyName })),
        )
      }
      await call('DeleteRole', () => iam.send(new sdk.DeleteRoleCommand({ RoleName })))
    } catch (error) {
      if (codeOf(error) !== 'NoSuchEntity') throw error
    }
  }
}

async function attachedTo(
  sdk: typeof IamSdk,
  client: IamSdk.IAMClient,
  RoleName: string,
): Promise<readonly string[]> {
  return callSdk(`ListAttachedRolePolicies ${RoleName}`, async () => {
    const pages = await Array.fromAsync(
      sdk.paginateListAttachedRolePolicies({ client }, { RoleName }),
    )
    return pages
      .flatMap(({ AttachedPolicies }) => AttachedPolicies ?? [])
      .flatMap(({ PolicyArn }) => PolicyArn ?? [])
  })
}

async function inlineOf(
  sdk: typeof IamSdk,
  client: IamSdk.IAMClient,
  RoleName: string,
): Promise<readonly string[]> {
  return callSdk(`ListRolePolicies ${RoleName}`, async () => {
    const pages = await Array.fromAsync(sdk.paginateListRolePolicies({ client }, { RoleName }))
    return pages.flatMap(({ PolicyNames }) => PolicyNames ?? [])
  })
}
