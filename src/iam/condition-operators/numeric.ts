import type { ValueMatch } from './operand.ts'

/** A decimal number without loss: `digits` × 10^-`scale`. */
interface Decimal {
  readonly digits: bigint
  readonly scale: number
}

const DECIMAL = /^([+-]?)([0-9]{1,128})(?:\.([0-9]{1,128}))?(?:[eE]([+-]?[0-9]{1,2}))?$/

/** Compares two numbers by `holds`; what is no number matches nothing. Variables are not replaced. */
export function matchNumber(holds: (order: number) => boolean): ValueMatch {
  return (wanted, actual) => {
    const policy = parseDecimal(wanted)
    const request = parseDecimal(actual)
    return policy !== undefined && request !== undefined && holds(compareDecimals(request, policy))
  }
}

function parseDecimal(text: string): Decimal | undefined {
  const match = DECIMAL.exec(text)
  if (match === null) return undefined
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
  const magnitude = BigInt(whole + fraction)
  return {
    digits: sign === '-' ? -magnitude : magnitude,
    scale: fraction.length - Number(exponent),
  }
}

/** Negative when left is less, 0 when equal. */
function compareDecimals(left: Decimal, right: Decimal): number {
  const scale = Math.max(left.scale, right.scale)
  const a = left.digits * 10n ** BigInt(scale - left.scale)
  const b = right.digits * 10n ** BigInt(scale - right.scale)
  return a < b ? -1 : a > b ? 1 : 0
}
