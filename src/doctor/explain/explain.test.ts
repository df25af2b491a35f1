import { describe, expect, test } from 'bun:test'
import { NOWHERE, readCases } from './cases.suite.ts'
import { explain, type Explanation } from './explain.ts'
import { factsOf } from './facts.suite.ts'

const CASES = readCases()

const told = ({ cause, links, sentence, verdict }: Explanation): object => ({
  verdict,
  ...(cause === undefined ? { sentence } : { cause: cause.reason, fix: cause.fix.kind }),
  warnings: links.flatMap((link) => (link.status === 'ok' ? link.warnings : [])),
})

const fine = {
  verdict: 'ok',
  sentence: expect.stringContaining('gets arn:aws:iam::'),
  warnings: [],
}

describe('every case, over facts', () => {
  for (const one of CASES) {
    const { expect: expected, id, name } = one
    test(`${id}: ${name}`, () => {
      const { after, before, repaired } = one.at(NOWHERE)
      const found = explain(factsOf(one, before, after, NOWHERE))
      if (expected === undefined) {
        expect(told(found)).toEqual(fine)
        return
      }
      expect(told(found)).toMatchObject({ verdict: 'broken', ...expected })
      if (expected.fix !== 'outside') return
      expect(told(explain(factsOf(one, repaired, repaired, NOWHERE)))).toEqual(fine)
    })
  }
})
