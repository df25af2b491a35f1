import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type S3Client,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { crc64nvme } from './crc.ts'
import { openTables } from '../records.ts'
import { type AwsFixture, REGION, refusalOf, startAwsFixture } from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let s3: S3Client
const Bucket = 'parts-bucket'
const Key = 'big/ü.bin'
beforeAll(async () => {
  fixture = await startAwsFixture()
  s3 = fixture.clients(fixture.admin).s3
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
})
afterAll(() => fixture.stop())

const begin = async (): Promise<string> => {
  const made = new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'text/csv' })
  return (await s3.send(made)).UploadId ?? ''
}
const part = async (UploadId: string, PartNumber: number, Body: string): Promise<string> =>
  (await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }))).ETag ?? ''
const complete = (
  UploadId: string,
  etags: readonly (readonly [number, string])[],
): Promise<unknown> => {
  const Parts = etags.map(([PartNumber, ETag]) => ({ PartNumber, ETag }))
  const MultipartUpload = { Parts }
  return s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }))
}
const FIVE = 'x'.repeat(5 << 20)

test('parts become one object, in their order', async () => {
  const id = await begin()
  const second = await part(id, 2, 'end')
  await part(id, 1, 'first try')
  const first = await part(id, 1, FIVE)
  const { Parts } = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId: id }))
  expect(Parts?.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([
    [1, 5 << 20],
    [2, 3],
  ])
  const done = await complete(id, [
    [1, first],
    [2, second],
  ])
  expect(done).toMatchObject({ Key, ETag: expect.stringMatching(/^"[0-9a-f]{32}-2"$/) })
  const found = await s3.send(new GetObjectCommand({ Bucket, Key }))
  expect(found.ContentType).toBe('text/csv')
  expect((await found.Body?.transformToString()) === `${FIVE}end`).toBe(true)
  expect((await refusalOf(part(id, 3, 'late'))).code).toBe('NoSuchUpload')
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
  expect(Uploads ?? []).toEqual([])
})

test('parts in pages', async () => {
  const id = await begin()
  for (const number of [1, 3, 7]) await part(id, number, 'x')
  const of = { Bucket, Key, UploadId: id }
  const first = await s3.send(new ListPartsCommand({ ...of, MaxParts: 2 }))
  expect(first).toMatchObject({ IsTruncated: true, MaxParts: 2, NextPartNumberMarker: '3' })
  expect(first.Parts?.map(({ PartNumber }) => PartNumber)).toEqual([1, 3])
  const PartNumberMarker = first.NextPartNumberMarker
  const second = await s3.send(new ListPartsCommand({ ...of, MaxParts: 2, PartNumberMarker }))
  expect(second).toMatchObject({ IsTruncated: false, PartNumberMarker: '3' })
  expect(second.NextPartNumberMarker).toBeUndefined()
  expect(second.Parts?.map(({ PartNumber }) => PartNumber)).toEqual([7])
  const wrong = new ListPartsCommand({ ...of, PartNumberMarker: 'three' })
  expect((await refusalOf(s3.send(wrong))).code).toBe('InvalidArgument')
  await s3.send(new AbortMultipartUploadCommand(of))
})

test('uploads in pages, in the order they began, also while they end', async () => {
  const made: (readonly [key: string, id: string])[] = []
  for (const one of ['b', 'b', 'a', 'b', 'c']) {
    fixture.clock.advance(1000)
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: one }))
    made.push([one, UploadId])
  }
  const [b1, b2, a, b3, c] = made
  const found: (readonly [string | undefined, string | undefined])[] = []
  let marker: object | undefined = {}
  while (marker !== undefined) {
    const page: ListMultipartUploadsCommandOutput = await s3.send(
      new ListMultipartUploadsCommand({ Bucket, MaxUploads: 2, ...marker }),
    )
    for (const upload of page.Uploads ?? []) {
      found.push([upload.Key, upload.UploadId])
      const of = { Bucket, Key: upload.Key ?? '', UploadId: upload.UploadId ?? '' }
      await s3.send(new AbortMultipartUploadCommand(of))
    }
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page
    marker = page.IsTruncated === true ? { KeyMarker, UploadIdMarker } : undefined
    expect(found.length).toBeLessThanOrEqual(made.length)
  }
  expect(found).toEqual([a, b1, b2, b3, c].filter((one) => one !== undefined))
})

test('uploads after a key, and those whose key begins so', async () => {
  const made = new Map<string, string>()
  for (const one of ['logs/1', 'logs/2', 'maps/1']) {
    const of = { Bucket, Key: one }
    made.set(one, (await s3.send(new CreateMultipartUploadCommand(of))).UploadId ?? '')
  }
  const keysOf = async (ask: object): Promise<readonly (string | undefined)[]> => {
    const page = await s3.send(new ListMultipartUploadsCommand({ Bucket, ...ask }))
    return (page.Uploads ?? []).map((upload) => upload.Key)
  }
  expect(await keysOf({ Prefix: 'logs/' })).toEqual(['logs/1', 'logs/2'])
  expect(await keysOf({ KeyMarker: 'logs/1' })).toEqual(['logs/2', 'maps/1'])
  // An upload's id says nothing without its key.
  expect(await keysOf({ UploadIdMarker: made.get('logs/2') })).toHaveLength(3)
  const folders = new ListMultipartUploadsCommand({ Bucket, Delimiter: '/' })
  expect((await refusalOf(s3.send(folders))).code).toBe('NotImplemented')
  for (const [one, UploadId] of made) {
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: one, UploadId }))
  }
})

