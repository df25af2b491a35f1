/**
 * The examples of docs/sandbox.md for CI systems: their keys are ones that those systems have, and
 * their lines run as they are typed, in folders laid out as they say. Three things stand for what
 * only a CI machine does:
 * - `npm ci` takes thirteen seconds and the network: the packages of this checkout are linked;
 * - `apt-get` gets the Python that is here already;
 * - `sudo -E` is dropped where the tests are root.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { findPython, pythonEnvironment } from '../support/python.ts'
import { type Outcome, runCommand } from '../support/run-command.ts'
import { lacks } from '../support/tools.ts'

const ROOT = join(import.meta.dir, '..', '..')
const APP = join(import.meta.dir, 'testdata', 'app')
/** What podrole runs from, once it is checked out. */
const CHECKED_OUT = ['bin', 'src', 'package.json', 'package-lock.json', 'tsconfig.json']
const TIMEOUT_MS = 180_000

const python = await findPython()
const isRoot = process.getuid?.() === 0
const mayBeRoot = isRoot || Bun.spawnSync(['sh', '-c', 'sudo -n true']).exitCode === 0
const isSkipped = lacks(
  "docs/sandbox.md's examples for CI systems",
  python.missing ??
    (Bun.which('git') === null ? { tool: 'git', get: 'apt-get install git' } : undefined) ??
    (mayBeRoot ? undefined : { tool: 'root, or sudo without a password', get: 'run as root' }),
)
const folder = mkdtempSync(join(tmpdir(), 'podrole-examples-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const checkout = z.strictObject({
  uses: z.literal('actions/checkout@v4'),
  with: z.strictObject({ repository: z.string().optional(), path: z.enum(['podrole', 'app']) }),
})
const setUp = z.union([
  z.strictObject({
    uses: z.literal('actions/setup-node@v4'),
    with: z.strictObject({ 'node-version': z.number() }),
  }),
  z.strictObject({
    uses: z.literal('actions/setup-python@v5'),
    // A number would lose a last nought.
    with: z.strictObject({ 'python-version': z.string().regex(/^3\.\d+$/) }),
  }),
])
const run = z.strictObject({ run: z.string(), 'working-directory': z.string().optional() })
/** GitHub's "Workflow syntax for GitHub Actions": of its keys those that the example has. */
const WORKFLOW = z.strictObject({
  on: z.literal('push'),
  jobs: z.strictObject({
    identity: z.strictObject({
      'runs-on': z.literal('ubuntu-latest'),
      steps: z.array(z.union([checkout, setUp, run])),
    }),
  }),
})
/** GitLab's "CI/CD YAML syntax reference": likewise. */
const PIPELINE = z.strictObject({
  identity: z.strictObject({
    image: z.string(),
    before_script: z.array(z.string()),
    script: z.array(z.string()),
  }),
})

/** The YAML examples of the document, in its order. */
const [GITHUB = '', GITLAB = ''] = [
  ...readFileSync(join(ROOT, 'docs', 'sandbox.md'), 'utf8').matchAll(/^```yaml\n([^]*?)^```$/gm),
].map(([, text]) => text ?? '')
/** Where the GitLab example has its clone from. */
const GITLAB_HOST = 'https://gitlab.example.com/YOUR-COPY-OF/'

function checkOut(to: string): void {
  mkdirSync(to, { recursive: true })
  for (const name of CHECKED_OUT) cpSync(join(ROOT, name), join(to, name), { recursive: true })
}

/** Runs a line as CI systems do: `bash -e`. */
async function runLine(line: string, cwd: string): Promise<Outcome> {
  const asUser = isRoot ? line.replace(/^sudo -E /, '') : line
  const typed = asUser
    .replace(/\bnpm ci\b/, `ln -s '${join(ROOT, 'node_modules')}' node_modules`)
    .replace(/^apt-get update && apt-get install --yes python3-pip$/, 'true')
  expect(typed).not.toContain('apt-get')
  return runCommand(['bash', '-e', '-c', typed], {
    cwd,
    env: {
      ...pythonEnvironment(python.bin, folder),
      // All that is asked for is in the environment of the tests.
      PIP_NO_INDEX: '1',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `url.${pathToFileURL(join(folder, 'origins')).href}/.insteadOf`,
      GIT_CONFIG_VALUE_0: GITLAB_HOST,
    },
  })
}

