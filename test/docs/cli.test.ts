import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { buildProgram } from '../../src/cli/main.ts'

interface Row {
  readonly command: string
  readonly does: string
}

/** Every command that does something, in the order of `--help`. */
function rowsOf(command: Command, path: string): Row[] {
  const own: Row[] = []
  const isRunnable = Reflect.get(command, '_actionHandler') != null
  if (isRunnable) own.push({ command: path, does: command.description() })
  return [...own, ...command.commands.flatMap((sub) => rowsOf(sub, `${path} ${sub.name()}`))]
}

const documented = (): Row[] => {
  const text = readFileSync(join(import.meta.dir, '../../docs/reference/cli.md'), 'utf8')
  return [...text.matchAll(/^\| `(podrole [^`]+)` \| (.+?) \|$/gm)].map(([, command, does]) => ({
    command: command ?? '',
    does: does ?? '',
  }))
}

test('docs/reference/cli.md lists the commands that are built, with their own words', () => {
  expect(documented()).toEqual(rowsOf(buildProgram(), 'podrole'))
})

test('every command has an example in its help', () => {
  const without: string[] = []
  const visit = (command: Command, path: string): void => {
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) })
    command.outputHelp()
    if (Reflect.get(command, '_actionHandler') != null && !/\nExamples?:\n/.test(help))
      without.push(path)
    for (const sub of command.commands) visit(sub, `${path} ${sub.name()}`)
  }
  visit(buildProgram(), 'podrole')
  expect(without).toEqual([])
})
