/**
 * `podrole doctor` of 10,000 service accounts on 10 clusters and 2,000 roles against a sandbox, the
 * whole process as it is typed: time, CPU time, calls and memory.
 */
import type { Diagnosis } from '../src/doctor/checks/diagnose.ts'
import { type Bench, median } from './measure.ts'
import { CLUSTERS, PER_CLUSTER } from './plan-state.ts'
import { fill, onStage, PODROLE, type Ran, run, sorted } from './plans.ts'

/** One line of the report. Milliseconds, and megabytes (10^6 bytes). */
export interface DoctorRun {
  readonly name: string
  readonly bestMs: number
  readonly medianMs: number
  readonly doctorCpuMs: number
  /** Of resident memory. */
  readonly doctorPeakMb: number
  /** Calls of AWS by operation, of the last round. */
  readonly doctorCalls: Readonly<Record<string, number>>
}

/** A role for each five service accounts, with an association each. */
export const measureDoctor = (bench: Bench): Promise<DoctorRun[]> =>
  onStage(async (stage) => {
    await fill(stage)
    const names = [...stage.sandbox.clusters.keys()]
    const command = [PODROLE, 'doctor', '-o', 'json', ...names.map((name) => `--cluster=${name}`)]
    const rounds: Ran[] = []
    for (let round = 0; round < bench.rounds; round += 1) {
      const ran = await run(stage, command)
      check(JSON.parse(ran.out) as Diagnosis)
      rounds.push(ran)
    }
    return [
      {
        name: `${CLUSTERS * PER_CLUSTER} service accounts, ${CLUSTERS} clusters`,
        bestMs: Math.min(...rounds.map(({ ms }) => ms)),
        medianMs: median(rounds.map(({ ms }) => ms)),
        doctorCpuMs: median(rounds.map(({ cpuMs }) => cpuMs)),
        doctorPeakMb: Math.max(...rounds.map(({ peakMb }) => peakMb)),
        doctorCalls: sorted(rounds.at(-1)?.calls ?? {}),
      },
    ]
  })

/** All is well there but for the clusters' own roles, which the sandbox does not make. */
function check({ findings, notLookedAt }: Diagnosis): void {
  const unread = notLookedAt.filter(({ what }) => !/\(cluster role of /.test(what))
  if (findings.length === 0 && unread.length === 0) return
  throw new Error(`doctor: ${JSON.stringify({ findings, unread }).slice(0, 1000)}`)
}
