/** What Terraform and ACK compare, and a plan does not look at. */
import type * as IamSdk from '@aws-sdk/client-iam'
import type { AwsAccount } from '../../aws/account.ts'
import { outlastThrottling } from '../../aws/throttling.ts'
import { callSdk } from '../../aws/sdk-fault.ts'
import type { Tags } from '../../iam/tags.ts'
import { codeOf } from '../../lib/errors.ts'

export interface RoleDetails {
  readonly description?: string
  readonly maxSessionSeconds: number
}

/** A managed policy of the account's own, as it is in force. */
export interface PolicyDetails {
  /** `/` or `/…/` */
  readonly path: string
  readonly description?: string
  /** Its default version, as it is stored. */
  readonly document: string
  readonly tags: Tags
}

export interface DetailsReader {
  role(name: string): Promise<RoleDetails>
  /** Thumbprints of an IAM OIDC provider. */
  thumbprints(providerArn: string): Promise<readonly string[]>
  /** A customer managed policy; undefined where it may not be read. */
  policy(arn: string): Promise<PolicyDetails | undefined>
}

type Call = <T>(operation: string, subject: string, send: () => Promise<T>) => Promise<T>

/** IAM by the AWS SDK: GetAccountAuthorizationDetails has neither, so each is a call of its own. */
export async function iamDetails(
  account: AwsAccount,
  onCall: (operation: string) => void,
): Promise<DetailsReader> {
  const sdk: typeof IamSdk = await import('@aws-sdk/client-iam')
  const iam = new sdk.IAMClient(account.clientConfig)
  const call: Call = (operation, subject, send) =>
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
    policy: async (arn) => {
      try {
        return await readPolicy(sdk, { arn, call, iam })
      } catch (error) {
        if (codeOf(error)?.startsWith('AccessDenied') === true) return undefined
        throw error
      }
    },
  }
}

async function readPolicy(
  sdk: typeof IamSdk,
  { arn, call, iam }: { readonly arn: string; readonly call: Call; readonly iam: IamSdk.IAMClient },
): Promise<PolicyDetails> {
  const { Policy } = await call('GetPolicy', arn, () =>
    iam.send(new sdk.GetPolicyCommand({ PolicyArn: arn })),
  )
  const input = { PolicyArn: arn, VersionId: Policy?.DefaultVersionId }
  const { PolicyVersion } = await call('GetPolicyVersion', arn, () =>
    iam.send(new sdk.GetPolicyVersionCommand(input)),
  )
  const { Description, Path = '/', Tags = [] } = Policy ?? {}
  return {
    path: Path,
    ...(Description !== undefined && { description: Description }),
    // IAM API, PolicyVersion: the document is URL-encoded, RFC 3986.
    document: decodeURIComponent(PolicyVersion?.Document ?? ''),
    tags: Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [Key, Value])),
  }
}
