import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { parseArn } from './arn.ts'
import { numRuns } from './callers.suite.ts'
import { parseJsonDocument } from './json-document.ts'
import { formatJsonDocument } from './json-text.ts'
import { addTrust, EMPTY_TRUST } from './trust-edit.ts'
import { foreignPolicies, grants } from './trust-edit.suite.ts'
import { findTrustFaults } from './trust-findings.ts'
import type { TrustFinding } from './trust-findings.ts'
import { memberOf } from './trust-statements.ts'

interface Case {
  readonly about: string
  /** The role's ARN. */
  readonly role?: string
  readonly policyFile?: string
  readonly findings: readonly {
    readonly code: string
    readonly statement?: string
    /** A part of the finding's text. */
    readonly says?: string
  }[]
}

const TESTDATA = join(import.meta.dir, 'testdata')
const read = (...path: readonly string[]): string => readFileSync(join(TESTDATA, ...path), 'utf8')
const files = readdirSync(join(TESTDATA, 'trust-findings')).sort()
const cases = files.map((file) => JSON.parse(read('trust-findings', file)) as Case)

/** The policy of a case as it was written, members that occur twice in it. */
function policyOf(file: string, { policyFile }: Case): string {
  if (policyFile !== undefined) return read(policyFile)
  const policy = memberOf(parseJsonDocument(read('trust-findings', file)), 'policy')
  return formatJsonDocument(policy ?? { kind: 'null' })
}

function findingsOf(file: string, one: Case): readonly TrustFinding[] {
  const role = one.role === undefined ? undefined : parseArn(one.role)
  return findTrustFaults(policyOf(file, one), role === undefined ? {} : { role })
}

describe('cases', () => {
  for (const [index, one] of cases.entries()) {
    const file = files[index] ?? ''
    test(`${file}: ${one.about}`, () => {
      const found = findingsOf(file, one)
      const brief = ({ code, statement }: TrustFinding | Case['findings'][number]): string =>
        `${code} ${statement ?? ''}`
      expect(found.map(brief)).toEqual(one.findings.map(brief))
      one.findings.forEach(({ says }, at) => {
        if (says !== undefined) expect(found[at]?.text).toContain(says)
      })
      for (const { hint } of found) expect(hint).toEndWith('.')
    })
  }

  test('there are enough of them, also of those that find nothing', () => {
    expect(cases.length).toBeGreaterThanOrEqual(25)
    expect(cases.filter(({ findings }) => findings.length === 0).length).toBeGreaterThanOrEqual(10)
    const codes = new Set(cases.flatMap(({ findings }) => findings.map(({ code }) => code)))
    expect([...codes].sort()).toEqual([
      'audience-holds-subject',
      'aws-anyone',
      'foreign-provider',
      'key-never-matches',
      'malformed-policy',
      'no-audience',
      'no-subject',
      'no-tag-session',
      'pod-identity-open',
      'subject-open',
      'unknown-condition-element',
      'wildcard-in-equals',
    ])
  })
})

test('what podrole writes has no findings', () => {
  fc.assert(
    fc.property(grants, grants, (one, other) => {
      const text = addTrust(addTrust(EMPTY_TRUST, one).after, other).after
      expect(
        findTrustFaults(text, { role: { partition: 'aws', accountId: '111122223333' } }),
      ).toEqual([])
    }),
    { numRuns: numRuns(100) },
  )
})

test('every policy that can be read can be judged', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        foreignPolicies,
        fc
          .json()
          .map((one) => `{"Statement":{"Condition":${one},"Principal":${one},"Action":${one}}}`),
      ),
      (text) => {
        for (const { level, text: said } of findTrustFaults(text)) {
          expect(['error', 'warning']).toContain(level)
          expect(said.length).toBeGreaterThan(10)
        }
      },
    ),
    { numRuns: numRuns(300) },
  )
})
