import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { PodroleError } from '../lib/errors.ts'
import { ask, CALLERS, HOME, numRuns, policy } from './callers.suite.ts'
import { authorize, authorizeTrust } from './evaluate.ts'
import { explainDecision } from './explain.ts'
import { parsePolicy } from './policy.ts'
import { BASE_OPERATORS } from './policy-document.ts'
import type { PolicyKind } from './policy-document.ts'
import type { ContextKeys } from './request.ts'

describe('hostile input', () => {
  const kinds: readonly PolicyKind[] = ['identity', 'trust', 'session', 'resource']

  /** Parses, and evaluates what parses; anything but a PodroleError fails the test. */
  const survive = (text: string, kind: PolicyKind, context: ContextKeys = {}): void => {
    let document
    try {
      document = parsePolicy(text, kind)
    } catch (error) {
      expect(error).toBeInstanceOf(PodroleError)
      expect((error as PodroleError).code).toBe('MalformedPolicyDocument')
      return
    }
    const named = { name: kind, document }
    for (const caller of CALLERS) {
      const request = ask({ caller, context })
      const decisions = [
        authorize(request, {
          identity: [named],
          boundary: named,
          session: [named],
          resource: named,
        }),
        authorizeTrust({ ...request, action: 'sts:AssumeRole' }, named, { identity: [named] }),
      ]
      for (const decision of decisions) {
        expect(explainDecision(decision)[0]).toBe(`${decision.text}.`)
      }
    }
  }

  test('arbitrary text', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.json(), fc.string({ unit: 'binary' })),
        fc.constantFrom(...kinds),
        (text, kind) => survive(text, kind),
      ),
      { numRuns: numRuns(2000) },
    )
  })

  test('arbitrary JSON in the places of a policy', () => {
    const junk = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom('*', 's3:*', 'sts:AssumeRole', 'Allow', 'arn:aws:s3:::*', HOME),
      },
      { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
    )
    const operator = fc
      .tuple(
        fc.constantFrom('', 'ForAllValues:', 'ForAnyValue:'),
        fc.constantFrom(...BASE_OPERATORS),
        fc.constantFrom('', 'IfExists'),
      )
      .map((parts) => parts.join(''))
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '${',
        '${}',
        '${a:x',
        "${a:x, '",
        "${a:x,'d'}",
        '::',
        '1e99',
        '0/0',
        '1.2.3.4/33',
        '2026-13-45',
      ),
      fc.integer().map(String),
      fc.ipV6(),
    )
    const values = fc.oneof(value, fc.array(value, { maxLength: 3 }))
    const statement = fc.record(
      {
        Sid: junk,
        Effect: fc.constantFrom('Allow', 'Deny'),
        Principal: fc.oneof(junk, fc.record({ AWS: junk }), fc.constant('*')),
        Action: fc.oneof(junk, fc.constantFrom('s3:*', 'sts:*')),
        Resource: fc.oneof(junk, fc.constant('*')),
        Condition: fc.oneof(
          fc.dictionary(operator, fc.dictionary(fc.constantFrom('a:x', 'a:y'), values)),
          junk,
        ),
      },
      { requiredKeys: ['Effect', 'Action'] },
    )
    const document = fc.record(
      {
        Version: fc.constantFrom('2012-10-17', '2008-10-17'),
        Id: junk,
        Statement: fc.oneof(statement, fc.array(statement)),
      },
      { requiredKeys: ['Version', 'Statement'] },
    )
    fc.assert(
      fc.property(
        document,
        fc.constantFrom(...kinds),
        fc.dictionary(fc.constantFrom('a:x', 'a:y'), values),
        (made, kind, context) => survive(JSON.stringify(made), kind, context),
      ),
      { numRuns: numRuns(2000) },
    )
  })

  test('pathological wildcards and variables end', () => {
    const context: ContextKeys = { 'a:x': 'a'.repeat(20_000), 'a:y': '${'.repeat(5000) }
    const condition = (operator: string, value: string): unknown =>
      policy({
        Effect: 'Allow',
        Action: '*',
        Resource: '*',
        Condition: { [operator]: { 'a:x': value } },
      })
    survive(JSON.stringify(condition('StringLike', `${'*a'.repeat(3000)}b`)), 'identity', context)
    survive(JSON.stringify(condition('StringLike', `${'*?'.repeat(3000)}b`)), 'identity', context)
    survive(JSON.stringify(condition('StringLike', '*'.repeat(10_000) + 'b')), 'identity', context)
    survive(JSON.stringify(condition('ArnLike', ':*'.repeat(5000))), 'identity', context)
    survive(JSON.stringify(condition('StringLike', '${'.repeat(20_000))), 'identity', context)
    survive(
      JSON.stringify(condition('StringLike', `\${a:x,'${"'".repeat(20_000)}`)),
      'identity',
      context,
    )
    survive(
      JSON.stringify(condition('StringLike', `\${a:x,${' '.repeat(20_000)}`)),
      'identity',
      context,
    )
    survive(
      JSON.stringify(condition('NumericEquals', `1${'0'.repeat(20_000)}`)),
      'identity',
      context,
    )
    const action = policy({
      Effect: 'Allow',
      Action: `s3:${'*a'.repeat(3000)}`,
      Resource: `arn:aws:s3:::${'*a'.repeat(3000)}`,
    })
    survive(JSON.stringify(action), 'identity', context)
  })

  test('names of Object.prototype are names like others', () => {
    const text = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"a:__proto__":"\${constructor}"}}}}`
    survive(text, 'identity')
    survive('{"__proto__":{"Statement":[]},"constructor":1}', 'identity')
  })
})
