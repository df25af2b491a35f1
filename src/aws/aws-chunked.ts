/** What `aws-chunked` framing held. */
export interface DecodedChunks {
  readonly body: Uint8Array
  /** Without the last, empty one. */
  readonly chunks: readonly SignedChunk[]
  /** Of the last, empty chunk. */
  readonly endSignature?: string
  /** Lower-case names, in their order; without `x-amz-trailer-signature`. */
  readonly trailers: Readonly<Record<string, string>>
  readonly trailerSignature?: string
}

export interface SignedChunk {
  readonly data: Uint8Array
  /** 64 hexadecimal digits; none where chunks are not signed. */
  readonly signature?: string
}

const MAX_CHUNKS = 20_000
const MAX_TRAILERS = 20
const MAX_LINE = 4096
const TRAILER_SIGNATURE = 'x-amz-trailer-signature'

/**
 * Takes `aws-chunked` framing apart, with signed chunks or without; undefined where it is
 * malformed. No signature is verified here.
 * Source: Amazon S3 API Reference, "Signature calculations: transferring payload in multiple
 * chunks" and "… including trailing headers".
 */
export function decodeChunks(framed: Uint8Array): DecodedChunks | undefined {
  const buffer = Buffer.from(framed.buffer, framed.byteOffset, framed.byteLength)
  const chunks: SignedChunk[] = []
  let at = 0
  for (let count = 0; count < MAX_CHUNKS; count += 1) {
    const line = readLine(buffer, at)
    const head = /^([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line?.text ?? '')
    if (line === undefined || head === null) return undefined
    const [, digits = '', signature] = head
    const size = Number.parseInt(digits, 16)
    if (size === 0) {
      const end = readTrailers(buffer.subarray(line.next))
      const body = Buffer.concat(chunks.map(({ data }) => data))
      return (
        end && { body, chunks, ...(signature !== undefined && { endSignature: signature }), ...end }
      )
    }
    const end = line.next + size
    if (buffer.toString('latin1', end, end + 2) !== '\r\n') return undefined
    const data = buffer.subarray(line.next, end)
    chunks.push({ data, ...(signature !== undefined && { signature }) })
    at = end + 2
  }
  return undefined
}

function readTrailers(
  rest: Buffer,
): Pick<DecodedChunks, 'trailers' | 'trailerSignature'> | undefined {
  const trailers = new Map<string, string>()
  let at = 0
  for (let count = 0; count < MAX_TRAILERS; count += 1) {
    const line = readLine(rest, at)
    if (line === undefined || line.text === '') {
      const trailerSignature = trailers.get(TRAILER_SIGNATURE)
      trailers.delete(TRAILER_SIGNATURE)
      return {
        trailers: Object.fromEntries(trailers),
        ...(trailerSignature !== undefined && { trailerSignature }),
      }
    }
    const [, name = '', value = ''] = /^([A-Za-z0-9-]{1,100}):(.*)$/.exec(line.text) ?? []
    if (name === '') return undefined
    trailers.set(name.toLowerCase(), value.trim())
    at = line.next
  }
  return undefined
}

function readLine(buffer: Buffer, at: number): { text: string; next: number } | undefined {
  const end = buffer.indexOf('\r\n', at, 'latin1')
  if (end === -1 || end - at > MAX_LINE) return undefined
  return { text: buffer.toString('latin1', at, end), next: end + 2 }
}
