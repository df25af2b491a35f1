/**
 * The gate and every test: format, lint, types, dead code, then `bun test`.
 *
 *   npm test                       everything
 *   npm run check                  the gate alone
 *   npm test -- src/iam            the tests whose path holds that text, after the gate
 *
 * PODROLE_REQUIRE=all     a tool that a test needs and the machine lacks is a failure, not a skip
 * PODROLE_TEST_SCALE=10   multiplies the counts and durations of generated tests (default 1)
 *
 * The last line, `N passed, N failed, N skipped`, is computed from the runner's JUnit report and
 * corrected by its exit code: a file that throws while it loads is not in the report, and a
 * `process.exit(0)` inside a test leaves none.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '..')
const BIN = join(ROOT, 'node_modules', '.bin')

const GATE: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: 'format', command: [join(BIN, 'oxfmt'), '--check'] },
  { name: 'lint', command: [join(BIN, 'oxlint'), '--type-aware'] },
  { name: 'types', command: [join(BIN, 'tsc')] },
  { name: 'dead code', command: [join(BIN, 'knip')] },
]

interface Report {
  readonly tests: number
  readonly failed: number
  readonly skipped: number
  readonly cases: readonly { readonly name: string; readonly seconds: number }[]
}

const isGateOnly = process.argv.includes('--gate-only')
const filters = process.argv.slice(2).filter((argument) => argument !== '--gate-only')

const gateFaults = await runGate()
if (isGateOnly) process.exit(gateFaults.length === 0 ? 0 : 1)
await runTests(gateFaults)

/** The names of the gate's steps that failed. */
async function runGate(): Promise<string[]> {
  const faults: string[] = []
  for (const { name, command } of GATE) {
    const started = performance.now()
    const child = Bun.spawn([...command], { cwd: ROOT, stdout: 'pipe', stderr: 'pipe' })
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
    const isGood = (await child.exited) === 0
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    console.log(`${isGood ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
    if (!isGood) {
      faults.push(name)
      console.log(`${out}\n${err}`.trim())
    }
  }
  return faults
}

async function runTests(gateFailures: readonly string[]): Promise<never> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-test-'))
  const junit = join(folder, 'junit.xml')
  const child = Bun.spawn(
    [
      process.execPath,
      '--no-env-file',
      'test',
      '--parallel=2',
      '--timeout=120000',
      '--reporter=junit',
      `--reporter-outfile=${junit}`,
      ...filters,
    ],
    { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], env: testEnvironment() },
  )
  const exitCode = await child.exited
  const report = existsSync(junit) ? readReport(readFileSync(junit, 'utf8')) : undefined
  rmSync(folder, { recursive: true, force: true })
  for (const line of slowest(report)) console.log(line)
  const tests = report?.tests ?? 0
  const skipped = report?.skipped ?? 0
  const reported = report?.failed ?? 0
  const isBad = exitCode !== 0 || report === undefined || tests - skipped === 0
  // A failing run whose report shows no failure (a file that did not load) still counts one.
  const failed = (isBad && reported === 0 ? 1 : reported) + gateFailures.length
  if (gateFailures.length > 0) console.log(`the gate failed: ${gateFailures.join(', ')}`)
  const passed = tests - reported - skipped + GATE.length - gateFailures.length
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exit(failed === 0 ? 0 : 1)
}

/** What the machine sets for other programs must not decide how a test ends. */
function testEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !/^(?:AWS_|KUBECONFIG$|.*_PROXY$)/i.test(name),
  )
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    AWS_EC2_METADATA_DISABLED: 'true',
  }
}

function readReport(xml: string): Report | undefined {
  const totals = /<testsuites[^>]* tests="(\d+)"[^>]* failures="(\d+)"[^>]* skipped="(\d+)"/.exec(
    xml,
  )
  if (totals === null) return undefined
  const cases = [
    ...xml.matchAll(/<testcase name="([^"]*)"[^>]*?time="([\d.]+)"(?:[^>]*?file="([^"]*)")?/g),
  ]
  return {
    tests: Number(totals[1]),
    failed: Number(totals[2]),
    skipped: Number(totals[3]),
    cases: cases.map(([, name, time, file]) => ({
      name: `${file === undefined ? '' : `${file}: `}${name ?? ''}`,
      seconds: Number(time),
    })),
  }
}

function slowest(report: Report | undefined): string[] {
  const cases = [...(report?.cases ?? [])].sort((a, b) => b.seconds - a.seconds).slice(0, 10)
  if (cases.length === 0) return []
  return ['the slowest tests:', ...cases.map((c) => `  ${c.seconds.toFixed(2)} s  ${c.name}`)]
}
