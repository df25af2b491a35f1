import { textOfBytes } from '../wire/body.ts'
import { parseXml } from '../wire/xml.ts'
import { s3Fault } from './fault.ts'
import type { S3Request } from './request.ts'

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** An XML document with S3's name space. */
export function xmlResponse(root: string, content: string, status = 200): Response {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${NAMESPACE}">${content}</${root}>`
  return new Response(body, { status, headers: { 'content-type': 'application/xml' } })
}

export const noContent = (): Response => new Response(null, { status: 204 })

/** The XML of a body as its root element. @throws AwsFault `MalformedXML` */
export function readXmlRoot(request: S3Request, root: string): unknown {
  const text = textOfBytes(request.body)
  const document = text === undefined ? undefined : parseXml(text)
  if (document === undefined || !Object.hasOwn(document, root)) throw s3Fault('MalformedXML')
  return document[root]
}
