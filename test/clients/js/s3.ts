import type { S3 } from '@aws-sdk/client-s3'
import { did, equal, includes, mapped, refused, sameJson, SETTINGS } from './checks.ts'
import { objectSteps, presignedSteps } from './s3-objects.ts'
import { uploadSteps } from './s3-uploads.ts'
import { createS3 } from './settings.ts'

const Bucket = 'js-client'

export async function runS3(): Promise<void> {
  const s3 = createS3(SETTINGS)
  await s3.createBucket({ Bucket })
  const { BucketRegion } = await s3.headBucket({ Bucket })
  equal("a bucket's region", BucketRegion, await s3.config.region())
  did('s3', 'bucket', 'create', 'read')
  const { Buckets } = await s3.listBuckets({})
  includes(
    'buckets',
    mapped(Buckets, (one) => one.Name),
    Bucket,
  )
  did('s3', 'bucket', 'list')
  await bucketPolicy(s3)
  await ownershipControls(s3)
  await publicAccessBlock(s3)
  const { Owner, Grants } = await s3.getBucketAcl({ Bucket })
  equal('who may do what', Grants?.[0]?.Permission, 'FULL_CONTROL')
  equal('it is the owner', Grants?.[0]?.Grantee?.ID, Owner?.ID)
  did('s3', 'acl', 'read')
  await objectSteps(s3, Bucket)
  await uploadSteps(s3, Bucket)
  await presignedSteps(s3, Bucket)
  await s3.deleteBucket({ Bucket })
  await refused('NotFound', s3.headBucket({ Bucket }))
  did('s3', 'bucket', 'delete')
}

async function bucketPolicy(s3: S3): Promise<void> {
  const closed = {
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObject',
    Resource: `arn:aws:s3:::${Bucket}/closed/*`,
  }
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [closed] })
  await s3.putBucketPolicy({ Bucket, Policy })
  did('s3', 'bucket-policy', 'create')
  sameJson("a bucket's policy", (await s3.getBucketPolicy({ Bucket })).Policy, Policy)
  did('s3', 'bucket-policy', 'read')
  await s3.deleteBucketPolicy({ Bucket })
  await refused('NoSuchBucketPolicy', s3.getBucketPolicy({ Bucket }))
  did('s3', 'bucket-policy', 'delete')
}

async function ownershipControls(s3: S3): Promise<void> {
  const Rules = [{ ObjectOwnership: 'BucketOwnerPreferred' as const }]
  await s3.putBucketOwnershipControls({ Bucket, OwnershipControls: { Rules } })
  did('s3', 'ownership-controls', 'create')
  const { OwnershipControls } = await s3.getBucketOwnershipControls({ Bucket })
  equal('who owns objects', OwnershipControls?.Rules?.[0]?.ObjectOwnership, 'BucketOwnerPreferred')
  did('s3', 'ownership-controls', 'read')
  await s3.deleteBucketOwnershipControls({ Bucket })
  await refused('OwnershipControlsNotFoundError', s3.getBucketOwnershipControls({ Bucket }))
  did('s3', 'ownership-controls', 'delete')
}

async function publicAccessBlock(s3: S3): Promise<void> {
  const PublicAccessBlockConfiguration = { BlockPublicAcls: true, BlockPublicPolicy: false }
  await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration })
  did('s3', 'public-access-block', 'create')
  const block = (await s3.getPublicAccessBlock({ Bucket })).PublicAccessBlockConfiguration
  equal('public ACLs are blocked', block?.BlockPublicAcls, true)
  equal('public policies are not', block?.BlockPublicPolicy, false)
  did('s3', 'public-access-block', 'read')
  await s3.deletePublicAccessBlock({ Bucket })
  await refused('NoSuchPublicAccessBlockConfiguration', s3.getPublicAccessBlock({ Bucket }))
  did('s3', 'public-access-block', 'delete')
}
