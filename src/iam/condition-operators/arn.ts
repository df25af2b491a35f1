import { compilePattern, matchesPattern, splitAtColons } from '../pattern.ts'
import { replaceVariables } from '../policy-variables.ts'
import type { ValueMatch } from './operand.ts'

const PARTS = 6

/**
 * The six parts of an ARN one by one: a star does not cross a colon in the first five. What has
 * fewer parts is no ARN and matches nothing. ArnEquals and ArnLike are the same.
 */
export const matchArn: ValueMatch = (wanted, actual, variables) => {
  const pieces = replaceVariables(wanted, variables)
  const texts = splitArn(actual)
  if (pieces === undefined || texts === undefined) return false
  const patterns = splitAtColons(compilePattern(pieces), PARTS)
  return (
    patterns.length === PARTS &&
    patterns.every((pattern, at) => matchesPattern(pattern, texts[at] ?? ''))
  )
}

function splitArn(text: string): readonly string[] | undefined {
  const parts = text.split(':', PARTS - 1)
  if (parts.length < PARTS - 1 || parts[0] !== 'arn') return undefined
  const head = parts.join(':').length
  return text[head] === ':' ? [...parts, text.slice(head + 1)] : undefined
}
