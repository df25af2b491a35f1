import * as sdk from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { type AwsFixture, REGION, startAwsFixture } from '../../sandbox/aws/aws-fixture.suite.ts'
import { prepareBucket } from './bucket.ts'
import { type BucketAccess, type BucketFacts, planBucket } from './bucket-plan.ts'
import { publish } from './publish.ts'
import { s3Fault } from './s3-faults.ts'
import type { S3Place } from './s3-place.ts'
import { createS3Store, type S3 } from './s3-store.ts'
import { publicationOf, publishableKeys } from './store.suite.ts'

let fixture: AwsFixture
let s3: S3
beforeAll(async () => {
  fixture = await startAwsFixture()
  s3 = { sdk, client: fixture.clients(fixture.admin).s3 }
})
afterAll(() => fixture.stop())

/** What was told. */
async function prepare(
  place: S3Place,
  access: BucketAccess,
  more: { client?: sdk.S3Client; create?: boolean; region?: string; retryMs?: number[] } = {},
): Promise<string[]> {
  const notes: string[] = []
  const { client, ...given } = more
  const note = (text: string): void => void notes.push(text)
  const preparation = { access, create: true, region: REGION, note, ...given }
  await prepareBucket({ sdk, client: client ?? s3.client }, place, preparation)
  return notes
}

/** The status of a read without any key. */
const read = async ({ bucket }: S3Place, key: string): Promise<number> =>
  (await fetch(`${fixture.endpoint}/${bucket}/${key}`, { proxy: false })).status

const put = (Bucket: string, Key: string): Promise<unknown> =>
  s3.client.send(new sdk.PutObjectCommand({ Bucket, Key, Body: 'x' }))

const make = (Bucket: string, more: object = {}): Promise<unknown> => {
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  return s3.client.send(new sdk.CreateBucketCommand({ Bucket, CreateBucketConfiguration, ...more }))
}

const policyOf = async (Bucket: string): Promise<{ Statement: Record<string, unknown>[] }> => {
  const { Policy } = await s3.client.send(new sdk.GetBucketPolicyCommand({ Bucket }))
  return JSON.parse(Policy ?? '') as never
}

const statement = (bucket: string, more: object): Record<string, unknown> => ({
  Sid: 'Others',
  Effect: 'Allow',
  Principal: { AWS: 'arn:aws:iam::444455556666:root' },
  Action: 's3:GetObject',
  Resource: `arn:aws:s3:::${bucket}/*`,
  ...more,
})

const putPolicy = (Bucket: string, Statement: unknown): Promise<unknown> => {
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
  return s3.client.send(new sdk.PutBucketPolicyCommand({ Bucket, Policy }))
}

