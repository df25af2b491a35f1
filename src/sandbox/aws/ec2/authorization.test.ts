/** EC2's UnauthorizedOperation and what STS makes of it: STS API Reference, DecodeAuthorizationMessage. */
import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  type IAMClient,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import { DecodeAuthorizationMessageCommand, type STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  type Keys,
  refusalOf,
  REGION,
  startAwsFixture,
} from '../aws-fixture.suite.ts'

const ARN = `arn:aws:iam::${ACCOUNT}:user/dev`
let fixture: AwsFixture
let iam: IAMClient
let sts: STSClient
let keys: Keys
let userId = ''

beforeAll(async () => {
  fixture = await startAwsFixture()
  ;({ iam, sts } = fixture.clients(fixture.admin))
  const { User } = await iam.send(new CreateUserCommand({ UserName: 'dev' }))
  userId = User?.UserId ?? ''
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'dev' }))
  keys = {
    accessKeyId: AccessKey?.AccessKeyId ?? '',
    secretAccessKey: AccessKey?.SecretAccessKey ?? '',
  }
})
afterAll(() => fixture.stop())

const permit = (PolicyDocument: string): Promise<unknown> =>
  iam.send(new PutUserPolicyCommand({ UserName: 'dev', PolicyName: 'own', PolicyDocument }))

/** Code and message of a call that is refused. */
async function refused(action: string): Promise<{ code: string; message: string }> {
  const response = await fixture.call({
    keys,
    service: 'ec2',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `Action=${action}&Version=2016-11-15`,
  })
  expect(response.status).toBe(403)
  const text = await response.text()
  const [, code = '', message = ''] =
    /<Code>(.*?)<\/Code><Message>(.*?)<\/Message>/.exec(text) ?? []
  return { code, message }
}

const decode = (EncodedMessage: string): Promise<{ DecodedMessage?: string | undefined }> =>
  sts.send(new DecodeAuthorizationMessageCommand({ EncodedMessage }))

const encodedIn = (message: string): string =>
  / Encoded authorization failure message: ([\w-]+)$/.exec(message)?.[1] ?? ''

describe('the encoded message tells', () => {
  test('that nothing allowed it', async () => {
    const { code, message } = await refused('DescribeInstances')
    expect(code).toBe('UnauthorizedOperation')
    expect(message).toStartWith(
      `You are not authorized to perform this operation. User: ${ARN} is not authorized to perform: ec2:DescribeInstances because no identity-based policy allows the ec2:DescribeInstances action. Encoded`,
    )
    const { DecodedMessage = '' } = await decode(encodedIn(message))
    const said = JSON.parse(DecodedMessage) as { context: { conditions: { items: unknown[] } } }
    const { conditions } = said.context
    expect(said as unknown).toEqual({
      allowed: false,
      explicitDeny: false,
      matchedStatements: { items: [] },
      failures: { items: [] },
      context: {
        principal: { id: userId, name: 'dev', arn: ARN },
        action: 'ec2:DescribeInstances',
        resource: '*',
        conditions,
      },
    })
    expect(conditions.items).toContainEqual({
      key: 'aws:RequestedRegion',
      values: { items: [{ value: REGION }] },
    })
  })

  test('which statement denied it', async () => {
    const Condition = { StringEquals: { 'aws:RequestedRegion': [REGION, 'us-east-1'] } }
    const deny = {
      Sid: 'NotHere',
      Effect: 'Deny',
      Action: 'ec2:Describe*',
      Resource: '*',
      Condition,
    }
    const [allow] = (JSON.parse(allowOf('ec2:*')) as { Statement: unknown[] }).Statement
    await permit(JSON.stringify({ Version: '2012-10-17', Statement: [allow, deny] }))
    const { message } = await refused('DescribeRegions')
    expect(message).toContain('with an explicit deny in an identity-based policy')
    const { DecodedMessage = '' } = await decode(encodedIn(message))
    expect(JSON.parse(DecodedMessage)).toMatchObject({
      explicitDeny: true,
      matchedStatements: {
        items: [
          {
            statementId: 'NotHere',
            effect: 'DENY',
            principals: { items: [{ value: userId }] },
            principalGroups: { items: [] },
            actions: { items: [{ value: 'ec2:Describe*' }] },
            resources: { items: [{ value: '*' }] },
            conditions: {
              items: [
                {
                  key: 'aws:RequestedRegion',
                  values: { items: [{ value: REGION }, { value: 'us-east-1' }] },
                },
              ],
            },
          },
        ],
      },
    })
    const told = fixture.aws.decisions
      .recent()
      .findLast(({ action }) => action === 'ec2:DescribeRegions')
    expect(told).toMatchObject({ allowed: false, reason: 'explicit-deny-in-identity-policy' })
  })
})

describe('is not decoded', () => {
  test('where it was changed, is none, or too long', async () => {
    await permit(allowOf('s3:*'))
    const message = encodedIn((await refused('DescribeInstances')).message)
    const changed = (message.startsWith('A') ? 'B' : 'A') + message.slice(1)
    for (const wrong of [changed, 'x', message.slice(0, -8), message.repeat(2)]) {
      expect(await refusalOf(decode(wrong))).toMatchObject({
        code: 'InvalidAuthorizationMessageException',
        status: 400,
      })
    }
    expect((await refusalOf(decode('x'.repeat(10_241)))).code).toBe('ValidationError')
  })

  test('to those who may not', async () => {
    const message = encodedIn((await refused('DescribeInstances')).message)
    const { sts: own } = fixture.clients(keys)
    const command = new DecodeAuthorizationMessageCommand({ EncodedMessage: message })
    expect(await refusalOf(own.send(command))).toMatchObject({ code: 'AccessDenied', status: 403 })
  })
})
