import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketOwnershipControlsCommand,
  DeleteBucketPolicyCommand,
  DeletePublicAccessBlockCommand,
  GetBucketAclCommand,
  GetBucketOwnershipControlsCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  ListObjectsCommand,
  PutBucketAclCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type AwsFixture, REGION, refusalOf, startAwsFixture } from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let s3: S3Client
const Bucket = 'owned-bucket'
const CreateBucketConfiguration = { LocationConstraint: REGION } as const

beforeAll(async () => {
  fixture = await startAwsFixture()
  s3 = fixture.clients(fixture.admin).s3
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
})
afterAll(() => fixture.stop())

const put = (Key: string, more: object = {}): Promise<unknown> =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: 'text', ...more }))

describe('ownership controls', () => {
  const ownership = async (): Promise<string | undefined> => {
    const found = await s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))
    return found.OwnershipControls?.Rules?.[0]?.ObjectOwnership
  }
  const setOwnership = (text: string): Promise<unknown> => {
    const Rules = [{ ObjectOwnership: text as 'ObjectWriter' }]
    const OwnershipControls = { Rules }
    return s3.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls }))
  }

  test('enforced by default: ACLs are refused, the owner has all control', async () => {
    await put('key')
    expect(await ownership()).toBe('BucketOwnerEnforced')
    const refused = { code: 'AccessControlListNotSupported', status: 400 }
    const ACL = 'public-read'
    expect(await refusalOf(put('key', { ACL }))).toMatchObject(refused)
    expect(await refusalOf(put('key', { GrantRead: 'id=abc' }))).toMatchObject(refused)
    const bucket = new PutBucketAclCommand({ Bucket, ACL })
    expect(await refusalOf(s3.send(bucket))).toMatchObject(refused)
    const object = new PutObjectAclCommand({ Bucket, Key: 'key', ACL })
    expect(await refusalOf(s3.send(object))).toMatchObject(refused)
    await put('key', { ACL: 'bucket-owner-full-control' })
    const { Grants, Owner } = await s3.send(new GetBucketAclCommand({ Bucket }))
    expect(Grants).toEqual([
      { Grantee: { ID: Owner?.ID, Type: 'CanonicalUser' }, Permission: 'FULL_CONTROL' },
    ])
  })

  test('set, taken away, and what ACLs meet then', async () => {
    await setOwnership('ObjectWriter')
    expect(await ownership()).toBe('ObjectWriter')
    const ACL = 'public-read'
    expect(await refusalOf(put('key', { ACL }))).toMatchObject({
      code: 'AccessDenied',
      status: 403,
    })
    await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
    await put('key', { ACL })
    expect((await refusalOf(put('key', { ACL: 'public-read-write' }))).code).toBe('NotImplemented')
    expect((await refusalOf(setOwnership('Nobody'))).code).toBe('MalformedXML')
    await s3.send(new DeleteBucketOwnershipControlsCommand({ Bucket }))
    expect((await refusalOf(ownership())).code).toBe('OwnershipControlsNotFoundError')
    await setOwnership('BucketOwnerEnforced')
    expect((await refusalOf(put('key', { ACL }))).code).toBe('AccessControlListNotSupported')
  })

  test("public-read is everybody's while ACLs count; a Deny of the policy holds", async () => {
    await setOwnership('BucketOwnerPreferred')
    await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
    await put('public', { ACL: 'public-read' })
    await put('private')
    const read = async (Key: string): Promise<number> =>
      (await fetch(`${fixture.endpoint}/${Bucket}/${Key}`, { proxy: false })).status
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/public` }))
    expect(await Promise.all(['public', 'private', 'copied'].map(read))).toEqual([200, 403, 403])
    const { Grants } = await s3.send(new GetObjectAclCommand({ Bucket, Key: 'public' }))
    expect(Grants?.map(({ Grantee, Permission }) => [Grantee?.URI, Permission])).toEqual([
      [undefined, 'FULL_CONTROL'],
      ['http://acs.amazonaws.com/groups/global/AllUsers', 'READ'],
    ])
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/public`,
      },
    })
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    expect(await read('public')).toBe(403)
    await s3.send(new DeleteBucketPolicyCommand({ Bucket }))
    expect(await read('public')).toBe(200)
    const ignored = { IgnorePublicAcls: true }
    await s3.send(
      new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: ignored }),
    )
    expect(await read('public')).toBe(403)
    await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
    await setOwnership('BucketOwnerEnforced')
    expect(await read('public')).toBe(403)
    await setOwnership('BucketOwnerPreferred')
    await put('public')
    expect(await read('public')).toBe(403)
  })

  test('asked for by CreateBucket', async () => {
    const make = (name: string, ObjectOwnership: string): Promise<unknown> =>
      s3.send(
        new CreateBucketCommand({
          Bucket: name,
          CreateBucketConfiguration,
          ObjectOwnership: ObjectOwnership as 'ObjectWriter',
        }),
      )
    await make('preferred-bucket', 'BucketOwnerPreferred')
    expect((await refusalOf(make('wrong-bucket', 'Nobody'))).code).toBe('InvalidArgument')
  })
})

