import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'

/** What was read, or why it could not be. What is known to be absent is a value that is undefined. */
export type Fact<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly why: string }

export const known = <T>(value: T): Fact<T> => ({ known: true, value })
export const unknown = (why: string): Fact<never> => ({ known: false, why })

/** The value, or undefined where it is absent or could not be read. */
export const valueOf = <T>(fact: Fact<T>): T | undefined => (fact.known ? fact.value : undefined)

const MAX_WHY = 500

/**
 * Reads a fact within `timeoutMs`. A fault of a service or of the network makes it unknown; it is
 * never taken for absent.
 */
export async function readFact<T>(ask: () => Promise<T>, timeoutMs: number): Promise<Fact<T>> {
  const { promise, resolve } = Promise.withResolvers<Fact<T>>()
  const timer = setTimeout(() => resolve(unknown(`no answer in ${timeoutMs} ms`)), timeoutMs)
  try {
    return await Promise.race([ask().then(known), promise])
  } catch (error) {
    // A network's fault has a code too; what has none is a mistake of our own.
    const isFault = error instanceof PodroleError || codeOf(error) !== undefined
    if (!isFault) throw error
    return unknown(messageOf(error).slice(0, MAX_WHY))
  } finally {
    clearTimeout(timer)
  }
}

/** Undefined in the place of a fault that says that there is no such thing. */
export async function orAbsent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (ABSENT.has(codeOf(error) ?? '')) return undefined
    throw error
  }
}

/** IAM's, Kubernetes', EKS' and S3's codes. */
const ABSENT: ReadonlySet<string> = new Set([
  'NoSuchEntity',
  'NotFound',
  'ResourceNotFound',
  'NoSuchBucketPolicy',
])
