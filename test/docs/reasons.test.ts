/** docs/reference/reasons.md is what the table of reasons says; `PODROLE_WRITE_DOCS=1` writes the page. */
import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCases } from '../../src/doctor/explain/cases.suite.ts'
import { REASONS } from '../../src/doctor/explain/reasons.ts'
import { LINKS } from '../../src/doctor/explain/link-names.ts'

const PAGE = join(import.meta.dir, '..', '..', 'docs', 'reference', 'reasons.md')

const reasonsOf = (link: string): string[] =>
  Object.entries(REASONS)
    .filter(([, reason]) => reason.link === link)
    .map(([code, { matters, mend, says }]) => `| \`${code}\` | ${says} | ${matters} | ${mend} |`)

function pageText(): string {
  const sections = LINKS.flatMap((link) => {
    const rows = reasonsOf(link)
    if (rows.length === 0) return []
    return [
      `## ${link}`,
      '',
      '| code | what is so | why it matters | what mends it |',
      '| --- | --- | --- | --- |',
      ...rows,
      '',
    ]
  })
  return [
    '# Reasons of `podrole explain`',
    '',
    'Written by `PODROLE_WRITE_DOCS=1 npm test -- test/docs/reasons` from the table that `explain` uses. The codes are stable, and there are no others; the first broken link, in the order of this page, is the cause.',
    '',
    ...sections,
  ].join('\n')
}

test('the page is what the table says', () => {
  const text = pageText()
  if (process.env['PODROLE_WRITE_DOCS'] === '1') writeFileSync(PAGE, text)
  expect(readFileSync(PAGE, 'utf8')).toBe(text)
})

test('every reason has a case that it is the cause of', () => {
  const shown = new Set(readCases().map((one) => one.expect?.cause))
  expect(Object.keys(REASONS).filter((code) => !shown.has(code as never))).toEqual([])
})
