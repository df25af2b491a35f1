import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Readable } from 'node:stream'
import { fetchIssuerDocument } from '../../issuer-names.ts'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  REGION,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let s3: S3Client
const Bucket = 'data-bucket'

beforeAll(async () => {
  fixture = await startAwsFixture()
  s3 = fixture.clients(fixture.admin).s3
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
})
afterAll(() => fixture.stop())

const put = (Key: string, Body: string, more: object = {}): Promise<unknown> =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))

/** A client of a role with that policy. */
async function clientOf(name: string, policy: string): Promise<S3Client> {
  const { iam } = fixture.clients(fixture.admin)
  const trust = trustOf({ Service: 'ec2.amazonaws.com' }, 'sts:AssumeRole')
  await iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: trust }))
  const document = { RoleName: name, PolicyName: 'own', PolicyDocument: policy }
  await iam.send(new PutRolePolicyCommand(document))
  const found = fixture.aws.issueServiceCredentials({
    roleArn: `arn:aws:iam::${ACCOUNT}:role/${name}`,
    service: 'ec2.amazonaws.com',
    sessionName: 'test',
    durationSeconds: 3600,
  })
  return fixture.clients({
    accessKeyId: found.accessKeyId,
    secretAccessKey: found.secretAccessKey.reveal(),
    sessionToken: found.sessionToken.reveal(),
  }).s3
}

describe('buckets', () => {
  test('create, find, delete', async () => {
    const list = await s3.send(new ListBucketsCommand({}))
    expect(list.Buckets?.map(({ Name }) => Name)).toEqual([Bucket])
    const head = await s3.send(new HeadBucketCommand({ Bucket }))
    expect(head.BucketRegion).toBe(REGION)
    const location = await s3.send(new GetBucketLocationCommand({ Bucket }))
    expect(location.LocationConstraint).toBe(REGION)
    const CreateBucketConfiguration = { LocationConstraint: REGION } as const
    const again = new CreateBucketCommand({ Bucket, CreateBucketConfiguration })
    expect(await refusalOf(s3.send(again))).toMatchObject({
      code: 'BucketAlreadyOwnedByYou',
      status: 409,
    })
    const other = fixture.clients(fixture.otherAdmin).s3
    expect((await refusalOf(other.send(again))).code).toBe('BucketAlreadyExists')
    const bad = new CreateBucketCommand({ Bucket: 'Bad_Name', CreateBucketConfiguration })
    expect((await refusalOf(s3.send(bad))).code).toBe('InvalidBucketName')
    await put('keep', 'x')
    expect((await refusalOf(s3.send(new DeleteBucketCommand({ Bucket })))).code).toBe(
      'BucketNotEmpty',
    )
    const spare = { Bucket: 'spare-bucket', CreateBucketConfiguration }
    await s3.send(new CreateBucketCommand(spare))
    await s3.send(new DeleteBucketCommand(spare))
    expect((await refusalOf(s3.send(new HeadBucketCommand(spare)))).status).toBe(404)
  })

  test('a bucket of us-east-1 is taken again there, as it was, by its owner alone', async () => {
    const home = fixture.clients(fixture.admin, 'us-east-1').s3
    const again = { Bucket: 'twice-bucket' }
    await home.send(new CreateBucketCommand(again))
    await home.send(new PutObjectCommand({ ...again, Key: 'kept', Body: 'x' }))
    await home.send(new CreateBucketCommand(again))
    const list = await home.send(new ListObjectsV2Command(again))
    expect(list.Contents?.map(({ Key }) => Key)).toEqual(['kept'])
    const other = fixture.clients(fixture.otherAdmin, 'us-east-1').s3
    expect(await refusalOf(other.send(new CreateBucketCommand(again)))).toMatchObject({
      code: 'BucketAlreadyExists',
      status: 409,
    })
    const CreateBucketConfiguration = { LocationConstraint: REGION } as const
    const elsewhere = new CreateBucketCommand({ ...again, CreateBucketConfiguration })
    expect((await refusalOf(s3.send(elsewhere))).code).toBe('BucketAlreadyOwnedByYou')
  })

  test("another region's signature is told the right one", async () => {
    const far = fixture.clients(fixture.admin, 'us-west-2').s3
    const refusal = await refusalOf(far.send(new GetBucketLocationCommand({ Bucket })))
    expect(refusal.code).toBe('AuthorizationHeaderMalformed')
  })
})

