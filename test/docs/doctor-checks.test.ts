/** docs/reference/doctor-checks.md is what the table of checks says; `PODROLE_WRITE_DOCS=1` writes the page. */
import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHECKS, type CheckRow } from '../../src/doctor/checks/table.ts'

const PAGE = join(import.meta.dir, '..', '..', 'docs', 'reference', 'doctor-checks.md')

function pageText(): string {
  const rows = Object.entries<CheckRow>(CHECKS)
  const groups = [...Map.groupBy(rows, ([, { group }]) => group)]
  return [
    '# Checks of `podrole doctor`',
    '',
    'Written by `PODROLE_WRITE_DOCS=1 npm test -- test/docs/doctor-checks` from the table that `doctor` uses. The ids are stable, and there are no others. What could not be read is no finding: it is listed as not looked at.',
    '',
    ...groups.flatMap(([group, checks]) => [
      `## ${group}`,
      '',
      '| id | severity | what is so | why it matters | what mends it |',
      '| --- | --- | --- | --- | --- |',
      ...checks.map(
        ([id, { matters, mend, says, severity }]) =>
          `| \`${id}\` | ${severity} | ${says} | ${matters} | ${mend} |`,
      ),
      '',
    ]),
  ].join('\n')
}

test('the page is what the table says', () => {
  const text = pageText()
  if (process.env['PODROLE_WRITE_DOCS'] === '1') writeFileSync(PAGE, text)
  expect(readFileSync(PAGE, 'utf8')).toBe(text)
})
