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
  const missing = rows.filter((row) => {
    const [, file = '', name = ''] = /\| `([^`]+)`: ([^|]+) \|$/.exec(row) ?? []
    if (file === '') return true
    const text = readFileSync(join(ROOT, file), 'utf8')
    return ![`'${name}'`, `"${name}"`].some((quoted) => text.includes(quoted))
  })
  expect(missing).toEqual([])
})
