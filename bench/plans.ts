/**
 * `podrole plan` of 10,000 service accounts on 10 clusters against a sandbox, the whole process
 * as it is typed: time, CPU time, calls and memory, each beside the same calls alone.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Plan } from '../src/manage/plan/plan.ts'
import type { Sandbox } from '../src/sandbox/sandbox.ts'
import { type Bench, median } from './measure.ts'
import { residentMb } from './memory.ts'
import type { PlanFloorJob } from './plan-floor.ts'
import {
  carryOut,
  CLUSTERS,
  environmentOf,
  PER_CLUSTER,
  startPlanSandbox,
  writeFiles,
} from './plan-state.ts'

/** One line of the report. */
export interface PlanRun {
  readonly name: string
  /** Calls of AWS by operation, the same in every round. */
  readonly calls: Readonly<Record<string, number>>
  readonly callsEach: number
  readonly own: RunCost
  readonly floor: RunCost
}

/** Of a process from its start to its end. Milliseconds, and megabytes (10^6 bytes). */
interface RunCost {
  readonly bestMs: number
  readonly medianMs: number
  readonly cpuMs: number
  /** Of resident memory. */
  readonly peakMb: number
}

const ROOT = join(import.meta.dir, '..')
export const PODROLE = join(ROOT, 'bin', 'podrole')
const SIZE = CLUSTERS * PER_CLUSTER
const POLL_MS = 5

/** A sandbox with a folder beside it. */
export interface Stage {
  readonly sandbox: Sandbox
  readonly folder: string
  readonly files: string
  readonly environment: Readonly<Record<string, string>>
}

/** Acts with files on a sandbox that holds nothing of theirs yet. */
export async function onStage<T>(act: (stage: Stage) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-bench-'))
  const sandbox = await startPlanSandbox()
  try {
    const environment = environmentOf(sandbox, folder)
    return await act({ sandbox, folder, files: writeFiles(folder), environment })
  } finally {
    await sandbox.stop()
    rmSync(folder, { recursive: true })
  }
}

/** Carries out what the files ask for. */
export async function fill(stage: Stage): Promise<void> {
  const { out } = await run(stage, plan(stage, '-o', 'json'))
  await carryOut(JSON.parse(out) as Plan, stage.sandbox)
}

export const measurePlans = (bench: Bench): Promise<PlanRun[]> =>
  onStage(async (stage) => {
    const first = await compare(bench, stage, {
      name: 'nothing is there, all is to be made',
      expected: /^24200 steps: 24200 to add/m,
    })
    await fill(stage)
    const nothing = /^Nothing to do/
    const whole = { name: 'all is there, nothing to do', expected: nothing }
    const there = await compare(bench, stage, whole)
    await run(stage, plan(stage, '--cached=1h'))
    const cached = { name: 'the same, --cached', expected: nothing, more: ['--cached=1h'] }
    return [first, there, await compare(bench, stage, cached)]
  })

const plan = ({ files }: Stage, ...more: readonly string[]): readonly string[] => [
  PODROLE,
  'plan',
  `--filename=${files}`,
  ...more,
]

interface Measure {
  readonly name: string
  readonly expected: RegExp
  readonly more?: readonly string[]
}

async function compare(bench: Bench, stage: Stage, measure: Measure): Promise<PlanRun> {
  const { expected, more = [], name } = measure
  const floorCommand = [process.execPath, '--no-env-file', join(import.meta.dir, 'plan-floor.ts')]
  const job = JSON.stringify(jobOf(stage, more.length === 0))
  const rounds: { readonly own: Ran; readonly floor: Ran }[] = []
  for (let round = 0; round < bench.rounds; round += 1) {
    const own = await run(stage, plan(stage, ...more))
    if (!expected.test(own.out)) throw new Error(`${name}: ${own.out.slice(0, 500)}`)
    const floor = await run(stage, floorCommand, job)
    const [one, other] = [own, floor].map(({ calls }) => JSON.stringify(sorted(calls)))
    if (one !== other) throw new Error(`${name}: other calls, ${one} and ${other}`)
    rounds.push({ own, floor })
  }
  const calls = sorted(rounds[0]?.own.calls ?? {})
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0)
  return {
    name,
    calls,
    callsEach: total / SIZE,
    own: costOf(rounds.map(({ own }) => own)),
    floor: costOf(rounds.map(({ floor }) => floor)),
  }
}

export const sorted = (calls: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(calls).toSorted(([one], [other]) => (one < other ? -1 : 1)))

const costOf = (all: readonly Ran[]): RunCost => ({
  bestMs: Math.min(...all.map(({ ms }) => ms)),
  medianMs: median(all.map(({ ms }) => ms)),
  cpuMs: median(all.map(({ cpuMs }) => cpuMs)),
  peakMb: Math.max(...all.map(({ peakMb }) => peakMb)),
})

/** What came of a process. */
export interface Ran {
  readonly ms: number
  readonly cpuMs: number
  readonly peakMb: number
  readonly calls: Readonly<Record<string, number>>
  readonly out: string
}

/** @throws Error with what it wrote to standard error, where its exit code is another than 0 */
export async function run(stage: Stage, command: readonly string[], input = ''): Promise<Ran> {
  const { environment, folder, sandbox } = stage
  const calls: Record<string, number> = {}
  const seen = new Set<string>()
  const stop = sandbox.aws.decisions.listen(({ operation, requestId }) => {
    // A call may need several decisions.
    if (seen.has(requestId)) return
    seen.add(requestId)
    calls[operation] = (calls[operation] ?? 0) + 1
  })
  const out = join(folder, 'out')
  // What is written into a longer file would keep its end.
  rmSync(out, { force: true })
  const startedAt = performance.now()
  const child = Bun.spawn([...command], {
    cwd: folder,
    env: environment,
    stdio: [new TextEncoder().encode(input), Bun.file(out), 'pipe'],
  })
  const exited = child.exited.then((code) => ({ code, ms: performance.now() - startedAt }))
  // What wait4 tells of a child counts the memory of the process that started it.
  let peakMb = 0
  while (child.exitCode === null) {
    peakMb = Math.max(peakMb, peakOf(child.pid))
    await Bun.sleep(POLL_MS)
  }
  const { code, ms } = await exited
  stop()
  if (code !== 0) throw new Error(await child.stderr.text())
  const cpuMs = Number(child.resourceUsage()?.cpuTime.total ?? 0n) / 1000
  return { ms, cpuMs, peakMb, calls, out: readFileSync(out, 'utf8') }
}

function peakOf(pid: number): number {
  try {
    const found = residentMb(pid, 'VmHWM')
    return Number.isNaN(found) ? 0 : found
  } catch {
    return 0
  }
}

function jobOf({ sandbox }: Stage, isWhole: boolean): PlanFloorJob {
  const clusters = [...sandbox.clusters.values()].map(({ cluster, name }) => {
    const config = JSON.parse(cluster.kubeconfig()) as {
      clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }]
      users: [{ user: { token: string } }]
    }
    const [{ cluster: at }] = config.clusters
    return {
      name,
      server: at.server,
      ca: Buffer.from(at['certificate-authority-data'], 'base64').toString(),
      token: config.users[0].user.token,
    }
  })
  return { isWhole, clusters }
}
