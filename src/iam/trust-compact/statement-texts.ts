import { PodroleError } from '../../lib/errors.ts'

/**
 * The statements of a trust policy as they were written, white space inside them too. The text must
 * be a JSON object with one Statement, as `readTrustText` checks.
 * @throws PodroleError `InvalidTrustPolicy`
 */
export function statementTexts(text: string): readonly string[] {
  const inner = membersOf(text).find(({ key }) => key === 'Statement')?.value
  if (inner === undefined) {
    throw new PodroleError('InvalidTrustPolicy', 'the trust policy has no Statement', {
      status: 400,
    })
  }
  return inner.startsWith('[') ? piecesOf(inner) : [inner]
}

interface TextMember {
  readonly key: string
  readonly value: string
}

function membersOf(text: string): readonly TextMember[] {
  return piecesOf(text.trim()).map((piece) => {
    const end = endOfString(piece, 0)
    const key: unknown = JSON.parse(piece.slice(0, end))
    return { key: String(key), value: piece.slice(piece.indexOf(':', end) + 1).trim() }
  })
}

/** What stands between the outer brackets, cut at its own commas. */
function piecesOf(text: string): readonly string[] {
  const pieces: string[] = []
  let depth = 0
  let from = 1
  for (let at = 1; at < text.length - 1; at += 1) {
    const char = text[at]
    if (char === '"') at = endOfString(text, at) - 1
    else if (char === '{' || char === '[') depth += 1
    else if (char === '}' || char === ']') depth -= 1
    else if (char === ',' && depth === 0) {
      pieces.push(text.slice(from, at).trim())
      from = at + 1
    }
  }
  const last = text.slice(from, -1).trim()
  return last === '' ? pieces : [...pieces, last]
}

/** The place behind the closing quote. */
function endOfString(text: string, from: number): number {
  let at = from + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}
