import { formatAmzDate, parseAmzDate } from './_sigv4-times.ts'
import { ALGORITHM, refuse } from './_sigv4-verdicts.ts'
import type { SignatureClaims, SignatureVerdict, WireRequest } from './sigv4-verify.ts'

const MAX_SIGNED_HEADERS = 100
const MAX_ELEMENT = 128
const WEEK_SECONDS = 604_800
const QUERY_NAMES = [
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-SignedHeaders',
  'X-Amz-Signature',
] as const

/** The parts of a signature as text, wherever they stood. */
interface SignatureText {
  readonly credential: string
  readonly signedHeaders: string
  readonly signature: string
  readonly timestampMs: number
}

/**
 * Reads a request's signature: from the Authorization header, or from the query of a presigned one.
 * @returns undefined where the request is unsigned or authorized in another way (Bearer); a verdict
 *   where its signature is malformed
 */
export function readSignature(
  request: WireRequest,
): SignatureClaims | SignatureVerdict | undefined {
  const header = request.headers.get('authorization')
  const query = new URLSearchParams(request.query)
  const inQuery = QUERY_NAMES.some((name) => query.has(name))
  const inHeader = header !== null && /^AWS/i.test(header)
  if (!inHeader && !inQuery) return undefined
  if (header !== null && inQuery) {
    return incomplete(
      'A request is signed in its Authorization header or in its query, not in both.',
    )
  }
  return header === null ? readQuery(request, query) : readHeader(request, header)
}

const incomplete = (message: string): SignatureVerdict =>
  refuse('IncompleteSignature', message, 400)

function readHeader(request: WireRequest, header: string): SignatureClaims | SignatureVerdict {
  const [scheme = '', ...rest] = header.trim().split(/\s+/)
  if (scheme !== ALGORITHM) {
    return incomplete(
      `Unsupported AWS 'algorithm': '${scheme.slice(0, MAX_ELEMENT)}'. Please use ${ALGORITHM}.`,
    )
  }
  const found = new Map<string, string>()
  for (const part of rest.join(' ').split(',')) {
    const at = part.indexOf('=')
    const name = part.slice(0, Math.max(at, 0)).trim()
    if (at < 0 || found.has(name))
      return incomplete('Authorization header is not a list of parameters.')
    found.set(name, part.slice(at + 1).trim())
  }
  const missing = ['Credential', 'Signature', 'SignedHeaders']
    .filter((name) => !found.get(name))
    .map((name) => `Authorization header requires '${name}' parameter.`)
  const timestampMs = headerTime(request.headers)
  if (timestampMs === undefined) {
    missing.push(
      "Authorization header requires existence of either a valid 'X-Amz-Date' or a 'Date' header.",
    )
  }
  if (missing.length > 0 || timestampMs === undefined) return incomplete(missing.join(' '))
  const read = readParts({
    credential: found.get('Credential') ?? '',
    signedHeaders: found.get('SignedHeaders') ?? '',
    signature: found.get('Signature') ?? '',
    timestampMs,
  })
  if ('ok' in read) return read
  const sessionToken = request.headers.get('x-amz-security-token')
  return {
    ...read,
    ...(sessionToken !== null && { sessionToken }),
    presigned: false,
    payloadHash: request.headers.get('x-amz-content-sha256')?.trim() ?? '',
  }
}

/** X-Amz-Date, else Date, which may also be in the form of RFC 9110 section 5.6.7. */
function headerTime(headers: Headers): number | undefined {
  const amzDate = headers.get('x-amz-date')
  if (amzDate !== null) return parseAmzDate(amzDate.trim())
  const date = headers.get('date')?.trim() ?? ''
  const parsed = parseAmzDate(date)
  if (parsed !== undefined) return parsed
  if (!/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(date)) return undefined
  return formattable(Date.parse(date))
}

