/** Whether a plan was carried out already, by what is there. */
import { mapLimited } from '../../lib/map-limited.ts'
import type { PlanAction, PlanStep } from '../plan/plan.ts'
import type { ActionPort } from './act.ts'
import { overtakenIn } from './overtaken.ts'
import { STEPS_AT_ONCE } from './run-steps.ts'
import { type Found, judge } from './slots.ts'

/**
 * Looks at the steps until one is not done: of a plan that nobody began that is among the first. A
 * step is done too where later ones of the plan have gone on from what it did.
 * @param steps of a whole plan, each behind all that it depends on
 * @returns false for a plan without steps
 */
export async function isFinished(port: ActionPort, steps: readonly PlanStep[]): Promise<boolean> {
  const isOvertaken = overtakenIn(steps)
  for (let at = 0; at < steps.length; at += STEPS_AT_ONCE) {
    const some = steps.slice(at, at + STEPS_AT_ONCE)
    const done = await mapLimited(some, STEPS_AT_ONCE, async ({ action }) => {
      const found = await look(port, action)
      if (found === undefined) return false
      return judge(action, found).kind === 'done' || isOvertaken(action, found)
    })
    if (done.includes(false)) return false
  }
  return steps.length > 0
}

/** What cannot be looked at is not known to be done: whoever goes on with it tells why. */
async function look(port: ActionPort, action: PlanAction): Promise<Found | undefined> {
  try {
    return (await port.look(action)).found
  } catch {
    return undefined
  }
}
