import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Glob } from 'bun'
import * as fc from 'fast-check'
import { authorize, authorizeTrust } from '../../src/iam/evaluate.ts'
import type { PolicySource } from '../../src/iam/evaluate.ts'
import { parsePolicy } from '../../src/iam/policy.ts'
import type { PolicyKind } from '../../src/iam/policy-document.ts'
import { scaled } from '../support/tools.ts'
import { OPERATORS } from './conditions.ts'
import type { Access, Assumption } from './generate.ts'
import { accesses, assumptions } from './generate.ts'
import type { CallerJsonPolicies, JsonPolicy, OracleOptions } from './oracle.ts'
import { oracleAuthorize, oracleTrust } from './oracle.ts'

const PAIRS = scaled(10_000)

const read = (policy: JsonPolicy, kind: PolicyKind): PolicySource => ({
  name: kind,
  document: parsePolicy(JSON.stringify(policy), kind),
})

const readCaller = (policies: CallerJsonPolicies) => ({
  identity: policies.identity.map((policy) => read(policy, 'identity')),
  ...(policies.boundary === undefined ? {} : { boundary: read(policies.boundary, 'identity') }),
  ...(policies.session === undefined
    ? {}
    : { session: policies.session.map((policy) => read(policy, 'session')) }),
})

const oursOnAccess = ({ request, policies }: Access): boolean =>
  authorize(request, {
    ...readCaller(policies),
    ...(policies.resource === undefined ? {} : { resource: read(policies.resource, 'resource') }),
  }).allowed

const oursOnAssumption = ({ request, trust, policies }: Assumption): boolean =>
  authorizeTrust(request, read(trust, 'trust'), readCaller(policies)).allowed

const theirsOnAccess = ({ request, policies }: Access, options?: OracleOptions): boolean =>
  oracleAuthorize(policies, request, options).allowed

const theirsOnAssumption = (asked: Assumption, options?: OracleOptions): boolean =>
  oracleTrust(asked.trust, asked.request, asked.policies, options).allowed

/** The share of generated questions that the oracle answers with yes. */
const shareOf = <T>(questions: fc.Arbitrary<T>, isAllowed: (asked: T) => boolean): number => {
  const asked = fc.sample(questions, { numRuns: 2000, seed: 1 })
  return asked.filter(isAllowed).length / asked.length
}

// fast-check prints the seed, the path and the smallest pair of a difference.
test('authorize agrees with the oracle', () => {
  fc.assert(
    fc.property(accesses, (asked) => {
      expect(oursOnAccess(asked)).toBe(theirsOnAccess(asked))
    }),
    { numRuns: PAIRS },
  )
})

test('authorizeTrust agrees with the oracle', () => {
  fc.assert(
    fc.property(assumptions, (asked) => {
      expect(oursOnAssumption(asked)).toBe(theirsOnAssumption(asked))
    }),
    { numRuns: PAIRS },
  )
})

test('between 15 % and 85 % of the generated questions are answered with yes', () => {
  for (const share of [
    shareOf(accesses, theirsOnAccess),
    shareOf(assumptions, theirsOnAssumption),
  ]) {
    expect(share).toBeGreaterThan(0.15)
    expect(share).toBeLessThan(0.85)
  }
})

test.each([...OPERATORS])('an oracle with a wrong %s is found out', (flipped) => {
  const isFound = fc.check(
    fc.property(accesses, (asked) => oursOnAccess(asked) === theirsOnAccess(asked, { flipped })),
    { numRuns: 10_000, seed: 1, endOnFailure: true },
  ).failed
  expect(isFound).toBe(true)
})

test('the oracle imports nothing of src/', () => {
  const files = [...new Glob('*.ts').scanSync({ cwd: import.meta.dir })].filter(
    (file) => !file.endsWith('.test.ts'),
  )
  expect(files).toContain('oracle.ts')
  const imports = files.flatMap((file) => {
    const text = readFileSync(join(import.meta.dir, file), 'utf8')
    return [...text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((match) => match[1])
  })
  expect(imports.length).toBeGreaterThan(0)
  expect(imports.filter((from) => from !== 'fast-check' && !/^\.\/[^/]+$/.test(from!))).toEqual([])
})
