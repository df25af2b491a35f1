/** Whether what a plan was made for is there still, before the first step of it is done. */
import { setTimeout as sleep } from 'node:timers/promises'
import { mapLimited } from '../../lib/map-limited.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { PlanStep } from '../plan/plan.ts'
import { type ActionPort, APPLY_PACE, brief, type Pace } from './act.ts'
import { STEPS_AT_ONCE } from './run-steps.ts'
import { judge, type Verdict } from './slots.ts'

const MOST_TOLD = 20
/** Reads of EKS and IAM are behind by seconds, no more. */
const STALE_PACE: Pace = { ...APPLY_PACE, patienceMs: 10_000 }

/**
 * Looks at what each step is about that depends on no other step: those that do are looked at when it
 * is their turn. What is done already is no fault.
 * @param steps those that are to be done, of the whole plan that is named beside them
 * @throws PodroleError `StalePlan` with everything that is neither as it was nor as it will be
 */
export async function refuseStale(
  port: ActionPort,
  steps: readonly PlanStep[],
  {
    pace = STALE_PACE,
    whole = steps,
  }: { readonly pace?: Pace; readonly whole?: readonly PlanStep[] } = {},
): Promise<void> {
  const known = new Set(whole.map(({ id }) => id))
  const first = steps.filter(({ dependsOn }) => !dependsOn.some((id) => known.has(id)))
  const verdicts = await mapLimited(first, STEPS_AT_ONCE, async (step) => ({
    step,
    verdict: await verdictOf(port, step, pace),
  }))
  const told = verdicts.flatMap(({ step, verdict }) =>
    verdict.kind === 'differs'
      ? [`${step.id}: found ${brief(verdict.found)}, the plan saw ${brief(verdict.wanted)}`]
      : [],
  )
  if (told.length === 0) return
  const more = told.length > MOST_TOLD ? [`and ${told.length - MOST_TOLD} more`] : []
  throw new PodroleError(
    'StalePlan',
    [
      'what the plan saw has changed since, so nothing was changed:',
      ...told.slice(0, MOST_TOLD),
      ...more,
    ].join('\n  '),
    { hint: 'Plan again: the new plan begins with what is there now.' },
  )
}

async function verdictOf(port: ActionPort, { action }: PlanStep, pace: Pace): Promise<Verdict> {
  const until = performance.now() + pace.patienceMs
  for (let delay = pace.firstDelayMs; ; delay = Math.min(pace.maxDelayMs, delay * 2)) {
    const { found } = await port.look(action)
    const verdict = judge(action, found)
    if (verdict.kind !== 'differs' || performance.now() + delay > until) return verdict
    await sleep(delay)
  }
}
