/** What docs/sandbox.md shows of clients' settings is what the clients here are made with. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '..', '..')
const read = (...path: readonly string[]): string => readFileSync(join(ROOT, ...path), 'utf8')

test.each([
  ['ts', 'js/settings.ts'],
  ['go', 'go/settings.go'],
  ['hcl', 'terraform/provider.tf'],
])('the %s block', (language, file) => {
  const [, section = ''] = read('docs', 'sandbox.md').split('\n## Settings of clients\n')
  const blocks = [...section.matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , text = '']) => text)
  expect(blocks).toHaveLength(1)
  expect(read('test', 'clients', file)).toEndWith(`\n\n${blocks[0] ?? ''}`)
})
