import { faultFields } from '../../lib/log.ts'
import { CLOUDTRAIL_OPERATIONS } from './cloudtrail/cloudtrail.ts'
import { authenticate } from './identity/authentication.ts'
import { KMS_OPERATIONS } from './kms/kms.ts'
import { QUOTA_REQUEST_OPERATIONS } from './quotas/quota-requests.ts'
import { QUOTA_OPERATIONS } from './quotas/service-quotas.ts'
import { callOf, type Incoming, raiseOrdered, recordRefusal, scopedService } from './request.ts'
import { AwsFault, internalFault } from './wire/fault.ts'
import { readJsonObject } from './wire/json.ts'
import type { TargetOperations } from './wire/target.ts'

/** A service of the JSON 1.1 protocol: `X-Amz-Target: PREFIX.Operation`, posted to `/`. */
interface TargetService {
  /** The name in a signature's scope, and of its actions. */
  readonly name: string
  /** As the SDKs write it; they need not agree. */
  readonly prefixes: readonly string[]
  readonly operations: TargetOperations
}

export const TARGET_SERVICES: readonly TargetService[] = [
  { name: 'kms', prefixes: ['TrentService'], operations: KMS_OPERATIONS },
  {
    name: 'servicequotas',
    prefixes: ['ServiceQuotasV20190624'],
    // API version 2019-06-24.
    operations: { ...QUOTA_OPERATIONS, ...QUOTA_REQUEST_OPERATIONS },
  },
  {
    name: 'cloudtrail',
    // botocore's, and that of the SDKs that are made of Smithy models.
    prefixes: ['com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101', 'CloudTrail_20131101'],
    operations: CLOUDTRAIL_OPERATIONS,
  },
]

/** What a target header names; undefined where it is none of these services. */
export function readTarget(
  header: string | null,
): { readonly service: TargetService; readonly operation: string } | undefined {
  const target = header ?? ''
  const dot = target.lastIndexOf('.')
  const service = TARGET_SERVICES.find(({ prefixes }) => prefixes.includes(target.slice(0, dot)))
  return service && { service, operation: target.slice(dot + 1) }
}

/** Answers a call of KMS, Service Quotas or CloudTrail. */
export async function answerTarget(incoming: Incoming): Promise<Response> {
  const { request, url, world, body, signature, requestId } = incoming
  const target = readTarget(request.headers.get('x-amz-target'))
  const scoped = scopedService(signature)
  const service =
    scoped === undefined ? target?.service : TARGET_SERVICES.find(({ name }) => name === scoped)
  const name = target?.operation ?? ''
  let operation = 'unknown'
  try {
    const run =
      service !== undefined &&
      target?.service === service &&
      Object.hasOwn(service.operations, name)
        ? service.operations[name]
        : undefined
    if (run !== undefined) operation = name
    const identity = authenticate(world, incoming, 'json')
    raiseOrdered(incoming)
    if (service === undefined || run === undefined || request.method !== 'POST') {
      throw new AwsFault('UnknownOperationException', 'The operation is not known')
    }
    if (url.pathname !== '/') throw new AwsFault('UnknownOperationException', 'Unknown path')
    const what = { protocol: 'json' as const, service: service.name, operation, identity }
    const result = await run(callOf(incoming, what), readJsonObject(body, 'SerializationException'))
    return targetAnswer(result, 200, requestId)
  } catch (error) {
    if (!(error instanceof AwsFault)) world.log.error('an operation failed', faultFields(error))
    const fault = error instanceof AwsFault ? error : internalFault('InternalFailure')
    recordRefusal(incoming, { service: service?.name ?? 'unknown', operation }, fault)
    const { code, message } = fault
    // The protocol's own refusals are 400, those of signatures and permissions too.
    const status = fault.httpStatus < 500 ? 400 : fault.httpStatus
    return targetAnswer({ __type: code, message }, status, requestId)
  }
}

const targetAnswer = (value: unknown, status: number, requestId: string): Response =>
  new Response(value === undefined ? null : JSON.stringify(value), {
    status,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': requestId },
  })
