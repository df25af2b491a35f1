import {
  type GetOpenIDConnectProviderResponse,
  type IAM,
  paginateGetAccountAuthorizationDetails,
  type UserDetail,
} from '@aws-sdk/client-iam'
import { did, equal, includes, listed, mapped, present, refused } from './checks.ts'
import { READ_POLICY } from './iam-documents.ts'
import { tagSteps } from './iam-holders.ts'

const ISSUER = 'js.issuer.example/path'
const THUMBPRINT = '0123456789abcdef0123456789abcdef01234567'

export async function providerSteps(iam: IAM): Promise<void> {
  const { OpenIDConnectProviderArn: arn } = await iam.createOpenIDConnectProvider({
    Url: `https://${ISSUER}`,
    ClientIDList: ['one'],
  })
  did('iam', 'oidc-provider', 'create')
  const of = { OpenIDConnectProviderArn: present(arn) }
  const read = (): Promise<GetOpenIDConnectProviderResponse> => iam.getOpenIDConnectProvider(of)
  equal("a provider's issuer", (await read()).Url, ISSUER)
  did('iam', 'oidc-provider', 'read')
  const { OpenIDConnectProviderList } = await iam.listOpenIDConnectProviders({})
  includes(
    'providers',
    mapped(OpenIDConnectProviderList, (one) => one.Arn),
    present(arn),
  )
  did('iam', 'oidc-provider', 'list')
  await iam.addClientIDToOpenIDConnectProvider({ ...of, ClientID: 'two' })
  equal("a provider's client ids", (await read()).ClientIDList, ['one', 'two'])
  did('iam', 'oidc-provider-client-id', 'create')
  await iam.removeClientIDFromOpenIDConnectProvider({ ...of, ClientID: 'one' })
  equal('the client id that is left', (await read()).ClientIDList, ['two'])
  did('iam', 'oidc-provider-client-id', 'delete')
  await iam.updateOpenIDConnectProviderThumbprint({ ...of, ThumbprintList: [THUMBPRINT] })
  equal("a provider's thumbprints", (await read()).ThumbprintList, [THUMBPRINT])
  did('iam', 'oidc-provider-thumbprint', 'update')
  await tagSteps('oidc-provider-tags', {
    tag: (Tags) => iam.tagOpenIDConnectProvider({ ...of, Tags }),
    list: () => iam.listOpenIDConnectProviderTags(of),
    untag: (TagKeys) => iam.untagOpenIDConnectProvider({ ...of, TagKeys }),
  })
  await iam.deleteOpenIDConnectProvider(of)
  await refused('NoSuchEntityException', read())
  did('iam', 'oidc-provider', 'delete')
}

export async function accountSteps(iam: IAM): Promise<void> {
  const { SummaryMap } = await iam.getAccountSummary({})
  const { Users } = await iam.listUsers({})
  equal("the account's users", SummaryMap?.Users, Users?.length)
  equal('the longest trust policy', SummaryMap?.AssumeRolePolicySizeQuota, 2048)
  did('iam', 'account', 'read')
  const namesOf = (found: readonly UserDetail[] | undefined): string[] =>
    mapped(found, (one) => one.UserName)
  const details = await iam.getAccountAuthorizationDetails({})
  includes('users in detail', namesOf(details.UserDetailList), 'ann', 'ben')
  includes(
    'roles in detail',
    mapped(details.RoleDetailList, (one) => one.RoleName),
    'web',
  )
  did('iam', 'account-authorization', 'list')
  const pages = paginateGetAccountAuthorizationDetails({ client: iam, pageSize: 1 }, {})
  const found = await listed(pages, (page) => page.UserDetailList)
  equal('users by pages', namesOf(found), namesOf(details.UserDetailList))
  did('iam', 'account-authorization', 'pages')
  const { EvaluationResults } = await iam.simulateCustomPolicy({
    PolicyInputList: [READ_POLICY],
    ActionNames: ['s3:GetObject', 's3:PutObject'],
    ResourceArns: ['arn:aws:s3:::bucket/key'],
  })
  equal(
    'decisions',
    mapped(EvaluationResults, (one) => `${one.EvalActionName} ${one.EvalDecision}`),
    ['s3:GetObject allowed', 's3:PutObject implicitDeny'],
  )
  did('iam', 'simulation', 'read')
}
