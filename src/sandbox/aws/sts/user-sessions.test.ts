import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  DeleteAccessKeyCommand,
  DeleteUserCommand,
  DeleteUserPolicyCommand,
  ListAccessKeysCommand,
  ListUsersCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import { ListBucketsCommand } from '@aws-sdk/client-s3'
import {
  GetAccessKeyInfoCommand,
  GetCallerIdentityCommand,
  GetSessionTokenCommand,
} from '@aws-sdk/client-sts'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  type Clients,
  type Keys,
  refusalOf,
  startAwsFixture,
} from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let admin: Clients

beforeAll(async () => {
  fixture = await startAwsFixture()
  admin = fixture.clients(fixture.admin)
})
afterAll(() => fixture.stop())

async function makeUser(UserName: string): Promise<Clients> {
  await admin.iam.send(new CreateUserCommand({ UserName }))
  const all = { UserName, PolicyName: 'all', PolicyDocument: allowOf('*') }
  await admin.iam.send(new PutUserPolicyCommand(all))
  const { AccessKey } = await admin.iam.send(new CreateAccessKeyCommand({ UserName }))
  return fixture.clients({
    accessKeyId: AccessKey?.AccessKeyId ?? '',
    secretAccessKey: AccessKey?.SecretAccessKey ?? '',
  })
}

async function keysOf(clients: Clients, DurationSeconds = 900): Promise<Keys> {
  const { Credentials } = await clients.sts.send(new GetSessionTokenCommand({ DurationSeconds }))
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}

const sessionOf = async (clients: Clients): Promise<Clients> =>
  fixture.clients(await keysOf(clients))

/** Signed at the fixture's time, which SDKs do not know. */
async function identify(keys: Keys): Promise<string> {
  const body = 'Action=GetCallerIdentity&Version=2011-06-15'
  const response = await fixture.call({ keys, service: 'sts', body })
  return `${response.status} ${/<Code>(\w+)</.exec(await response.text())?.[1] ?? ''}`
}

test('a user gets temporary credentials, which may not call IAM and most of STS', async () => {
  const { sts, iam, s3 } = await sessionOf(await makeUser('dev'))
  const { Arn } = await sts.send(new GetCallerIdentityCommand({}))
  expect(
    fixture.aws.decisions.recent().map(({ action, reason }) => [action, reason]),
  ).toContainEqual(['sts:GetSessionToken', 'allowed-always'])
  expect(Arn).toBe(`arn:aws:iam::${ACCOUNT}:user/dev`)
  await s3.send(new ListBucketsCommand({}))
  const refused = [
    () => iam.send(new ListUsersCommand({})),
    (): Promise<unknown> => sts.send(new GetSessionTokenCommand({})),
    () => sts.send(new GetAccessKeyInfoCommand({ AccessKeyId: fixture.admin.accessKeyId })),
  ]
  for (const one of refused) {
    expect(await refusalOf(one())).toMatchObject({ code: 'AccessDenied', status: 403 })
  }
  const listed = await admin.iam.send(new ListAccessKeysCommand({ UserName: 'dev' }))
  expect(listed.AccessKeyMetadata?.length).toBe(1)
})

test('they end, and are refused with a code or a wrong duration', async () => {
  const user = await makeUser('short')
  const wrong: readonly (readonly [object, string])[] = [
    [{ DurationSeconds: 899 }, 'ValidationError'],
    [{ DurationSeconds: 129_601 }, 'ValidationError'],
    [{ SerialNumber: `arn:aws:iam::${ACCOUNT}:mfa/short`, TokenCode: '123456' }, 'AccessDenied'],
    [{ TokenCode: '12345' }, 'ValidationError'],
  ]
  for (const [ask, code] of wrong) {
    expect((await refusalOf(user.sts.send(new GetSessionTokenCommand(ask)))).code).toBe(code)
  }
  const keys = await keysOf(user)
  fixture.clock.advance(899_000)
  expect(await identify(keys)).toBe('200 ')
  fixture.clock.advance(1000)
  expect(await identify(keys)).toBe('403 ExpiredToken')
  fixture.clock.advance(-900_000)
})

test('they end with their user, and one made again under its name is somebody else', async () => {
  const { sts } = await sessionOf(await makeUser('gone'))
  const UserName = 'gone'
  const { AccessKeyMetadata } = await admin.iam.send(new ListAccessKeysCommand({ UserName }))
  const AccessKeyId = AccessKeyMetadata?.[0]?.AccessKeyId
  await admin.iam.send(new DeleteAccessKeyCommand({ UserName, AccessKeyId }))
  await admin.iam.send(new DeleteUserPolicyCommand({ UserName, PolicyName: 'all' }))
  await admin.iam.send(new DeleteUserCommand({ UserName }))
  const identity = new GetCallerIdentityCommand({})
  expect((await refusalOf(sts.send(identity))).code).toBe('InvalidClientTokenId')
  await admin.iam.send(new CreateUserCommand({ UserName }))
  expect((await refusalOf(sts.send(identity))).code).toBe('InvalidClientTokenId')
})

test('an unknown access key has no account', async () => {
  const { sts } = admin
  const of = (AccessKeyId: string): Promise<unknown> =>
    sts.send(new GetAccessKeyInfoCommand({ AccessKeyId }))
  expect(await of(fixture.otherAdmin.accessKeyId)).toMatchObject({ Account: '444455556666' })
  expect((await refusalOf(of('AKIA0000000000000000'))).code).toBe('ValidationError')
  expect((await refusalOf(of('short'))).code).toBe('ValidationError')
})