describe('by a bucket policy', () => {
  test('everybody may read the two documents, and nothing else; once is enough', async () => {
    const place = { bucket: 'my.new-bucket', prefix: 'clusters/c1' }
    expect(await prepare(place, 'policy')).toEqual([
      'bucket my.new-bucket made in eu-central-1',
      'block public access of bucket my.new-bucket: BlockPublicPolicy and RestrictPublicBuckets switched off, on this bucket alone',
      'policy of bucket my.new-bucket: everybody may read clusters/c1/keys.json and clusters/c1/.well-known/openid-configuration, and nothing else by this statement',
    ])
    await publish(createS3Store(s3, place), publicationOf(publishableKeys(1)))
    for (const key of ['other', 'keys.json', 'clusters/c1/keys.json.old'])
      await put(place.bucket, key)
    expect(await read(place, 'clusters/c1/keys.json')).toBe(200)
    expect(await read(place, 'clusters/c1/.well-known/openid-configuration')).toBe(200)
    for (const key of ['other', 'keys.json', 'clusters/c1/keys.json.old', '?list-type=2']) {
      expect(await read(place, key)).toBe(403)
    }
    const { PublicAccessBlockConfiguration } = await s3.client.send(
      new sdk.GetPublicAccessBlockCommand({ Bucket: place.bucket }),
    )
    expect(PublicAccessBlockConfiguration).toEqual({
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: false,
      RestrictPublicBuckets: false,
    })
    expect(await prepare(place, 'policy')).toEqual([])
  })

  test('what others wrote into the policy stays, and a second issuer has its own statement', async () => {
    const bucket = 'shared'
    await make(bucket)
    const theirs = [statement(bucket, {}), statement(bucket, { Sid: undefined, Effect: 'Deny' })]
    await putPolicy(bucket, theirs)
    await prepare({ bucket, prefix: '' }, 'policy')
    await prepare({ bucket, prefix: 'second' }, 'policy')
    const { Statement } = await policyOf(bucket)
    expect(Statement.slice(0, 2)).toEqual(JSON.parse(JSON.stringify(theirs)) as never)
    expect(Statement.slice(2).map(({ Resource }) => Resource)).toEqual([
      [
        `arn:aws:s3:::${bucket}/keys.json`,
        `arn:aws:s3:::${bucket}/.well-known/openid-configuration`,
      ],
      [
        `arn:aws:s3:::${bucket}/second/keys.json`,
        `arn:aws:s3:::${bucket}/second/.well-known/openid-configuration`,
      ],
    ])
    await putPolicy(bucket, [theirs[0], { ...Statement[2], Action: 's3:*' }])
    expect(await prepare({ bucket, prefix: '' }, 'policy')).toHaveLength(1)
    expect((await policyOf(bucket)).Statement).toEqual([Statement[0], Statement[2]] as never)
  })

  test('a public statement that is held back so far is not let loose', async () => {
    const bucket = 'held-back'
    await make(bucket)
    const block = (Restrict: boolean): Promise<unknown> =>
      s3.client.send(
        new sdk.PutPublicAccessBlockCommand({
          Bucket: bucket,
          PublicAccessBlockConfiguration: { RestrictPublicBuckets: Restrict },
        }),
      )
    await block(true)
    await putPolicy(bucket, statement(bucket, { Principal: '*' }))
    const refused = prepare({ bucket, prefix: '' }, 'policy')
    await expect(refused).rejects.toMatchObject({ code: 'OtherPublicStatements' })
    await put(bucket, 'payroll')
    expect(await read({ bucket, prefix: '' }, 'payroll')).toBe(403)
    await block(false)
    expect(await prepare({ bucket, prefix: '' }, 'policy')).toHaveLength(1)
  })

  test('a setting that reaches S3 late is waited for, an account that blocks is told of', async () => {
    const refusing = (times: number): sdk.S3Client => {
      const client = fixture.clients(fixture.admin).s3
      let left = times
      client.middlewareStack.add(
        (next, context) => async (given) => {
          if (context['commandName'] !== 'PutBucketPolicyCommand' || (left -= 1) < 0)
            return next(given)
          const message =
            'User: arn:aws:iam::111122223333:user/x is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::b" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.'
          const $metadata = { httpStatusCode: 403 }
          throw Object.assign(new Error(message), { name: 'AccessDenied', $metadata })
        },
        { step: 'initialize' },
      )
      return client
    }
    const place = { bucket: 'late', prefix: '' }
    const notes = await prepare(place, 'policy', { client: refusing(2), retryMs: [1, 1] })
    expect(notes).toHaveLength(3)
    const blocked = prepare({ bucket: 'blocked', prefix: '' }, 'policy', {
      client: refusing(9),
      retryMs: [1, 1],
    })
    await expect(blocked).rejects.toMatchObject({
      code: 'PublicPolicyRefused',
      message:
        "bucket blocked may not be opened: the account (or its organization) blocks public policies, and no bucket's setting goes over that",
    })
  })
})

describe('by ACLs', () => {
  test('a bucket that is made takes them', async () => {
    const place = { bucket: 'acl-bucket', prefix: '' }
    expect((await prepare(place, 'acl'))[1]).toBe(
      'block public access of bucket acl-bucket: BlockPublicAcls and IgnorePublicAcls switched off, on this bucket alone; public ACLs of its other objects count again',
    )
    const store = createS3Store(s3, place, { publicReadAcl: true })
    await publish(store, publicationOf(publishableKeys(1)))
    expect(await read(place, 'keys.json')).toBe(200)
    await put(place.bucket, 'other')
    expect(await read(place, 'other')).toBe(403)
    expect(await prepare(place, 'acl')).toEqual([])
  })

  test('a bucket whose owner owns every object takes none, and is left as it is', async () => {
    const place = { bucket: 'enforced', prefix: '' }
    await make(place.bucket)
    await expect(prepare(place, 'acl')).rejects.toMatchObject({ code: 'AclsRefused' })
    const store = createS3Store(s3, place, { publicReadAcl: true })
    const refused = publish(store, publicationOf(publishableKeys(1)))
    await expect(refused).rejects.toMatchObject({ code: 'AclsRefused' })
    const { PublicAccessBlockConfiguration: block } = await s3.client.send(
      new sdk.GetPublicAccessBlockCommand({ Bucket: place.bucket }),
    )
    expect(Object.values(block ?? {})).toEqual([true, true, true, true])
  })
})

