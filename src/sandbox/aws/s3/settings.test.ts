/** What Terraform reads of every bucket, and what nobody configured: S3 API Reference. */
import { CreateAccessKeyCommand, CreateUserCommand } from '@aws-sdk/client-iam'
import {
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetBucketAccelerateConfigurationCommand,
  GetBucketAclCommand,
  GetBucketCorsCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketLoggingCommand,
  GetBucketNotificationConfigurationCommand,
  GetBucketPolicyStatusCommand,
  GetBucketReplicationCommand,
  GetBucketRequestPaymentCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  GetBucketWebsiteCommand,
  GetObjectLockConfigurationCommand,
  HeadBucketCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  PutBucketPolicyCommand,
  PutBucketRequestPaymentCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  type AwsFixture,
  OTHER_ACCOUNT,
  REGION,
  refusalOf,
  startAwsFixture,
} from '../aws-fixture.suite.ts'

const Bucket = 'settings-bucket'
const AT = { Bucket }

let fixture: AwsFixture
let s3: S3Client
let nobody: S3Client

beforeAll(async () => {
  fixture = await startAwsFixture()
  const clients = fixture.clients(fixture.admin)
  ;({ s3 } = clients)
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
  await clients.iam.send(new CreateUserCommand({ UserName: 'nobody' }))
  const made = await clients.iam.send(new CreateAccessKeyCommand({ UserName: 'nobody' }))
  nobody = fixture.clients({
    accessKeyId: made.AccessKey?.AccessKeyId ?? '',
    secretAccessKey: made.AccessKey?.SecretAccessKey ?? '',
  }).s3
})
afterAll(() => fixture.stop())

type Send = (by: S3Client, more?: object) => Promise<unknown>
type Row = readonly [action: string, send: Send, answer: object | string]

const ROWS: readonly Row[] = [
  [
    'GetBucketCORS',
    (by, more) => by.send(new GetBucketCorsCommand({ ...AT, ...more })),
    'NoSuchCORSConfiguration',
  ],
  [
    'GetBucketWebsite',
    (by, more) => by.send(new GetBucketWebsiteCommand({ ...AT, ...more })),
    'NoSuchWebsiteConfiguration',
  ],
  [
    'GetLifecycleConfiguration',
    (by, more) => by.send(new GetBucketLifecycleConfigurationCommand({ ...AT, ...more })),
    'NoSuchLifecycleConfiguration',
  ],
  [
    'GetReplicationConfiguration',
    (by, more) => by.send(new GetBucketReplicationCommand({ ...AT, ...more })),
    'ReplicationConfigurationNotFoundError',
  ],
  [
    'GetBucketObjectLockConfiguration',
    (by, more) => by.send(new GetObjectLockConfigurationCommand({ ...AT, ...more })),
    'ObjectLockConfigurationNotFoundError',
  ],
  [
    'GetBucketTagging',
    (by, more) => by.send(new GetBucketTaggingCommand({ ...AT, ...more })),
    'NoSuchTagSet',
  ],
  [
    'GetBucketPolicyStatus',
    (by, more) => by.send(new GetBucketPolicyStatusCommand({ ...AT, ...more })),
    'NoSuchBucketPolicy',
  ],
  [
    'GetBucketVersioning',
    (by, more) => by.send(new GetBucketVersioningCommand({ ...AT, ...more })),
    {},
  ],
  [
    'GetAccelerateConfiguration',
    (by, more) => by.send(new GetBucketAccelerateConfigurationCommand({ ...AT, ...more })),
    {},
  ],
  ['GetBucketLogging', (by, more) => by.send(new GetBucketLoggingCommand({ ...AT, ...more })), {}],
  [
    'GetBucketNotification',
    (by, more) => by.send(new GetBucketNotificationConfigurationCommand({ ...AT, ...more })),
    {},
  ],
  [
    'GetBucketRequestPayment',
    (by, more) => by.send(new GetBucketRequestPaymentCommand({ ...AT, ...more })),
    { Payer: 'BucketOwner' },
  ],
  [
    'GetEncryptionConfiguration',
    (by, more) => by.send(new GetBucketEncryptionCommand({ ...AT, ...more })),
    {
      ServerSideEncryptionConfiguration: {
        Rules: [
          {
            ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' },
            BucketKeyEnabled: false,
          },
        ],
      },
    },
  ],
]

