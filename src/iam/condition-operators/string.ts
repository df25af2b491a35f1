import { compilePattern, joinPieces, matchesPattern } from '../pattern.ts'
import { replaceVariables } from '../policy-variables.ts'
import type { ValueMatch } from './operand.ts'

/** Exact; a star is a star. */
export const matchString: ValueMatch = (wanted, actual, variables) => {
  const pieces = replaceVariables(wanted, variables)
  return pieces !== undefined && joinPieces(pieces) === actual
}

export const matchStringIgnoringCase: ValueMatch = (wanted, actual, variables) => {
  const pieces = replaceVariables(wanted, variables)
  return pieces !== undefined && joinPieces(pieces).toLowerCase() === actual.toLowerCase()
}

/** `*` is any run of characters, `/` and `:` included, `?` exactly one; case counts. */
export const matchStringPattern: ValueMatch = (wanted, actual, variables) => {
  const pieces = replaceVariables(wanted, variables)
  return pieces !== undefined && matchesPattern(compilePattern(pieces), actual)
}
