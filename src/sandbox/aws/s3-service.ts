import { decodeChunks } from '../../aws/aws-chunked.ts'
import { faultFields } from '../../lib/log.ts'
import { authenticate } from './identity/authentication.ts'
import { callOf, type Incoming, raiseOrdered, recordRefusal } from './request.ts'
import { readAddress } from './s3/address.ts'
import { s3ErrorResponse, s3Fault } from './s3/fault.ts'
import type { S3Request } from './s3/request.ts'
import { asS3Fault, findOperation, runOperation } from './s3/s3.ts'
import { AwsFault } from './wire/fault.ts'
import type { Identity } from './world.ts'

/** Answers a request to S3, signed or anonymous. */
export function answerS3(incoming: Incoming): Response {
  const { request, url, world } = incoming
  let operation = request.method
  try {
    const address = readAddress(request.headers.get('host') ?? url.host, url.pathname)
    if (address === undefined) throw s3Fault('InvalidURI')
    refuseVersion2(incoming)
    const at = { bucket: address.bucket ?? '', key: address.key ?? '' }
    const found = findOperation(request.method, at, url.searchParams, request.headers)
    operation = found?.name ?? operation
    const identity: Identity =
      incoming.signature === undefined
        ? { caller: { kind: 'anonymous' } }
        : authenticate(world, incoming, 's3')
    raiseOrdered(incoming)
    const s3Request: S3Request = {
      call: callOf(incoming, { protocol: 's3', service: 's3', operation, identity }),
      method: request.method,
      headers: request.headers,
      query: url.searchParams,
      ...at,
      ...readChunks(incoming),
    }
    return runOperation(s3Request, found?.run)
  } catch (error) {
    if (!(error instanceof AwsFault)) world.log.error('an operation failed', faultFields(error))
    const fault = asS3Fault(error)
    recordRefusal(incoming, { service: 's3', operation }, fault)
    return s3ErrorResponse(fault, incoming.requestId, request.method === 'HEAD')
  }
}

/**
 * Signature Version 2, which buckets that were made after June 24, 2020 do not take: what boto3
 * presigns with in us-east-1 unless it is told otherwise. Source: Amazon S3 User Guide, "AWS
 * Signature Version 2 turned off (deprecated) for Amazon S3".
 */
function refuseVersion2({ request, url }: Incoming): void {
  const inHeader = request.headers.get('authorization')?.startsWith('AWS ') === true
  if (!inHeader && !url.searchParams.has('AWSAccessKeyId')) return
  throw s3Fault(
    'InvalidRequest',
    {},
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  )
}

/** The body without the framing that `aws-chunked` puts around it. */
function readChunks(incoming: Incoming): Pick<S3Request, 'body' | 'trailers'> {
  const { headers } = incoming.request
  const framed = (headers.get('x-amz-content-sha256') ?? '').startsWith('STREAMING-')
  if (!framed) return { body: incoming.body, trailers: {} }
  const decoded = decodeChunks(incoming.body)
  if (decoded === undefined) throw s3Fault('IncompleteBody')
  const length = headers.get('x-amz-decoded-content-length')
  if (length === null) throw s3Fault('MissingContentLength')
  if (Number(length) !== decoded.body.length) throw s3Fault('IncompleteBody')
  const announced = (headers.get('x-amz-trailer') ?? '').toLowerCase().split(',')
  const missing = announced.some(
    (name) => name !== '' && !Object.hasOwn(decoded.trailers, name.trim()),
  )
  if (missing) throw s3Fault('MalformedTrailerError')
  return { body: decoded.body, trailers: decoded.trailers }
}
