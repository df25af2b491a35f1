/**
 * Verifies Signature Version 4 as AWS's services do (IAM User Guide, "Create a signed AWS API
 * request" and "Troubleshoot Signature Version 4 signing"; S3 API Reference, "Authenticating
 * Requests (AWS Signature Version 4)"): the canonical form is our own, not the signer's.
 *
 * What a server sees of a request is not always what was sent. `new URL` and a `Request`'s `url`
 * resolve `.` and `..` segments, also percent-encoded ones, and turn `\` into `/`; they keep empty
 * segments (`//`) and percent-encoding. For S3, which signs the path as it is, a key with such a
 * segment (`a/../b`) therefore never verifies: it is refused, never taken for another key. All
 * other services sign the resolved path, so nothing is lost there. `Headers` joins repeated headers
 * with `, ` where signers join with `,`: repeated headers verify only if the signer wrote a space.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../lib/secret.ts'
import { checkChunks, SIGNED_STREAM, SIGNED_STREAM_TRAILER } from './_sigv4-chunks.ts'
import { canonicalHeaders, canonicalPath, canonicalQuery } from './_sigv4-canonical.ts'
import { checkTimes, formatAmzDate } from './_sigv4-times.ts'
import { ALGORITHM, refuse, UNSIGNED_PAYLOAD } from './_sigv4-verdicts.ts'

export { readSignature } from './_sigv4-claims.ts'

/** A request as it came over the wire. */
export interface WireRequest {
  readonly method: string
  /** Percent-encoded as sent. */
  readonly path: string
  /** As sent, without `?`. */
  readonly query: string
  readonly headers: Headers
}

/** What a request says about its signature; nothing of it is verified. */
export interface SignatureClaims {
  readonly accessKeyId: string
  /** Of the credential scope: `20260131`. */
  readonly date: string
  readonly region: string
  readonly service: string
  /** Lower case, in the request's order. */
  readonly signedHeaders: readonly string[]
  /** 64 hexadecimal digits, lower case. */
  readonly signature: string
  readonly sessionToken?: string
  /** The signature is in the query, not in the Authorization header. */
  readonly presigned: boolean
  /** X-Amz-Expires of a presigned request. */
  readonly expiresSeconds?: number
  readonly timestampMs: number
  /** x-amz-content-sha256: a hash, `UNSIGNED-PAYLOAD`, `STREAMING-…`, or empty where there is none. */
  readonly payloadHash: string
}

/** `code` is AWS's error code and `status` its HTTP status. */
export type SignatureVerdict =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly code: string
      readonly message: string
      readonly status: number
    }

export interface VerifyOptions {
  /** The key that `accessKeyId` stands for. */
  readonly secretAccessKey: Secret
  readonly nowMs: number
  /** The signing name that the scope must hold; without it any. */
  readonly expectedService?: string
  readonly expectedRegion?: string
}

const GOOD: SignatureVerdict = { ok: true }

/**
 * Verifies a signature over a request and its body. The caller has looked up the key and checked
 * that the session token belongs to it.
 *
 * Skew: 5 minutes, 15 for S3. `STREAMING-UNSIGNED-PAYLOAD-TRAILER` (S3) covers no body, as
 * `UNSIGNED-PAYLOAD`. In the signed streaming forms each chunk, and the trailer, has a signature of
 * its own, which is verified too; their ECDSA forms are refused with NotImplemented.
 */
export function verifySignature(
  request: WireRequest,
  body: Uint8Array,
  claims: SignatureClaims,
  options: VerifyOptions,
): SignatureVerdict {
  const s3 = claims.service === 's3'
  return (
    checkScope(claims, options) ??
    checkTimes(claims, options.nowMs) ??
    checkSignedHeaders(request, claims) ??
    checkPayload(body, claims) ??
    (signatureMatches(request, body, claims, options.secretAccessKey)
      ? undefined
      : refuse(
          'SignatureDoesNotMatch',
          s3
            ? 'The request signature we calculated does not match the signature you provided. Check your key and signing method.'
            : 'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
        )) ??
    checkStream(body, claims, options.secretAccessKey) ??
    GOOD
  )
}

function checkScope(claims: SignatureClaims, options: VerifyOptions): SignatureVerdict | undefined {
  const { expectedService, expectedRegion } = options
  const day = formatAmzDate(claims.timestampMs).slice(0, 8)
  if (claims.date !== day) {
    return refuse(
      'SignatureDoesNotMatch',
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${claims.date}' != '${day}', from '${formatAmzDate(claims.timestampMs)}'.`,
    )
  }
  if (expectedService !== undefined && claims.service !== expectedService) {
    return refuse(
      'SignatureDoesNotMatch',
      `Credential should be scoped to correct service: '${expectedService}'.`,
    )
  }
  if (expectedRegion === undefined || claims.region === expectedRegion) return undefined
  if (claims.service !== 's3') {
    return refuse('SignatureDoesNotMatch', 'Credential should be scoped to a valid region.')
  }
  const wrong = `the region '${claims.region}' is wrong; expecting '${expectedRegion}'`
  return claims.presigned
    ? refuse(
        'AuthorizationQueryParametersError',
        `Error parsing the X-Amz-Credential parameter; ${wrong}`,
        400,
      )
    : refuse('AuthorizationHeaderMalformed', `The authorization header is malformed; ${wrong}`, 400)
}

