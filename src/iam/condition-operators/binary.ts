import type { ValueMatch } from './operand.ts'

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Byte for byte; both values are base64. Variables are not replaced. */
export const matchBinary: ValueMatch = (wanted, actual) => {
  if (!BASE64.test(wanted) || !BASE64.test(actual)) return false
  return Buffer.from(wanted, 'base64').equals(Buffer.from(actual, 'base64'))
}
