import {
  CreateGroupCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  GetAccountSummaryCommand,
  type IAMClient,
  ListPoliciesCommand,
  paginateGetAccountAuthorizationDetails,
  PutGroupPolicyCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let iam: IAMClient
const EC2 = trustOf({ Service: 'ec2.amazonaws.com' }, 'sts:AssumeRole')

beforeAll(async () => {
  fixture = await startAwsFixture()
  iam = fixture.clients(fixture.admin).iam
  await iam.send(new CreateRoleCommand({ RoleName: 'r', AssumeRolePolicyDocument: EC2 }))
  await iam.send(new CreateUserCommand({ UserName: 'u' }))
  await iam.send(new CreateGroupCommand({ GroupName: 'g' }))
})
afterAll(() => fixture.stop())

test('the details come in pages of everything, none twice', async () => {
  const names: string[] = []
  for await (const page of paginateGetAccountAuthorizationDetails(
    { client: iam, pageSize: 1 },
    {},
  )) {
    names.push(
      ...(page.UserDetailList ?? []).map(({ UserName }) => `user ${UserName}`),
      ...(page.GroupDetailList ?? []).map(({ GroupName }) => `group ${GroupName}`),
      ...(page.RoleDetailList ?? []).map(({ RoleName }) => `role ${RoleName}`),
    )
  }
  // EKS made one of the roles.
  const eks = 'role AWSServiceRoleForAmazonEKS'
  expect(names).toEqual(['user admin', 'user u', 'group g', eks, 'role r'])
})

test('the summary is a map', async () => {
  const { SummaryMap } = await iam.send(new GetAccountSummaryCommand({}))
  expect(SummaryMap).toMatchObject({ Users: 2, Groups: 1, Roles: 2, UsersQuota: 5000 })
})

test('inline policies of users and groups have their own sizes', async () => {
  const sized = (length: number): string =>
    allowOf(
      's3:GetObject',
      `arn:aws:s3:::${'a'.repeat(length - allowOf('s3:GetObject', 'arn:aws:s3:::').length)}`,
    )
  const putUser = (PolicyDocument: string): Promise<unknown> =>
    iam.send(new PutUserPolicyCommand({ UserName: 'u', PolicyName: 'p', PolicyDocument }))
  const putGroup = (PolicyDocument: string): Promise<unknown> =>
    iam.send(new PutGroupPolicyCommand({ GroupName: 'g', PolicyName: 'p', PolicyDocument }))
  await putUser(sized(2048))
  expect((await refusalOf(putUser(sized(2049)))).code).toBe('LimitExceededException')
  await putGroup(sized(5120))
  expect((await refusalOf(putGroup(sized(5121)))).code).toBe('LimitExceededException')
})

test('policies are listed by owner', async () => {
  await iam.send(new CreatePolicyCommand({ PolicyName: 'p', PolicyDocument: allowOf('s3:*') }))
  const list = async (Scope: 'AWS' | 'Local' | 'All'): Promise<readonly (string | undefined)[]> => {
    const { Policies } = await iam.send(new ListPoliciesCommand({ Scope, MaxItems: 1000 }))
    return (Policies ?? []).map(({ Arn }) => Arn)
  }
  const [aws, local, all] = [await list('AWS'), await list('Local'), await list('All')]
  expect(local).toEqual([`arn:aws:iam::${ACCOUNT}:policy/p`])
  expect(aws.every((arn) => arn?.startsWith('arn:aws:iam::aws:policy/'))).toBe(true)
  expect(all.length).toBe(aws.length + 1)
})
