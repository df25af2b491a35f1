/** What an apply tells of itself. */
import { codeOf, messageOf } from '../lib/errors.ts'
import { type Half, otherHalf, type PlanPart } from '../manage/apply/halves.ts'
import type { ProgressEvent, RunResult } from '../manage/apply/run-steps.ts'
import type { PlanStep } from '../manage/plan/plan.ts'
import { printNote } from './output.ts'

export function tell({ done, error, state, step, total }: ProgressEvent): void {
  if (state === 'started') return
  // The end tells of those.
  if (codeOf(error) === 'NotSeenYet') return
  const why = error === undefined ? '' : `: ${messageOf(error)}`
  printNote(`[${done}/${total}] ${step.id} ${state === 'there' ? 'was done already' : state}${why}`)
}

export function summarise({ errors, standing, stopped }: RunResult): void {
  const { blocked, done, failed, ready, waiting } = standing
  const left = [...ready, ...waiting]
  const isHanded = ({ id }: PlanStep): boolean => codeOf(errors.get(id)) === 'NotSeenYet'
  const handed = failed.filter(isHanded)
  const parts = [`${done.length} step(s) done`]
  if (failed.length > handed.length) parts.push(`${failed.length - handed.length} failed`)
  if (handed.length > 0) parts.push(`${handed.length} handed over and not seen yet`)
  if (blocked.length + left.length > 0) parts.push(`${blocked.length + left.length} not started`)
  process.stdout.write(`${parts.join(', ')}.\n`)
  for (const { id } of handed) process.stdout.write(`  handed over: ${id}\n`)
  for (const { by, step } of blocked)
    process.stdout.write(`  not started: ${step.id} (after ${by})\n`)
  for (const { id } of left) process.stdout.write(`  not started: ${id} (${stopped ?? ''})\n`)
  if (failed.length + blocked.length + left.length === 0) return
  process.stdout.write('Go on with the same command and --resume.\n')
  process.exitCode = 1
}

export const isWhole = ({ standing: { blocked, failed, ready, waiting } }: RunResult): boolean =>
  blocked.length + failed.length + ready.length + waiting.length === 0

const WHO = { aws: 'AWS', kubernetes: 'Kubernetes' } as const

/** What is left of a half, and for whoever does the other one. */
export function tellLeft(half: Half, { others, waiting }: PlanPart, path?: string): void {
  const other = otherHalf(half)
  const again = (which: Half): string => `podrole apply ${path ?? '-f FILE'} --${which}-only`
  if (waiting.length > 0) {
    process.stdout.write(`Of this half, ${waiting.length} step(s) wait for the other one:\n`)
    for (const { for: blocks, step } of waiting) {
      process.stdout.write(`  ${step.id} (after ${blocks.join(', ')})\n`)
    }
    process.stdout.write(`Then: ${again(half)}\n`)
    process.exitCode = 1
  }
  if (others.length > 0) {
    process.stdout.write(`Left for whoever has ${WHO[other]}, ${others.length} step(s):\n`)
    for (const { id } of others) process.stdout.write(`  ${id}\n`)
    process.stdout.write(`By: ${again(other)}\n`)
  } else if (path === undefined) {
    process.stdout.write(`${WHO[other]} was not looked at: ${again(other)} does its half.\n`)
  }
}
