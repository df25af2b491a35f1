/** Every operation of IAM is decided by the caller's policies and reads its parameters' shapes. */
import { CreateAccessKeyCommand, CreateUserCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type AwsFixture, type Keys, startAwsFixture } from '../aws-fixture.suite.ts'
import { IAM_OPERATIONS } from './iam.ts'
import { statementPositions } from './statement-positions.ts'

let fixture: AwsFixture
let nobody: Keys

beforeAll(async () => {
  fixture = await startAwsFixture()
  const { iam } = fixture.clients(fixture.admin)
  await iam.send(new CreateUserCommand({ UserName: 'nobody' }))
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'nobody' }))
  nobody = {
    accessKeyId: AccessKey?.AccessKeyId ?? '',
    secretAccessKey: AccessKey?.SecretAccessKey ?? '',
  }
})
afterAll(() => fixture.stop())

const POLICY = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
const ARN = 'arn:aws:iam::111122223333:policy/some-policy'
const GOOD: Readonly<Record<string, string>> = {
  RoleName: 'a',
  UserName: 'nobody',
  GroupName: 'a',
  InstanceProfileName: 'a',
  PolicyName: 'a',
  PolicyArn: ARN,
  PolicySourceArn: 'arn:aws:iam::111122223333:role/a',
  PolicyDocument: POLICY,
  AssumeRolePolicyDocument: POLICY,
  PermissionsBoundary: ARN,
  'PolicyInputList.member.1': POLICY,
  'ActionNames.member.1': 's3:GetObject',
  'Tags.member.1.Key': 'a',
  'Tags.member.1.Value': 'b',
  'TagKeys.member.1': 'a',
  AccessKeyId: 'AKIA0000000000000000',
  Status: 'Active',
  VersionId: 'v1',
  Url: 'https://issuer.example',
  ClientID: 'a',
  OpenIDConnectProviderArn: 'arn:aws:iam::111122223333:oidc-provider/issuer.example',
  Description: 'a',
  AWSServiceName: 'eks.amazonaws.com',
  DeletionTaskId: 'task/aws-service-role/eks.amazonaws.com/a/1',
}

async function ask(keys: Keys, members: Readonly<Record<string, string>>): Promise<string> {
  const body = new URLSearchParams({ ...members, Version: '2010-05-08' }).toString()
  const response = await fixture.call({ keys, service: 'iam', body })
  const text = await response.text()
  return `${response.status} ${/<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? ''}`
}

test.each(Object.keys(IAM_OPERATIONS))(
  '%s is refused to a user without policies',
  async (Action) => {
    expect(await ask(nobody, { ...GOOD, Action })).toBe('403 AccessDenied')
  },
)

const WITHOUT_PARAMETERS =
  /^(?:List(?:Roles|Users|Groups|Policies|InstanceProfiles|AccessKeys|OpenID.*Providers)|GetUser|CreateAccessKey|GetAccount.*)$/
const NEEDY = Object.keys(IAM_OPERATIONS).filter((name) => !WITHOUT_PARAMETERS.test(name))

test.each(NEEDY)('%s wants its parameters', async (Action) => {
  expect(await ask(fixture.admin, { Action })).toBe('400 ValidationError')
})

test.each(Object.keys(IAM_OPERATIONS).filter((name) => name.startsWith('List')))(
  '%s refuses a page of none',
  async (Action) => {
    if (Action === 'ListOpenIDConnectProviders') return
    const answer = await ask(fixture.admin, { ...GOOD, Action, MaxItems: '0' })
    expect(['400 ValidationError', '404 NoSuchEntity']).toContain(answer)
  },
)

test('statements are found wherever they stand', () => {
  const text = '{"Id":"Statement:{","Statement":[\n  {"Sid":"{\\"["},\n {"Condition":{"a":[]}}\n]}'
  expect(statementPositions(text)).toEqual([
    { start: { Line: 2, Column: 3 }, end: { Line: 2, Column: 17 } },
    { start: { Line: 3, Column: 2 }, end: { Line: 3, Column: 24 } },
  ])
  expect(statementPositions('{"Statement":{}}')).toEqual([
    { start: { Line: 1, Column: 14 }, end: { Line: 1, Column: 16 } },
  ])
})
