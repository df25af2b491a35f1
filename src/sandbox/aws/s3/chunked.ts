/** What `aws-chunked` framing held. */
export interface DecodedChunks {
  readonly body: Uint8Array
  /** Lower-case names. */
  readonly trailers: Readonly<Record<string, string>>
}

const MAX_CHUNKS = 20_000
const MAX_TRAILERS = 20
const MAX_LINE = 4096

/**
 * Takes `aws-chunked` framing with unsigned chunks apart; undefined where it is malformed.
 * Source: Amazon S3 API Reference, "Signature calculations: including trailing headers".
 */
export function decodeChunks(framed: Uint8Array): DecodedChunks | undefined {
  const buffer = Buffer.from(framed.buffer, framed.byteOffset, framed.byteLength)
  const parts: Buffer[] = []
  let at = 0
  for (let count = 0; count < MAX_CHUNKS; count += 1) {
    const line = readLine(buffer, at)
    if (line === undefined || !/^[0-9a-fA-F]{1,8}$/.test(line.text)) return undefined
    const size = Number.parseInt(line.text, 16)
    if (size === 0) return readTrailers(buffer.subarray(line.next), parts)
    const end = line.next + size
    if (buffer.toString('latin1', end, end + 2) !== '\r\n') return undefined
    parts.push(buffer.subarray(line.next, end))
    at = end + 2
  }
  return undefined
}

function readTrailers(rest: Buffer, parts: readonly Buffer[]): DecodedChunks | undefined {
  const trailers: Record<string, string> = {}
  let at = 0
  for (let count = 0; count < MAX_TRAILERS; count += 1) {
    const line = readLine(rest, at)
    if (line === undefined || line.text === '') return { body: Buffer.concat(parts), trailers }
    const [, name = '', value = ''] = /^([A-Za-z0-9-]{1,100}):(.*)$/.exec(line.text) ?? []
    if (name === '') return undefined
    trailers[name.toLowerCase()] = value.trim()
    at = line.next
  }
  return undefined
}

function readLine(buffer: Buffer, at: number): { text: string; next: number } | undefined {
  const end = buffer.indexOf('\r\n', at, 'latin1')
  if (end === -1 || end - at > MAX_LINE) return undefined
  return { text: buffer.toString('latin1', at, end), next: end + 2 }
}
