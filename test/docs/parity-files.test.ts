/** docs/reference/parity-manage.md, the section on files: every row names tests that are there. */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '..', '..')
const PAGE = readFileSync(join(ROOT, 'docs', 'reference', 'parity-manage.md'), 'utf8')
const DESIRED = 'src/manage/desired'
const PLAN = 'src/manage/plan'
/** Names of test files in the table, and the folders of their cases. */
const NAMED: Readonly<
  Record<string, { readonly file: string; readonly cases: readonly string[] }>
> = {
  desired: {
    file: `${DESIRED}/read-desired.test.ts`,
    cases: [`${DESIRED}/testdata/faults`, `${DESIRED}/testdata/read`],
  },
  plans: { file: `${PLAN}/make-plan.test.ts`, cases: [`${PLAN}/testdata/plans`] },
  laws: { file: `${PLAN}/laws.test.ts`, cases: [] },
  deletes: { file: `${PLAN}/delete-laws.test.ts`, cases: [] },
}
const isThere = (...path: readonly string[]): boolean => existsSync(join(ROOT, ...path))

/** Whether a test or a group of tests of the file is called so; of a template, a part will do. */
function hasTest(file: string, name: string): boolean {
  if (name === '' || !isThere(file)) return false
  const text = readFileSync(join(ROOT, file), 'utf8')
  const isWhole = [`'${name}'`, `"${name}"`].some((quoted) => text.includes(quoted))
  return (
    isWhole ||
    [...text.matchAll(/\btest\(\s*`([^`]+)`/g)].some(([, title]) => title?.includes(name))
  )
}

/** What is wrong with `desired > a.yaml, b.yaml`, `laws > NAME` or a file in backquotes and its NAME. */
function faultsOf(reference: string): readonly string[] {
  const [, path, title = ''] = /^`([^`]+)`(?:: (.+))?$/.exec(reference) ?? []
  if (path !== undefined) {
    return hasTest(path, title) ? [] : [`${path} has no test ${JSON.stringify(title)}`]
  }
  const [, name = '', wanted = ''] = /^(\w+) > (.+)$/.exec(reference) ?? []
  const named = NAMED[name]
  if (named === undefined) return [`${JSON.stringify(reference)} names no test file`]
  if (hasTest(named.file, wanted)) return []
  return wanted
    .split(', ')
    .filter((one) => !named.cases.some((folder) => isThere(folder, one)))
    .map((one) => `${name} has no test ${JSON.stringify(one)}`)
}

/** The tests of a row's last column; a name may hold a semicolon. */
const referencesIn = (tests: string): readonly string[] =>
  tests.split(/; (?=`|(?:desired|plans|laws|deletes) > )/)

test('the rows of the parity table name tests that are there', () => {
  const [, from = ''] = PAGE.split('## Files and plans\n')
  const [section = ''] = from.split('\n## ')
  const lines = section.split('\n').filter((line) => /^\| (?!eksctl \||---)/.test(line))
  const rows = lines.map((line) => line.slice(2, -2).split(' | '))
  expect(rows.length).toBeGreaterThan(35)
  expect(rows.filter((cells) => cells.length !== 3 || cells.includes(''))).toEqual([])
  const references = rows.flatMap(([, , tests = '']) => referencesIn(tests))
  expect(references.flatMap(faultsOf)).toEqual([])
})

test.each([
  ['desired > nowhere.yaml', 'desired has no test "nowhere.yaml"'],
  ['plans > day-2, day-9', 'plans has no test "day-9"'],
  ['laws > leaves nothing', 'laws has no test "leaves nothing"'],
  ['plans', '"plans" names no test file'],
  ['others > day-2', '"others > day-2" names no test file'],
  ['`test/journeys/delete.test.ts`', 'test/journeys/delete.test.ts has no test ""'],
  ['`test/nowhere.test.ts`: a', 'test/nowhere.test.ts has no test "a"'],
  ['`test/journeys/delete.test.ts`: a', 'test/journeys/delete.test.ts has no test "a"'],
])('%s is told of', (reference, fault) => {
  expect(faultsOf(reference)).toEqual([fault])
})
