/** `podrole apply`, and what `podrole delete` has in common with it. */
import { PodroleError } from '../lib/errors.ts'
import { openDesk } from '../manage/apply/apply-plan.ts'
import { isFinished } from '../manage/apply/finished.ts'
import { refuseStale } from '../manage/apply/stale.ts'
import { makePlan } from '../manage/plan/make-plan.ts'
import type { Plan } from '../manage/plan/plan.ts'
import { NOTHING_TO_DO } from '../manage/plan/render.ts'
import { stateFolder } from '../manage/roles/prior-trust.ts'
import { type ChangeReport, renderReport } from './apply-report.ts'
import { type CarryFlags, type Change, confirmed, reportOf, type Wanted } from './change.ts'
import type { ApplyFlags, ChangeFlags } from './commands/apply.ts'
import { applyHalf } from './half-run.ts'
import { printData, printNote } from './output.ts'
import { halfOfFlags, sourceOfFiles, sourceOfPlanFile } from './parts/apply-source.ts'
import { type Carrying, openCarrying } from './parts/carrying.ts'
import { counted, printPlan, readFiles } from './plan-run.ts'

/** @param planfile in place of `-f` */
export async function runApply(planfile: string | undefined, flags: ApplyFlags): Promise<void> {
  const { adopt, filename, force } = flags
  if ((planfile === undefined) === (filename === undefined)) {
    const what = filename === undefined ? 'neither is named' : 'both are named'
    throw new PodroleError('InvalidArguments', `wanted a plan file or -f FILE: ${what}`, {
      hint: 'podrole plan -f FILE --out PLANFILE writes a plan file.',
    })
  }
  const half = halfOfFlags(flags)
  const change: Change = {
    command: 'apply',
    planOf: (clusters, observed, view) => makePlan(clusters, observed, { adopt, force, ...view }),
    nothing: NOTHING_TO_DO,
    nothingLeft:
      half === undefined
        ? 'Nothing is left to do: everything is as the files say.'
        : 'Nothing is left to do of this half.',
  }
  if (planfile === undefined) await runChange({ ...flags, filename: filename ?? [] }, change)
  else await carryOutAt({ source: await sourceOfPlanFile(planfile, half), flags, change })
}

/** Plans, asks, carries out and looks whether something is left. */
export async function runChange(
  flags: CarryFlags & Pick<ChangeFlags, 'filename'>,
  change: Change,
): Promise<void> {
  const { clusters } = await readFiles(flags)
  const around = { onCall: () => undefined, note: printNote }
  const { planOf } = change
  const takesGone = change.command === 'delete'
  const source = await sourceOfFiles(clusters, flags, { around, counted, planOf, takesGone })
  await carryOutAt({ source, flags, change })
}

async function carryOutAt(wanted: Wanted): Promise<void> {
  const { change, flags, source } = wanted
  const half = halfOfFlags(flags)
  const desk = await openDesk(stateFolder(process.env), source.accountId, half)
  try {
    const carrying = openCarrying(desk, change.command, { source, flags })
    const report = flags.resume
      ? await resumeAll(carrying, wanted)
      : half === undefined
        ? await applyWhole(carrying, wanted, desk.left !== undefined)
        : await applyHalf(carrying, wanted, half)
    printReport(report, wanted)
  } finally {
    desk.release()
  }
}

const NO_PLAN: Plan = { steps: [], refusals: [], remarks: [] }

async function resumeAll(carrying: Carrying, wanted: Wanted): Promise<ChangeReport> {
  const { steps, stopped } = await carrying.run([], [])
  return reportOf(wanted, { plan: NO_PLAN, steps, stopped })
}

/** @param isLeft an apply before it did not come to its end, which is told when steps begin */
async function applyWhole(
  carrying: Carrying,
  wanted: Wanted,
  isLeft: boolean,
): Promise<ChangeReport> {
  const { source } = wanted
  const { arns, plan } = await source.plan()
  if (source.path !== undefined && !isLeft && (await isFinished(carrying.port, plan.steps))) {
    return finishedBefore(wanted, plan, source.path)
  }
  const check = async (): Promise<void> => {
    if (source.path !== undefined) await refuseStale(carrying.port, plan.steps)
  }
  const answer = await confirmed(wanted, plan, check)
  if (answer !== 'yes') return answer
  const { steps, stopped } = await carrying.run(plan.steps, arns)
  return reportOf(wanted, { plan, steps, stopped })
}

/** What the plan saw first is there no more because it was carried out: that makes it no stale one. */
function finishedBefore({ change, flags }: Wanted, plan: Plan, path: string): ChangeReport {
  const said = `Nothing to do: ${path} was applied already, all of it is there.`
  if (flags.output === 'table') printPlan(NO_PLAN, undefined, { output: 'table' }, said)
  return { command: change.command, outcome: 'nothing-to-do', plan, steps: [] }
}

function printReport(report: ChangeReport, { change, flags, source }: Wanted): void {
  if (flags.output === 'table') {
    const { nothingLeft } = change
    process.stdout.write(renderReport(report, { nothingLeft, source: source.path ?? '-f FILE' }))
  } else printData(flags.output, report, { columns: [], rows: [] })
  process.exitCode = exitCodeOf(report)
}

/** As a shell has it for who ends by a signal: 128 and its number. */
const SIGNALS: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 }

function exitCodeOf({ outcome, stopped = '' }: ChangeReport): number {
  if (outcome === 'done' || outcome === 'nothing-to-do') return 0
  return SIGNALS[stopped] ?? 1
}