test('uploads go with their bucket', async () => {
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  const bucket = { Bucket: 'short-lived', CreateBucketConfiguration }
  await s3.send(new CreateBucketCommand(bucket))
  const kept = await begin()
  const of = { Bucket: bucket.Bucket, Key: 'a' }
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(of))
  const body = { ...of, UploadId, PartNumber: 1, Body: 'x' }
  await s3.send(new UploadPartCommand(body))
  await s3.send(new DeleteBucketCommand(of))
  await s3.send(new CreateBucketCommand(bucket))
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand(of))
  expect(Uploads ?? []).toEqual([])
  expect((await refusalOf(s3.send(new UploadPartCommand(body)))).code).toBe('NoSuchUpload')
  const { parts, uploads } = openTables(fixture.state)
  expect([...uploads.values()].map(({ uploadId }) => uploadId)).toEqual([kept])
  expect([...parts.values()]).toEqual([])
  await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: kept }))
})

test('refused: small parts, parts that are not there, a wrong order, too much', async () => {
  const id = await begin()
  const [one, two] = [await part(id, 1, 'small'), await part(id, 2, 'small too')]
  const both = [
    [1, one],
    [2, two],
  ] as const
  expect((await refusalOf(complete(id, both))).code).toBe('EntityTooSmall')
  expect((await refusalOf(complete(id, both.toReversed()))).code).toBe('InvalidPartOrder')
  expect((await refusalOf(complete(id, [[1, two]]))).code).toBe('InvalidPart')
  expect((await refusalOf(complete(id, [[3, one]]))).code).toBe('InvalidPart')
  expect((await refusalOf(complete(id, []))).code).toBe('MalformedXML')
  expect((await refusalOf(part(id, 10_001, 'x'))).code).toBe('InvalidArgument')
  expect((await refusalOf(part('no-such', 1, 'x'))).code).toBe('NoSuchUpload')
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
  expect(Uploads?.map(({ UploadId }) => UploadId)).toEqual([id])
  await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: id }))
  expect((await refusalOf(complete(id, [[1, one]]))).code).toBe('NoSuchUpload')
})

describe('UploadPartCopy', () => {
  const source = { Bucket, Key: 'source/ü.bin' }
  const copy = (UploadId: string, more: object = {}): Promise<{ ETag?: string | undefined }> =>
    s3
      .send(
        new UploadPartCopyCommand({
          Bucket,
          Key,
          UploadId,
          PartNumber: 1,
          CopySource: `${Bucket}/${encodeURIComponent(source.Key)}`,
          ...more,
        }),
      )
      .then(({ CopyPartResult }) => CopyPartResult ?? {})

  test('makes parts of an object and of ranges of it', async () => {
    await s3.send(new PutObjectCommand({ ...source, Body: `${FIVE}0123456789` }))
    const id = await begin()
    const last = (5 << 20) - 1
    const first = await copy(id, { CopySourceRange: `bytes=0-${last}` })
    const second = await copy(id, {
      PartNumber: 2,
      CopySourceRange: `bytes=${last + 3}-${last + 5}`,
    })
    await complete(id, [
      [1, first.ETag ?? ''],
      [2, second.ETag ?? ''],
    ])
    const found = await s3.send(new GetObjectCommand({ Bucket, Key }))
    expect((await found.Body?.transformToString()) === `${FIVE}234`).toBe(true)
  })

  test('is refused where the source or its range is not there', async () => {
    await s3.send(new PutObjectCommand({ ...source, Body: 'abc' }))
    const id = await begin()
    const wrong: readonly (readonly [object, string])[] = [
      [{ CopySource: `${Bucket}/missing` }, 'NoSuchKey'],
      [{ CopySource: 'no-such-bucket/a' }, 'NoSuchBucket'],
      [{ CopySourceRange: 'bytes=0-3' }, 'InvalidRequest'],
      [{ CopySourceRange: 'bytes=2-1' }, 'InvalidArgument'],
      [{ CopySourceRange: 'bytes=0-' }, 'InvalidArgument'],
      [{ CopySourceIfMatch: '"0"' }, 'PreconditionFailed'],
      [{ ExpectedSourceBucketOwner: '444455556666' }, 'AccessDenied'],
      [{ UploadId: 'no-such' }, 'NoSuchUpload'],
    ]
    for (const [more, code] of wrong) expect((await refusalOf(copy(id, more))).code).toBe(code)
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: id }))
  })
})

test('a checksum of the whole is compared when the parts are joined', async () => {
  const finish = (UploadId: string, ETag: string, ChecksumCRC64NVME: string): Promise<unknown> => {
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    const ask = { Bucket, Key, UploadId, MultipartUpload, ChecksumCRC64NVME }
    return s3.send(new CompleteMultipartUploadCommand(ask))
  }
  const id = await begin()
  const etag = await part(id, 1, 'whole')
  const [good, bad] = ['whole', 'other'].map((text) =>
    crc64nvme(Buffer.from(text)).toString('base64'),
  )
  expect((await refusalOf(finish(id, etag, bad ?? ''))).code).toBe('BadDigest')
  await finish(id, etag, good ?? '')
  const ask = new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' })
  expect((await s3.send(ask)).ChecksumCRC64NVME).toBe(good)
})
