/** `podrole apply`, and what `podrole delete` has in common with it. */
import { systemClock } from '../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { askUntil, type Patience } from '../lib/waiting.ts'
import type { Outcome } from '../manage/apply/act.ts'
import { actionPort } from '../manage/apply/action-port.ts'
import { type ApplyDesk, applyPlan, openDesk } from '../manage/apply/apply-plan.ts'
import { type HeldLease, takeLeases } from '../manage/apply/cluster-lease.ts'
import type { JournalCommand } from '../manage/apply/journal.ts'
import type { ProgressEvent } from '../manage/apply/run-steps.ts'
import type { DesiredCluster } from '../manage/desired/desired-state.ts'
import { forgetObservations } from '../manage/observe/kept-observations.ts'
import { observe } from '../manage/observe/observe.ts'
import type { ObservePlaces } from '../manage/observe/ports.ts'
import { makePlan } from '../manage/plan/make-plan.ts'
import type { ObservedState } from '../manage/plan/observed-state.ts'
import { isNothingToDo, type Plan } from '../manage/plan/plan.ts'
import { NOTHING_TO_DO, renderPlan } from '../manage/plan/render.ts'
import { stateFolder } from '../manage/roles/prior-trust.ts'
import { type ChangeReport, renderReport, stepReports } from './apply-report.ts'
import type { ApplyFlags, ChangeFlags } from './commands/apply.ts'
import { askToConfirm } from './confirm.ts'
import { printData, printNote } from './output.ts'
import { type OpenApplyPlaces, openApplyPlaces } from './parts/apply-places.ts'
import { openPlaces } from './parts/observe-places.ts'
import { counted, printPlan, readFiles } from './plan-run.ts'
import { stopSignal } from './stop-signal.ts'

/** What is carried out, and how its end is told. */
export interface Change {
  readonly command: JournalCommand
  readonly planOf: (clusters: readonly DesiredCluster[], observed: ObservedState) => Plan
  /** Said where there is nothing to do. */
  readonly nothing: string
  /** Said where nothing is left when all was done. */
  readonly nothingLeft: string
}

export async function runApply(flags: ApplyFlags): Promise<void> {
  const { adopt, force } = flags
  await runChange(flags, {
    command: 'apply',
    planOf: (clusters, observed) => makePlan(clusters, observed, { adopt, force }),
    nothing: NOTHING_TO_DO,
    nothingLeft: 'Nothing is left to do: everything is as the files say.',
  })
}

/** Plans, asks, carries out and looks whether something is left. */
export async function runChange(flags: ChangeFlags, change: Change): Promise<void> {
  const { clusters } = await readFiles(flags)
  const places = await openPlaces(clusters, flags, { onCall: () => undefined, note: printNote })
  const desk = await openDesk(stateFolder(process.env), places.iam.accountId)
  try {
    await applyAt(desk, { clusters, places, flags, change })
  } finally {
    desk.release()
  }
}

interface Wanted {
  readonly clusters: readonly DesiredCluster[]
  readonly places: ObservePlaces
  readonly flags: ChangeFlags
  readonly change: Change
}

interface Planned {
  readonly plan: Plan
  /** ARNs of the clusters. */
  readonly clusters: readonly string[]
}

const NO_PLAN: Planned = { plan: { steps: [], refusals: [], remarks: [] }, clusters: [] }

async function applyAt(desk: ApplyDesk, wanted: Wanted): Promise<void> {
  const planned = wanted.flags.resume ? NO_PLAN : await confirmed(wanted)
  if (planned === undefined) return
  const report = await carriedOut(desk, wanted, planned)
  const { flags } = wanted
  if (flags.output === 'table') {
    process.stdout.write(renderReport(report, wanted.change.nothingLeft))
  } else printData(flags.output, report, { columns: [], rows: [] })
  if (report.outcome !== 'done') process.exitCode = exitCodeOf(report)
}

/** As a shell has it for who ends by a signal: 128 and its number. */
const SIGNALS: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 }

const exitCodeOf = ({ stopped = '' }: Pick<ChangeReport, 'stopped'>): number =>
  SIGNALS[stopped] ?? 1

const planAfresh = async ({ change, clusters, places }: Wanted): Promise<Planned> => {
  const observed = await observe(clusters, places)
  const arns = observed.clusters.map(({ arn }) => arn)
  return { plan: change.planOf(clusters, observed), clusters: arns }
}

