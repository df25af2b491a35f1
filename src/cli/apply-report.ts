/** What came of carrying out a plan, for people and for machines. */
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import type { Outcome } from '../manage/apply/act.ts'
import { type Half, otherHalf, type PlanPart } from '../manage/apply/halves.ts'
import type { ProgressEvent, RunResult } from '../manage/apply/run-steps.ts'
import { isNothingToDo, type Plan } from '../manage/plan/plan.ts'
import { renderPlan } from '../manage/plan/render.ts'
import { printNote } from './output.ts'

export type ChangeOutcome =
  | 'nothing-to-do'
  | 'refused'
  /** Who was asked said no. */
  | 'declined'
  | 'done'
  /** A step failed or is in somebody's hands, or it was stopped. */
  | 'incomplete'
  /** Of a half: what is left of it waits for the other half. */
  | 'waiting'
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
  /** Where one half was done. */
  readonly half?: HalfReport
}

export interface HalfReport {
  readonly which: Half
  /** Of this half, and the steps of the other one that they wait for. */
  readonly waiting: readonly { readonly id: string; readonly for: readonly string[] }[]
  /** Steps of the other half; undefined where it was not looked at. */
  readonly others?: readonly string[]
}

/** @param isWhole whether the plan has both halves */
export const halfReport = (
  which: Half,
  { others, waiting }: PlanPart,
  isWhole: boolean,
): HalfReport => ({
  which,
  waiting: waiting.map(({ for: blocks, step }) => ({ id: step.id, for: blocks })),
  ...(isWhole && { others: others.map(({ id }) => id) }),
})

export interface StepReport {
  readonly id: string
  /** `there`: it was done already. */
  readonly outcome: Outcome | 'failed' | 'handed-over' | 'not-started'
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
      outcome: isHandedOver(errors.get(id)) ? ('handed-over' as const) : ('failed' as const),
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

/** It is in somebody's hands, and was not seen done. */
const isHandedOver = (thrown: unknown): boolean => codeOf(thrown) === 'NotSeenYet'

export function tell({ done, error, state, step, total }: ProgressEvent): void {
  // The end tells of what was handed over.
  if (state === 'started' || isHandedOver(error)) return
  const why = error === undefined ? '' : `: ${messageOf(error)}`
  printNote(`[${done}/${total}] ${step.id} ${state === 'there' ? 'was done already' : state}${why}`)
  if (error instanceof PodroleError && error.hint !== undefined) printNote(`  ${error.hint}`)
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

/** How the end of a change is told. */
export interface ReportWords {
  /** Said where nothing is left. */
  readonly nothingLeft: string
  /** The plan file or the files, as they are typed. */
  readonly source: string
}

/** The end of it as a person reads it. */
export function renderReport(report: ChangeReport, words: ReportWords): string {
  const { half, left, steps } = report
  const isSomethingLeft = left !== undefined && !isNothingToDo(left)
  const lines = [
    ...(steps.length === 0 ? [] : stepLines(report)),
    ...(left === undefined || isSomethingLeft ? [] : [words.nothingLeft]),
    ...(half === undefined ? [] : halfLines(half, words.source)),
  ]
  const text = lines.map((line) => `${line}\n`).join('')
  return isSomethingLeft ? `${text}\nThere is something to do still:\n\n${renderPlan(left)}` : text
}

function stepLines({ steps, stopped, unseen }: ChangeReport): readonly string[] {
  const count = (outcome: StepReport['outcome']): number =>
    steps.filter((one) => one.outcome === outcome).length
  const [failed, handed, notStarted] = [count('failed'), count('handed-over'), count('not-started')]
  const parts = [`${count('done') + count('there')} step(s) done`]
  if (failed > 0) parts.push(`${failed} failed`)
  if (handed > 0) parts.push(`${handed} handed over and not seen yet`)
  if (notStarted > 0) parts.push(`${notStarted} not started`)
  const lines = [`${parts.join(', ')}.`]
  for (const { id, outcome } of steps) {
    if (outcome === 'handed-over') lines.push(`  handed over: ${id}`)
  }
  for (const { after, id, outcome } of steps) {
    if (outcome !== 'not-started') continue
    lines.push(`  not started: ${id} (${after === undefined ? (stopped ?? '') : `after ${after}`})`)
  }
  if (failed + handed + notStarted > 0) lines.push('Go on with the same command and --resume.')
  else if (unseen !== undefined) lines.push(`Whether something is left is not known: ${unseen}`)
  return lines
}

const WHO = { aws: 'AWS', kubernetes: 'Kubernetes' } as const

/** What is left of a half, and for whoever does the other one. */
function halfLines({ others, waiting, which }: HalfReport, source: string): readonly string[] {
  const other = otherHalf(which)
  const again = (half: Half): string => `podrole apply ${source} --${half}-only`
  const lines: string[] = []
  if (waiting.length > 0) {
    lines.push(`Of this half, ${waiting.length} step(s) wait for the other one:`)
    for (const { for: blocks, id } of waiting) lines.push(`  ${id} (after ${blocks.join(', ')})`)
    lines.push(`Then: ${again(which)}`)
  }
  if (others === undefined) {
    lines.push(`${WHO[other]} was not looked at: ${again(other)} does its half.`)
  } else if (others.length > 0) {
    lines.push(`Left for whoever has ${WHO[other]}, ${others.length} step(s):`)
    lines.push(...others.map((id) => `  ${id}`), `By: ${again(other)}`)
  }
  return lines
}
