/**
 * Measures podrole's hot paths, each in turns with a floor: the same front, or the bare operation,
 * without podrole's work. What counts are the ratios; rates are of this machine, at this moment.
 *
 *   node_modules/.bin/bun --no-env-file bench/run.ts                 everything, five minutes
 *   node_modules/.bin/bun --no-env-file bench/run.ts webhook memory  these alone
 *   … --json                                                         the same as JSON
 *   … --rounds 5 --seconds 1                                         rounds, and seconds of each measure
 */
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { type DoctorRun, measureDoctor } from './doctor.ts'
import { measurePolicies, measureTokens } from './functions.ts'
import { measureIamReads } from './iam-reads.ts'
import { measureIssuer } from './issuer.ts'
import { measureStart, type Start } from './kept-state.ts'
import { type Bench, type Comparison, type Counted, type Ratio, startBench } from './measure.ts'
import { measureMemory, type Memory } from './memory.ts'
import { measurePlanner, type Planned } from './planner.ts'
import { measurePlans, type PlanRun } from './plans.ts'
import { measureAgent, measureBroker, measureSandbox, measureWebhook } from './servers.ts'
import { measureSigner } from './signer.ts'

type Result = Comparison | Counted | Memory | Start | Planned | PlanRun | DoctorRun

const MEASURES: Readonly<Record<string, (bench: Bench) => Promise<Result[]>>> = {
  webhook: measureWebhook,
  agent: measureAgent,
  broker: measureBroker,
  issuer: measureIssuer,
  signer: measureSigner,
  tokens: measureTokens,
  policies: measurePolicies,
  sandbox: measureSandbox,
  iam: measureIamReads,
  memory: measureMemory,
  start: measureStart,
  planner: measurePlanner,
  plans: measurePlans,
  doctor: measureDoctor,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
  },
})
const unknown = positionals.filter((name) => !Object.hasOwn(MEASURES, name))
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
if (unknown.length > 0 || !(rounds >= 1 && rounds <= 100) || !(seconds > 0 && seconds <= 60)) {
  console.error(`usage: bench/run.ts [--json] [--rounds 1-100] [--seconds 0-60] [NAME...]`)
  console.error(`names: ${Object.keys(MEASURES).join(', ')}`)
  process.exit(1)
}

const bench = await startBench({ rounds, seconds })
const found: Result[] = []
try {
  for (const [name, measure] of Object.entries(MEASURES)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue
    console.error(`measuring ${name}`)
    found.push(...(await measure(bench)))
  }
} finally {
  await bench.stop()
}
const comparisons = found.filter((one) => 'ratio' in one)
const counted = found.filter((one) => 'writes' in one)
const memory = found.filter((one) => 'idleMb' in one)
const starts = found.filter((one) => 'residentMb' in one)
const plans = found.filter((one) => 'planBestMs' in one)
const planRuns = found.filter((one) => 'callsEach' in one)
const doctorRuns = found.filter((one) => 'doctorCalls' in one)
const machine = {
  cpu: cpus()[0]?.model ?? '',
  cores: cpus().length,
  bun: Bun.version,
  /** Of the last minute, this program included. */
  load: loadavg()[0] ?? Number.NaN,
}
if (values.json)
  console.log(
    JSON.stringify(
      {
        machine,
        rounds,
        seconds,
        comparisons,
        counted,
        memory,
        starts,
        plans,
        planRuns,
        doctorRuns,
      },
      null,
      2,
    ),
  )
else printTables()