/** "The CanonicalHeaders list must include the host header and any x-amz-* headers in the request." */
function checkSignedHeaders(
  request: WireRequest,
  claims: SignatureClaims,
): SignatureVerdict | undefined {
  const signed = new Set(claims.signedHeaders)
  if (!signed.has('host')) {
    return refuse(
      'SignatureDoesNotMatch',
      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    )
  }
  const absent = claims.signedHeaders.find((name) => !request.headers.has(name))
  if (absent !== undefined) {
    return refuse('SignatureDoesNotMatch', `The signed header '${absent}' is not in the request.`)
  }
  const unsigned = [...request.headers.keys()].find(
    (name) => name.startsWith('x-amz-') && !signed.has(name),
  )
  if (unsigned === undefined) return undefined
  return claims.service === 's3'
    ? refuse('AccessDenied', 'There were headers present in the request which were not signed')
    : refuse(
        'SignatureDoesNotMatch',
        `'${unsigned}' must be a 'SignedHeader' in the AWS Authorization.`,
      )
}

const STREAMS = new Set([
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  SIGNED_STREAM,
  SIGNED_STREAM_TRAILER,
])

/** The signatures inside a body; undefined where they are right, or where there are none. */
function checkStream(
  body: Uint8Array,
  claims: SignatureClaims,
  secretAccessKey: Secret,
): SignatureVerdict | undefined {
  const { service, payloadHash, signature } = claims
  const trailer = payloadHash === SIGNED_STREAM_TRAILER
  if (service !== 's3' || (payloadHash !== SIGNED_STREAM && !trailer)) return undefined
  return checkChunks(body, {
    key: signingKey(claims, secretAccessKey),
    timestamp: formatAmzDate(claims.timestampMs),
    scope: scopeOf(claims),
    signature,
    trailer,
  })
}

/** S3's rules for x-amz-content-sha256; every other service hashes the body itself. */
function checkPayload(body: Uint8Array, claims: SignatureClaims): SignatureVerdict | undefined {
  const { payloadHash, presigned } = claims
  if (claims.service !== 's3') return undefined
  if (payloadHash === '') {
    return presigned
      ? undefined
      : refuse(
          'InvalidRequest',
          'Missing required header for this request: x-amz-content-sha256',
          400,
        )
  }
  if (payloadHash === UNSIGNED_PAYLOAD || STREAMS.has(payloadHash)) return undefined
  if (payloadHash.startsWith('STREAMING-')) {
    return refuse(
      'NotImplemented',
      'A header you provided implies functionality that is not implemented.',
      501,
    )
  }
  if (!/^[0-9a-f]{64}$/.test(payloadHash)) {
    return refuse(
      'InvalidArgument',
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a valid sha256 value.',
      400,
    )
  }
  return payloadHash === sha256(body)
    ? undefined
    : refuse(
        'XAmzContentSHA256Mismatch',
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        400,
      )
}

function signatureMatches(
  request: WireRequest,
  body: Uint8Array,
  claims: SignatureClaims,
  secretAccessKey: Secret,
): boolean {
  const canonical = [
    request.method,
    canonicalPath(request.path, claims.service === 's3'),
    canonicalQuery(request.query, claims.presigned),
    canonicalHeaders(request.headers, claims.signedHeaders),
    [...claims.signedHeaders].sort().join(';'),
    signedPayloadHash(body, claims),
  ].join('\n')
  const stringToSign = [
    ALGORITHM,
    formatAmzDate(claims.timestampMs),
    scopeOf(claims),
    sha256(canonical),
  ]
  const expected = hmac(signingKey(claims, secretAccessKey), stringToSign.join('\n'))
  const given = Buffer.from(claims.signature, 'hex')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

const scopeOf = ({ date, region, service }: SignatureClaims): string =>
  `${date}/${region}/${service}/aws4_request`

function signingKey(claims: SignatureClaims, secretAccessKey: Secret): Buffer<ArrayBuffer> {
  let key = Buffer.from(`AWS4${secretAccessKey.reveal()}`)
  for (const part of scopeOf(claims).split('/')) key = hmac(key, part)
  return key
}

function signedPayloadHash(body: Uint8Array, claims: SignatureClaims): string {
  if (claims.service !== 's3') return sha256(body)
  return claims.payloadHash === '' ? UNSIGNED_PAYLOAD : claims.payloadHash
}

const sha256 = (data: Uint8Array | string): string =>
  createHash('sha256').update(data).digest('hex')

const hmac = (key: Uint8Array, data: string): Buffer<ArrayBuffer> =>
  Buffer.from(createHmac('sha256', key).update(data).digest())