describe('objects', () => {
  test('write and read, with what the writer said of them', async () => {
    const Key = 'a b/ü & <c>.json'
    await put(Key, '{"a":1}', {
      ContentType: 'application/json',
      CacheControl: 'max-age=60',
      Metadata: { who: 'me' },
    })
    const got = await s3.send(new GetObjectCommand({ Bucket, Key }))
    expect(got).toMatchObject({
      ContentType: 'application/json',
      CacheControl: 'max-age=60',
      Metadata: { who: 'me' },
      ContentLength: 7,
    })
    expect(await got.Body?.transformToString()).toBe('{"a":1}')
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key }))
    expect(head).toMatchObject({ ETag: got.ETag, ContentLength: 7 })
    const range = await s3.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=1-3' }))
    expect(range.ContentRange).toBe('bytes 1-3/7')
    expect(await range.Body?.transformToString()).toBe('"a"')
    const unchanged = new GetObjectCommand({ Bucket, Key, IfNoneMatch: got.ETag })
    expect((await refusalOf(s3.send(unchanged))).status).toBe(304)
    const changed = new GetObjectCommand({ Bucket, Key, IfMatch: '"x"' })
    expect((await refusalOf(s3.send(changed))).status).toBe(412)
    expect((await refusalOf(put(Key, 'x', { IfNoneMatch: '*' }))).code).toBe('PreconditionFailed')
    await s3.send(new DeleteObjectCommand({ Bucket, Key }))
    expect((await refusalOf(s3.send(new GetObjectCommand({ Bucket, Key })))).code).toBe('NoSuchKey')
  })

  test('streams with trailing checksums; a wrong checksum is refused', async () => {
    const body = Readable.from([Buffer.from('hello '), Buffer.from('world')])
    const command = { Bucket, Key: 'stream', Body: body, ContentLength: 11 }
    await s3.send(new PutObjectCommand({ ...command, ChecksumAlgorithm: 'CRC32' }))
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'stream' }))
    expect(await got.Body?.transformToString()).toBe('hello world')
    expect(got.ContentEncoding).toBeUndefined()
    for (const more of [
      { ChecksumCRC32: 'AAAAAA==' },
      { ChecksumSHA256: 'AAAA' },
      { ContentMD5: 'rL0Y20zC+Fzt72VPzMSk2A==' },
    ]) {
      expect((await refusalOf(put('sum', 'x', more))).code).toBe('BadDigest')
    }
    for (const ChecksumAlgorithm of ['CRC32C', 'SHA1', 'SHA256'] as const) {
      await put('sum', 'some text', { ChecksumAlgorithm })
    }
  })

  test('lists with prefix, delimiter and pages', async () => {
    for (const key of ['l/1', 'l/2', 'l/x/1', 'l/x/2', 'l/y/1']) await put(key, key)
    const list = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'l/', Delimiter: '/' }))
    expect(list.Contents?.map(({ Key }) => Key)).toEqual(['l/1', 'l/2'])
    expect(list.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['l/x/', 'l/y/'])
    const found: (string | undefined)[] = []
    let ContinuationToken: string | undefined
    do {
      const page: ListObjectsV2CommandOutput = await s3.send(
        new ListObjectsV2Command({
          Bucket,
          Prefix: 'l/',
          MaxKeys: 2,
          ...(ContinuationToken && { ContinuationToken }),
        }),
      )
      found.push(...(page.Contents ?? []).map(({ Key }) => Key))
      ContinuationToken = page.NextContinuationToken
    } while (ContinuationToken)
    expect(found).toEqual(['l/1', 'l/2', 'l/x/1', 'l/x/2', 'l/y/1'])
    const Delete = { Objects: found.map((Key) => ({ Key: Key ?? '' })) }
    const deleted = await s3.send(new DeleteObjectsCommand({ Bucket, Delete }))
    expect(deleted.Deleted).toHaveLength(5)
  })

  test('ACLs are refused', async () => {
    const refusal = await refusalOf(put('acl', 'x', { ACL: 'public-read' }))
    expect(refusal).toMatchObject({ code: 'AccessControlListNotSupported', status: 400 })
  })
})

