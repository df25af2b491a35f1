import { PodroleError } from '../lib/errors.ts'

/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  /** What it says it holds: `PUBLIC KEY`. */
  readonly label: string
  /** RFC 1421 headers say that it is encrypted. */
  readonly isEncrypted: boolean
  readonly der: Buffer
}

interface OpenBlock {
  readonly label: string
  readonly line: number
  readonly body: string[]
  isEncrypted: boolean
}

const BEGIN = /^-----BEGIN ([A-Z0-9](?:[A-Z0-9 ]{0,38}[A-Z0-9])?)-----$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * The blocks of a PEM text in their order; text around them is allowed. No message quotes a line,
 * since it may be a private key's. `from` says whose text it is.
 * @throws PodroleError `TruncatedPem`, `InvalidPem`
 */
export function readPemBlocks(text: string, from: string): readonly PemBlock[] {
  const blocks: PemBlock[] = []
  let open: OpenBlock | undefined
  for (const [at, raw] of text.split(/\r\n|\n|\r/).entries()) {
    const line = raw.trim()
    const isMarker = line.includes('-----BEGIN') || line.includes('-----END')
    if (open === undefined) {
      if (!isMarker) continue
      const label = BEGIN.exec(line)?.[1]
      if (label === undefined) throw invalid(from, at + 1, 'is no BEGIN line of its own')
      open = { label, line: at + 1, body: [], isEncrypted: false }
    } else if (isMarker) {
      if (line !== `-----END ${open.label}-----`) throw truncated(from, open)
      blocks.push(closeBlock(open, from))
      open = undefined
    } else if (line.includes(':')) {
      open.isEncrypted ||= line.includes('ENCRYPTED')
    } else {
      open.body.push(line)
    }
  }
  if (open !== undefined) throw truncated(from, open)
  return blocks
}

function closeBlock({ label, line, body, isEncrypted }: OpenBlock, from: string): PemBlock {
  const base64 = body.join('')
  if (!isEncrypted && (base64 === '' || !BASE64.test(base64))) {
    throw invalid(from, line, `begins a ${label} block that is not base64`)
  }
  return { label, isEncrypted, der: Buffer.from(base64, 'base64') }
}

const truncated = (from: string, { label, line }: OpenBlock): PodroleError =>
  new PodroleError(
    'TruncatedPem',
    `${from} is cut off: the ${label} block that begins in line ${line} has no END line`,
    { hint: 'take the whole file, the lines with the dashes included' },
  )

const invalid = (from: string, line: number, problem: string): PodroleError =>
  new PodroleError('InvalidPem', `${from} is not whole PEM: line ${line} ${problem}`, {
    hint: 'a PEM file keeps its line breaks; a Secret or a variable that lost them is of no use',
  })
