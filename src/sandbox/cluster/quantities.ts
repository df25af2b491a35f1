/** Kubernetes' resource quantities (k8s.io/apimachinery/pkg/api/resource). */

const QUANTITY = /^([+-]?)(\d*)(?:\.(\d*))?([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/
const TEXT_MAX = 256
const DECIMAL_SUFFIXES = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E']
const BINARY_SUFFIXES = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
/** Amounts are counted in nanos, the smallest step there is. */
const UNIT = 10n ** 9n
/** What is above is cut off there. */
const AMOUNT_MAX = (2n ** 63n - 1n) * UNIT
/** An exponent that is further from 0 gives the largest amount, or the smallest. */
const EXPONENT_MAX = 60

type Format = 'decimal' | 'binary' | 'exponent'

/** A quantity taken apart. */
export interface Quantity {
  /** In billionths. */
  readonly nanos: bigint
  readonly format: Format
}

/** Reads a quantity: `500m`, `1.5Gi`, `1e3`; undefined where the text is none. */
export function parseQuantity(text: string): Quantity | undefined {
  const match = text.length > TEXT_MAX ? null : QUANTITY.exec(text)
  if (match === null) return undefined
  const [, sign, whole = '', fraction = '', suffix = ''] = match
  if (whole + fraction === '') return undefined
  const digits = BigInt(whole + fraction)
  const { format, base, power } = scaleOf(suffix)
  const isHuge = base === 10n && power > EXPONENT_MAX
  const isTiny = base === 10n && power < -EXPONENT_MAX - TEXT_MAX
  let nanos: bigint
  if (digits === 0n) nanos = 0n
  else if (isHuge) nanos = AMOUNT_MAX
  else if (isTiny) nanos = 1n
  else {
    const numerator = digits * UNIT * (power > 0 ? base ** BigInt(power) : 1n)
    const divisor = 10n ** BigInt(fraction.length) * (power < 0 ? base ** BigInt(-power) : 1n)
    // Less than a billionth counts as one.
    nanos = (numerator + divisor - 1n) / divisor
  }
  if (nanos > AMOUNT_MAX) nanos = AMOUNT_MAX
  return { nanos: sign === '-' ? -nanos : nanos, format }
}

/** A quantity as a number of its whole units (`500m` is 0.5); undefined where the text is none. */
export function readQuantity(text: string): number | undefined {
  const parsed = parseQuantity(text)
  return parsed === undefined ? undefined : Number(parsed.nanos) / Number(UNIT)
}

function scaleOf(suffix: string): {
  readonly format: Format
  readonly base: bigint
  readonly power: number
} {
  const binary = BINARY_SUFFIXES.indexOf(suffix)
  if (binary > 0) return { format: 'binary', base: 1024n, power: binary }
  const decimal = DECIMAL_SUFFIXES.indexOf(suffix)
  if (decimal >= 0) return { format: 'decimal', base: 10n, power: (decimal - 3) * 3 }
  return { format: 'exponent', base: 10n, power: Number(suffix.slice(1)) }
}

/**
 * A quantity as Kubernetes writes it: no fraction, and the largest unit that leaves none.
 * undefined where the text is none.
 */
export function canonicalQuantity(text: string): string | undefined {
  const parsed = parseQuantity(text)
  if (parsed === undefined) return undefined
  const { nanos, format } = parsed
  if (nanos === 0n) return '0'
  const magnitude = nanos < 0n ? -nanos : nanos
  const sign = nanos < 0n ? '-' : ''
  // Small amounts and fractions of a byte are not shown in powers of two.
  const isBinary = format === 'binary' && magnitude >= 1024n * UNIT && magnitude % UNIT === 0n
  if (isBinary) return sign + inUnits(magnitude / UNIT, 1024n, BINARY_SUFFIXES)
  if (format !== 'exponent') return sign + inUnits(magnitude, 1000n, DECIMAL_SUFFIXES)
  const exponents = DECIMAL_SUFFIXES.map((_suffix, at) => (at === 3 ? '' : `e${(at - 3) * 3}`))
  return sign + inUnits(magnitude, 1000n, exponents)
}

function inUnits(amount: bigint, base: bigint, suffixes: readonly string[]): string {
  let at = 0
  let left = amount
  while (left % base === 0n && at + 1 < suffixes.length) {
    left /= base
    at += 1
  }
  return `${left}${suffixes[at] ?? ''}`
}
