import type { ValuePiece } from './policy-variables.ts'

/** A compiled pattern: code points, and the two wildcards as negative numbers. */
export type Pattern = readonly number[]

/** Any run of characters, also none. */
const ANY = -1
/** Exactly one character. */
const ONE = -2
const STAR = 0x2a
const QUESTION = 0x3f
const COLON = 0x3a

/** `*` and `?` are wildcards in pieces that are not literal. */
export function compilePattern(pieces: readonly ValuePiece[]): Pattern {
  const pattern: number[] = []
  for (const { text, literal } of pieces) {
    for (const char of text) {
      const code = char.codePointAt(0) ?? 0
      if (literal || (code !== STAR && code !== QUESTION)) pattern.push(code)
      else if (code === QUESTION) pattern.push(ONE)
      else if (pattern.at(-1) !== ANY) pattern.push(ANY)
    }
  }
  return pattern
}

/** The pieces as plain text, for operators that know no wildcard. */
export function joinPieces(pieces: readonly ValuePiece[]): string {
  return pieces.map(({ text }) => text).join('')
}

/** A wildcard pattern without variables. */
export function compileText(text: string): Pattern {
  return compilePattern([{ text, literal: false }])
}

/**
 * Whether the whole text matches. One star at most is ever retried, so the work is bounded by the
 * product of both lengths, whatever the pattern.
 */
export function matchesPattern(pattern: Pattern, text: string): boolean {
  const codes = toCodePoints(text)
  let at = 0
  let inPattern = 0
  let star = -1
  let starAt = 0
  while (at < codes.length) {
    const wanted = pattern[inPattern]
    if (wanted === ANY) {
      star = inPattern
      starAt = at
      inPattern += 1
    } else if (wanted === ONE || (wanted !== undefined && wanted === codes[at])) {
      inPattern += 1
      at += 1
    } else if (star >= 0) {
      inPattern = star + 1
      starAt += 1
      at = starAt
    } else return false
  }
  while (pattern[inPattern] === ANY) inPattern += 1
  return inPattern === pattern.length
}

/** Cuts a pattern at its first `parts - 1` colons; fewer parts where it holds fewer colons. */
export function splitAtColons(pattern: Pattern, parts: number): readonly Pattern[] {
  const split: Pattern[] = []
  let from = 0
  while (split.length < parts - 1) {
    const colon = pattern.indexOf(COLON, from)
    if (colon === -1) break
    split.push(pattern.slice(from, colon))
    from = colon + 1
  }
  split.push(pattern.slice(from))
  return split
}

function toCodePoints(text: string): readonly number[] {
  const codes: number[] = []
  for (const char of text) codes.push(char.codePointAt(0) ?? 0)
  return codes
}
