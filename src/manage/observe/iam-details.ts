/** What Terraform and ACK compare, and a plan does not look at. */
import type * as IamSdk from '@aws-sdk/client-iam'
import type { AwsAccount } from '../../aws/account.ts'
import { outlastThrottling } from '../../aws/throttling.ts'
import { callSdk } from '../../aws/sdk-fault.ts'

export interface RoleDetails {
  readonly description?: string
  readonly maxSessionSeconds: number
}

export interface DetailsReader {
  role(name: string): Promise<RoleDetails>
  /** Thumbprints of an IAM OIDC provider. */
  thumbprints(providerArn: string): Promise<readonly string[]>
}

/** IAM by the AWS SDK: GetAccountAuthorizationDetails has neither, so each is a call of its own. */
export async function iamDetails(
  account: AwsAccount,
  onCall: (operation: string) => void,
): Promise<DetailsReader> {
  const sdk: typeof IamSdk = await import('@aws-sdk/client-iam')
  const iam = new sdk.IAMClient(account.clientConfig)
  const call = <T>(operation: string, subject: string, send: () => Promise<T>): Promise<T> =>
    outlastThrottling(() => {
      onCall(operation)
      return callSdk(`${operation} ${subject}`, send)
    })
  return {
    role: async (RoleName) => {
      const { Role } = await call('GetRole', RoleName, () =>
        iam.send(new sdk.GetRoleCommand({ RoleName })),
      )
      return {
        maxSessionSeconds: Role?.MaxSessionDuration ?? 3600,
        ...(Role?.Description !== undefined && { description: Role.Description }),
      }
    },
    thumbprints: async (OpenIDConnectProviderArn) => {
      const { ThumbprintList = [] } = await call(
        'GetOpenIDConnectProvider',
        OpenIDConnectProviderArn,
        () => iam.send(new sdk.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn })),
      )
      return ThumbprintList
    },
  }
}
