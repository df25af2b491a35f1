/** `podrole apply`. */
import { createInterface } from 'node:readline/promises'
import { systemClock } from '../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { actionPort } from '../manage/apply/action-port.ts'
import { type ApplyDesk, applyPlan, openDesk } from '../manage/apply/apply-plan.ts'
import { type HeldLease, takeLeases } from '../manage/apply/cluster-lease.ts'
import type { ProgressEvent, RunResult } from '../manage/apply/run-steps.ts'
import type { DesiredCluster } from '../manage/desired/desired-state.ts'
import { observe } from '../manage/observe/observe.ts'
import type { ObservePlaces } from '../manage/observe/ports.ts'
import { makePlan } from '../manage/plan/make-plan.ts'
import { isNothingToDo, type Plan } from '../manage/plan/plan.ts'
import { stateFolder } from '../manage/roles/prior-trust.ts'
import type { ApplyFlags } from './commands/apply.ts'
import { printNote } from './output.ts'
import { type OpenApplyPlaces, openApplyPlaces } from './parts/apply-places.ts'
import { openPlaces } from './parts/observe-places.ts'
import { counted, printPlan, readFiles } from './plan-run.ts'
import { stopSignal } from './stop-signal.ts'

export async function runApply(flags: ApplyFlags): Promise<void> {
  const { clusters } = await readFiles(flags)
  const places = await openPlaces(clusters, flags, { onCall: () => undefined, note: printNote })
  const desk = await openDesk(stateFolder(process.env), places.iam.accountId)
  try {
    await applyAt(desk, { clusters, places, flags })
  } finally {
    desk.release()
  }
}

interface Wanted {
  readonly clusters: readonly DesiredCluster[]
  readonly places: ObservePlaces
  readonly flags: ApplyFlags
}

async function applyAt(desk: ApplyDesk, { clusters, flags, places }: Wanted): Promise<void> {
  let steps: Plan['steps'] = []
  let arns: readonly string[] = []
  if (!flags.resume) {
    const observed = await counted(() => observe(clusters, places))
    const plan = makePlan(clusters, observed, { adopt: flags.adopt, force: flags.force })
    printPlan(plan, undefined, { output: 'table' })
    if (plan.refusals.length > 0) process.exitCode = 1
    if (plan.refusals.length > 0 || isNothingToDo(plan)) return
    if (!flags.yes && !(await isConfirmed(plan.steps.length))) return
    steps = plan.steps
    arns = observed.clusters.map(({ arn }) => arn)
  }
  const opened = await openApplyPlaces(clusters, flags, printNote)
  let signal: string | undefined
  void stopSignal().then((name) => (signal = name))
  const { accountId } = places.iam
  const result = await applyPlan(
    desk,
    { accountId, clusters: arns, steps, resume: flags.resume },
    {
      port: actionPort(opened),
      takeLeases: (of, holder) => leasesOf(opened, of, holder),
      onProgress: tell,
      stopReason: () => signal,
      clock: systemClock,
    },
  )
  summarise(result)
}

/** Where no kubeconfig leads, or leases may not be written, that is told and the apply goes on. */
async function leasesOf(
  opened: OpenApplyPlaces,
  arns: readonly string[],
  holder: string,
): Promise<readonly HeldLease[]> {
  const held: HeldLease[] = []
  for (const arn of arns) {
    const kube = await opened.kubeOf(arn)
    try {
      if (kube === undefined) printNote(`${arn}: out of reach, so no lease keeps other applies out`)
      else held.push(...(await takeLeases([kube], holder, systemClock)))
    } catch (error) {
      if (codeOf(error) !== 'Forbidden') {
        await Promise.all(held.map((lease) => lease.release()))
        throw error
      }
      printNote(`${arn}: no lease keeps other applies out: ${messageOf(error)}`)
    }
  }
  return held
}

/** @throws PodroleError `NotConfirmed` where nobody can be asked */
async function isConfirmed(count: number): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new PodroleError(
      'NotConfirmed',
      'there is nobody to ask: standard input is no terminal',
      {
        hint: 'Look at the plan and apply it with --yes.',
      },
    )
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(?:es)?$/i.test(await terminal.question(`Carry out ${count} step(s)? [y/N] `))
  } finally {
    terminal.close()
  }
}

function tell({ done, error, state, step, total }: ProgressEvent): void {
  if (state === 'started') return
  const why = error === undefined ? '' : `: ${messageOf(error)}`
  printNote(`[${done}/${total}] ${step.id} ${state === 'there' ? 'was done already' : state}${why}`)
}

function summarise({ standing, stopped }: RunResult): void {
  const { blocked, done, failed, ready, waiting } = standing
  const left = [...ready, ...waiting]
  const parts = [`${done.length} step(s) done`]
  if (failed.length > 0) parts.push(`${failed.length} failed`)
  if (blocked.length + left.length > 0) parts.push(`${blocked.length + left.length} not started`)
  process.stdout.write(`${parts.join(', ')}.\n`)
  for (const { by, step } of blocked)
    process.stdout.write(`  not started: ${step.id} (after ${by})\n`)
  for (const { id } of left) process.stdout.write(`  not started: ${id} (${stopped ?? ''})\n`)
  if (failed.length + blocked.length + left.length === 0) return
  process.stdout.write('Go on with the same command and --resume.\n')
  process.exitCode = 1
}
