/** Names for objects: the same in every run, and no two the same. */
import { createHash } from 'node:crypto'

const HASH_DIGITS = 8

interface Style {
  readonly separator: string
  /** A part that is written as it stands and holds no separator. */
  readonly plain: RegExp
  /** What a name may not hold. */
  readonly others: RegExp
  readonly longest: number
}

const STYLES = {
  terraform: { separator: '_', plain: /^[A-Za-z0-9-]+$/, others: /[^A-Za-z0-9-]+/g, longest: 100 },
  /** Kubernetes' DNS subdomains. */
  kubernetes: {
    separator: '.',
    plain: /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/,
    others: /[^a-z0-9-]+/g,
    longest: 200,
  },
} as const satisfies Readonly<Record<string, Style>>

/**
 * Parts joined, and a hash of the identity wherever another object could come to the same name:
 * where a part holds the separator, or a character that names may not.
 */
export function nameFrom(
  parts: readonly string[],
  of: {
    readonly style: keyof typeof STYLES
    /** What makes it this object and no other of its type. */
    readonly identity: string
    /** The parts do not tell it from all others. */
    readonly isAmbiguous?: boolean
  },
): string {
  const { longest, others, plain, separator } = STYLES[of.style]
  const words = parts
    .map((part) => (of.style === 'kubernetes' ? part.toLowerCase() : part))
    .map((part) => (parts.length === 1 ? part.replaceAll(separator, '-') : part))
  const joined = words
    .map((word) => word.replaceAll(others, '-').replaceAll(/^-+|-+$/g, ''))
    .filter((word) => word !== '')
    .join(separator)
  const name = /^[A-Za-z]/.test(joined) ? joined : `r${separator}${joined}`
  const isExact = parts.every((part) => plain.test(part)) && name === joined
  if (isExact && of.isAmbiguous !== true && name.length <= longest) return name
  const hash = createHash('sha256').update(of.identity).digest('hex').slice(0, HASH_DIGITS)
  const room = longest - HASH_DIGITS - separator.length
  return `${name.slice(0, room).replaceAll(/[-._]+$/g, '')}${separator}${hash}`
}
