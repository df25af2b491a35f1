import { PodroleError } from '../lib/errors.ts'
import type { JsonNode } from './json-document.ts'

/** AWS's text where no more special one is known. */
export const SYNTAX_ERRORS = 'Syntax errors in policy.'

/**
 * The fault of a policy document, as IAM and STS answer it: code MalformedPolicyDocument, status
 * 400, the message AWS's own; the hint is ours and says where and what.
 */
export function malformedPolicy(message: string, hint: string, cause?: unknown): PodroleError {
  return new PodroleError('MalformedPolicyDocument', message, { hint, status: 400, cause })
}

/** The value in double quotes, cut to what fits a message. */
export function quoteValue(value: string): string {
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value)
}

/**
 * One string, or an array of strings.
 * @throws PodroleError `MalformedPolicyDocument` for anything else.
 */
export function readStrings(node: JsonNode, element: string): readonly string[] {
  const items = node.kind === 'array' ? node.items : [node]
  return items.map((item) => {
    if (item.kind === 'string') return item.value
    throw malformedPolicy(
      SYNTAX_ERRORS,
      `${element} holds a value of kind ${item.kind}; it takes a string or an array of strings.`,
    )
  })
}
