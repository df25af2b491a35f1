import type { ContextLookup } from './context-lookup.ts'

/** A part of a value: literal text, or text in which `*` and `?` may be wildcards. */
export interface ValuePiece {
  readonly text: string
  readonly literal: boolean
}

interface Variable {
  readonly name: string
  readonly defaultValue: string | undefined
}

/** `${name}` or `${name, 'default'}`; the default may hold anything but a single quote. */
const VARIABLE = /\$\{([^{}',]*)(?:,\s*'([^']*)'\s*)?\}/g
const ESCAPES = new Set(['*', '?', '$'])

/**
 * Replaces the policy variables of a value. Values of variables, defaults and the escapes `${*}`
 * `${?}` `${$}` are literal: a star in a tag's value is no wildcard. Without `context` (Version
 * 2008-10-17, or an element in which variables are not replaced) the text stays as it is.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
 * @returns undefined where a variable has no value, or names a multivalued key: nothing matches it.
 */
export function replaceVariables(
  value: string,
  context: ContextLookup | undefined,
): readonly ValuePiece[] | undefined {
  if (context === undefined || !value.includes('${')) return [{ text: value, literal: false }]
  const pieces: ValuePiece[] = []
  let end = 0
  for (const match of value.matchAll(VARIABLE)) {
    const replaced = valueOf(readVariable(match), context)
    if (replaced === undefined) return undefined
    pieces.push({ text: value.slice(end, match.index), literal: false })
    pieces.push({ text: replaced, literal: true })
    end = match.index + match[0].length
  }
  pieces.push({ text: value.slice(end), literal: false })
  return pieces
}

/** The keys that the policy variables of a value name. */
export const variableNames = (value: string): readonly string[] =>
  [...value.matchAll(VARIABLE)]
    .map((match) => readVariable(match).name)
    .filter((name) => !ESCAPES.has(name))

function readVariable(match: RegExpExecArray): Variable {
  return { name: (match[1] ?? '').trim(), defaultValue: match[2] }
}

function valueOf(variable: Variable, context: ContextLookup): string | undefined {
  if (ESCAPES.has(variable.name)) return variable.name
  const found = context.find(variable.name)
  if (found === undefined) return variable.defaultValue
  return found.multivalued ? undefined : found.values[0]
}
