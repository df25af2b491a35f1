/** The actions of one run carried out, each knowing what the run did before it. */
import { actionId } from '../plan/action-id.ts'
import { inverseOf } from '../plan/inverse.ts'
import type { PlanAction } from '../plan/plan.ts'
import {
  type ActionPort,
  type Around,
  carryOut,
  freshnessOf,
  type Outcome,
  type Pace,
} from './act.ts'
import { type Found, type Slot, wantedSlot } from './slots.ts'

export interface CarrierOptions {
  readonly pace?: Pace | undefined
  /** Whether another apply has gone past an action, by what is found. */
  readonly isOvertaken?: (action: PlanAction, found: Found) => boolean
  readonly ifChanged?: Around['ifChanged']
}

/** @param steps all of the plan that the actions are of */
export function actionCarrier(
  port: ActionPort,
  steps: readonly { readonly action: PlanAction }[],
  options: CarrierOptions = {},
): (action: PlanAction) => Promise<Outcome> {
  const { ifChanged, isOvertaken, pace } = options
  const isFresh = freshnessOf(steps)
  /** By the id of what would bring it back: as it was before this run took it away. */
  const taken = new Map<string, Slot>()
  return async (action) => {
    const was = taken.get(actionId(action))
    const outcome = await carryOut(port, action, pace, {
      isFresh: isFresh(action),
      mayShowOld: was !== undefined && Bun.deepEquals(was, wantedSlot(action), true),
      ...(isOvertaken !== undefined && { isOvertaken: (found) => isOvertaken(action, found) }),
      ...(ifChanged !== undefined && { ifChanged }),
    })
    if (outcome === 'done') {
      for (const one of inverseOf(action)) taken.set(actionId(one), wantedSlot(one))
    }
    return outcome
  }
}
