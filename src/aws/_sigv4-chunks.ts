import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { decodeChunks, type DecodedChunks } from './aws-chunked.ts'
import { refuse } from './_sigv4-verdicts.ts'
import type { SignatureVerdict } from './sigv4-verify.ts'

/** S3's streaming forms whose chunks are signed, as x-amz-content-sha256 names them. */
export const SIGNED_STREAM = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
export const SIGNED_STREAM_TRAILER = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'

/** "Each chunk must be at least 8 KB in size", but for the last one. */
const MIN_CHUNK_BYTES = 8192

/** What every chunk's signature is made with. */
export interface ChunkSeed {
  readonly key: Uint8Array
  /** X-Amz-Date's form. */
  readonly timestamp: string
  /** `20260131/us-east-1/s3/aws4_request` */
  readonly scope: string
  /** Of the request's headers: the first chunk's previous signature. */
  readonly signature: string
  /** The trailing headers are signed too. */
  readonly trailer: boolean
}

/**
 * Verifies the signatures of the chunks of an `aws-chunked` body, each over the one before it;
 * undefined where all are right.
 * Source: Amazon S3 API Reference, "Signature calculations: transferring payload in multiple
 * chunks" and "… including trailing headers".
 */
export function checkChunks(body: Uint8Array, seed: ChunkSeed): SignatureVerdict | undefined {
  const decoded = decodeChunks(body)
  if (decoded === undefined) {
    return refuse('IncompleteBody', 'The request body terminated unexpectedly', 400)
  }
  const small = decoded.chunks.slice(0, -1).some(({ data }) => data.length < MIN_CHUNK_BYTES)
  if (small) {
    return refuse(
      'InvalidChunkSizeError',
      `Only the last chunk is allowed to have a size less than ${MIN_CHUNK_BYTES} bytes`,
    )
  }
  return chunksMatch(decoded, seed)
    ? undefined
    : refuse(
        'SignatureDoesNotMatch',
        'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      )
}

function chunksMatch(decoded: DecodedChunks, seed: ChunkSeed): boolean {
  const { key, timestamp, scope } = seed
  let previous = seed.signature
  const isNext = (given: string | undefined, lines: readonly string[]): boolean => {
    const [algorithm = '', ...rest] = lines
    const text = [algorithm, timestamp, scope, previous, ...rest].join('\n')
    const expected = createHmac('sha256', key).update(text).digest()
    const bytes = Buffer.from(given ?? '', 'hex')
    previous = given ?? ''
    return bytes.length === expected.length && timingSafeEqual(bytes, expected)
  }
  const { chunks, endSignature, trailers, trailerSignature } = decoded
  for (const { data, signature } of [...chunks, { data: EMPTY, signature: endSignature }]) {
    if (!isNext(signature, ['AWS4-HMAC-SHA256-PAYLOAD', sha256(''), sha256(data)])) return false
  }
  if (!seed.trailer) return Object.keys(trailers).length === 0 && trailerSignature === undefined
  const text = Object.entries(trailers).map(([name, value]) => `${name}:${value}\n`)
  return isNext(trailerSignature, ['AWS4-HMAC-SHA256-TRAILER', sha256(text.join(''))])
}

const EMPTY = new Uint8Array(0)

const sha256 = (data: Uint8Array | string): string =>
  createHash('sha256').update(data).digest('hex')