/** The plan that is to be carried out; undefined where none is, which is told. */
async function confirmed(wanted: Wanted): Promise<Planned | undefined> {
  const { change, flags } = wanted
  const planned = await counted(() => planAfresh(wanted))
  const { plan } = planned
  const isTable = flags.output === 'table'
  const end = (outcome: ChangeReport['outcome'], code: number): undefined => {
    process.exitCode = code
    const { command } = change
    if (!isTable) {
      const report: ChangeReport = { command, outcome, plan, steps: [] }
      printData(flags.output, report, { columns: [], rows: [] })
    } else if (outcome === 'declined') printNote('nothing was changed')
    return undefined
  }
  if (isTable) printPlan(plan, undefined, { output: 'table' }, change.nothing)
  // Standard output is for the one document at the end.
  else if (!flags.yes) process.stderr.write(renderPlan(plan, change.nothing))
  if (plan.refusals.length > 0) return end('refused', 1)
  if (isNothingToDo(plan)) return end('nothing-to-do', 0)
  const question = `Carry out ${plan.steps.length} step(s)?`
  const hint = `Look at the plan and ${change.command} it with --yes.`
  const answer = flags.yes ? 'yes' : await askToConfirm(question, hint)
  if (answer === 'yes') return planned
  return end('declined', answer === 'no' ? 1 : (SIGNALS['SIGINT'] ?? 1))
}

async function carriedOut(
  desk: ApplyDesk,
  wanted: Wanted,
  { clusters: arns, plan }: Planned,
): Promise<ChangeReport> {
  const { change, clusters, flags, places } = wanted
  const { command } = change
  // From now on nothing is as `plan --cached` kept it.
  await forgetObservations(stateFolder(process.env))
  const opened = await openApplyPlaces(clusters, flags, { note: printNote, places })
  const outcomes = new Map<string, Outcome>()
  let signal: string | undefined
  void stopSignal().then((name) => (signal = toldOf(name)))
  const { accountId } = places.iam
  const result = await applyPlan(
    desk,
    { command, accountId, clusters: arns, steps: plan.steps, resume: flags.resume },
    {
      port: actionPort(opened),
      takeLeases: (of, holder) => leasesOf(opened, of, holder),
      onProgress: (event) => {
        if (event.state === 'done' || event.state === 'there') {
          outcomes.set(event.step.id, event.state)
        }
        tell(event)
      },
      stopReason: () => signal,
      clock: systemClock,
    },
  )
  const steps = stepReports(result, outcomes)
  const isDone = steps.every(({ outcome }) => outcome === 'done' || outcome === 'there')
  const { stopped } = result
  const after = isDone ? await leftAfter(wanted) : {}
  const { left } = after
  const isLeft = left !== undefined && !isNothingToDo(left)
  return {
    command,
    outcome: isDone ? (isLeft ? 'left' : 'done') : 'incomplete',
    plan,
    steps,
    ...(stopped !== undefined && { stopped }),
    ...after,
  }
}

function toldOf(signal: string): string {
  printNote(`${signal}: ends after the steps that are under way; another one ends it at once`)
  return signal
}

/** Lists may be behind what was just seen one by one. */
const LIST_PATIENCE: Patience = { totalMs: 30_000, firstDelayMs: 500, maxDelayMs: 5000 }

/** What is to be done still when all was done. That it cannot be seen undoes nothing. */
async function leftAfter(wanted: Wanted): Promise<Pick<ChangeReport, 'left' | 'unseen'>> {
  try {
    const { plan: left } = await counted(() =>
      askUntil(
        () => planAfresh(wanted),
        (one) => isNothingToDo(one.plan),
        LIST_PATIENCE,
      ),
    )
    return { left }
  } catch (error) {
    return { unseen: messageOf(error) }
  }
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

function tell({ done, error, state, step, total }: ProgressEvent): void {
  if (state === 'started') return
  const why = error === undefined ? '' : `: ${messageOf(error)}`
  printNote(`[${done}/${total}] ${step.id} ${state === 'there' ? 'was done already' : state}${why}`)
  if (error instanceof PodroleError && error.hint !== undefined) printNote(`  ${error.hint}`)
}
