import { PodroleError } from '../../lib/errors.ts'
import { faultFields } from '../../lib/log.ts'
import { authenticate } from './identity/authentication.ts'
import { IAM_OPERATIONS } from './iam/iam.ts'
import { callOf, type Incoming, raiseOrdered, recordRefusal, scopedService } from './request.ts'
import { countRequest } from './sts/request-rates.ts'
import { STS_OPERATIONS, UNSIGNED_OPERATIONS } from './sts/sts.ts'
import { textOfBytes } from './wire/body.ts'
import type { QueryOperation, QueryOperations, ResultMembers } from './wire/call-table.ts'
import { AwsFault, internalFault } from './wire/fault.ts'
import { parseQuery, type QueryParameters } from './wire/query.ts'
import { escapeXml, toJson, writeChildren } from './wire/xml.ts'
import type { Identity } from './world.ts'

/** A service of the query protocol. */
interface QueryService {
  readonly name: string
  readonly version: string
  readonly namespace: string
  readonly operations: QueryOperations
}

const STS: QueryService = {
  name: 'sts',
  version: '2011-06-15',
  namespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
  operations: STS_OPERATIONS,
}
const IAM: QueryService = {
  name: 'iam',
  version: '2010-05-08',
  namespace: 'https://iam.amazonaws.com/doc/2010-05-08/',
  operations: IAM_OPERATIONS,
}
const SERVICES: readonly QueryService[] = [STS, IAM]

/** Answers a call of STS or IAM: a form posted to `/`, or the same in the query string. */
export async function answerQuery(incoming: Incoming): Promise<Response> {
  let service = SERVICES.find(({ name }) => name === scopedService(incoming.signature))
  let operation = 'unknown'
  try {
    const signer = authenticateSigner(incoming)
    const parameters = readParameters(incoming)
    service ??= SERVICES.find(({ version }) => version === parameters.get('Version')) ?? STS
    const action = parameters.get('Action') ?? ''
    const run = findAction(service, action, parameters)
    operation = action
    raiseOrdered(incoming)
    const what = { service, operation, run, parameters, signer }
    const result = await runOperation(incoming, what)
    return successResponse(incoming, service, operation, result)
  } catch (error) {
    const fault = faultOf(incoming, error)
    recordRefusal(incoming, { service: service?.name ?? 'sts', operation }, fault)
    return faultResponse(incoming, service ?? STS, fault)
  }
}

const ANONYMOUS: Identity = { caller: { kind: 'anonymous' } }

/**
 * Who signed a request, before anything else of it is judged; undefined where nobody did, or where
 * it asks for an operation that brings its own proof: whatever signature is there proves nothing.
 */
function authenticateSigner(incoming: Incoming): Identity | undefined {
  const { signature, url, body, world } = incoming
  if (signature === undefined) return undefined
  const form = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
  const action = /(?:^|&)Action=(\w+)(?:&|$)/
  const named = action.exec(form)?.[1] ?? action.exec(url.search.slice(1))?.[1] ?? ''
  return UNSIGNED_OPERATIONS.has(named) ? undefined : authenticate(world, incoming, 'query')
}

function readParameters(incoming: Incoming): QueryParameters {
  const { request, url, body } = incoming
  if (request.method !== 'POST' && request.method !== 'GET') {
    throw new AwsFault('InvalidAction', 'The requested method is not supported', { status: 400 })
  }
  const type = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (body.length > 0 && type !== 'application/x-www-form-urlencoded') {
    throw new AwsFault('MalformedInput', 'Content-Type must be application/x-www-form-urlencoded')
  }
  const form = textOfBytes(body)
  if (form === undefined) throw new AwsFault('MalformedInput', 'The body is not UTF-8')
  return parseQuery(url.search.slice(1), form)
}

function findAction(
  service: QueryService,
  action: string,
  parameters: QueryParameters,
): QueryOperation {
  const version = parameters.get('Version')
  if (action === '') throw new AwsFault('MissingAction', 'Request is missing Action')
  const found = Object.hasOwn(service.operations, action) ? service.operations[action] : undefined
  if (found !== undefined && version === service.version) return found
  throw new AwsFault(
    'InvalidAction',
    `Could not find operation ${action.slice(0, 100)} for version ${(version ?? 'NO_VERSION_SPECIFIED').slice(0, 40)}`,
  )
}

async function runOperation(
  incoming: Incoming,
  what: {
    readonly service: QueryService
    readonly operation: string
    readonly run: QueryOperation
    readonly parameters: QueryParameters
    readonly signer: Identity | undefined
  },
): Promise<ResultMembers | undefined> {
  const { service, operation, run, parameters, signer } = what
  const unsigned = service === STS && UNSIGNED_OPERATIONS.has(operation)
  const identity = unsigned
    ? ANONYMOUS
    : (signer ?? authenticate(incoming.world, incoming, 'query'))
  const call = callOf(incoming, { protocol: 'query', service: service.name, operation, identity })
  if (service === STS && !unsigned) countRequest(call)
  return run(call, parameters)
}

function faultOf(incoming: Incoming, thrown: unknown): AwsFault {
  if (thrown instanceof AwsFault) return thrown
  if (thrown instanceof PodroleError && thrown.code === 'MalformedPolicyDocument') {
    return new AwsFault(thrown.code, thrown.message)
  }
  incoming.world.log.error('an operation failed', faultFields(thrown))
  return internalFault('InternalFailure')
}

const wantsJson = (incoming: Incoming): boolean =>
  /^application\/json\b/i.test(incoming.request.headers.get('accept') ?? '')

function successResponse(
  incoming: Incoming,
  service: QueryService,
  operation: string,
  result: ResultMembers | undefined,
): Response {
  const { requestId } = incoming
  const answer = {
    ...(result !== undefined && { [`${operation}Result`]: result }),
    ResponseMetadata: { RequestId: requestId },
  }
  if (wantsJson(incoming)) {
    return jsonAnswer({ [`${operation}Response`]: toJson(answer) }, 200, requestId)
  }
  const xml = `<${operation}Response xmlns="${service.namespace}">${writeChildren(answer)}</${operation}Response>\n`
  return xmlAnswer(xml, 200, requestId)
}

function faultResponse(incoming: Incoming, service: QueryService, fault: AwsFault): Response {
  const { requestId } = incoming
  const error = {
    Type: fault.httpStatus < 500 ? 'Sender' : 'Receiver',
    Code: fault.code,
    Message: fault.message,
  }
  if (wantsJson(incoming)) {
    return jsonAnswer({ Error: error, RequestId: requestId }, fault.httpStatus, requestId)
  }
  const xml = `<ErrorResponse xmlns="${service.namespace}">${writeChildren({ Error: error })}<RequestId>${escapeXml(requestId)}</RequestId></ErrorResponse>\n`
  return xmlAnswer(xml, fault.httpStatus, requestId)
}

const xmlAnswer = (xml: string, status: number, requestId: string): Response =>
  new Response(xml, {
    status,
    headers: { 'content-type': 'text/xml', 'x-amzn-requestid': requestId },
  })

const jsonAnswer = (value: unknown, status: number, requestId: string): Response =>
  new Response(JSON.stringify(value), {
    status,
    headers: { 'content-type': 'application/json', 'x-amzn-requestid': requestId },
  })
