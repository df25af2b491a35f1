import { parsePolicy } from '../../../iam/policy.ts'
import { isPublicPolicy } from '../../../iam/public-policy.ts'
import { messageOf, PodroleError } from '../../../lib/errors.ts'
import type { BucketRecord, PublicAccessBlock } from '../records.ts'
import { s3Fault } from './fault.ts'
import type { PolicyDocument } from '../../../iam/policy-document.ts'

/** What every new bucket has. */
export const ALL_BLOCKED: PublicAccessBlock = {
  BlockPublicAcls: true,
  IgnorePublicAcls: true,
  BlockPublicPolicy: true,
  RestrictPublicBuckets: true,
}

const MAX_POLICY_BYTES = 20 * 1024

/**
 * A bucket policy's document, each of whose resources is the bucket's or its objects'.
 * @throws AwsFault `MalformedPolicy`
 */
export function parseBucketPolicy(text: string, bucketArn: string): PolicyDocument {
  if (Buffer.byteLength(text) > MAX_POLICY_BYTES) {
    throw malformed('Policy exceeds the maximum allowed document size.')
  }
  let document: PolicyDocument
  try {
    document = parsePolicy(text, 'resource')
  } catch (error) {
    if (!(error instanceof PodroleError)) throw error
    throw malformed(messageOf(error))
  }
  for (const statement of document.statements) {
    for (const resource of [...(statement.resources ?? []), ...(statement.notResources ?? [])]) {
      if (resource !== bucketArn && !resource.startsWith(`${bucketArn}/`)) {
        throw malformed('Policy has invalid resource')
      }
    }
  }
  return document
}

const malformed = (message: string): Error => s3Fault('MalformedPolicy', {}, message)

/**
 * The policy that a request of that account (empty: nobody's) meets: none where the bucket is
 * closed to the public and the policy is public.
 */
export function bucketPolicyOf(
  record: BucketRecord,
  callerAccountId: string,
): BucketPolicy | undefined {
  const { policy } = record
  if (policy === undefined) return undefined
  if (record.publicAccessBlock?.RestrictPublicBuckets && callerAccountId !== record.accountId) {
    if (isPublicPolicy(parsePolicy(policy, 'resource'))) return undefined
  }
  return { text: policy, principalIds: record.policyPrincipalIds ?? {} }
}

export interface BucketPolicy {
  readonly text: string
  readonly principalIds: Readonly<Record<string, string>>
}
