/** Which steps of a plan may begin, and what became of the others. Pure. */
import type { PlanStep } from '../plan/plan.ts'

/** What a journal knows of a step; one it does not know has not begun. */
export type StepState = 'started' | 'done' | 'failed'
export type Progress = ReadonlyMap<string, StepState>

export interface Standing {
  readonly done: readonly PlanStep[]
  readonly failed: readonly PlanStep[]
  /** They begin when nothing that they depend on is left; nobody has begun them. */
  readonly ready: readonly PlanStep[]
  /** They wait for steps that are under way or to come. */
  readonly waiting: readonly PlanStep[]
  /** They cannot begin: of which step's failure. */
  readonly blocked: readonly { readonly step: PlanStep; readonly by: string }[]
}

/** @param steps each behind all that it depends on, as plans have them */
export function standingOf(steps: readonly PlanStep[], progress: Progress): Standing {
  const known = new Set(steps.map(({ id }) => id))
  const failedFor = new Map<string, string>()
  const standing = { done: [], failed: [], ready: [], waiting: [], blocked: [] } as {
    readonly [K in keyof Standing]: Standing[K][number][]
  }
  for (const step of steps) {
    const state = progress.get(step.id)
    const by = step.dependsOn.map((id) => failedFor.get(id)).find((one) => one !== undefined)
    if (state === 'done') standing.done.push(step)
    else if (state === 'failed') {
      failedFor.set(step.id, step.id)
      standing.failed.push(step)
    } else if (by !== undefined) {
      failedFor.set(step.id, by)
      standing.blocked.push({ step, by })
    } else if (
      state === 'started' ||
      step.dependsOn.some((id) => known.has(id) && progress.get(id) !== 'done')
    ) {
      standing.waiting.push(step)
    } else standing.ready.push(step)
  }
  return standing
}

/** What goes on after an apply that ended: what was under way or failed is looked at again. */
export const resumed = (progress: Progress): Progress =>
  new Map([...progress].filter(([, state]) => state === 'done'))