function readQuery(
  request: WireRequest,
  query: URLSearchParams,
): SignatureClaims | SignatureVerdict {
  for (const name of [...QUERY_NAMES, 'X-Amz-Expires', 'X-Amz-Security-Token']) {
    if (query.getAll(name).length > 1)
      return incomplete(`Query parameter '${name}' stands more than once.`)
  }
  const missing = QUERY_NAMES.filter((name) => !query.get(name))
  if (missing.length > 0) {
    return incomplete(
      missing.map((name) => `AWS query-string parameters must include '${name}'.`).join(' '),
    )
  }
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) {
    return incomplete(`Unsupported 'X-Amz-Algorithm'. Please use ${ALGORITHM}.`)
  }
  const timestampMs = parseAmzDate(query.get('X-Amz-Date') ?? '')
  if (timestampMs === undefined) {
    return incomplete("Date must be in ISO-8601 'basic format' in 'X-Amz-Date'.")
  }
  const read = readParts({
    credential: query.get('X-Amz-Credential') ?? '',
    signedHeaders: query.get('X-Amz-SignedHeaders') ?? '',
    signature: query.get('X-Amz-Signature') ?? '',
    timestampMs,
  })
  if ('ok' in read) return read
  const expires = query.get('X-Amz-Expires')
  const problem = expiryProblem(read.service, expires)
  if (problem !== undefined) return problem
  const sessionToken = query.get('X-Amz-Security-Token')
  return {
    ...read,
    ...(sessionToken !== null && { sessionToken }),
    ...(expires !== null && { expiresSeconds: Number(expires) }),
    presigned: true,
    payloadHash: request.headers.get('x-amz-content-sha256')?.trim() ?? hashInQuery(query),
  }
}

/** Signers that move headers into the query leave the name in lower case. */
function hashInQuery(query: URLSearchParams): string {
  for (const [name, value] of query) if (/^x-amz-content-sha256$/i.test(name)) return value
  return ''
}

/**
 * S3 API Reference, "Authenticating Requests: Using Query Parameters": 1 to 604,800, required. STS
 * looks at none; aws-iam-authenticator and Go programs like it say 0.
 */
function expiryProblem(service: string, expires: string | null): SignatureVerdict | undefined {
  const seconds = /^\d{1,7}$/.test(expires ?? '') ? Number(expires) : undefined
  const least = service === 'sts' ? 0 : 1
  if (seconds !== undefined && seconds >= least && seconds <= WEEK_SECONDS) return undefined
  if (service !== 's3') {
    return expires === null
      ? undefined
      : incomplete(`X-Amz-Expires must be a number from ${least} to ${WEEK_SECONDS}.`)
  }
  return refuse(
    'AuthorizationQueryParametersError',
    expires === null
      ? 'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.'
      : `X-Amz-Expires must be a number from 1 to ${WEEK_SECONDS} seconds.`,
    400,
  )
}

type ReadParts = Pick<
  SignatureClaims,
  'accessKeyId' | 'date' | 'region' | 'service' | 'signedHeaders' | 'signature' | 'timestampMs'
>

function readParts(text: SignatureText): ReadParts | SignatureVerdict {
  const elements = text.credential.split('/')
  const [accessKeyId = '', date = '', region = '', service = '', terminator = ''] = elements
  if (elements.length !== 5) {
    return incomplete(
      'Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.',
    )
  }
  // Access keys are words; regions and services host labels. Nothing else can name one of ours.
  if (!/^\w{1,128}$/.test(accessKeyId))
    return incomplete('Credential has an invalid access key id.')
  if (!/^\d{8}$/.test(date)) return incomplete('Credential has an invalid date: wanted YYYYMMDD.')
  if (!/^[a-z0-9-]{1,64}$/.test(region) || !/^[a-z0-9-]{1,64}$/.test(service)) {
    return incomplete('Credential has an invalid region or service.')
  }
  if (terminator !== 'aws4_request') {
    return incomplete("Credential should be scoped with a valid terminator: 'aws4_request'.")
  }
  const signedHeaders = text.signedHeaders.split(';')
  const names = new Set(signedHeaders)
  if (
    signedHeaders.length > MAX_SIGNED_HEADERS ||
    names.size !== signedHeaders.length ||
    !signedHeaders.every((name) => /^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/.test(name))
  ) {
    return incomplete('SignedHeaders must be a list of header names in lower case, each once.')
  }
  if (!/^[0-9a-f]{64}$/.test(text.signature)) {
    return incomplete('Signature must be 64 hexadecimal digits in lower case.')
  }
  const { signature, timestampMs } = text
  return { accessKeyId, date, region, service, signedHeaders, signature, timestampMs }
}

/** A time that AWS's own form can hold: years 0 to 9999. */
function formattable(ms: number): number | undefined {
  if (Number.isNaN(ms)) return undefined
  return parseAmzDate(formatAmzDate(ms))
}
