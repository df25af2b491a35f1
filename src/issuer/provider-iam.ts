import type * as IamSdk from '@aws-sdk/client-iam'
import type { AwsAccount } from '../aws/account.ts'
import type { Environment } from '../aws/endpoints.ts'
import { readIamQuota } from '../aws/iam-quotas.ts'
import { callSdk } from '../aws/sdk-fault.ts'
import { tagList, type Tags } from '../iam/tags.ts'
import type { Clock } from '../lib/clock.ts'
import { codeOf } from '../lib/errors.ts'
import type { ProviderPort, RoleTrust } from './provider.ts'
import type { ObservedProvider } from './provider-plan.ts'

type Sdk = typeof IamSdk

/** The providers of an account, by the AWS SDK's IAM client. */
export async function iamProviders(
  account: AwsAccount,
  around: { readonly environment: Environment; readonly clock: Clock },
): Promise<ProviderPort> {
  const sdk = await import('@aws-sdk/client-iam')
  const iam = new sdk.IAMClient(account.clientConfig)
  const send = <T>(name: string, arn: string, call: () => Promise<T>): Promise<T> =>
    callSdk(`${name} ${arn}`, call)
  return {
    partition: account.partition,
    accountId: account.accountId,
    list: async () => {
      const { OpenIDConnectProviderList = [] } = await callSdk('ListOpenIDConnectProviders', () =>
        iam.send(new sdk.ListOpenIDConnectProvidersCommand({})),
      )
      return OpenIDConnectProviderList.flatMap(({ Arn }) => Arn ?? [])
    },
    get: (arn) => getProvider(sdk, iam, arn),
    create: async ({ clientIds, issuer, tags, thumbprints }) => {
      await send('CreateOpenIDConnectProvider', issuer, () =>
        iam.send(
          new sdk.CreateOpenIDConnectProviderCommand({
            Url: issuer,
            ClientIDList: [...clientIds],
            Tags: tagList(tags),
            ...(thumbprints.length > 0 && { ThumbprintList: [...thumbprints] }),
          }),
        ),
      )
    },
    addClientId: async (OpenIDConnectProviderArn, ClientID) => {
      const input = { OpenIDConnectProviderArn, ClientID }
      await send('AddClientIDToOpenIDConnectProvider', OpenIDConnectProviderArn, () =>
        iam.send(new sdk.AddClientIDToOpenIDConnectProviderCommand(input)),
      )
    },
    setThumbprints: async (OpenIDConnectProviderArn, thumbprints) => {
      const input = { OpenIDConnectProviderArn, ThumbprintList: [...thumbprints] }
      await send('UpdateOpenIDConnectProviderThumbprint', OpenIDConnectProviderArn, () =>
        iam.send(new sdk.UpdateOpenIDConnectProviderThumbprintCommand(input)),
      )
    },
    tag: async (OpenIDConnectProviderArn, tags) => {
      const input = { OpenIDConnectProviderArn, Tags: tagList(tags) }
      await send('TagOpenIDConnectProvider', OpenIDConnectProviderArn, () =>
        iam.send(new sdk.TagOpenIDConnectProviderCommand(input)),
      )
    },
    delete: async (OpenIDConnectProviderArn) => {
      await send('DeleteOpenIDConnectProvider', OpenIDConnectProviderArn, () =>
        iam.send(new sdk.DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn })),
      )
    },
    roles: () => roleTrusts(sdk, iam),
    quota: () => readIamQuota(account, 'oidc-providers', around),
  }
}

async function getProvider(
  sdk: Sdk,
  iam: IamSdk.IAMClient,
  arn: string,
): Promise<ObservedProvider | undefined> {
  try {
    const found = await callSdk(`GetOpenIDConnectProvider ${arn}`, () =>
      iam.send(new sdk.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: arn })),
    )
    return {
      arn,
      // IAM leaves the scheme out.
      issuer: `https://${(found.Url ?? '').replace(/^https:\/\//, '')}`,
      clientIds: found.ClientIDList ?? [],
      thumbprints: (found.ThumbprintList ?? []).map((one) => one.toLowerCase()),
      tags: tagsOf(found.Tags),
    }
  } catch (error) {
    if (codeOf(error) === 'NoSuchEntity') return undefined
    throw error
  }
}

/** Tags as the SDK has them, by key. */
const tagsOf = (tags: readonly IamSdk.Tag[] = []): Tags =>
  Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]))

/** One call for many roles, where reading each role would be one call for each. */
async function* roleTrusts(sdk: Sdk, iam: IamSdk.IAMClient): AsyncGenerator<RoleTrust> {
  let Marker: string | undefined
  do {
    const page = await callSdk('GetAccountAuthorizationDetails', () =>
      iam.send(
        new sdk.GetAccountAuthorizationDetailsCommand({ Filter: ['Role'], MaxItems: 1000, Marker }),
      ),
    )
    for (const { RoleName = '', Arn = '', AssumeRolePolicyDocument = '' } of page.RoleDetailList ??
      []) {
      yield { name: RoleName, arn: Arn, trustPolicy: decodeURIComponent(AssumeRolePolicyDocument) }
    }
    Marker = page.IsTruncated === true ? page.Marker : undefined
  } while (Marker !== undefined)
}
