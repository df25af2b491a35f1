import { PodroleError } from '../lib/errors.ts'

/**
 * A JSON value as it was written: the order of members, members that occur twice and the digits of
 * numbers are kept. `JSON.parse` loses all three, and a policy that names a key twice must be
 * refused, not read as its last half.
 */
export type JsonNode =
  | { readonly kind: 'object'; readonly members: readonly JsonMember[] }
  | { readonly kind: 'array'; readonly items: readonly JsonNode[] }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'null' }

export interface JsonMember {
  readonly key: string
  readonly value: JsonNode
}

/** Bounds of one document: characters of text, and levels of arrays and objects. */
export interface JsonLimits {
  readonly maxLength: number
  readonly maxDepth: number
}

/** 131,072 characters is what IAM's and STS's APIs take at all; no policy nests deeper than 6. */
const DEFAULT_LIMITS: JsonLimits = { maxLength: 131_072, maxDepth: 32 }

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const SPACE = /[ \t\n\r]*/y

interface Reader {
  readonly text: string
  readonly maxDepth: number
  at: number
}

/**
 * Reads one JSON document (RFC 8259) without losing anything.
 * @throws PodroleError `InvalidJson` (status 400) with the position of the fault, also for a
 * document that is longer or deeper than the limits.
 */
export function parseJsonDocument(text: string, limits: JsonLimits = DEFAULT_LIMITS): JsonNode {
  if (text.length > limits.maxLength) {
    throw new PodroleError(
      'InvalidJson',
      `Cannot read JSON: it has ${text.length} characters, at most ${limits.maxLength} are read`,
      { status: 400 },
    )
  }
  const reader: Reader = { text, maxDepth: limits.maxDepth, at: 0 }
  const node = readValue(reader, 0)
  skipSpace(reader)
  if (reader.at < text.length) throw faultAt(reader, 'nothing more after the value')
  return node
}

/** The first key that occurs twice among the members, compared as `fold` gives it; or undefined. */
export function duplicateKeyOf(
  members: readonly JsonMember[],
  fold: (key: string) => string = (key) => key,
): string | undefined {
  const seen = new Set<string>()
  for (const { key } of members) {
    const folded = fold(key)
    if (seen.has(folded)) return key
    seen.add(folded)
  }
  return undefined
}

function faultAt(reader: Reader, wanted: string): PodroleError {
  const found = reader.text.slice(reader.at, reader.at + 12)
  return new PodroleError(
    'InvalidJson',
    `Cannot read JSON at character ${reader.at}: found ${JSON.stringify(found)}, wanted ${wanted}`,
    { status: 400 },
  )
}

function skipSpace(reader: Reader): void {
  SPACE.lastIndex = reader.at
  SPACE.exec(reader.text)
  reader.at = SPACE.lastIndex
}

function readValue(reader: Reader, depth: number): JsonNode {
  skipSpace(reader)
  const start = reader.text[reader.at]
  switch (start) {
    case '{':
      return readObject(reader, depth + 1)
    case '[':
      return readArray(reader, depth + 1)
    case '"':
      return { kind: 'string', value: readString(reader) }
    case 't':
      return readWord(reader, 'true', { kind: 'boolean', value: true })
    case 'f':
      return readWord(reader, 'false', { kind: 'boolean', value: false })
    case 'n':
      return readWord(reader, 'null', { kind: 'null' })
    default:
      return readNumber(reader)
  }
}

function checkDepth(reader: Reader, depth: number): void {
  if (depth > reader.maxDepth) {
    throw faultAt(reader, `at most ${reader.maxDepth} levels of arrays and objects`)
  }
}

/** Passes `,` and answers true, passes the closing character and answers false. */
function readSeparator(reader: Reader, close: string): boolean {
  skipSpace(reader)
  const char = reader.text[reader.at]
  if (char !== ',' && char !== close) throw faultAt(reader, `"," or "${close}"`)
  reader.at += 1
  return char === ','
}

function isEmptyUntil(reader: Reader, close: string): boolean {
  reader.at += 1
  skipSpace(reader)
  if (reader.text[reader.at] !== close) return false
  reader.at += 1
  return true
}

function readObject(reader: Reader, depth: number): JsonNode {
  checkDepth(reader, depth)
  const members: JsonMember[] = []
  if (isEmptyUntil(reader, '}')) return { kind: 'object', members }
  do {
    skipSpace(reader)
    if (reader.text[reader.at] !== '"') throw faultAt(reader, 'a key in double quotes')
    const key = readString(reader)
    skipSpace(reader)
    if (reader.text[reader.at] !== ':') throw faultAt(reader, '":"')
    reader.at += 1
    members.push({ key, value: readValue(reader, depth) })
  } while (readSeparator(reader, '}'))
  return { kind: 'object', members }
}

function readArray(reader: Reader, depth: number): JsonNode {
  checkDepth(reader, depth)
  const items: JsonNode[] = []
  if (isEmptyUntil(reader, ']')) return { kind: 'array', items }
  do {
    items.push(readValue(reader, depth))
  } while (readSeparator(reader, ']'))
  return { kind: 'array', items }
}

function readString(reader: Reader): string {
  const { text } = reader
  const start = reader.at
  let at = start + 1
  let escaped = false
  for (;;) {
    const code = text.charCodeAt(at)
    if (Number.isNaN(code)) throw faultAt(reader, 'a string that ends')
    if (code === 0x22) break
    if (code < 0x20) throw faultAt(reader, 'a string without control characters')
    if (code === 0x5c) {
      escaped = true
      at += 1
    }
    at += 1
  }
  const raw = text.slice(start, at + 1)
  const value = escaped ? unescapeString(reader, raw) : raw.slice(1, -1)
  reader.at = at + 1
  return value
}

function unescapeString(reader: Reader, raw: string): string {
  try {
    return String(JSON.parse(raw))
  } catch {
    throw faultAt(reader, 'a string with valid escapes')
  }
}

function readWord(reader: Reader, word: string, node: JsonNode): JsonNode {
  if (!reader.text.startsWith(word, reader.at)) throw faultAt(reader, word)
  reader.at += word.length
  return node
}

function readNumber(reader: Reader): JsonNode {
  NUMBER.lastIndex = reader.at
  const match = NUMBER.exec(reader.text)
  if (match === null) throw faultAt(reader, 'a JSON value')
  reader.at += match[0].length
  return { kind: 'number', text: match[0] }
}