/** The lines before the last must end well; the last is the test's. */
async function runLines(
  lines: readonly (readonly [line: string, cwd: string])[],
): Promise<Outcome> {
  for (const [line, cwd] of lines.slice(0, -1)) {
    const { exitCode, stderr } = await runLine(line, cwd)
    if (exitCode !== 0) expect(`${line}: ${stderr}`).toBe('')
  }
  const [line = '', cwd = ''] = lines.at(-1) ?? []
  expect(line).toContain('pytest tests/identity')
  return runLine(line, cwd)
}

/** The last line again, once the role may no longer read. */
async function runBroken(line: string, cwd: string): Promise<Outcome> {
  const file = join(cwd, 'tests', 'identity', 'test_identity.py')
  writeFileSync(file, readFileSync(file, 'utf8').replace('s3:GetObject', 's3:GetObjectAcl'))
  return runLine(line, cwd)
}

function expectOutcomes(good: Outcome, broken: Outcome): void {
  if (good.exitCode !== 0) expect(`${good.stdout}\n${good.stderr}`).toBe('')
  expect(good.stdout).toContain('1 passed')
  expect(broken.stdout).toContain('AccessDenied')
  expect(broken.stdout).toContain('1 failed')
  expect(broken.exitCode).toBe(1)
}

describe("docs/sandbox.md's example", () => {
  test('of GitHub Actions has keys that GitHub knows', () => {
    expect(WORKFLOW.safeParse(parse(GITHUB)).error).toBeUndefined()
    expect(WORKFLOW.safeParse(parse(GITHUB.replace('runs-on', 'run-on'))).success).toBe(false)
  })

  test('of GitLab has keys that GitLab knows', () => {
    expect(PIPELINE.safeParse(parse(GITLAB)).error).toBeUndefined()
    expect(PIPELINE.safeParse(parse(GITLAB.replace('script:', 'scripts:'))).success).toBe(false)
  })

  test.skipIf(isSkipped)(
    'of GitHub Actions runs as typed',
    async () => {
      const workspace = join(folder, 'github')
      const lines: [string, string][] = []
      for (const step of WORKFLOW.parse(parse(GITHUB)).jobs.identity.steps) {
        if ('run' in step) lines.push([step.run, join(workspace, step['working-directory'] ?? '.')])
        else if (step.uses !== 'actions/checkout@v4') continue
        else if (step.with.path === 'podrole') checkOut(join(workspace, 'podrole'))
        else cpSync(APP, join(workspace, 'app'), { recursive: true })
      }
      const good = await runLines(lines)
      const [line = '', cwd = ''] = lines.at(-1) ?? []
      expectOutcomes(good, await runBroken(line, cwd))
    },
    TIMEOUT_MS,
  )

  test.skipIf(isSkipped)(
    'of GitLab runs as typed',
    async () => {
      const project = join(folder, 'gitlab')
      cpSync(APP, project, { recursive: true })
      const origin = join(folder, 'origins', 'podrole.git')
      checkOut(origin)
      const commit = 'git init -q && git add . && git -c user.name=ci -c user.email=ci@example.com'
      expect(await runLine(`${commit} commit -q -m all`, origin)).toMatchObject({ exitCode: 0 })
      const { before_script, script } = PIPELINE.parse(parse(GITLAB)).identity
      const lines = [...before_script, ...script].map((line): [string, string] => [line, project])
      const good = await runLines(lines)
      expectOutcomes(good, await runBroken(lines.at(-1)?.[0] ?? '', project))
    },
    TIMEOUT_MS,
  )
})
