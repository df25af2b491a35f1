import { PodroleError } from '../lib/errors.ts'

/** A trust policy that podrole writes, as the JSON value to be stored: one statement each. */
export interface TrustPolicyDocument {
  readonly Version: '2012-10-17'
  readonly Statement: readonly [TrustStatement]
}

export interface TrustStatement {
  /** Letters and digits. */
  readonly Sid: string
  readonly Effect: 'Allow'
  readonly Principal: { readonly Federated: string } | { readonly Service: string }
  readonly Action: string | readonly string[]
  /** Operator, key, value or values. */
  readonly Condition: TrustConditions
}

export type TrustConditions = Readonly<
  Record<string, Readonly<Record<string, string | readonly string[]>>>
>

/** The audience that AWS SDKs ask service account tokens for. */
export const STS_AUDIENCE = 'sts.amazonaws.com'

/** A document with one statement. */
export function trustDocument(statement: Omit<TrustStatement, 'Effect'>): TrustPolicyDocument {
  const { Sid, Principal, Action, Condition } = statement
  return {
    Version: '2012-10-17',
    Statement: [{ Sid, Effect: 'Allow', Principal, Action, Condition }],
  }
}

/** The value itself where there is one only, as AWS's console writes it. */
export function oneOrMany(values: readonly string[]): string | readonly string[] {
  const [first] = values
  return values.length === 1 && first !== undefined ? first : values
}

/**
 * An audience is compared exactly; a variable or a line break in it would not be.
 * @throws PodroleError `InvalidAudience`.
 */
export function checkAudience(audience: string): void {
  if (/^[\x21-\x7e]{1,255}$/.test(audience) && !audience.includes('${')) return
  throw new PodroleError(
    'InvalidAudience',
    `Cannot use audience ${JSON.stringify(audience.slice(0, 100))}: wanted 1 to 255 printable characters without space and without "\${"`,
    { status: 400 },
  )
}

/**
 * A list with nothing in it would trust nobody.
 * @throws PodroleError `InvalidTrust`.
 */
export function checkNotEmpty(values: readonly unknown[], what: string): void {
  if (values.length > 0) return
  throw new PodroleError(
    'InvalidTrust',
    `Cannot write a trust policy: it names no ${what}, at least one is wanted`,
    { status: 400 },
  )
}
