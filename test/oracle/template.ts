/**
 * Text of a policy that may hold wildcards and policy variables, taken apart one character at a
 * time.
 *
 * Sources: IAM User Guide, "IAM policy elements: Variables and tags"
 * (reference_policies_variables) and "IAM JSON policy elements: Resource"
 * (reference_policies_elements_resource).
 */

/** One character that stands for itself, any run of characters (`*`), or any one (`?`). */
export type Piece =
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'run' }
  | { readonly kind: 'one' }

/** Condition keys of a request. An array is a multivalued key. */
export type Context = Readonly<Record<string, string | readonly string[]>>

/** How a text is read. */
export interface Reading {
  /** Whether `*` and `?` are wildcards. */
  readonly wildcards: boolean
  /** Where policy variables take their values; undefined where `${…}` is plain text. */
  readonly variables: Context | undefined
}

/** The values under a key; names are compared without case. Undefined: not in the request. */
export function findKey(context: Context, name: string): string | readonly string[] | undefined {
  for (const [key, value] of Object.entries(context)) {
    if (key.toLowerCase() === name.toLowerCase()) return value
  }
  return undefined
}

const literal = (text: string): Piece[] =>
  text.split('').map((character) => ({ kind: 'character', character }))

/** The pieces of a text; undefined where a variable in it has neither value nor default. */
export function readTemplate(text: string, reading: Reading): Piece[] | undefined {
  const pieces: Piece[] = []
  let rest = text
  while (rest !== '') {
    const variable = reading.variables === undefined ? null : /^\$\{([^}]*)\}/.exec(rest)
    if (variable !== null) {
      const value = readVariable(variable[1] ?? '', reading.variables ?? {})
      if (value === undefined) return undefined
      // A value is text: a star that came from the request is not a wildcard.
      pieces.push(...literal(value))
      rest = rest.slice(variable[0].length)
    } else {
      pieces.push(readCharacter(rest.charAt(0), reading.wildcards))
      rest = rest.slice(1)
    }
  }
  return pieces
}

function readCharacter(character: string, wildcards: boolean): Piece {
  if (wildcards && character === '*') return { kind: 'run' }
  if (wildcards && character === '?') return { kind: 'one' }
  return { kind: 'character', character }
}

/** What stands between `${` and `}`: an escape, a key, or a key with a default in quotes. */
function readVariable(inside: string, context: Context): string | undefined {
  if (inside === '*' || inside === '?' || inside === '$') return inside
  const comma = inside.indexOf(',')
  const name = (comma < 0 ? inside : inside.slice(0, comma)).trim()
  const value = findKey(context, name)
  if (typeof value === 'string') return value
  // A multivalued key cannot be used as a variable.
  if (value !== undefined || comma < 0) return undefined
  return inside
    .slice(comma + 1)
    .trim()
    .replace(/^'(.*)'$/, '$1')
}

/** Whether pieces cover a text from its first character to its last. */
export function covers(pieces: readonly Piece[], text: string): boolean {
  const [first, ...others] = pieces
  if (first === undefined) return text === ''
  if (first.kind === 'run') {
    for (let taken = 0; taken <= text.length; taken++) {
      if (covers(others, text.slice(taken))) return true
    }
    return false
  }
  if (text === '') return false
  if (first.kind === 'character' && first.character !== text.charAt(0)) return false
  return covers(others, text.slice(1))
}

/** Pieces cut at the first `count - 1` plain colons, as an ARN is cut into its parts. */
export function cutAtColons(pieces: readonly Piece[], count: number): Piece[][] {
  const parts: Piece[][] = [[]]
  for (const piece of pieces) {
    const isColon = piece.kind === 'character' && piece.character === ':'
    if (isColon && parts.length < count) parts.push([])
    else parts.at(-1)?.push(piece)
  }
  return parts
}

/** The six parts of an ARN; undefined for any other text. */
export function cutArn(text: string): string[] | undefined {
  const parts = text.split(':')
  if (parts[0] !== 'arn' || parts.length < 6) return undefined
  return [...parts.slice(0, 5), parts.slice(5).join(':')]
}
