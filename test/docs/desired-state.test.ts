/**
 * docs/reference/desired-state.schema.json is what `podrole schema` prints.
 * PODROLE_WRITE_DOCS=1 npm test -- test/docs/desired-state writes it; `npm run format` forms it.
 */
import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { runCommand } from '../support/run-command.ts'

const ROOT = join(import.meta.dir, '..', '..')
const PAGE = join(ROOT, 'docs', 'reference', 'desired-state.md')
const FILE = join(ROOT, 'docs', 'reference', 'desired-state.schema.json')

async function printed(...flags: string[]): Promise<string> {
  const env = { PATH: process.env['PATH'] ?? '' }
  const command = [join(ROOT, 'bin', 'podrole'), 'schema', ...flags]
  const { exitCode, stderr, stdout } = await runCommand(command, { cwd: ROOT, env })
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  return stdout
}

test('the documented JSON Schema is the one that podrole prints, and the page leads to it', async () => {
  const text = await printed()
  if (process.env['PODROLE_WRITE_DOCS'] === '1') writeFileSync(FILE, text)
  expect(JSON.parse(readFileSync(FILE, 'utf8'))).toEqual(JSON.parse(text))
  expect(readFileSync(PAGE, 'utf8')).toContain('(desired-state.schema.json)')
  expect(parse(await printed('-o', 'yaml'))).toEqual(JSON.parse(text))
})
