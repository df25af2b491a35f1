/** Tags of buckets and objects: Amazon S3 User Guide, "Categorizing your storage using tags". */
import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketTaggingCommand,
  DeleteObjectTaggingCommand,
  GetBucketTaggingCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type S3Client,
  type Tag,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  type AwsFixture,
  REGION,
  refusalOf,
  startAwsFixture,
} from '../aws-fixture.suite.ts'

const Bucket = 'tagged-bucket'
let fixture: AwsFixture
let s3: S3Client

beforeAll(async () => {
  fixture = await startAwsFixture()
  ;({ s3 } = fixture.clients(fixture.admin))
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
})
afterAll(() => fixture.stop())

const tag = (Key: string, Value = 'v'): Tag => ({ Key, Value })
const tags = (count: number): Tag[] => Array.from({ length: count }, (_, index) => tag(`k${index}`))
const tagBucket = (TagSet: Tag[], by = s3): Promise<unknown> =>
  by.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }))
const tagObject = (Key: string, TagSet: Tag[], by = s3): Promise<unknown> =>
  by.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }))
const tagsOf = async (Key: string, by = s3): Promise<Tag[] | undefined> =>
  (await by.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet
const put = (Key: string, more: object = {}, by = s3): Promise<unknown> =>
  by.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more }))
const codeOf = async (call: Promise<unknown>): Promise<string> => (await refusalOf(call)).code

/** A client of a user with these statements. */
async function userOf(UserName: string, ...Statement: object[]): Promise<S3Client> {
  const { iam } = fixture.clients(fixture.admin)
  await iam.send(new CreateUserCommand({ UserName }))
  const allowed = Statement.map((one) => ({ Effect: 'Allow', Resource: '*', ...one }))
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: allowed })
  await iam.send(new PutUserPolicyCommand({ UserName, PolicyName: 'own', PolicyDocument }))
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }))
  return fixture.clients({
    accessKeyId: AccessKey?.AccessKeyId ?? '',
    secretAccessKey: AccessKey?.SecretAccessKey ?? '',
  }).s3
}

describe('a bucket', () => {
  const get = new GetBucketTaggingCommand({ Bucket })

  test('has the tags that were set last, and none when they are taken away', async () => {
    await tagBucket([tag('a'), tag('b', '')])
    await tagBucket([tag('c', 'ü=1')])
    expect((await s3.send(get)).TagSet).toEqual([tag('c', 'ü=1')])
    await s3.send(new DeleteBucketTaggingCommand({ Bucket }))
    expect(await codeOf(s3.send(get))).toBe('NoSuchTagSet')
  })

  test('may begin with tags', async () => {
    const made = { Bucket: 'born-tagged', CreateBucketConfiguration: { Tags: [tag('a')] } }
    const LocationConstraint = REGION
    const configuration = { LocationConstraint, ...made.CreateBucketConfiguration } as const
    const command = new CreateBucketCommand({ ...made, CreateBucketConfiguration: configuration })
    const may = await userOf('creator', { Action: 's3:CreateBucket' })
    expect(await codeOf(may.send(command))).toBe('AccessDenied')
    await s3.send(command)
    const { TagSet } = await s3.send(new GetBucketTaggingCommand({ Bucket: made.Bucket }))
    expect(TagSet).toEqual([tag('a')])
  })

  const wrong: readonly (readonly [string, Tag[], string])[] = [
    ['51 tags', tags(51), 'BadRequest'],
    ['a key twice', [tag('a'), tag('a', 'w')], 'InvalidTag'],
    ['a reserved key', [tag('aws:a')], 'InvalidTag'],
    ['an empty key', [tag('')], 'InvalidTag'],
    ['a key of 129 characters', [tag('k'.repeat(129))], 'InvalidTag'],
    ['a value of 257 characters', [tag('a', 'v'.repeat(257))], 'InvalidTag'],
    ['other characters', [tag('a', '<')], 'InvalidTag'],
  ]
  test.each(wrong)('is refused %s', async (_name, TagSet, code) => {
    expect(await codeOf(tagBucket(TagSet))).toBe(code)
  })

  test('is tagged and read by those who may; the quota of tags is its', async () => {
    const reader = await userOf('bucket-reader', { Action: 's3:GetBucketTagging' })
    expect(await codeOf(reader.send(get))).toBe('NoSuchTagSet')
    expect(await codeOf(tagBucket([tag('a')], reader))).toBe('AccessDenied')
    const remove = reader.send(new DeleteBucketTaggingCommand({ Bucket }))
    expect((await refusalOf(remove)).message).toContain('s3:PutBucketTagging')
    fixture.aws.setQuota({ name: 'tagsPerResource', accountId: ACCOUNT, value: 1 })
    expect(await codeOf(tagBucket(tags(2)))).toBe('BadRequest')
    fixture.aws.setQuota({ name: 'tagsPerResource', accountId: ACCOUNT, value: 50 })
  })

  test('wants a document', async () => {
    const ask = (body: string): Promise<Response> =>
      fixture.call({
        keys: fixture.admin,
        service: 's3',
        method: 'PUT',
        path: `/${Bucket}?tagging`,
        body,
      })
    for (const body of [
      '',
      '<Tagging/>',
      '<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>',
    ]) {
      expect(await (await ask(body)).text()).toContain('<Code>MalformedXML</Code>')
    }
  })
})

