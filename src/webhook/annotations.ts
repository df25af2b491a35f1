/** How annotations are read: by Go's rules, which amazon-eks-pod-identity-webhook's users know. */
import { MAX_TOKEN_SECONDS, MIN_TOKEN_SECONDS } from './config.ts'

/** `strconv.ParseBool`: undefined for what it refuses. */
export function parseGoBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
  return undefined
}

/**
 * Seconds of a token's life out of a decimal 64-bit integer, moved into what kube-apiserver
 * accepts (600 to 2^32); undefined for what is not one.
 */
export function parseTokenSeconds(text: string): number | undefined {
  if (!/^[+-]?\d{1,40}$/.test(text)) return undefined
  const value = BigInt(text.replace('+', ''))
  if (BigInt.asIntN(64, value) !== value) return undefined
  return Math.min(MAX_TOKEN_SECONDS, Math.max(MIN_TOKEN_SECONDS, Number(value)))
}

/**
 * The fields of one CSV record (RFC 4180, quotes allowed), spaces around a field trimmed;
 * undefined where quotes do not match. What follows the first line is not read.
 */
export function parseCsvRecord(text: string): string[] | undefined {
  const fields: string[] = []
  let at = 0
  for (;;) {
    while (text[at] === ' ' || text[at] === '\t') at += 1
    const field = text[at] === '"' ? readQuoted(text, at) : readPlain(text, at)
    if (field === undefined) return undefined
    fields.push(field.value)
    if (text[field.end] !== ',') return fields
    at = field.end + 1
  }
}

interface Field {
  readonly value: string
  /** Where the comma, the newline or the end is. */
  readonly end: number
}

function readPlain(text: string, start: number): Field | undefined {
  let end = start
  while (end < text.length && text[end] !== ',' && text[end] !== '\n') end += 1
  const value = text.slice(start, end).trim()
  return value.includes('"') ? undefined : { value, end }
}

function readQuoted(text: string, start: number): Field | undefined {
  let at = start + 1
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote === -1) return undefined
    if (text[quote + 1] === '"') {
      at = quote + 2
      continue
    }
    let end = quote + 1
    while (/[ \t\r]/.test(text[end] ?? '')) end += 1
    if (end < text.length && text[end] !== ',' && text[end] !== '\n') return undefined
    return {
      value: text
        .slice(start + 1, quote)
        .replaceAll('""', '"')
        .trim(),
      end,
    }
  }
}