function printTables(): void {
  console.log(
    `${machine.cores} cores (${machine.cpu}), Bun ${machine.bun}, load average ${machine.load.toFixed(1)}, rounds: ${rounds}, seconds of a measure: ${seconds}`,
  )
  if (comparisons.length > 0) {
    printTable(
      ['measure', 'floor', 'ratio', 'CPU ratio', 'a second', 'CPU each', 'p50'],
      comparisons.map(({ name, floorDoes, ratio, cpuRatio, own, floor }) => [
        name,
        floorDoes,
        ranged(ratio),
        ranged(cpuRatio),
        `${count(own.perSecond)} of ${count(floor.perSecond)}`,
        `${microseconds(own.cpuUs)} to ${microseconds(floor.cpuUs)}`,
        own.p50Us === undefined
          ? ''
          : `${microseconds(own.p50Us)} to ${microseconds(floor.p50Us ?? Number.NaN)}`,
      ]),
    )
  }
  if (counted.length > 0) {
    printTable(
      ['counted', 'reads', 'writes', 'time'],
      counted.map(({ name, reads, writes, ms }) => [
        name,
        count(reads),
        count(writes),
        `${ms.toFixed(0)} ms`,
      ]),
    )
  }
  if (memory.length > 0) {
    const [bare] = memory
    printTable(
      ['memory (RSS)', 'idle', 'after load', 'peak', 'of bare', 'requests'],
      memory.map((one) => [
        one.name,
        `${one.idleMb.toFixed(0)} MB`,
        `${one.afterLoadMb.toFixed(0)} MB`,
        `${one.peakMb.toFixed(0)} MB`,
        (one.idleMb / (bare?.idleMb ?? Number.NaN)).toFixed(2),
        count(one.requests),
      ]),
    )
  }
  if (starts.length > 0) printStarts()
  if (plans.length > 0) {
    printTable(
      ['plan', 'steps', 'best', 'median', 'CPU'],
      plans.map(({ name, planBestMs, planCpuMs, planMedianMs, steps }) => [
        name,
        count(steps),
        `${planBestMs.toFixed(0)} ms`,
        `${planMedianMs.toFixed(0)} ms`,
        `${planCpuMs.toFixed(0)} ms`,
      ]),
    )
  }
  if (planRuns.length > 0) printPlanRuns()
  if (doctorRuns.length > 0) printDoctorRuns()
}

function printDoctorRuns(): void {
  printTable(
    ['podrole doctor', 'median (best)', 'CPU', 'peak memory', 'calls of AWS'],
    doctorRuns.map(({ bestMs, doctorCalls, doctorCpuMs, doctorPeakMb, medianMs, name }) => [
      name,
      `${(medianMs / 1000).toFixed(2)} s (${(bestMs / 1000).toFixed(2)} s)`,
      `${(doctorCpuMs / 1000).toFixed(2)} s`,
      `${doctorPeakMb.toFixed(0)} MB`,
      Object.entries(doctorCalls)
        .map(([operation, calls]) => `${count(calls)} ${operation}`)
        .join(', '),
    ]),
  )
}

function printPlanRuns(): void {
  const cost = ({ bestMs, medianMs }: PlanRun['own']): string =>
    `${(medianMs / 1000).toFixed(2)} s (${(bestMs / 1000).toFixed(2)} s)`
  printTable(
    [
      'podrole plan',
      'median (best)',
      'floor',
      'CPU',
      'floor',
      'peak memory',
      'floor',
      'calls of AWS',
      'each',
    ],
    planRuns.map(({ calls, callsEach, floor, name, own }) => [
      name,
      cost(own),
      cost(floor),
      `${(own.cpuMs / 1000).toFixed(2)} s`,
      `${(floor.cpuMs / 1000).toFixed(2)} s`,
      `${own.peakMb.toFixed(0)} MB`,
      `${floor.peakMb.toFixed(0)} MB`,
      count(Object.values(calls).reduce((sum, one) => sum + one, 0)),
      callsEach.toFixed(4),
    ]),
  )
  const names = [...new Set(planRuns.flatMap(({ calls }) => Object.keys(calls)))].toSorted()
  printTable(
    ['operation', ...planRuns.map(({ name }) => name)],
    names.map((name) => [name, ...planRuns.map(({ calls }) => count(calls[name] ?? 0))]),
  )
}

function printStarts(): void {
  printTable(
    [
      'start',
      'ready (best)',
      'ready (median)',
      'CPU until then',
      'pods run',
      'memory (RSS)',
      'all processes',
    ],
    starts.map((one) => [
      one.name,
      `${one.bestMs.toFixed(0)} ms`,
      `${one.medianMs.toFixed(0)} ms`,
      `${one.cpuMs.toFixed(0)} ms`,
      one.podsMs === undefined ? '' : `${one.podsMs.toFixed(0)} ms later`,
      `${one.residentMb.toFixed(0)} MB`,
      `${one.treeMb.toFixed(0)} MB`,
    ]),
  )
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function microseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} us`
}

function ranged({ median, lowest, highest }: Ratio): string {
  return `${median.toFixed(2)} (${lowest.toFixed(2)}-${highest.toFixed(2)})`
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  console.log(['', line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n'))
}
