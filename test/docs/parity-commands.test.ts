/** docs/reference/parity-manage.md, the section on commands: every row names a test that is there. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '..', '..')
const PAGE = readFileSync(join(ROOT, 'docs', 'reference', 'parity-manage.md'), 'utf8')
const SECTION = /^## Commands$([^]*?)(?=^## |(?![^]))/m.exec(PAGE)?.[1] ?? ''

test('every row names a test that is there', () => {
  const rows = SECTION.split('\n').filter((line) => /^\| (?!eksctl \||---)/.test(line))
  expect(rows.length).toBeGreaterThan(25)
  const missing = rows.filter((row) => {
    const [, file = '', name = ''] = /\| `([^`]+)`: ([^|]+) \|$/.exec(row) ?? []
    if (file === '') return true
    const text = readFileSync(join(ROOT, file), 'utf8')
    return ![`'${name}'`, `"${name}"`].some((quoted) => text.includes(quoted))
  })
  expect(missing).toEqual([])
})
