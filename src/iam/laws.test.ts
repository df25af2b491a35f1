import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import {
  ask,
  AWAY,
  CALLERS,
  HOME,
  numRuns,
  policy,
  session,
  source,
  user,
} from './callers.suite.ts'
import type { JsonStatement } from './callers.suite.ts'
import { authorize } from './evaluate.ts'
import type { Policies } from './evaluate.ts'
import { principalContext } from './principal.ts'
import type { ContextKeys } from './request.ts'

describe('laws of random policies', () => {
  const pick = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values)
  const condition = fc.dictionary(
    pick([
      'StringEquals',
      'StringNotEquals',
      'StringLike',
      'ForAllValues:StringEquals',
      'BoolIfExists',
    ]),
    fc.dictionary(
      pick(['a:x', 'a:y', 'aws:PrincipalArn']),
      pick(['1', '2', '*', 'true', '${a:y}']),
      {
        minKeys: 1,
      },
    ),
    { maxKeys: 1 },
  )
  const statement = (Effect: 'Allow' | 'Deny'): fc.Arbitrary<JsonStatement> =>
    fc.record({
      Effect: fc.constant(Effect),
      Action: pick(['s3:*', 's3:GetObject', 'sts:AssumeRole', '*']),
      Resource: pick([
        '*',
        'arn:aws:s3:::bucket/*',
        'arn:aws:s3:::other/*',
        'arn:aws:s3:::${a:x}/*',
      ]),
      Condition: condition,
    })
  const principal = pick([
    '*',
    { AWS: HOME },
    { AWS: AWAY },
    { AWS: 'arn:aws:iam::111122223333:role/team/worker' },
    { AWS: 'arn:aws:iam::111122223333:user/path/alice' },
    { Federated: 'arn:aws:iam::111122223333:oidc-provider/issuer.example.com/one' },
    { Service: 'pods.eks.amazonaws.com' },
  ])
  const bucketStatement = (effect: 'Allow' | 'Deny'): fc.Arbitrary<JsonStatement> =>
    fc.tuple(statement(effect), principal).map(([made, Principal]) => ({ ...made, Principal }))
  const either = (make: (effect: 'Allow' | 'Deny') => fc.Arbitrary<JsonStatement>) =>
    fc.array(
      fc.oneof({ weight: 4, arbitrary: make('Allow') }, { weight: 1, arbitrary: make('Deny') }),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
  const context: fc.Arbitrary<ContextKeys> = fc.dictionary(
    pick(['a:x', 'a:y']),
    fc.oneof(pick(['1', '2', 'true', 'bucket']), fc.array(pick(['1', '2']), { maxLength: 2 })),
  )
  const question = fc.record({
    caller: pick([session, session, user, ...CALLERS]),
    account: pick([HOME, HOME, AWAY]),
    action: pick(['s3:GetObject', 's3:PutObject', 'sts:AssumeRole']),
    context,
    identity: either(statement),
    bucket: either(bucketStatement),
    boundary: fc.option(either(statement), { nil: undefined }),
  })
  type Question = typeof question extends fc.Arbitrary<infer T> ? T : never

  const decide = (asked: Question, change: Partial<Question> = {}): boolean => {
    const { caller, account, action, context, identity, bucket, boundary } = { ...asked, ...change }
    const policies: Policies = {
      identity: [source(policy(...identity))],
      resource: source(policy(...bucket), 'resource'),
      ...(boundary === undefined ? {} : { boundary: source(policy(...boundary)) }),
    }
    const request = ask({ caller, action, resourceAccountId: account })
    return authorize({ ...request, context: { ...principalContext(caller), ...context } }, policies)
      .allowed
  }

  const check = (
    property: fc.IProperty<[Question]> | fc.IProperty<[Question, JsonStatement]>,
  ): void => {
    fc.assert(property as fc.IProperty<[Question]>, { numRuns: numRuns(1000) })
  }

  test('the random questions are answered with yes and with no', () => {
    const answers = fc.sample(question, { numRuns: 300, seed: 7 }).map((asked) => decide(asked))
    expect(answers.filter(Boolean).length).toBeGreaterThan(30)
    expect(answers.filter((answer) => !answer).length).toBeGreaterThan(30)
  })

  test('one more Deny never grants', () => {
    check(
      fc.property(question, statement('Deny'), (asked, deny) => {
        const denied = decide(asked, { identity: [...asked.identity, deny] })
        expect(denied && !decide(asked)).toBe(false)
      }),
    )
  })

  test('the order of statements changes nothing', () => {
    check(
      fc.property(question, (asked) => {
        const turned = { identity: asked.identity.toReversed(), bucket: asked.bucket.toReversed() }
        expect(decide(asked, turned)).toBe(decide(asked))
      }),
    )
  })

  test('one more condition on an Allow never widens', () => {
    const narrow = (made: JsonStatement, more: object): JsonStatement =>
      made.Effect === 'Allow'
        ? { ...made, Condition: { ...(made['Condition'] as object), NumericEquals: more } }
        : made
    check(
      fc.property(question, (asked) => {
        const identity = asked.identity.map((made) => narrow(made, { 'a:x': '1' }))
        const bucket = asked.bucket.map((made) => narrow(made, { 'a:y': '2' }))
        expect(decide(asked, { identity, bucket }) && !decide(asked)).toBe(false)
      }),
    )
  })

  test('a boundary never widens', () => {
    check(
      fc.property(question, (asked) => {
        expect(decide(asked) && !decide(asked, { boundary: undefined })).toBe(false)
      }),
    )
  })
})
