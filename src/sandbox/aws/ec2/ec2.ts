import { faultFields } from '../../../lib/log.ts'
import { authenticate } from '../identity/authentication.ts'
import { callOf, type Incoming, raiseOrdered, recordRefusal } from '../request.ts'
import { textOfBytes } from '../wire/body.ts'
import { AwsFault, internalFault } from '../wire/fault.ts'
import { parseQuery, type QueryParameters } from '../wire/query.ts'
import { escapeXml, type Node, writeChildren } from '../wire/xml.ts'
import type { Call } from '../world.ts'
import { describeInstances } from './instances.ts'
import { describeRegions } from './regions.ts'

const VERSION = '2016-11-15'

/** EC2's operations: an operation is a row. */
export const EC2_OPERATIONS: Readonly<
  Record<string, (call: Call, parameters: QueryParameters) => Node>
> = { DescribeInstances: describeInstances, DescribeRegions: describeRegions }

/** EC2's own names for what refuses a caller. Source: EC2 API, "Error codes". */
const RENAMED: Readonly<Record<string, string>> = {
  InvalidClientTokenId: 'AuthFailure',
  SignatureDoesNotMatch: 'AuthFailure',
  ExpiredToken: 'RequestExpired',
}

/** Answers a call in EC2's query protocol. */
export function answerEc2(incoming: Incoming): Response {
  const { request, url, body, world, requestId } = incoming
  let operation = 'unknown'
  try {
    const identity = authenticate(world, incoming, 'query')
    const form = textOfBytes(body)
    if (form === undefined) throw new AwsFault('MalformedQueryString', 'The body is not UTF-8')
    const parameters = parseQuery(url.search.slice(1), form)
    const action = parameters.get('Action') ?? ''
    const run = Object.hasOwn(EC2_OPERATIONS, action) ? EC2_OPERATIONS[action] : undefined
    if (run === undefined || parameters.get('Version') !== VERSION) {
      throw new AwsFault(
        'InvalidAction',
        `The action ${action.slice(0, 100)} is not valid for this web service.`,
      )
    }
    if (request.method !== 'POST' && request.method !== 'GET') {
      throw new AwsFault('InvalidAction', 'The method is not valid for this web service.')
    }
    operation = action
    raiseOrdered(incoming)
    const call = callOf(incoming, { protocol: 'query', service: 'ec2', operation, identity })
    const answer = { requestId, ...(run(call, parameters) as Readonly<Record<string, Node>>) }
    const xml = `<${operation}Response xmlns="http://ec2.amazonaws.com/doc/${VERSION}/">${writeChildren(answer, 'flat')}</${operation}Response>\n`
    return xmlAnswer(xml, 200, requestId)
  } catch (error) {
    if (!(error instanceof AwsFault)) world.log.error('an operation failed', faultFields(error))
    const fault = error instanceof AwsFault ? error : internalFault('InternalError')
    recordRefusal(incoming, { service: 'ec2', operation }, fault)
    const Code = RENAMED[fault.code] ?? fault.code
    const errors = writeChildren({ Errors: { Error: { Code, Message: fault.message } } })
    const xml = `<Response>${errors}<RequestID>${escapeXml(requestId)}</RequestID></Response>\n`
    return xmlAnswer(xml, Code === 'AuthFailure' ? 401 : fault.httpStatus, requestId)
  }
}

const xmlAnswer = (xml: string, status: number, requestId: string): Response =>
  new Response(`<?xml version="1.0" encoding="UTF-8"?>\n${xml}`, {
    status,
    headers: { 'content-type': 'text/xml;charset=UTF-8', 'x-amzn-requestid': requestId },
  })
