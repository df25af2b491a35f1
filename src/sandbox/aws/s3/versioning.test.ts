/** Versions of objects. The rules: Amazon S3 User Guide, "Retaining multiple versions of objects". */
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
  DeleteBucketCommand,
  type DeleteMarkerEntry,
  DeleteObjectCommand,
  type DeleteObjectCommandOutput,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type ObjectVersion,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { type AwsFixture, REGION, refusalOf, startAwsFixture } from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let s3: S3Client
let Bucket = ''
let made = 0

beforeAll(async () => {
  fixture = await startAwsFixture()
  s3 = fixture.clients(fixture.admin).s3
})
beforeEach(async () => {
  Bucket = `versions-${(made += 1)}`
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
})
afterAll(() => fixture.stop())

const setVersioning = (Status: 'Enabled' | 'Suspended'): Promise<unknown> =>
  s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }))
const put = async (Body: string, more: object = {}): Promise<string | undefined> =>
  (await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body, ...more }))).VersionId
const read = async (VersionId?: string, by = s3): Promise<string | undefined> => {
  const ask = { Bucket, Key: 'k', ...(VersionId !== undefined && { VersionId }) }
  return (await by.send(new GetObjectCommand(ask))).Body?.transformToString()
}
const remove = (VersionId?: string): Promise<DeleteObjectCommandOutput> =>
  s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', ...(VersionId && { VersionId }) }))
const codeOf = async (call: Promise<unknown>): Promise<string> => (await refusalOf(call)).code

/** `VERSION`, `*VERSION` of the latest, `-VERSION` of delete markers, the newest of a key first. */
async function list(): Promise<string[]> {
  const { Versions = [], DeleteMarkers = [] } = await s3.send(
    new ListObjectVersionsCommand({ Bucket }),
  )
  const told = (row: ObjectVersion | DeleteMarkerEntry): string =>
    `${row.IsLatest === true ? '*' : ''}${row.VersionId ?? ''}`
  return [...DeleteMarkers.map((row) => `-${told(row)}`), ...Versions.map(told)]
}

describe('enabled', () => {
  test('each write adds a version; what was there before is the one called null', async () => {
    expect(await put('before')).toBeUndefined()
    const asked = new GetBucketVersioningCommand({ Bucket })
    expect((await s3.send(asked)).Status).toBeUndefined()
    await setVersioning('Enabled')
    expect((await s3.send(asked)).Status).toBe('Enabled')
    const [one, two] = [await put('one'), await put('two')]
    expect(one).toMatch(/^[\w.]{32}$/)
    expect(await list()).toEqual([`*${two}`, `${one}`, 'null'])
    expect([await read(), await read(one), await read('null')]).toEqual(['two', 'one', 'before'])
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }))
    expect(head.VersionId).toBe(two)
    expect((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents).toHaveLength(1)
  })

  test('a deletion leaves a marker, and taking it away brings the object back', async () => {
    await setVersioning('Enabled')
    const one = await put('one')
    const { VersionId: marker = '', DeleteMarker } = await remove()
    expect(DeleteMarker).toBe(true)
    expect(await list()).toEqual([`-*${marker}`, `${one}`])
    expect((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).toEqual([])
    expect(await refusalOf(read())).toMatchObject({ code: 'NoSuchKey', status: 404 })
    expect(await refusalOf(read(marker))).toMatchObject({ code: 'MethodNotAllowed', status: 405 })
    expect(await read(one)).toBe('one')
    const raw = await fixture.call({
      keys: fixture.admin,
      service: 's3',
      method: 'GET',
      path: `/${Bucket}/k`,
    })
    expect(raw.headers.get('x-amz-delete-marker')).toBe('true')
    expect(raw.headers.get('x-amz-version-id')).toBe(marker)
    // A key that never was gets a marker too.
    expect((await s3.send(new DeleteObjectCommand({ Bucket, Key: 'x' }))).DeleteMarker).toBe(true)
    expect(await remove(marker)).toMatchObject({ DeleteMarker: true, VersionId: marker })
    expect(await read()).toBe('one')
  })

  test('a version that is deleted is gone, and the one before it is the latest', async () => {
    await setVersioning('Enabled')
    const [one, two, three] = [await put('one'), await put('two'), await put('three')]
    expect(await remove(two)).toMatchObject({ VersionId: two ?? '' })
    expect(await list()).toEqual([`*${three}`, `${one}`])
    await remove(three)
    expect([await read(), await list()]).toEqual(['one', [`*${one}`]])
    expect(await codeOf(read(three))).toBe('NoSuchVersion')
    await remove(three)
    await remove(one)
    expect(await list()).toEqual([])
  })

  test('copies take the version that is asked for, parts and tags too', async () => {
    await setVersioning('Enabled')
    const [one, two] = [await put('one', { Tagging: 'a=1' }), await put('two')]
    const from = { Bucket, Key: 'k', CopySource: `${Bucket}/k?versionId=${one}` }
    const copied = await s3.send(new CopyObjectCommand(from))
    expect(copied.CopySourceVersionId).toBe(one)
    expect(await list()).toEqual([`*${copied.VersionId}`, `${two}`, `${one}`])
    expect(await read()).toBe('one')
    const at = { Bucket, Key: 'parts' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(at))
    const part = { ...at, UploadId, PartNumber: 1, CopySource: `${Bucket}/k?versionId=${two}` }
    const { CopyPartResult } = await s3.send(new UploadPartCopyCommand(part))
    const Parts = [{ PartNumber: 1, ETag: CopyPartResult?.ETag }]
    const done = { ...at, UploadId, MultipartUpload: { Parts } }
    const joined = await s3.send(new CompleteMultipartUploadCommand(done))
    const found = await s3.send(new GetObjectCommand(at))
    expect([found.VersionId, await found.Body?.transformToString()]).toEqual([
      joined.VersionId,
      'two',
    ])
    const TagSet = [{ Key: 'b', Value: '2' }]
    const old = { Bucket, Key: 'k', VersionId: two }
    await s3.send(new PutObjectTaggingCommand({ ...old, Tagging: { TagSet } }))
    expect((await s3.send(new GetObjectTaggingCommand(old))).TagSet).toEqual(TagSet)
    const now = await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'k' }))
    expect(now.TagSet).toEqual([{ Key: 'a', Value: '1' }])
    const { VersionId: marker } = await remove()
    const wrong = { ...from, CopySource: `${Bucket}/k?versionId=${marker}` }
    expect(await codeOf(s3.send(new CopyObjectCommand(wrong)))).toBe('InvalidRequest')
  })
})