describe('an object', () => {
  test('is tagged when it is written or later, and told how many it has', async () => {
    await put('one', { Tagging: 'team=red&stage=a%20b' })
    expect(await tagsOf('one')).toEqual([tag('team', 'red'), tag('stage', 'a b')])
    const { TagCount } = await s3.send(new GetObjectCommand({ Bucket, Key: 'one' }))
    expect(TagCount).toBe(2)
    await tagObject('one', [tag('team', 'blue')])
    expect(await tagsOf('one')).toEqual([tag('team', 'blue')])
    await s3.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'one' }))
    expect(await tagsOf('one')).toEqual([])
    await put('one', { Tagging: 'team=red' })
    await put('one')
    expect(await tagsOf('one')).toEqual([])
  })

  test('of parts has the tags that it began with', async () => {
    const at = { Bucket, Key: 'parts' }
    const begun = await s3.send(new CreateMultipartUploadCommand({ ...at, Tagging: 'a=b' }))
    const { UploadId } = begun
    const part = { ...at, UploadId, PartNumber: 1 }
    const { ETag } = await s3.send(new UploadPartCommand({ ...part, Body: 'x' }))
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    await s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }))
    expect(await tagsOf('parts')).toEqual([tag('a', 'b')])
  })

  test('that is copied keeps its tags, or gets others', async () => {
    await put('from', { Tagging: 'a=1' })
    const copy = (Key: string, more: object = {}, by = s3): Promise<unknown> =>
      by.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/from`, ...more }))
    await copy('same')
    await copy('other', { TaggingDirective: 'REPLACE', Tagging: 'b=2' })
    await copy('none', { TaggingDirective: 'REPLACE' })
    expect([await tagsOf('same'), await tagsOf('other'), await tagsOf('none')]).toEqual([
      [tag('a', '1')],
      [tag('b', '2')],
      [],
    ])
    const plain = await userOf('copier', { Action: ['s3:GetObject', 's3:PutObject'] })
    expect(await codeOf(copy('x', {}, plain))).toBe('AccessDenied')
    await copy('x', { TaggingDirective: 'REPLACE' }, plain)
    expect(await codeOf(copy('x', { TaggingDirective: 'LOSE' }))).toBe('InvalidArgument')
  })

  const wrong: readonly (readonly [string, Tag[], string])[] = [
    ['11 tags', tags(11), 'BadRequest'],
    ['a key twice', [tag('a'), tag('a')], 'InvalidTag'],
    ['a reserved key', [tag('aws:a')], 'InvalidTag'],
  ]
  test.each(wrong)('is refused %s', async (_name, TagSet, code) => {
    await put('wrong')
    expect(await codeOf(tagObject('wrong', TagSet))).toBe(code)
    const Tagging = TagSet.map(({ Key, Value }) => `${Key}=${Value}`).join('&')
    expect(await codeOf(put('wrong', { Tagging }))).toBe(code)
  })

  test('that is not there has none', async () => {
    for (const call of [
      tagsOf('missing'),
      tagObject('missing', [tag('a')]),
      s3.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'missing' })),
    ]) {
      expect(await refusalOf(call)).toMatchObject({ code: 'NoSuchKey', status: 404 })
    }
    const blind = await userOf('blind', { Action: 's3:*ObjectTagging' })
    expect(await codeOf(tagsOf('missing', blind))).toBe('AccessDenied')
  })

  test('is read and tagged as policies say of its tags', async () => {
    const red = await userOf(
      'red',
      {
        Action: 's3:GetObject',
        Condition: { StringEquals: { 's3:ExistingObjectTag/team': 'red' } },
      },
      {
        Action: ['s3:PutObject', 's3:PutObjectTagging'],
        Condition: {
          StringEqualsIfExists: { 's3:RequestObjectTag/team': 'red' },
          'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['team'] },
        },
      },
    )
    await put('red', { Tagging: 'team=red' })
    await put('blue', { Tagging: 'team=blue' })
    const read = (Key: string): Promise<unknown> => red.send(new GetObjectCommand({ Bucket, Key }))
    await read('red')
    expect(await codeOf(read('blue'))).toBe('AccessDenied')
    await put('mine', { Tagging: 'team=red' }, red)
    expect(await codeOf(put('mine', { Tagging: 'team=blue' }, red))).toBe('AccessDenied')
    expect(await codeOf(tagObject('mine', [tag('stage')], red))).toBe('AccessDenied')
    expect(await codeOf(tagsOf('mine', red))).toBe('AccessDenied')
    const remove = red.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'mine' }))
    expect(await codeOf(remove)).toBe('AccessDenied')
    expect(fixture.aws.decisions.recent().findLast(({ allowed }) => !allowed)).toMatchObject({
      action: 's3:DeleteObjectTagging',
      caller: `arn:aws:iam::${ACCOUNT}:user/red`,
      reason: 'no-identity-policy-allows',
    })
  })
})
