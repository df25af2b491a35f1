/** GetFederationToken: AWS STS API Reference; IAM User Guide, "Compare AWS STS credentials". */
import {
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  DeleteAccessKeyCommand,
  DeleteUserCommand,
  DeleteUserPolicyCommand,
  ListUsersCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import {
  AssumeRoleCommand,
  GetCallerIdentityCommand,
  GetFederationTokenCommand,
  GetSessionTokenCommand,
} from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  type Clients,
  type Keys,
  REGION,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

const Bucket = 'federated'
const DEV = `arn:aws:iam::${ACCOUNT}:user/dev`
const ANN = `arn:aws:sts::${ACCOUNT}:federated-user/ann`

let fixture: AwsFixture
let admin: Clients
let dev: Clients

beforeAll(async () => {
  fixture = await startAwsFixture()
  admin = fixture.clients(fixture.admin)
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await admin.s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
  await admin.s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }))
  dev = await makeUser('dev', allowOf(['sts:*', 's3:*', 'iam:*']))
})
afterAll(() => fixture.stop())

async function makeUser(UserName: string, PolicyDocument: string): Promise<Clients> {
  const Tags = [{ Key: 'Team', Value: 'blue' }]
  await admin.iam.send(new CreateUserCommand({ UserName, Tags }))
  await admin.iam.send(new PutUserPolicyCommand({ UserName, PolicyName: 'own', PolicyDocument }))
  const { AccessKey } = await admin.iam.send(new CreateAccessKeyCommand({ UserName }))
  return fixture.clients({
    accessKeyId: AccessKey?.AccessKeyId ?? '',
    secretAccessKey: AccessKey?.SecretAccessKey ?? '',
  })
}

async function federate(more: object = {}, by: Clients = dev): Promise<Keys> {
  const command = new GetFederationTokenCommand({ Name: 'ann', ...more })
  const { Credentials } = await by.sts.send(command)
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}
const session = async (more: object = {}): Promise<Clients> => fixture.clients(await federate(more))
const codeOf = async (call: Promise<unknown>): Promise<string> =>
  (await refusalOf(call)).code.replace(/Exception$/, '')
const read = (clients: Clients): Promise<unknown> =>
  clients.s3.send(new GetObjectCommand({ Bucket, Key: 'a' }))
const write = (clients: Clients): Promise<unknown> =>
  clients.s3.send(new PutObjectCommand({ Bucket, Key: 'b', Body: 'x' }))
const bucketPolicy = (statement: object): Promise<unknown> => {
  const Statement = { Effect: 'Allow', Action: 's3:GetObject', ...statement }
  const Resource = `arn:aws:s3:::${Bucket}/*`
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: { Resource, ...Statement } })
  return admin.s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
}

test('the answer, and who it is', async () => {
  const command = new GetFederationTokenCommand({ Name: 'ann', Policy: allowOf('s3:*') })
  const answer = await dev.sts.send(command)
  expect(answer.FederatedUser).toEqual({ FederatedUserId: `${ACCOUNT}:ann`, Arn: ANN })
  const lives = (answer.Credentials?.Expiration?.getTime() ?? 0) - fixture.clock.now()
  expect(Math.round(lives / 1000)).toBeWithin(43_199, 43_201)
  expect(answer.SessionTokenSize).toBe(answer.Credentials?.SessionToken?.length)
  const { sts } = await session()
  const { Arn, UserId, Account } = await sts.send(new GetCallerIdentityCommand({}))
  expect({ Arn, UserId, Account }).toEqual({ Arn: ANN, UserId: `${ACCOUNT}:ann`, Account: ACCOUNT })
})

