/** docs/reference/parity-manage.md, the section on files: every row names tests that are there. */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '..', '..')
const MANAGE = join(ROOT, 'src', 'manage')
const NAMED: Readonly<Record<string, { readonly file: string; readonly data?: string }>> = {
  desired: { file: 'desired/read-desired.test.ts', data: 'desired/testdata/faults' },
  plans: { file: 'plan/make-plan.test.ts', data: 'plan/testdata/plans' },
  laws: { file: 'plan/laws.test.ts' },
  deletes: { file: 'plan/delete-laws.test.ts' },
}

/** What is wrong with `desired > a.yaml, b.yaml`, `laws > title` or a file in backquotes. */
function faultsOf(reference: string): readonly string[] {
  const [, path] = /^`(.+)`$/.exec(reference) ?? []
  if (path !== undefined) return existsSync(join(ROOT, path)) ? [] : [`${path} is not there`]
  const [name = '', wanted] = reference.split(' > ')
  const named = NAMED[name]
  if (named === undefined) return [`${JSON.stringify(reference)} names no test file`]
  const text = readFileSync(join(MANAGE, named.file), 'utf8')
  if (wanted === undefined || text.includes(`test('${wanted}'`)) return []
  return wanted
    .split(', ')
    .filter((one) => named.data === undefined || !existsSync(join(MANAGE, named.data, one)))
    .map((one) => `${name} has no test ${JSON.stringify(one)}`)
}

test('the rows of the parity table name tests that are there', () => {
  const page = readFileSync(join(ROOT, 'docs', 'reference', 'parity-manage.md'), 'utf8')
  const [, from = ''] = page.split('## Files and plans\n')
  const [section = ''] = from.split('\n## ')
  const rows = [...section.matchAll(/^\| (.+?) \| (.+?) \| (.+?) \|$/gm)].slice(1)
  const references = rows.flatMap(([, , , tests = '']) => tests.split('; '))
  expect(rows.length).toBeGreaterThan(20)
  expect(references.filter((one) => !one.startsWith('---')).flatMap(faultsOf)).toEqual([])
})
