import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'bun:test'
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
