import { randomUUID } from 'node:crypto'
import { jsonResponse } from '../../lib/handler.ts'
import { writeChildren } from './wire/xml.ts'

const CODE = 'UnknownService'
/** Of the REST-XML protocol, whose requests look like those of REST-JSON. */
const REST_XML = new Set(['cloudfront', 'route53'])

/**
 * What a service answers that the sandbox does not have, so that any SDK says its name: JSON, or XML
 * where a form was posted, as the query protocol does, and for services of REST-XML.
 * @param name that of the signature's scope: `cloudformation`
 */
export function unknownServiceResponse(request: Request, name: string): Response {
  const message = `The sandbox has no service ${name.slice(0, 64)}: docs/reference/sandbox-operations.md lists what it has`
  const requestId = randomUUID()
  const type = request.headers.get('content-type') ?? ''
  const headers = { 'x-amzn-requestid': requestId, 'x-amzn-errortype': CODE }
  if (!/^application\/x-www-form-urlencoded/i.test(type) && !REST_XML.has(name)) {
    return jsonResponse({ __type: CODE, message }, 404, headers)
  }
  const error = { Type: 'Sender', Code: CODE, Message: message }
  const answer = writeChildren({ Error: error, RequestId: requestId })
  const xml = `<ErrorResponse>${answer}</ErrorResponse>\n`
  return new Response(xml, { status: 404, headers: { ...headers, 'content-type': 'text/xml' } })
}