test('suspended: the version called null alone is written over, the others stay', async () => {
  await setVersioning('Enabled')
  const one = await put('one')
  await setVersioning('Suspended')
  expect(await put('two')).toBeUndefined()
  expect(await put('three')).toBeUndefined()
  expect(await list()).toEqual(['*null', `${one}`])
  expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }))).VersionId).toBe('null')
  expect(await remove()).toMatchObject({ DeleteMarker: true, VersionId: 'null' })
  expect(await list()).toEqual(['-*null', `${one}`])
  expect(await codeOf(read('null'))).toBe('MethodNotAllowed')
  await put('four')
  expect(await list()).toEqual(['*null', `${one}`])
  await setVersioning('Enabled')
  const five = await put('five')
  await setVersioning('Suspended')
  await put('six')
  expect(await list()).toEqual(['*null', `${five}`, `${one}`])
})

test('a bucket with versions is not empty; they are deleted by pages', async () => {
  await setVersioning('Enabled')
  for (const Key of ['a', 'b/1', 'b/2']) {
    for (const text of ['1', '2']) await put(text, { Key })
  }
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a' }))
  const folders = await s3.send(new ListObjectVersionsCommand({ Bucket, Delimiter: '/' }))
  expect(folders.CommonPrefixes).toEqual([{ Prefix: 'b/' }])
  expect([folders.Versions?.length, folders.DeleteMarkers?.length]).toEqual([2, 1])
  expect(await codeOf(s3.send(new DeleteBucketCommand({ Bucket })))).toBe('BucketNotEmpty')
  let at: object = {}
  const seen: string[] = []
  for (let pages = 0; pages < 10; pages += 1) {
    const page = await s3.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 2, ...at }))
    const rows = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]
    seen.push(...rows.map(({ Key = '' }) => Key))
    const Objects = rows.map(({ Key, VersionId = '' }) => ({ Key, VersionId }))
    await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    if (page.IsTruncated !== true) break
    at = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker }
  }
  expect(seen.sort()).toEqual(['a', 'a', 'a', 'b/1', 'b/1', 'b/2', 'b/2'])
  await s3.send(new DeleteBucketCommand({ Bucket }))
})

test('versions are read and deleted by those who may', async () => {
  const { iam } = fixture.clients(fixture.admin)
  const UserName = 'reader'
  await iam.send(new CreateUserCommand({ UserName }))
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }))
  const may = async (...Action: string[]): Promise<void> => {
    const Statement = { Effect: 'Allow', Action, Resource: '*' }
    const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
    await iam.send(new PutUserPolicyCommand({ UserName, PolicyName: 'own', PolicyDocument }))
  }
  const reader = fixture.clients({
    accessKeyId: AccessKey?.AccessKeyId ?? '',
    secretAccessKey: AccessKey?.SecretAccessKey ?? '',
  }).s3
  await setVersioning('Enabled')
  const VersionId = await put('one')
  await may('s3:GetObject', 's3:DeleteObject')
  expect(await read(undefined, reader)).toBe('one')
  expect(await codeOf(read(VersionId, reader))).toBe('AccessDenied')
  const gone = new DeleteObjectCommand({ Bucket, Key: 'k', VersionId })
  expect((await refusalOf(reader.send(gone))).message).toContain('s3:DeleteObjectVersion')
  const tags = new GetObjectTaggingCommand({ Bucket, Key: 'k', VersionId })
  expect((await refusalOf(reader.send(tags))).message).toContain('s3:GetObjectVersionTagging')
  await may('s3:GetObjectVersion')
  expect(await read(VersionId, reader)).toBe('one')
  expect(await codeOf(read(undefined, reader))).toBe('AccessDenied')
  expect(await codeOf(read('1'.repeat(32), reader))).toBe('AccessDenied')
})

test('refused: what is no version, no state, and deletion by MFA', async () => {
  await put('one')
  expect(await read('null')).toBe('one')
  expect(await refusalOf(read('short'))).toMatchObject({ code: 'InvalidArgument', status: 400 })
  expect(await codeOf(remove('short'))).toBe('InvalidArgument')
  expect(await codeOf(read('1'.repeat(32)))).toBe('NoSuchVersion')
  const set = (VersioningConfiguration: object): Promise<unknown> =>
    s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
  expect(await codeOf(set({}))).toBe('IllegalVersioningConfigurationException')
  expect(await codeOf(set({ Status: 'On' }))).toBe('MalformedXML')
  expect(await codeOf(set({ Status: 'Enabled', MFADelete: 'Enabled' }))).toBe('NotImplemented')
  const marker = new ListObjectVersionsCommand({ Bucket, VersionIdMarker: 'null' })
  expect(await codeOf(s3.send(marker))).toBe('InvalidArgument')
  await remove('null')
  expect(await list()).toEqual([])
})
