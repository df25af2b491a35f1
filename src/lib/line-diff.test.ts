import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { diffLines, formatDiff } from './line-diff.ts'

const text = fc
  .array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 })
  .map((lines) => lines.join('\n'))

test('either text can be had back from the difference, and equal texts have none', () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = diffLines(before, after)
      const side = (gone: string): string =>
        lines
          .filter(({ sign }) => sign !== gone)
          .map((line) => line.text)
          .join('\n')
      expect([side('+'), side('-')]).toEqual([before, after])
      expect(diffLines(before, before).every(({ sign }) => sign === ' ')).toBe(true)
    }),
  )
})

test('shows the changes with what is around them', () => {
  const before = Array.from({ length: 20 }, (_, at) => `line ${at}`)
  const after = before.with(10, 'other').toSpliced(19, 1)
  expect(formatDiff(diffLines(before.join('\n'), after.join('\n')), 1)).toBe(
    [
      '  …',
      '  line 9',
      '- line 10',
      '+ other',
      '  line 11',
      '  …',
      '  line 18',
      '- line 19',
      '',
    ].join('\n'),
  )
})