describe('of a bucket that nobody configured', () => {
  test.each(ROWS)('%s', async (action, send, answer) => {
    if (typeof answer === 'string') {
      const { code, status } = await refusalOf(send(s3))
      expect([code, status]).toEqual([answer, 404])
    } else {
      const { $metadata, ...told } = (await send(s3)) as { $metadata: { httpStatusCode?: number } }
      expect($metadata.httpStatusCode).toBe(200)
      expect(told).toEqual(answer)
    }
    const told = fixture.aws.decisions.recent().findLast(({ allowed }) => allowed)
    const resource = `arn:aws:s3:::${Bucket}`
    expect(told).toMatchObject({ action: `s3:${action}`, resource })
    expect(await refusalOf(send(nobody))).toMatchObject({ code: 'AccessDenied', status: 403 })
    const gone = await refusalOf(send(s3, { Bucket: 'no-such-bucket' }))
    expect(gone).toMatchObject({ code: 'NoSuchBucket', status: 404 })
  })

  test('what would configure it is not served, and says so', async () => {
    const RequestPaymentConfiguration = { Payer: 'Requester' } as const
    const ask = { Bucket, RequestPaymentConfiguration }
    const refused = s3.send(new PutBucketRequestPaymentCommand(ask))
    expect(await refusalOf(refused)).toMatchObject({ code: 'NotImplemented', status: 501 })
  })
})

test('a bucket policy is public or not', async () => {
  const Status = 'off-bucket'
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await s3.send(new CreateBucketCommand({ Bucket: Status, CreateBucketConfiguration }))
  const PublicAccessBlockConfiguration = { BlockPublicPolicy: false }
  await s3.send(new PutPublicAccessBlockCommand({ Bucket: Status, PublicAccessBlockConfiguration }))
  const isPublic = async (Principal: unknown): Promise<boolean | undefined> => {
    const Statement = { Effect: 'Allow', Principal, Action: 's3:GetObject' }
    const Resource = `arn:aws:s3:::${Status}/*`
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: { ...Statement, Resource } })
    await s3.send(new PutBucketPolicyCommand({ Bucket: Status, Policy }))
    const { PolicyStatus } = await s3.send(new GetBucketPolicyStatusCommand({ Bucket: Status }))
    return PolicyStatus?.IsPublic
  }
  expect([await isPublic('*'), await isPublic({ AWS: OTHER_ACCOUNT })]).toEqual([true, false])
})

test('who expects another owner is refused', async () => {
  const head = (ExpectedBucketOwner: string): Promise<unknown> =>
    s3.send(new HeadBucketCommand({ Bucket, ExpectedBucketOwner }))
  await head(ACCOUNT)
  expect((await refusalOf(head(OTHER_ACCOUNT))).status).toBe(403)
  const acl = new GetBucketAclCommand({ Bucket, ExpectedBucketOwner: OTHER_ACCOUNT })
  expect((await refusalOf(s3.send(acl))).code).toBe('AccessDenied')
})

describe('versions', () => {
  test('each object has one, by pages and prefixes, and is deleted by it', async () => {
    for (const Key of ['a/1', 'a/2', 'b c']) {
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))
    }
    const list = (more: object = {}): Promise<ListObjectVersionsCommandOutput> =>
      s3.send(new ListObjectVersionsCommand({ Bucket, ...more }))
    const first = await list({ MaxKeys: 2 })
    expect(first).toMatchObject({
      IsTruncated: true,
      NextKeyMarker: 'a/2',
      NextVersionIdMarker: 'null',
    })
    expect(first.Versions).toMatchObject([
      { Key: 'a/1', VersionId: 'null', IsLatest: true, Size: 1 },
      { Key: 'a/2', VersionId: 'null' },
    ])
    const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = first
    const rest = await list({ KeyMarker, VersionIdMarker, EncodingType: 'url' })
    expect(rest.Versions?.map(({ Key }) => Key)).toEqual(['b%20c'])
    const folders = await list({ Delimiter: '/' })
    expect(folders.CommonPrefixes).toEqual([{ Prefix: 'a/' }])
    const Objects = (await list()).Versions?.map(({ Key = '', VersionId }) => ({
      Key,
      ...(VersionId !== undefined && { VersionId }),
    }))
    await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: Objects ?? [] } }))
    expect((await list()).Versions ?? []).toEqual([])
    const refused = nobody.send(new ListObjectVersionsCommand({ Bucket }))
    expect((await refusalOf(refused)).code).toBe('AccessDenied')
    expect((await refusalOf(list({ MaxKeys: -1 }))).code).toBe('InvalidArgument')
  })
})