describe('permissions', () => {
  test('a role reads what its policy allows; a missing key is told only to who may list', async () => {
    const arn = `arn:aws:s3:::${Bucket}`
    const reader = await clientOf('reader', allowOf('s3:GetObject', `${arn}/open/*`))
    const lister = await clientOf(
      'lister',
      allowOf(['s3:GetObject', 's3:ListBucket'], [arn, `${arn}/*`]),
    )
    await put('open/1', 'yes')
    await put('closed/1', 'no')
    const read = (client: S3Client, Key: string): Promise<unknown> =>
      client.send(new GetObjectCommand({ Bucket, Key }))
    await read(reader, 'open/1')
    expect(await refusalOf(read(reader, 'closed/1'))).toMatchObject({
      code: 'AccessDenied',
      status: 403,
    })
    expect((await refusalOf(read(reader, 'open/none'))).code).toBe('AccessDenied')
    expect((await refusalOf(read(lister, 'open/none'))).code).toBe('NoSuchKey')
    const write = new PutObjectCommand({ Bucket, Key: 'open/2', Body: 'x' })
    expect((await refusalOf(reader.send(write))).code).toBe('AccessDenied')
    const Delete = { Objects: [{ Key: 'open/1' }] }
    const answer = await reader.send(new DeleteObjectsCommand({ Bucket, Delete }))
    expect(answer.Errors?.[0]).toMatchObject({ Key: 'open/1', Code: 'AccessDenied' })
  })

  test('anonymous readers by bucket policy, once public policies are not blocked', async () => {
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: '*',
          Action: 's3:GetObject',
          Resource: `arn:aws:s3:::${Bucket}/public/*`,
        },
      ],
    })
    await put('public/doc.json', '{"a":1}', { ContentType: 'application/json' })
    const url = `https://s3.${REGION}.amazonaws.com/${Bucket}/public/doc.json`
    const plain = `${fixture.endpoint}/${Bucket}/public/doc.json`
    const anonymous = (): Promise<Response> =>
      fetch(plain, { proxy: false, signal: AbortSignal.timeout(5000) })
    expect((await anonymous()).status).toBe(403)
    const blocked = await refusalOf(s3.send(new PutBucketPolicyCommand({ Bucket, Policy })))
    expect(blocked).toMatchObject({ code: 'AccessDenied', status: 403 })
    expect(blocked.message).toContain('BlockPublicPolicy')
    const { PublicAccessBlockConfiguration } = await s3.send(
      new GetPublicAccessBlockCommand({ Bucket }),
    )
    expect(PublicAccessBlockConfiguration?.BlockPublicPolicy).toBe(true)
    const open = { ...PublicAccessBlockConfiguration, BlockPublicPolicy: false }
    const putBlock = (configuration: object): Promise<unknown> =>
      s3.send(
        new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: configuration }),
      )
    await putBlock(open)
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    expect((await s3.send(new GetBucketPolicyCommand({ Bucket }))).Policy).toBe(Policy)
    expect((await anonymous()).status).toBe(403)
    await putBlock({ ...open, RestrictPublicBuckets: false })
    expect(await (await anonymous()).json()).toEqual({ a: 1 })
    const { json } = await fetchIssuerDocument(fixture.names, url)
    expect(json).toEqual({ a: 1 })
    const wrongRegion = url.replace(REGION, 'us-west-2')
    await expect(fetchIssuerDocument(fixture.names, wrongRegion)).rejects.toThrow('could not be')
    const byHost = { headers: { host: `s3.us-west-2.amazonaws.com` }, proxy: false } as const
    const moved = await fetch(plain, { ...byHost, signal: AbortSignal.timeout(5000) })
    expect([moved.status, moved.headers.get('x-amz-bucket-region')]).toEqual([301, REGION])
    const elsewhere = `https://s3.${REGION}.amazonaws.com/${Bucket}/closed/1`
    await expect(fetchIssuerDocument(fixture.names, elsewhere)).rejects.toThrow('HTTP 403')
    await s3.send(new DeleteBucketPolicyCommand({ Bucket }))
    expect((await anonymous()).status).toBe(403)
    const gone = await refusalOf(s3.send(new GetBucketPolicyCommand({ Bucket })))
    expect(gone).toMatchObject({ code: 'NoSuchBucketPolicy', status: 404 })
  })

  test('a bucket policy opens to another account with both sides, and denies', async () => {
    const other = fixture.clients(fixture.otherAdmin).s3
    const read = new GetObjectCommand({ Bucket, Key: 'closed/1' })
    expect((await refusalOf(other.send(read))).code).toBe('AccessDenied')
    const statement = {
      Effect: 'Allow',
      Principal: { AWS: '444455556666' },
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${Bucket}/*`,
    }
    const write = (...Statement: object[]): Promise<unknown> =>
      s3.send(
        new PutBucketPolicyCommand({
          Bucket,
          Policy: JSON.stringify({ Version: '2012-10-17', Statement }),
        }),
      )
    await write(statement)
    await other.send(read)
    await write(statement, { ...statement, Effect: 'Deny', Principal: '*' })
    expect((await refusalOf(other.send(read))).code).toBe('AccessDenied')
    expect((await refusalOf(s3.send(read))).code).toBe('AccessDenied')
    const foreign = await refusalOf(write({ ...statement, Resource: 'arn:aws:s3:::other/*' }))
    expect(foreign).toMatchObject({ code: 'MalformedPolicy', status: 400 })
  })
})
