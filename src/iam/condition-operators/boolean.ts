import { joinPieces } from '../pattern.ts'
import { replaceVariables } from '../policy-variables.ts'
import type { ValueMatch } from './operand.ts'

const BOOLEAN = /^(?:true|false)$/

/**
 * `true` or `false`, letter case apart; anything else matches nothing. Variables are replaced, as
 * AWS's page on operators says for Bool; its page on variables does not list Bool.
 */
export const matchBoolean: ValueMatch = (wanted, actual, variables) => {
  const pieces = replaceVariables(wanted, variables)
  if (pieces === undefined) return false
  const value = joinPieces(pieces).toLowerCase()
  return BOOLEAN.test(value) && value === actual.toLowerCase()
}