describe('what it may is what', () => {
  test("the user's policies and the session's both allow", async () => {
    const narrow = await session({ Policy: allowOf('s3:GetObject') })
    await read(narrow)
    const refused = await refusalOf(write(narrow))
    expect(refused).toMatchObject({ code: 'AccessDenied', status: 403 })
    expect(refused.message).toStartWith(`User: ${ANN} is not authorized to perform: s3:PutObject`)
    expect(refused.message).toEndWith('because no session policy allows the s3:PutObject action')
    const told = fixture.aws.decisions.recent().at(-1)
    expect(told).toMatchObject({ caller: ANN, reason: 'session-policy-does-not-allow' })
    // More than the user may is not given.
    const small = await makeUser('small', allowOf(['sts:GetFederationToken', 's3:GetObject']))
    const all = fixture.clients(await federate({ Policy: allowOf('*') }, small))
    await read(all)
    expect(await codeOf(write(all))).toBe('AccessDenied')
    const byArn = await session({
      PolicyArns: [{ arn: 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess' }],
    })
    expect(await codeOf(write(byArn))).toBe('AccessDenied')
  })

  test('nothing without a session policy, but what a bucket gives to the session itself', async () => {
    const bare = await session()
    expect(await codeOf(read(bare))).toBe('AccessDenied')
    await bucketPolicy({ Principal: { AWS: DEV } })
    expect(await codeOf(read(bare))).toBe('AccessDenied')
    await bucketPolicy({ Principal: { AWS: ANN } })
    await read(bare)
    expect(await codeOf(write(bare))).toBe('AccessDenied')
    const condition = { ArnEquals: { 'aws:PrincipalArn': ANN } }
    await bucketPolicy({ Principal: '*', Condition: condition })
    await read(bare)
    await bucketPolicy({ Principal: { AWS: DEV }, Effect: 'Deny' })
    expect(await codeOf(read(await session({ Policy: allowOf('s3:*') })))).toBe('AccessDenied')
  })

  test('tags of the session say, before those of the user', async () => {
    const Tags = [
      { Key: 'team', Value: 'red' },
      { Key: 'stage', Value: 'prod' },
    ]
    const tagged = await session({ Policy: allowOf('s3:*'), Tags })
    const plain = await session({ Policy: allowOf('s3:*') })
    const keys = { 'aws:PrincipalTag/team': 'red', 'aws:PrincipalType': 'FederatedUser' }
    await bucketPolicy({
      Principal: '*',
      Effect: 'Deny',
      Condition: { StringEquals: keys, Null: { 'aws:username': 'true' } },
    })
    await read(plain)
    expect(await codeOf(read(tagged))).toBe('AccessDenied')
    await bucketPolicy({
      Principal: '*',
      Effect: 'Deny',
      Condition: { StringEquals: { 'aws:PrincipalTag/Team': 'blue' } },
    })
    await read(tagged)
    expect(await codeOf(read(plain))).toBe('AccessDenied')
  })

  test('never IAM, STS or another role', async () => {
    const RoleName = 'open'
    const AssumeRolePolicyDocument = trustOf({ AWS: ACCOUNT }, 'sts:AssumeRole')
    await admin.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
    const { iam, sts, s3 } = await session({ Policy: allowOf('*') })
    const RoleArn = `arn:aws:iam::${ACCOUNT}:role/open`
    const refused = [
      iam.send(new ListUsersCommand({})),
      sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'aa' })),
      sts.send(new GetSessionTokenCommand({})),
      sts.send(new GetFederationTokenCommand({ Name: 'bob' })),
    ]
    for (const one of refused) expect(await codeOf(one)).toBe('AccessDenied')
    await s3.send(new ListBucketsCommand({}))
  })
})

describe('refused', () => {
  const wrong: readonly (readonly [object, string])[] = [
    [{ Name: 'a' }, 'ValidationError'],
    [{ Name: 'a'.repeat(33) }, 'ValidationError'],
    [{ Name: 'a b' }, 'ValidationError'],
    [{ DurationSeconds: 899 }, 'ValidationError'],
    [{ DurationSeconds: 129_601 }, 'ValidationError'],
    [{ Policy: '{}' }, 'MalformedPolicyDocument'],
    [{ PolicyArns: [{ arn: `arn:aws:iam::${ACCOUNT}:policy/none` }] }, 'ValidationError'],
    [{ Policy: allowOf('s3:*').padEnd(2049) }, 'ValidationError'],
    [{ Tags: [{ Key: 'aws:a', Value: 'b' }] }, 'InvalidParameterValue'],
    [
      {
        Tags: [
          { Key: 'a', Value: 'b' },
          { Key: 'A', Value: 'b' },
        ],
      },
      'InvalidParameterValue',
    ],
  ]
  test.each(wrong)('%j', async (more, code) => {
    expect(await codeOf(federate(more))).toBe(code)
  })

  test('a token over its size', async () => {
    fixture.aws.setQuota({ name: 'sessionTokenBytes', accountId: ACCOUNT, value: 700 })
    expect(await codeOf(federate({ Policy: allowOf('s3:*') }))).toBe('PackedPolicyTooLarge')
    fixture.aws.setQuota({ name: 'sessionTokenBytes', accountId: ACCOUNT, value: 4096 })
  })

  test('to sessions, and to users that may not, or may not pass tags', async () => {
    const { Credentials } = await dev.sts.send(new GetSessionTokenCommand({}))
    const keys = {
      accessKeyId: Credentials?.AccessKeyId ?? '',
      secretAccessKey: Credentials?.SecretAccessKey ?? '',
      sessionToken: Credentials?.SessionToken ?? '',
    }
    expect(await refusalOf(federate({}, fixture.clients(keys)))).toMatchObject({
      code: 'AccessDenied',
      status: 403,
      message: 'Cannot call GetFederationToken with session credentials',
    })
    const poor = await makeUser('poor', allowOf('sts:GetFederationToken', ANN))
    await federate({}, poor)
    expect(await codeOf(federate({ Name: 'bob' }, poor))).toBe('AccessDenied')
    const tagged = { Tags: [{ Key: 'a', Value: 'b' }] }
    const refusal = await refusalOf(federate(tagged, poor))
    expect(refusal.message).toContain(
      `is not authorized to perform: sts:TagSession on resource: ${ANN}`,
    )
  })

  test('what it gave, once the user is gone', async () => {
    const gone = await makeUser('gone', allowOf('*'))
    const { s3, sts } = fixture.clients(await federate({ Policy: allowOf('*') }, gone))
    await s3.send(new ListBucketsCommand({}))
    const UserName = 'gone'
    const { accessKeyId } = await gone.iam.config.credentials()
    await admin.iam.send(new DeleteAccessKeyCommand({ UserName, AccessKeyId: accessKeyId }))
    await admin.iam.send(new DeleteUserPolicyCommand({ UserName, PolicyName: 'own' }))
    await admin.iam.send(new DeleteUserCommand({ UserName }))
    expect(await codeOf(sts.send(new GetCallerIdentityCommand({})))).toBe('InvalidClientTokenId')
  })
})
