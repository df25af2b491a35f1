/** A change from its plan to its report, as `apply`, its halves and `delete` have it in common. */
import { messageOf } from '../lib/errors.ts'
import { askUntil, type Patience } from '../lib/waiting.ts'
import type { JournalCommand } from '../manage/apply/journal.ts'
import { isNothingToDo, type Plan } from '../manage/plan/plan.ts'
import { renderPlan } from '../manage/plan/render.ts'
import type { ChangeReport, StepReport } from './apply-report.ts'
import type { ApplyFlags, ChangeFlags } from './commands/apply.ts'
import { askToConfirm } from './confirm.ts'
import { printNote } from './output.ts'
import type { ApplySource } from './parts/apply-source.ts'
import type { PlanOf } from './parts/half-plan.ts'
import { printPlan } from './plan-run.ts'

/** What is carried out, and how its end is told. */
export interface Change {
  readonly command: JournalCommand
  readonly planOf: PlanOf
  /** Said where there is nothing to do. */
  readonly nothing: string
  /** Said where nothing is left when all was done. */
  readonly nothingLeft: string
}

/** Of `apply` and `delete`, whose files are read by now. */
export type CarryFlags = Omit<ChangeFlags, 'filename'> &
  Partial<Omit<ApplyFlags, keyof ChangeFlags>>

export interface Wanted {
  readonly source: ApplySource
  readonly flags: CarryFlags
  readonly change: Change
}

/**
 * Shows the plan and asks.
 * @param check throws what speaks against the plan that is shown
 * @returns `yes`, or the end of it
 */
export async function confirmed(
  { change, flags }: Wanted,
  plan: Plan,
  check: () => Promise<void>,
): Promise<'yes' | ChangeReport> {
  const isTable = flags.output === 'table'
  const end = (outcome: ChangeReport['outcome']): ChangeReport => {
    if (isTable && outcome === 'declined') printNote('nothing was changed')
    return { command: change.command, outcome, plan, steps: [] }
  }
  if (isTable) printPlan(plan, undefined, { output: 'table' }, change.nothing)
  // Standard output is for the one document at the end.
  else if (!flags.yes) process.stderr.write(renderPlan(plan, change.nothing))
  if (plan.refusals.length > 0) return end('refused')
  if (isNothingToDo(plan)) return end('nothing-to-do')
  await check()
  const question = `Carry out ${plan.steps.length} step(s)?`
  const hint = `Look at the plan and ${change.command} it with --yes.`
  const answer = flags.yes ? 'yes' : await askToConfirm(question, hint)
  if (answer === 'yes') return 'yes'
  const declined = end('declined')
  return answer === 'no' ? declined : { ...declined, stopped: 'SIGINT' }
}

/** What came of it, and what is to be done still where a look at everything tells. */
export async function reportOf(
  wanted: Wanted,
  {
    plan,
    steps,
    stopped,
  }: {
    readonly plan: Plan
    readonly steps: readonly StepReport[]
    readonly stopped: string | undefined
  },
): Promise<ChangeReport> {
  const { change, source } = wanted
  const isDone = steps.every(({ outcome }) => outcome === 'done' || outcome === 'there')
  // A plan file names no files that all could be compared with.
  const after = isDone && source.path === undefined ? await leftAfter(source) : {}
  const { left } = after
  const isLeft = left !== undefined && !isNothingToDo(left)
  return {
    command: change.command,
    outcome: isDone ? (isLeft ? 'left' : 'done') : 'incomplete',
    plan,
    steps,
    ...(stopped !== undefined && { stopped }),
    ...after,
  }
}

/** Lists may be behind what was just seen one by one. */
const LIST_PATIENCE: Patience = { totalMs: 30_000, firstDelayMs: 500, maxDelayMs: 5000 }

/** What is to be done still when all was done. That it cannot be seen undoes nothing. */
async function leftAfter(source: ApplySource): Promise<Pick<ChangeReport, 'left' | 'unseen'>> {
  try {
    const { plan: left } = await askUntil(
      () => source.plan(),
      (one) => isNothingToDo(one.plan),
      LIST_PATIENCE,
    )
    return { left }
  } catch (error) {
    return { unseen: messageOf(error) }
  }
}