describe('the bucket itself', () => {
  test('private: made, and nothing else', async () => {
    const place = { bucket: 'private-bucket', prefix: '' }
    expect(await prepare(place, 'private')).toEqual(['bucket private-bucket made in eu-central-1'])
    await put(place.bucket, 'keys.json')
    expect(await read(place, 'keys.json')).toBe(403)
    expect(await prepare(place, 'private')).toEqual([])
  })

  test('us-east-1 is made without a constraint, another region with one', async () => {
    for (const [bucket, region] of [
      ['of-virginia', 'us-east-1'],
      ['of-ireland', 'eu-west-1'],
    ] as const) {
      const { s3: client } = fixture.clients(fixture.admin, region)
      await prepare({ bucket, prefix: '' }, 'policy', { client, region })
      const { LocationConstraint } = await client.send(
        new sdk.GetBucketLocationCommand({ Bucket: bucket }),
      )
      expect(LocationConstraint ?? 'us-east-1').toBe(region as never)
    }
  })

  test('missing, elsewhere or of another account: told, with what to do', async () => {
    const missing = { bucket: 'missing', prefix: '' }
    const asked = prepare(missing, 'policy', { create: false })
    await expect(asked).rejects.toMatchObject({
      code: 'NoSuchBucket',
      message: 'there is no bucket missing',
    })
    const store = createS3Store(s3, missing)
    await expect(store.read('/keys.json')).rejects.toMatchObject({ code: 'NoSuchBucket' })

    await make('elsewhere')
    const { s3: client } = fixture.clients(fixture.admin, 'eu-west-1')
    const place = { bucket: 'elsewhere', prefix: '' }
    const region = { code: 'BucketInOtherRegion', message: 'bucket elsewhere is in eu-central-1' }
    await expect(prepare(place, 'policy', { client, region: 'eu-west-1' })).rejects.toMatchObject(
      region,
    )
    await expect(createS3Store({ sdk, client }, place).read('/keys.json')).rejects.toMatchObject(
      region,
    )

    const { s3: theirs } = fixture.clients(fixture.otherAdmin)
    await expect(prepare(place, 'policy', { client: theirs })).rejects.toMatchObject({
      code: 'S3AccessDenied',
    })
    await expect(
      createS3Store({ sdk, client: theirs }, place).read('/keys.json'),
    ).rejects.toMatchObject({
      code: 'S3AccessDenied',
      hint: 'the caller needs s3:GetObject, and s3:ListBucket so that S3 tells a missing document from a hidden one',
    })
  })
})

describe('the plan', () => {
  const open: BucketFacts = {
    region: 'eu-central-1',
    policy: undefined,
    block: {
      BlockPublicAcls: false,
      IgnorePublicAcls: false,
      BlockPublicPolicy: false,
      RestrictPublicBuckets: false,
    },
    ownership: 'BucketOwnerEnforced',
  }
  const place = { bucket: 'b-1', prefix: '' }

  test.each([
    ['eu-central-1', 'aws'],
    ['cn-north-1', 'aws-cn'],
    ['us-gov-west-1', 'aws-us-gov'],
  ])('%s is in the partition %s', (region, partition) => {
    const [step] = planBucket(place, 'policy', { ...open, region })
    const { policy } = step as { policy: string }
    expect(JSON.parse(policy)).toMatchObject({
      Version: '2012-10-17',
      Statement: [
        {
          Resource: [
            `arn:${partition}:s3:::b-1/keys.json`,
            `arn:${partition}:s3:::b-1/.well-known/openid-configuration`,
          ],
        },
      ],
    })
  })

  test.each(['', '{', '[]', '{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}'])(
    'the policy %j is not touched',
    (policy) => {
      const plan = (): unknown => planBucket(place, 'policy', { ...open, policy })
      expect(plan).toThrow(PodroleError)
      expect(plan).toThrow('the policy of bucket b-1 cannot be read')
    },
  )
})

const FAULTS = [
  ['BucketAlreadyExists', 409, 'CreateBucket', "BucketNotYours: bucket b is another account's"],
  [
    'CredentialsProviderError',
    0,
    'GetObject',
    'NoCredentials: there are no AWS credentials for bucket b: text',
  ],
  ['AccessDenied', 403, 'PutObject', 'S3AccessDenied: S3 refused PutObject on bucket b: text'],
  ['SlowDown', 503, 'PutObject', 'S3Failed: S3 did not do PutObject on bucket b: SlowDown: text'],
] as const
test.each(FAULTS)('%s (%p) of %s', (name, status, operation, wanted) => {
  const thrown = Object.assign(new Error('text'), { name, $metadata: { httpStatusCode: status } })
  const fault = s3Fault(thrown, operation, { bucket: 'b', prefix: '' })
  expect(`${codeOf(fault)}: ${messageOf(fault)}`).toBe(wanted)
})
