/**
 * CloudTrail's events, made of the sandbox's decisions. Source: AWS CloudTrail User Guide,
 * "CloudTrail record contents for management, data, and network activity events".
 */
import { createHash } from 'node:crypto'
import type { DecisionEvent } from '../decisions.ts'

export interface TrailEvent {
  readonly eventId: string
  readonly eventName: string
  /** `sts.amazonaws.com` */
  readonly eventSource: string
  readonly atMs: number
  readonly isReadOnly: boolean
  readonly username: string
  readonly resources: readonly { readonly type: string; readonly name: string }[]
  readonly errorCode?: string
  readonly errorMessage?: string
  /** The ARN of the caller; empty where it was not known. */
  readonly caller: string
  readonly requestId: string
}

/** STS's refusals of a token, and requests whose sender nobody knows, leave no event. */
const UNWRITTEN = new Set([
  'InvalidIdentityToken',
  'ExpiredTokenException',
  'IDPCommunicationError',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'SignatureDoesNotMatch',
  'InvalidSignatureException',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'ExpiredToken',
  'InvalidAction',
  'UnknownOperationException',
])

/** S3's management events; reads and writes of objects are data events, which are not kept. */
const S3_MANAGEMENT = /Bucket|PublicAccessBlock|OwnershipControls/

/** The events of one account, the newest first, one for each request. */
export function trailEvents(
  decisions: readonly DecisionEvent[],
  accountId: string,
): readonly TrailEvent[] {
  const requests = new Map<string, DecisionEvent[]>()
  for (const decision of decisions) {
    const known = requests.get(decision.requestId)
    if (known === undefined) requests.set(decision.requestId, [decision])
    else known.push(decision)
  }
  return [...requests.values()]
    .filter((request) => isOf(request, accountId))
    .flatMap((request) => eventOf(request))
    .toReversed()
}

/** The caller's account or that of something it asked for. */
function isOf(request: readonly DecisionEvent[], accountId: string): boolean {
  return request.some(({ caller, resource }) =>
    [caller, resource].some((arn) => arn.split(':')[4] === accountId),
  )
}

function eventOf(request: readonly DecisionEvent[]): readonly TrailEvent[] {
  const [first] = request
  const last = request.at(-1)
  if (first === undefined || last === undefined) return []
  const failure = last.allowed ? undefined : errorOf(last)
  if (failure !== undefined && UNWRITTEN.has(failure.errorCode)) return []
  if (first.service === 's3' && !S3_MANAGEMENT.test(first.operation)) return []
  const caller = request.find((one) => one.caller !== '')?.caller ?? ''
  const resources = [...new Set(request.map(({ resource }) => resource))]
    .filter((resource) => resource.startsWith('arn:'))
    .map((name) => ({ type: resourceType(name), name }))
  return [
    {
      eventId: eventIdOf(first.requestId),
      eventName: first.operation,
      eventSource: `${first.service}.amazonaws.com`,
      atMs: first.atMs,
      isReadOnly: /^(?:Get|List|Describe|Lookup|Head|Simulate|Verify)/.test(first.operation),
      username: caller.slice(caller.lastIndexOf('/') + 1),
      resources,
      ...failure,
      caller,
      requestId: first.requestId,
    },
  ]
}

/** A decision's refusal is AccessDenied; other refusals carry their code. */
function errorOf(decision: DecisionEvent): { errorCode: string; errorMessage: string } {
  const isCode = /^[A-Z]/.test(decision.reason)
  return { errorCode: isCode ? decision.reason : 'AccessDenied', errorMessage: decision.text }
}

/** The same request has the same event id each time it is looked up. */
function eventIdOf(requestId: string): string {
  const hex = createHash('sha256').update(`event:${requestId}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

const TYPES: Readonly<Record<string, string>> = {
  'iam:role': 'AWS::IAM::Role',
  'iam:user': 'AWS::IAM::User',
  'iam:policy': 'AWS::IAM::Policy',
  'iam:oidc-provider': 'AWS::IAM::OIDCProvider',
  'eks:cluster': 'AWS::EKS::Cluster',
  'eks:addon': 'AWS::EKS::Addon',
  'eks:access-entry': 'AWS::EKS::AccessEntry',
  'eks:nodegroup': 'AWS::EKS::Nodegroup',
  'eks:fargateprofile': 'AWS::EKS::FargateProfile',
  'eks:podidentityassociation': 'AWS::EKS::PodIdentityAssociation',
  'kms:key': 'AWS::KMS::Key',
  'kms:alias': 'AWS::KMS::Alias',
}

function resourceType(arn: string): string {
  const [, , service = '', , , resource = ''] = arn.split(':')
  if (service === 's3') return resource.includes('/') ? 'AWS::S3::Object' : 'AWS::S3::Bucket'
  return TYPES[`${service}:${resource.split('/')[0] ?? ''}`] ?? `AWS::${service}`
}
