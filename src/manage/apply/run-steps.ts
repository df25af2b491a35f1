/** Carries out the steps of a plan: in their order, some at a time, each written down first. */
import type { PlanStep } from '../plan/plan.ts'
import type { Outcome } from './act.ts'
import { type Progress, type Standing, standingOf, type StepState } from './progress.ts'

/**
 * Does a step. One that waits for somebody, and asks nobody for more, frees its place among those at
 * once.
 */
export type StepCarrier = (step: PlanStep, freeSlot: () => void) => Promise<Outcome>

export interface RunPorts {
  readonly carryOut: StepCarrier
  /** On disk when it returns. */
  record(id: string, state: StepState): Promise<void>
  onProgress(event: ProgressEvent): void
  /** Why no further step is to begin; asked before each one. */
  stopReason(): string | undefined
}

export interface ProgressEvent {
  readonly step: PlanStep
  readonly state: 'started' | Outcome | 'failed'
  /** Steps that are done, of `total`. */
  readonly done: number
  readonly total: number
  readonly error?: unknown
}

export interface RunResult {
  readonly standing: Standing
  /** What each failed step threw. */
  readonly errors: ReadonlyMap<string, unknown>
  /** Undefined where the run came to its end. */
  readonly stopped?: string
}

/** Calls under way at once; EKS takes 10 changes a second of an account. */
export const STEPS_AT_ONCE = 8

/**
 * Runs until every step is done, failed, or behind one that failed; or until it is to stop: then
 * what is under way ends first. A journal that cannot be written ends the run.
 * @throws what `record` throws, when no step is under way any more
 */
export async function runSteps(
  plan: { readonly steps: readonly PlanStep[]; readonly progress: Progress },
  ports: RunPorts,
  atOnce: number = STEPS_AT_ONCE,
): Promise<RunResult> {
  const { steps } = plan
  const progress = new Map(plan.progress)
  const errors = new Map<string, unknown>()
  const underWay = new Set<Promise<void>>()
  const slots = newSlots(atOnce)
  const broken: unknown[] = []
  const tell = (step: PlanStep, state: ProgressEvent['state'], error?: unknown): void => {
    const done = [...progress.values()].filter((one) => one === 'done').length
    ports.onProgress({
      step,
      state,
      done,
      total: steps.length,
      ...(error !== undefined && { error }),
    })
  }
  const run = async (step: PlanStep, free: () => void): Promise<void> => {
    await ports.record(step.id, 'started')
    tell(step, 'started')
    const end = await ports.carryOut(step, free).then(
      (outcome) => ({ outcome }),
      (error: unknown) => ({ error }),
    )
    const state = 'outcome' in end ? 'done' : 'failed'
    if ('error' in end) errors.set(step.id, end.error)
    await ports.record(step.id, state)
    progress.set(step.id, state)
    if ('outcome' in end) tell(step, end.outcome)
    else tell(step, 'failed', end.error)
  }
  let stopped: string | undefined
  for (;;) {
    const { ready } = standingOf(steps, progress)
    for (const step of ready.slice(0, slots.free())) {
      stopped ??= broken.length > 0 ? 'the journal cannot be written' : ports.stopReason()
      if (stopped !== undefined) break
      progress.set(step.id, 'started')
      const free = slots.take()
      const running: Promise<void> = run(step, free)
        .catch((error: unknown) => void broken.push(error))
        .finally(() => {
          free()
          underWay.delete(running)
        })
      underWay.add(running)
    }
    if (underWay.size === 0) break
    await Promise.race([...underWay, slots.freed()])
  }
  if (broken.length > 0) throw broken[0]
  return {
    standing: standingOf(steps, progress),
    errors,
    ...(stopped !== undefined && { stopped }),
  }
}

/** Places for so many at once, each of which may be freed before its holder is done. */
function newSlots(most: number): {
  readonly free: () => number
  readonly take: () => () => void
  /** Resolves with the next one that is freed. */
  readonly freed: () => Promise<void>
} {
  let taken = 0
  let next = Promise.withResolvers<void>()
  return {
    free: () => most - taken,
    freed: () => next.promise,
    take: () => {
      taken += 1
      let isHeld = true
      return () => {
        if (!isHeld) return
        isHeld = false
        taken -= 1
        next.resolve()
        next = Promise.withResolvers<void>()
      }
    },
  }
}
