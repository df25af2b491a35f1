/**
 * The script of the pod in this machine's sh: over an `aws` that prints what a case file says, and
 * read back by said.ts. testdata/README.md has the form of the cases.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { parseChecks } from './checks-file.ts'
import { inPodProgram } from './pod.ts'
import { readSaid } from './said.ts'
import { judge, type Verification } from './verdict.ts'
import { expandReferences } from '../../sandbox/node/environment.ts'

interface Printed {
  readonly out?: string
  readonly err?: string
  readonly code?: number
}

interface Case {
  readonly name: string
  readonly environment?: Record<string, string>
  readonly expectRole?: string
  readonly checks?: object
  /** What each call of `aws` prints, by its first word behind the global options. */
  readonly aws: Readonly<Record<string, Printed>>
  readonly expect: Partial<Verification> & { readonly log: readonly string[] }
}

const TESTDATA = join(import.meta.dir, 'testdata')
const CASES = readdirSync(join(TESTDATA, 'cases'))
  .filter((file) => file.endsWith('.yaml'))
  .map((file): Case & { file: string } => ({
    file,
    ...(parse(readFileSync(join(TESTDATA, 'cases', file), 'utf8')) as Case),
  }))
const folder = mkdtempSync(join(tmpdir(), 'podrole-in-pod-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Prints what the case says for the first word that is no option or its value. */
const FAKE = `#!/bin/sh
while [ "$#" -gt 0 ]; do case $1 in --cli-*) shift 2 ;; *) break ;; esac; done
printf '%s\\n' "$*" >>"$ANSWERS/called"
[ -e "$ANSWERS/$1.out" ] || { echo "nothing for $1" >&2; exit 9; }
cat "$ANSWERS/$1.out"
cat "$ANSWERS/$1.err" >&2
exit "$(cat "$ANSWERS/$1.code")"
`

/** What the pod of a case writes to its log. */
async function runInSh(one: Case & { file: string }, shell: readonly string[]): Promise<string> {
  const answers = join(folder, `${one.file}-${shell[0]}`)
  const bin = join(answers, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'aws'), FAKE)
  chmodSync(join(bin, 'aws'), 0o755)
  for (const [word, { code = 0, err = '', out = '' }] of Object.entries(one.aws)) {
    writeFileSync(join(answers, `${word}.out`), out)
    writeFileSync(join(answers, `${word}.err`), err)
    writeFileSync(join(answers, `${word}.code`), String(code))
  }
  const program = expandReferences(inPodProgram({ checks: checksOf(one) }), { HOME: 'replaced' })
  const child = Bun.spawn([...shell, '-c', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...one.environment, PATH: `${bin}:/usr/bin:/bin`, HOME: answers, ANSWERS: answers },
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  expect(err).toBe('')
  return out
}

const checksOf = ({ checks }: Case) =>
  checks === undefined ? [] : parseChecks(JSON.stringify({ checks }), 'case')

const SHELLS = [['sh'], ['bash', '--posix']].filter(([name = '']) => Bun.which(name) !== null)

describe.each(SHELLS.map((shell) => [shell]))('%p', (shell) => {
  test.each(CASES.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const text = await runInSh(one, shell)
    const { log, ...wanted } = one.expect
    expect(text.trimEnd().split('\n')).toEqual([...log])
    const found = judge({
      serviceAccount: { namespace: 'shop', name: 'orders' },
      checks: checksOf(one),
      expected:
        one.expectRole === undefined
          ? { kind: 'none' }
          : { kind: 'known', roleArn: one.expectRole, source: 'case' },
      end: { kind: 'ended', exit: 'exit code 0', reading: readSaid(text, checksOf(one).length) },
    })
    expect(found).toMatchObject(wanted)
  })
})

test('there are cases', () => {
  expect(CASES.length).toBeGreaterThan(10)
})
