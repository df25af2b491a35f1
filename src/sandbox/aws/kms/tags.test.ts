/** What Terraform and others read and change of a key besides what it signs. */
import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { ACCOUNT, type AwsFixture, type Keys, startAwsFixture } from '../aws-fixture.suite.ts'
import { callKms } from './kms.suite.ts'

let fixture: AwsFixture
let KeyId = ''
beforeAll(async () => {
  fixture = await startAwsFixture()
  KeyId = await createKey([{ TagKey: 'a', TagValue: '1' }])
})
afterAll(() => fixture.stop())

const kms = (operation: string, input: object, keys?: Keys): ReturnType<typeof callKms> =>
  callKms(fixture, operation, input, keys)

async function createKey(Tags: readonly object[]): Promise<string> {
  const ask = { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY', Tags }
  const { body } = await kms('CreateKey', ask)
  return (body['KeyMetadata'] as { KeyId: string }).KeyId
}

const tag = (TagKey: string, TagValue = 'v'): object => ({ TagKey, TagValue })
const codeOf = async (operation: string, input: object, keys?: Keys): Promise<unknown> =>
  (await kms(operation, input, keys)).body['__type']

test('tags are set, changed, listed by pages and taken away', async () => {
  expect((await kms('TagResource', { KeyId, Tags: [tag('a', '2'), tag('b')] })).status).toBe(200)
  const first = (await kms('ListResourceTags', { KeyId, Limit: 1 })).body
  expect(first).toMatchObject({ Tags: [tag('a', '2')], Truncated: true })
  const more = { KeyId, Marker: first['NextMarker'] }
  expect((await kms('ListResourceTags', more)).body).toEqual({ Tags: [tag('b')], Truncated: false })
  await kms('UntagResource', { KeyId, TagKeys: ['b', 'none'] })
  const { body } = await kms('ListResourceTags', { KeyId })
  expect(body['Tags']).toEqual([tag('a', '2')])
})

test('the description is changed, and a key has one policy', async () => {
  await kms('UpdateKeyDescription', { KeyId, Description: 'signs for green' })
  const { body } = await kms('DescribeKey', { KeyId })
  expect(body['KeyMetadata']).toMatchObject({ Description: 'signs for green' })
  const listed = await kms('ListKeyPolicies', { KeyId })
  expect(listed.body).toEqual({ PolicyNames: ['default'], Truncated: false })
})

describe('refused', () => {
  const tags = (count: number): object[] =>
    Array.from({ length: count }, (_, index) => tag(`k${index}`))

  const wrong: readonly (readonly [operation: string, input: object, code: string])[] = [
    ['TagResource', { Tags: tags(51) }, 'LimitExceededException'],
    ['TagResource', { Tags: [tag('x'), tag('x')] }, 'TagException'],
    ['TagResource', { Tags: [tag('aws:x')] }, 'TagException'],
    ['TagResource', { Tags: [tag('')] }, 'ValidationException'],
    ['TagResource', { Tags: 'x' }, 'SerializationException'],
    ['UntagResource', {}, 'ValidationException'],
    ['UntagResource', { TagKeys: [''] }, 'ValidationException'],
    ['ListResourceTags', { Limit: 1001 }, 'ValidationException'],
    ['ListResourceTags', { Marker: 'x' }, 'InvalidMarkerException'],
    ['UpdateKeyDescription', {}, 'ValidationException'],
    ['UpdateKeyDescription', { Description: 'x'.repeat(8193) }, 'ValidationException'],
    ['ListKeyPolicies', { Limit: 0 }, 'ValidationException'],
    ['CreateKey', { Tags: tags(51) }, 'TagException'],
  ]
  test.each(wrong)('%s %j', async (operation, input, code) => {
    expect(await codeOf(operation, { KeyId, ...input })).toBe(code)
  })

  const operations: readonly (readonly [operation: string, input: object])[] = [
    ['TagResource', { Tags: [tag('x')] }],
    ['UntagResource', { TagKeys: ['a'] }],
    ['ListResourceTags', {}],
    ['UpdateKeyDescription', { Description: 'x' }],
    ['ListKeyPolicies', {}],
  ]
  test('for a key that is not there, of another account, or to who may not', async () => {
    const { iam } = fixture.clients(fixture.admin)
    const UserName = 'poor'
    await iam.send(new CreateUserCommand({ UserName }))
    const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }))
    const keys = {
      accessKeyId: AccessKey?.AccessKeyId ?? '',
      secretAccessKey: AccessKey?.SecretAccessKey ?? '',
    }
    for (const [operation, input] of operations) {
      expect(await codeOf(operation, { KeyId: 'none', ...input })).toBe('NotFoundException')
      expect(await codeOf(operation, { KeyId, ...input }, keys)).toBe('AccessDeniedException')
      const told = fixture.aws.decisions.recent().findLast(({ allowed }) => !allowed)
      expect(told).toMatchObject({
        action: `kms:${operation}`,
        caller: `arn:aws:iam::${ACCOUNT}:user/poor`,
      })
    }
    const Statement = {
      Effect: 'Allow',
      Action: 'kms:TagResource',
      Resource: '*',
      Condition: { StringEquals: { 'aws:RequestTag/team': 'red', 'aws:ResourceTag/a': '2' } },
    }
    const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
    await iam.send(new PutUserPolicyCommand({ UserName, PolicyName: 'own', PolicyDocument }))
    const by = async (team: string): Promise<number> =>
      (await kms('TagResource', { KeyId, Tags: [tag('team', team)] }, keys)).status
    expect([await by('blue'), await by('red')]).toEqual([400, 200])
  })

  test('for a key that is being deleted', async () => {
    const gone = await createKey([])
    await kms('ScheduleKeyDeletion', { KeyId: gone })
    for (const [operation, input] of operations.filter(([name]) => !name.startsWith('List'))) {
      expect(await codeOf(operation, { KeyId: gone, ...input })).toBe('KMSInvalidStateException')
    }
  })
})