describe('copies', () => {
  const copy = (Key: string, CopySource: string, more: object = {}): Promise<unknown> =>
    s3.send(new CopyObjectCommand({ Bucket, Key, CopySource, ...more }))

  test('with the metadata, or with new ones', async () => {
    await put('a b/ü', { ContentType: 'text/csv', Metadata: { team: 'blue' } })
    await copy('copy', `${Bucket}/${encodeURIComponent('a b/ü')}`)
    const found = await s3.send(new GetObjectCommand({ Bucket, Key: 'copy' }))
    expect([found.ContentType, found.Metadata]).toEqual(['text/csv', { team: 'blue' }])
    expect(await found.Body?.transformToString()).toBe('text')
    const Metadata = { team: 'green' }
    await copy('copy', `${Bucket}/copy`, { MetadataDirective: 'REPLACE', Metadata })
    expect((await s3.send(new GetObjectCommand({ Bucket, Key: 'copy' }))).Metadata).toEqual(
      Metadata,
    )
  })

  test.each([
    ['itself', `${Bucket}/target`, {}, 'InvalidRequest'],
    ['a missing key', `${Bucket}/nowhere`, {}, 'NoSuchKey'],
    ['a missing bucket', 'no-such-bucket/key', {}, 'NoSuchBucket'],
    ['no key', Bucket, {}, 'InvalidArgument'],
    ['a broken escape', `${Bucket}/%zz`, {}, 'InvalidArgument'],
    ['another tag', `${Bucket}/source`, { CopySourceIfMatch: '"x"' }, 'PreconditionFailed'],
    ['an odd directive', `${Bucket}/source`, { MetadataDirective: 'MOVE' }, 'InvalidArgument'],
  ])('refused: %s', async (_name, source, more, code) => {
    await put('target')
    await put('source')
    expect((await refusalOf(copy('target', source, more))).code).toBe(code)
  })

  test('another account copies what an ACL lets everybody read, and nothing else', async () => {
    const other = fixture.clients(fixture.otherAdmin).s3
    const [from, to] = ['open-bucket', 'others-bucket']
    const made = {
      Bucket: from,
      CreateBucketConfiguration,
      ObjectOwnership: 'ObjectWriter',
    } as const
    await s3.send(new CreateBucketCommand(made))
    await s3.send(new DeletePublicAccessBlockCommand({ Bucket: from }))
    await other.send(new CreateBucketCommand({ Bucket: to, CreateBucketConfiguration }))
    await put('closed', { Bucket: from })
    await put('open', { Bucket: from, ACL: 'public-read' })
    const take = (Key: string): Promise<unknown> =>
      other.send(new CopyObjectCommand({ Bucket: to, Key, CopySource: `${from}/${Key}` }))
    expect((await refusalOf(take('closed'))).code).toBe('AccessDenied')
    await take('open')
    const { Grants } = await other.send(new GetObjectAclCommand({ Bucket: to, Key: 'open' }))
    expect(Grants?.map(({ Permission }) => Permission)).toEqual(['FULL_CONTROL'])
    // To read an object is not to read its tags, which a copy would have.
    await put('open', { Bucket: from, ACL: 'public-read', Tagging: 'a=b' })
    expect((await refusalOf(take('open'))).message).toContain('s3:GetObjectTagging')
  })
})

test('the first version of lists: markers and pages', async () => {
  const name = 'list-bucket'
  await s3.send(new CreateBucketCommand({ Bucket: name, CreateBucketConfiguration }))
  for (const Key of ['a', 'b/1', 'b/2', 'c', 'd']) {
    await s3.send(new PutObjectCommand({ Bucket: name, Key, Body: 'x' }))
  }
  const list = (
    more: object,
  ): Promise<{ keys: string[]; next: string | undefined; more?: boolean }> =>
    s3.send(new ListObjectsCommand({ Bucket: name, MaxKeys: 2, ...more })).then((page) => ({
      keys: [...(page.Contents ?? []), ...(page.CommonPrefixes ?? [])].map((row) =>
        'Key' in row ? (row.Key ?? '') : ((row as { Prefix?: string }).Prefix ?? ''),
      ),
      next: page.NextMarker,
      more: page.IsTruncated ?? false,
    }))
  expect(await list({})).toEqual({ keys: ['a', 'b/1'], next: undefined, more: true })
  expect(await list({ Marker: 'b/1' })).toEqual({ keys: ['b/2', 'c'], next: undefined, more: true })
  const Delimiter = '/'
  expect(await list({ Delimiter })).toEqual({ keys: ['a', 'b/'], next: 'b/', more: true })
  expect(await list({ Delimiter, Marker: 'b/' })).toEqual({
    keys: ['c', 'd'],
    next: undefined,
    more: false,
  })
})
