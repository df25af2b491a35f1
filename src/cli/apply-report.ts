/** What came of carrying out a plan, for people and for machines. */
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import type { Outcome } from '../manage/apply/act.ts'
import type { RunResult } from '../manage/apply/run-steps.ts'
import { isNothingToDo, type Plan } from '../manage/plan/plan.ts'
import { renderPlan } from '../manage/plan/render.ts'

export type ChangeOutcome =
  | 'nothing-to-do'
  | 'refused'
  /** Who was asked said no. */
  | 'declined'
  | 'done'
  /** A step failed, or it was stopped. */
  | 'incomplete'
  /** All steps were done, and yet something is to be done. */
  | 'left'

/** One document for `-o json|yaml`. */
export interface ChangeReport {
  readonly command: string
  readonly outcome: ChangeOutcome
  readonly plan: Plan
  readonly steps: readonly StepReport[]
  /** Why no further step was begun. */
  readonly stopped?: string
  /** What is to be done still, looked at when all steps were done. */
  readonly left?: Plan
  /** Why that could not be looked at: who deletes an access entry may have shut themselves out. */
  readonly unseen?: string
}

export interface StepReport {
  readonly id: string
  /** `there`: it was done already. */
  readonly outcome: Outcome | 'failed' | 'not-started'
  readonly error?: { readonly code?: string; readonly message: string; readonly hint?: string }
  /** The step whose failure keeps it from being begun. */
  readonly after?: string
}

/** @param outcomes of the steps that this run did, by id */
export function stepReports(
  { errors, standing }: RunResult,
  outcomes: ReadonlyMap<string, Outcome>,
): readonly StepReport[] {
  return [
    ...standing.done.map(({ id }) => ({ id, outcome: outcomes.get(id) ?? 'done' })),
    ...standing.failed.map(({ id }) => ({
      id,
      outcome: 'failed' as const,
      ...(errors.has(id) && { error: errorOf(errors.get(id)) }),
    })),
    ...standing.blocked.map(({ by, step }) => ({
      id: step.id,
      outcome: 'not-started' as const,
      after: by,
    })),
    ...[...standing.ready, ...standing.waiting].map(({ id }) => ({
      id,
      outcome: 'not-started' as const,
    })),
  ]
}

function errorOf(thrown: unknown): NonNullable<StepReport['error']> {
  const code = codeOf(thrown)
  const hint = thrown instanceof PodroleError ? thrown.hint : undefined
  return {
    message: messageOf(thrown),
    ...(code !== undefined && { code }),
    ...(hint !== undefined && { hint }),
  }
}

/** The end of it as a person reads it. */
export function renderReport(
  { left, steps, stopped, unseen }: ChangeReport,
  nothingLeft: string,
): string {
  const count = (outcome: StepReport['outcome']): number =>
    steps.filter((one) => one.outcome === outcome).length
  const [failed, notStarted] = [count('failed'), count('not-started')]
  const parts = [`${count('done') + count('there')} step(s) done`]
  if (failed > 0) parts.push(`${failed} failed`)
  if (notStarted > 0) parts.push(`${notStarted} not started`)
  const lines = [`${parts.join(', ')}.`]
  for (const { after, id, outcome } of steps) {
    if (outcome !== 'not-started') continue
    lines.push(`  not started: ${id} (${after === undefined ? (stopped ?? '') : `after ${after}`})`)
  }
  if (failed + notStarted > 0) lines.push('Go on with the same command and --resume.')
  else if (unseen !== undefined) lines.push(`Whether something is left is not known: ${unseen}`)
  else if (left !== undefined && isNothingToDo(left)) lines.push(nothingLeft)
  const text = `${lines.join('\n')}\n`
  return left === undefined || isNothingToDo(left)
    ? text
    : `${text}\nThere is something to do still:\n\n${renderPlan(left)}`
}
