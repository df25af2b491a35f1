/** What a bucket needs so that its issuer can be read, decided before anything is done. */
import { createHash } from 'node:crypto'
import { partitionOfRegion } from '../../iam/partitions.ts'
import { parsePolicy } from '../../iam/policy.ts'
import { isPublicStatement } from '../../iam/public-policy.ts'
import { messageOf, PodroleError } from '../../lib/errors.ts'
import { keyOf, type S3Place } from './s3-place.ts'
import { DOCUMENT_PATHS } from './store.ts'

/** Who may read the two documents past the bucket's owner: everybody by its policy or by ACLs, or a CDN. */
export type BucketAccess = 'policy' | 'acl' | 'private'

/** Amazon S3 API Reference, PublicAccessBlockConfiguration. */
export interface PublicAccessBlock {
  readonly BlockPublicAcls: boolean
  readonly IgnorePublicAcls: boolean
  readonly BlockPublicPolicy: boolean
  readonly RestrictPublicBuckets: boolean
}

/** What a bucket is like. */
export interface BucketFacts {
  readonly region: string
  /** Undefined where it has none. */
  readonly policy: string | undefined
  readonly block: PublicAccessBlock
  /** `BucketOwnerEnforced`: ACLs are off. */
  readonly ownership: string | undefined
}

export type BucketStep =
  | { readonly kind: 'block'; readonly block: PublicAccessBlock; readonly says: string }
  | { readonly kind: 'policy'; readonly policy: string; readonly says: string }

/** Of which settings each way of access needs to be off, and no others. */
const NEEDED_OFF = {
  policy: ['BlockPublicPolicy', 'RestrictPublicBuckets'],
  acl: ['BlockPublicAcls', 'IgnorePublicAcls'],
  private: [],
} as const

/**
 * The steps in their order; none where all is as it should be, or where the bucket stays private.
 * @throws PodroleError `AclsRefused`, `OtherPublicStatements`, `BucketPolicyUnreadable`
 */
export function planBucket(
  place: S3Place,
  access: BucketAccess,
  facts: BucketFacts,
): readonly BucketStep[] {
  const { bucket } = place
  if (access === 'private') return []
  if (access === 'acl' && facts.ownership === 'BucketOwnerEnforced') throw aclsRefused(bucket)
  const off = NEEDED_OFF[access].filter((name) => facts.block[name])
  if (off.includes('RestrictPublicBuckets')) refuseOtherPublic(place, facts.policy)
  const block: BucketStep = {
    kind: 'block',
    block: { ...facts.block, ...Object.fromEntries(off.map((name) => [name, false])) },
    says: `block public access of bucket ${bucket}: ${off.join(' and ')} switched off, on this bucket alone${access === 'acl' ? '; public ACLs of its other objects count again' : ''}`,
  }
  const policy = access === 'policy' ? policyStep(place, facts) : undefined
  return [...(off.length > 0 ? [block] : []), ...(policy === undefined ? [] : [policy])]
}

export const aclsRefused = (bucket: string): PodroleError =>
  new PodroleError(
    'AclsRefused',
    `bucket ${bucket} takes no ACLs: its object ownership is BucketOwnerEnforced`,
    { hint: 'leave --acl out: a bucket policy opens the two documents without ACLs' },
  )

/** The Sid of the statement that opens an issuer's documents; several issuers share a bucket. */
const sidOf = ({ prefix }: S3Place): string =>
  `PodroleIssuer${createHash('sha256').update(prefix).digest('hex').slice(0, 8)}`

/** Adds our own statement, or puts it right; all others stay as they are. */
function policyStep(place: S3Place, facts: BucketFacts): BucketStep | undefined {
  const { bucket } = place
  const { id: partition } = partitionOfRegion(facts.region)
  const wanted = {
    Sid: sidOf(place),
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: DOCUMENT_PATHS.map((path) => `arn:${partition}:s3:::${bucket}/${keyOf(place, path)}`),
  }
  const document = readPolicy(bucket, facts.policy)
  const statements = [document['Statement'] ?? []].flat() as Record<string, unknown>[]
  const at = statements.findIndex((statement) => statement['Sid'] === wanted.Sid)
  if (at !== -1 && JSON.stringify(statements[at]) === JSON.stringify(wanted)) return undefined
  const Statement =
    at === -1
      ? [...statements, wanted]
      : statements.map((statement, index) => (index === at ? wanted : statement))
  return {
    kind: 'policy',
    policy: JSON.stringify({ ...document, Statement }),
    says: `policy of bucket ${bucket}: everybody may read ${DOCUMENT_PATHS.map((path) => keyOf(place, path)).join(' and ')}, and nothing else by this statement`,
  }
}

/** @throws PodroleError `BucketPolicyUnreadable` */
function readPolicy(bucket: string, text: string | undefined): Record<string, unknown> {
  if (text === undefined) return { Version: '2012-10-17' }
  try {
    // Members that occur twice, which JSON.parse would lose, are refused here.
    parsePolicy(text, 'resource')
    return JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    throw new PodroleError(
      'BucketPolicyUnreadable',
      `the policy of bucket ${bucket} cannot be read: ${messageOf(error)}`,
      {
        hint: 'podrole adds a statement to it, and loses none: put it right, or use another bucket',
      },
    )
  }
}

/** While public policies count for nothing, nobody sees what they would open. */
function refuseOtherPublic(place: S3Place, policy: string | undefined): void {
  const { bucket } = place
  if (policy === undefined) return
  readPolicy(bucket, policy)
  const others = parsePolicy(policy, 'resource').statements.filter(
    (statement) => isPublicStatement(statement) && statement.sid !== sidOf(place),
  )
  if (others.length === 0) return
  throw new PodroleError(
    'OtherPublicStatements',
    `the policy of bucket ${bucket} has ${others.length} other public statement(s), which its setting RestrictPublicBuckets holds back: switched off, they would count`,
    { hint: 'use a bucket that holds the issuer alone, or take those statements out first' },
  )
}
