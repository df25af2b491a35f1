/** docs/reference/parity-manage.md, the sections on commands and on what exists: every row names a test that is there. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '..', '..')
const PAGE = readFileSync(join(ROOT, 'docs', 'reference', 'parity-manage.md'), 'utf8')
const sectionOf = (title: string): string =>
  PAGE.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? ''

test.each([
  ['Commands', 25],
  ['What exists as a file', 5],
] as const)('every row of %p names a test that is there', (title, least) => {
  const rows = sectionOf(title)
    .split('\n')
    .filter((line) => /^\| (?!eksctl \||---)/.test(line))
  expect(rows.length).toBeGreaterThan(least)
  expect(rows.flatMap(faultsOf)).toEqual([])
})

/** What is wrong with the last cell of a row: `FILE`: name, and more of them behind a semicolon. */
function faultsOf(row: string): readonly string[] {
  const [, cell = ''] = / \| (`[^|]+) \|$/.exec(row) ?? []
  if (cell === '') return [`no test: ${row}`]
  return cell.split('; `').flatMap((text) => {
    const [, file = '', name = ''] = /^`?([^`]+)`: (.+)$/.exec(text) ?? []
    const source = readFileSync(join(ROOT, file), 'utf8')
    const isThere = [`'${name}'`, `"${name}"`].some((quoted) => source.includes(quoted))
    return name !== '' && isThere ? [] : [`${file} has no test ${JSON.stringify(name)}`]
  })
}
