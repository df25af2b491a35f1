/**
 * Programs of users on real SDKs, boto3 and the AWS CLI, each in a sandbox of its own, started as
 * a user starts it: `podrole sandbox -- CMD`. Each prints one line a check.
 */
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPython, pythonEnvironment } from '../support/python.ts'
import { runCommand } from '../support/run-command.ts'
import { lacks } from '../support/tools.ts'

const ROOT = join(import.meta.dir, '..', '..')
const python = await findPython()
const isSkipped = lacks('the clients on boto3 and the AWS CLI', python.missing)
const home = mkdtempSync(join(tmpdir(), 'podrole-clients-'))

afterAll(() => rmSync(home, { recursive: true, force: true }))

const run = async (command: readonly string[]): Promise<{ exitCode: number; output: string }> => {
  const env = pythonEnvironment(python.bin, home)
  const { exitCode, stdout, stderr } = await runCommand(command, { cwd: home, env })
  return { exitCode, output: `${stdout}\n${stderr}` }
}

const runInSandbox = (script: string): ReturnType<typeof run> =>
  run([join(ROOT, 'bin', 'podrole'), 'sandbox', '--', 'python', join(import.meta.dir, script)])

test.skipIf(isSkipped).each([
  ['web_identity.py', 12],
  ['wrong_tokens.py', 40],
  ['bad_signatures.py', 53],
  ['pod_identity.py', 10],
  ['unknown_services.py', 12],
])(
  '%s',
  async (script, atLeast) => {
    const { exitCode, output } = await runInSandbox(script)
    const held = [...output.matchAll(/^ok {4}/gm)].length
    // From the first check that did not hold, with what it says over several lines.
    const wrong = output.search(/^FAIL/m)
    expect(wrong < 0 ? '' : output.slice(wrong)).toBe('')
    // The output stands in the failure when a program ended before its last check.
    expect(output).toContain(`${held} checks held, 0 failed`)
    expect(held).toBeGreaterThanOrEqual(atLeast)
    expect(exitCode).toBe(0)
  },
  180_000,
)

test.skipIf(isSkipped)('a check that does not hold fails its program', async () => {
  const program = [
    'import sys',
    `sys.path.insert(0, ${JSON.stringify(import.meta.dir)})`,
    'from checks import Checks',
    'checks = Checks()',
    'checks.equal("one is two", 1, 2)',
    'checks.finish()',
  ]
  const { exitCode, output } = await run([
    join(python.bin ?? '', 'python'),
    '-c',
    program.join('\n'),
  ])
  expect(output).toContain('FAIL  one is two')
  expect(exitCode).toBe(1)
})
