import * as sdk from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type AwsFixture, REGION, startAwsFixture } from '../../sandbox/aws/aws-fixture.suite.ts'
import { JWKS_PATH } from '../documents.ts'
import { publish } from './publish.ts'
import { createS3Store, type S3 } from './s3-store.ts'
import { keyOf, parseS3Place, s3IssuerOf } from './s3-place.ts'
import {
  describeDocumentStore,
  publicationOf,
  publishableKeys,
  type StorePlace,
} from './store.suite.ts'

let fixture: AwsFixture
let s3: S3
let buckets = 0

beforeAll(async () => {
  fixture = await startAwsFixture()
  s3 = { sdk, client: fixture.clients(fixture.admin).s3 }
})
afterAll(() => fixture.stop())

async function makePlace(prefix: string): Promise<StorePlace> {
  const bucket = `documents.of-${(buckets += 1)}`
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await s3.client.send(new sdk.CreateBucketCommand({ Bucket: bucket, CreateBucketConfiguration }))
  const place = { bucket, prefix }
  return {
    store: createS3Store(s3, place),
    put: async (path, text) => {
      const Key = keyOf(place, path)
      await s3.client.send(new sdk.PutObjectCommand({ Bucket: bucket, Key, Body: text }))
    },
    remove: async () => undefined,
  }
}

describeDocumentStore('an S3 bucket', () => makePlace(''))
describeDocumentStore('a prefix of an S3 bucket', () => makePlace('clusters/c1'))

test('publishers at the same time lose no key of each other', async () => {
  const { store } = await makePlace('')
  await publish(store, publicationOf(publishableKeys(1)))
  const others = [1, 2, 3].map((at) =>
    publish(store, publicationOf(publishableKeys(1, at), { keepPublished: true })),
  )
  await Promise.all(others)
  const { keys } = JSON.parse((await store.read(JWKS_PATH))?.text ?? '') as {
    keys: { kid: string }[]
  }
  expect(keys.map(({ kid }) => kid).sort()).toEqual(['kid-0', 'kid-1', 'kid-2', 'kid-3'])
})

test.each([
  ['s3://bucket', 'bucket', '', 'keys.json'],
  ['s3://bucket/', 'bucket', '', 'keys.json'],
  ['s3://my.bucket/a/b-1', 'my.bucket', 'a/b-1', 'a/b-1/keys.json'],
  ['s3://bucket/.hidden/', 'bucket', '.hidden', '.hidden/keys.json'],
])('%s', (text, bucket, prefix, key) => {
  const place = parseS3Place(text)
  expect(place).toEqual({ bucket, prefix })
  expect(keyOf(place, JWKS_PATH)).toBe(key)
})

test.each([
  's3://',
  's3:///x',
  's3://B',
  's3://ab',
  's3://a_bucket',
  's3://127.0.0.1',
  's3://bucket//a',
  's3://bucket/a//b',
  's3://bucket/..',
  's3://bucket/a/../b',
  's3://bucket/.',
  's3://bucket/a b',
  's3://bucket/a?b',
  's3://bucket/ä',
  's3://bucket/a%2fb',
  `s3://bucket/${'x'.repeat(201)}`,
  'bucket',
  'https://bucket',
])('%s is no place in S3', (text) => {
  expect(() => parseS3Place(text)).toThrow('wanted s3://BUCKET[/PREFIX]')
})

test.each([
  ['us-east-1', 'https://s3.us-east-1.amazonaws.com/my.bucket/c1'],
  ['eu-central-1', 'https://s3.eu-central-1.amazonaws.com/my.bucket/c1'],
  ['us-gov-west-1', 'https://s3.us-gov-west-1.amazonaws.com/my.bucket/c1'],
  ['cn-north-1', 'https://s3.cn-north-1.amazonaws.com.cn/my.bucket/c1'],
])('the issuer that a place in %s is', (region, issuer) => {
  expect(s3IssuerOf({ bucket: 'my.bucket', prefix: 'c1' }, region)).toBe(issuer)
})
