/**
 * What a bucket can be set to elsewhere and is not here: each read answers as AWS does for a bucket
 * that nobody configured, which is what Terraform and others read on every bucket.
 * Source: Amazon S3 API Reference, the operations by their names.
 */
import { isPublicPolicy } from '../../../iam/public-policy.ts'
import { writeElement } from '../wire/xml.ts'
import { xmlResponse } from './documents.ts'
import { type S3Code, s3Fault } from './fault.ts'
import { parseBucketPolicy } from './policy.ts'
import { authorizeBucket, bucketArn, requireBucket, type S3Request } from './request.ts'

type Operation = (request: S3Request) => Response

/** The answer: a document of that root, or an error. */
type Answer = { readonly root: string; readonly content: string } | { readonly fault: S3Code }

const unset =
  (action: string, answer: Answer): Operation =>
  (request) => {
    const record = requireBucket(request)
    authorizeBucket(request, record, { action: `s3:${action}`, resource: bucketArn(request) })
    if ('fault' in answer) throw s3Fault(answer.fault, { BucketName: record.name })
    return xmlResponse(answer.root, answer.content)
  }

/** Every object is encrypted so since 2023; the key is S3's own. */
const ENCRYPTION = writeElement('Rule', {
  ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' },
  BucketKeyEnabled: false,
})

function getPolicyStatus(request: S3Request): Response {
  const record = requireBucket(request)
  const resource = bucketArn(request)
  authorizeBucket(request, record, { action: 's3:GetBucketPolicyStatus', resource })
  const { policy, name } = record
  if (policy === undefined) throw s3Fault('NoSuchBucketPolicy', { BucketName: name })
  const isPublic = isPublicPolicy(parseBucketPolicy(policy, resource))
  return xmlResponse('PolicyStatus', writeElement('IsPublic', isPublic))
}

/** By the route: `LEVEL METHOD SUBRESOURCE`. */
export const SETTING_OPERATIONS: Readonly<Record<string, readonly [string, Operation]>> = {
  'bucket GET cors': [
    'GetBucketCors',
    unset('GetBucketCORS', { fault: 'NoSuchCORSConfiguration' }),
  ],
  'bucket GET website': [
    'GetBucketWebsite',
    unset('GetBucketWebsite', { fault: 'NoSuchWebsiteConfiguration' }),
  ],
  'bucket GET accelerate': [
    'GetBucketAccelerateConfiguration',
    unset('GetAccelerateConfiguration', { root: 'AccelerateConfiguration', content: '' }),
  ],
  'bucket GET requestPayment': [
    'GetBucketRequestPayment',
    unset('GetBucketRequestPayment', {
      root: 'RequestPaymentConfiguration',
      content: writeElement('Payer', 'BucketOwner'),
    }),
  ],
  'bucket GET logging': [
    'GetBucketLogging',
    unset('GetBucketLogging', { root: 'BucketLoggingStatus', content: '' }),
  ],
  'bucket GET lifecycle': [
    'GetBucketLifecycleConfiguration',
    unset('GetLifecycleConfiguration', { fault: 'NoSuchLifecycleConfiguration' }),
  ],
  'bucket GET replication': [
    'GetBucketReplication',
    unset('GetReplicationConfiguration', { fault: 'ReplicationConfigurationNotFoundError' }),
  ],
  'bucket GET encryption': [
    'GetBucketEncryption',
    unset('GetEncryptionConfiguration', {
      root: 'ServerSideEncryptionConfiguration',
      content: ENCRYPTION,
    }),
  ],
  'bucket GET object-lock': [
    'GetObjectLockConfiguration',
    unset('GetBucketObjectLockConfiguration', { fault: 'ObjectLockConfigurationNotFoundError' }),
  ],
  'bucket GET notification': [
    'GetBucketNotificationConfiguration',
    unset('GetBucketNotification', { root: 'NotificationConfiguration', content: '' }),
  ],
  'bucket GET policyStatus': ['GetBucketPolicyStatus', getPolicyStatus],
}
