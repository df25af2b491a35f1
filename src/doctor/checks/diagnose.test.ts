import { describe, expect, test } from 'bun:test'
import { baseFacts, readDoctorCases } from './cases.suite.ts'
import { diagnose } from './diagnose.ts'
import { CHECKS } from './table.ts'

const CASES = readDoctorCases()

test('where all is well, nothing is found and everything was looked at', () => {
  expect(diagnose(baseFacts())).toEqual({ findings: [], notLookedAt: [] })
})

describe('a case', () => {
  for (const { about, facts, findings, name, notLookedAt } of CASES) {
    test(`${name}: ${about}`, () => {
      const found = diagnose(facts)
      expect(found.findings.map(({ id, subject }) => ({ id, subject }))).toEqual(findings)
      const unread = found.notLookedAt.map(({ what }) => what)
      expect(unread.filter((what) => !notLookedAt.some((one) => what.startsWith(one)))).toEqual([])
      expect(notLookedAt.filter((one) => !unread.some((what) => what.startsWith(one)))).toEqual([])
    })
  }
})

test('every check has a case that it finds, and cases in which it is silent', () => {
  for (const id of Object.keys(CHECKS)) {
    const finding = CASES.filter(({ findings }) => findings.some((one) => one.id === id))
    expect({ id, cases: finding.length }).toEqual({ id, cases: expect.any(Number) })
    expect(finding.length).toBeGreaterThan(0)
    expect(finding.length).toBeLessThan(CASES.length)
  }
})
