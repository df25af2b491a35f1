/** What generators of trust policies share: pieces of statements, as people write and miswrite them. */
import * as fc from 'fast-check'
import type { JsonPolicy, JsonStatement } from './oracle.ts'

export const pick = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values)

export const weighted = <T>(
  ...choices: readonly (readonly [weight: number, fc.Arbitrary<T>])[]
): fc.Arbitrary<T> => fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })))

/** One value, or a list of up to three. */
export const oneOrMore = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | T[]> =>
  weighted<T | T[]>([2, value], [1, fc.array(value, { minLength: 1, maxLength: 3 })])

/** The same name in another case, sometimes. */
export const respell = (name: string): fc.Arbitrary<string> =>
  weighted(
    [8, fc.constant(name)],
    [1, fc.constant(name.toLowerCase())],
    [1, fc.constant(name.toUpperCase())],
  )

/** A claim of the issuer, now and then written for another one. */
export const claimKeyOf =
  (host: string, otherHost: string) =>
  (claim: string): fc.Arbitrary<string> =>
    weighted(
      [12, respell(`${host}:${claim}`)],
      [
        2,
        pick([
          `${otherHost}:${claim}`,
          `${host}/:${claim}`,
          `https://${host}:${claim}`,
          `${host.replace(/(?=\/)|$/, ':443')}:${claim}`,
          `${host.split('/')[0] ?? ''}:${claim}`,
        ]),
      ],
    )

export type Condition = readonly [operator: string, key: string, wanted: unknown]

export const withIfExists = (operator: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(operator, weighted([7, fc.constant('')], [1, fc.constant('IfExists')]))
    .map((parts) => parts.join(''))

export const textOperator = withIfExists(
  weighted(
    [8, fc.constant('StringEquals')],
    [8, fc.constant('StringLike')],
    [2, pick(['StringEqualsIgnoreCase', 'ForAnyValue:StringEquals', 'ForAnyValue:StringLike'])],
    [2, pick(['ForAllValues:StringEquals', 'ForAllValues:StringLike'])],
    [2, pick(['StringNotEquals', 'StringNotLike', 'StringNotEqualsIgnoreCase'])],
    [1, pick(['ForAnyValue:StringNotEquals', 'ForAllValues:StringNotLike'])],
  ),
)

export const setOperator = withIfExists(
  fc
    .tuple(
      pick(['ForAnyValue:', 'ForAllValues:']),
      pick(['StringEquals', 'StringLike', 'StringEquals', 'StringLike', 'StringNotEquals']),
    )
    .map((parts) => parts.join('')),
)

/** A block never holds the same key twice under one operator. */
function blockOf(conditions: readonly Condition[]): Record<string, Record<string, unknown>> {
  const block: Record<string, Record<string, unknown>> = {}
  for (const [operator, key, wanted] of conditions) {
    const keys = (block[operator] ??= {})
    const isThere = Object.keys(keys).some((other) => other.toLowerCase() === key.toLowerCase())
    if (!isThere) keys[key] = wanted
  }
  return block
}

/** A statement's own parts; what AWS alone knows before the call is made comes last. */
export interface Parts {
  readonly principal: fc.Arbitrary<Pick<JsonStatement, 'Principal'>>
  readonly action: fc.Arbitrary<Pick<JsonStatement, 'Action' | 'NotAction'>>
  readonly condition: fc.Arbitrary<Condition>
  readonly requestCondition: fc.Arbitrary<Condition>
}

const conditionsOf = ({ condition, requestCondition }: Parts): fc.Arbitrary<object> =>
  weighted<readonly Condition[]>(
    [3, fc.constant([])],
    [8, fc.array(condition, { minLength: 1, maxLength: 1 })],
    [4, fc.array(condition, { minLength: 2, maxLength: 3 })],
    [1, fc.tuple(requestCondition)],
    [1, fc.tuple(condition, requestCondition)],
  ).map((conditions) => (conditions.length === 0 ? {} : { Condition: blockOf(conditions) }))

/** Deny is mostly for everyone but somebody. */
const statementOf = (parts: Parts): fc.Arbitrary<JsonStatement> =>
  weighted<JsonStatement>(
    [
      7,
      fc
        .tuple(parts.principal, parts.action, conditionsOf(parts))
        .map((made) => Object.assign({ Effect: 'Allow' }, ...made) as JsonStatement),
    ],
    [
      1,
      fc
        .tuple(
          weighted<object>([2, fc.constant({ Principal: '*' })], [1, parts.principal]),
          parts.action,
          fc.array(weighted<Condition>([5, parts.condition], [1, parts.requestCondition]), {
            minLength: 1,
            maxLength: 2,
          }),
        )
        .map(
          ([who, what, conditions]) =>
            Object.assign({ Effect: 'Deny' }, who, what, {
              Condition: blockOf(conditions),
            }) as JsonStatement,
        ),
    ],
  )

const VERSIONS: readonly (readonly [number, object])[] = [
  [7, { Version: '2012-10-17' }],
  [1, { Version: '2008-10-17' }],
  [1, {}],
]

const policyOf = (statement: fc.Arbitrary<JsonStatement>): fc.Arbitrary<JsonPolicy> =>
  fc
    .tuple(
      weighted(...VERSIONS.map(([weight, version]) => [weight, fc.constant(version)] as const)),
      weighted<JsonStatement | JsonStatement[]>(
        [1, statement],
        [4, fc.array(statement, { minLength: 1, maxLength: 4 })],
      ),
    )
    .map(([version, Statement]) => ({ ...version, Statement }))

const without = (one: JsonStatement, ...elements: readonly string[]): object =>
  Object.fromEntries(Object.entries(one).filter(([element]) => !elements.includes(element)))

const withAction = (one: JsonStatement, Action: unknown): object => ({
  ...without(one, 'NotAction'),
  Action,
})

type Break = (one: JsonStatement) => object

/** What IAM does not take: each breaks one rule of the grammar. */
const BREAKS: readonly Break[] = [
  (one) => ({ ...without(one, 'Principal'), NotPrincipal: one.Principal }),
  (one) => ({ ...without(one, 'Principal'), NotPrincipal: one.Principal, Effect: 'Deny' }),
  (one) => without(one, 'Principal'),
  (one) => without(one, 'Action', 'NotAction'),
  (one) => withAction(one, ['sts:AssumeRole', 's3:GetObject']),
  (one) => withAction(one, '*'),
  (one) => ({ ...one, Resource: '*' }),
  (one) => ({ ...one, Effect: 'allow' }),
  (one) => ({ ...one, Principal: { AWS: 'arn:aws:iam::111122223333:role/agreement-*' } }),
  (one) => ({
    ...one,
    Condition: { StringEquals: { 'issuer.example:sub': 'a', 'issuer.example:SUB': 'b' } },
  }),
]

const brokenPolicyOf = (
  statement: fc.Arbitrary<JsonStatement>,
  breaks: readonly Break[],
): fc.Arbitrary<JsonPolicy> =>
  fc
    .tuple(fc.array(statement, { maxLength: 1 }), statement, pick([...BREAKS, ...breaks]))
    .map(([before, one, breakIt]) => ({
      Version: '2012-10-17',
      Statement: [...before, breakIt(one) as JsonStatement],
    }))

/** Trust policies, of which IAM refuses a few; as long as its quota allows. */
export function trustOf(parts: Parts, breaks: readonly Break[]): fc.Arbitrary<JsonPolicy> {
  const statement = statementOf(parts)
  return weighted([24, policyOf(statement)], [1, brokenPolicyOf(statement, breaks)]).filter(
    (made) => JSON.stringify(made).length <= 2000,
  )
}
