/** Bytes that stay: RFC 3986's unreserved characters. All others become %XX in upper case. */
const RESERVED = /[^A-Za-z0-9\-._~]/g

const encodeByte = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`

/** AWS's UriEncode over text that holds one byte a character (latin1). */
const encodeBytes = (bytes: string): string =>
  bytes.replace(RESERVED, (character) => encodeByte(character.charCodeAt(0)))

/** Text to one byte a character, as UTF-8: what is not ASCII may stand raw in a path. */
const toBytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

/** Percent-decoding of bytes; a `%` without two hexadecimal digits stays. */
const decodePercent = (bytes: string): string =>
  bytes.replace(/%([0-9A-Fa-f]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )

/**
 * The canonical URI. S3: the key encoded once, whatever of it the client left as it is. All others:
 * dot segments and empty segments resolved, then the path as sent encoded once more.
 */
export function canonicalPath(path: string, s3: boolean): string {
  const bytes = toBytes(path)
  if (s3) {
    return bytes
      .split('/')
      .map((segment) => encodeBytes(decodePercent(segment)))
      .join('/')
  }
  const resolved: string[] = []
  for (const segment of bytes.split('/')) {
    if (segment === '..') resolved.pop()
    else if (segment !== '' && segment !== '.') resolved.push(encodeBytes(segment))
  }
  const tail = resolved.length > 0 && bytes.endsWith('/') ? '/' : ''
  return `/${resolved.join('/')}${tail}`
}

/**
 * The canonical query: names and values encoded anew, sorted by name, then by value. A raw `+` is a
 * space, as `URLSearchParams` reads it. X-Amz-Signature is left out where the signature is here.
 */
export function canonicalQuery(query: string, presigned: boolean): string {
  const pairs: [name: string, value: string][] = []
  for (const part of query.split('&')) {
    if (part === '') continue
    const at = part.indexOf('=')
    const name = canonicalComponent(at < 0 ? part : part.slice(0, at))
    if (presigned && name === 'X-Amz-Signature') continue
    pairs.push([name, at < 0 ? '' : canonicalComponent(part.slice(at + 1))])
  }
  return pairs
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

const canonicalComponent = (text: string): string =>
  encodeBytes(decodePercent(toBytes(text).replaceAll('+', ' ')))

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

/** The canonical headers with the empty line that follows them: trimmed, inner spaces made one. */
export function canonicalHeaders(headers: Headers, signed: readonly string[]): string {
  return [...signed]
    .sort()
    .map((name) => `${name}:${(headers.get(name) ?? '').trim().replace(/ +/g, ' ')}\n`)
    .join('')
}
