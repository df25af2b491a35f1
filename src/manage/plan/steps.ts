import { actionId } from './action-id.ts'
import { inverseOf } from './inverse.ts'
import { neededActions, type RoleArnOf } from './needs.ts'
import type { PlanAction, PlanStep, Refusal, Remark, Risk } from './plan.ts'

/** What the parts of a planner write down. */
export interface Draft {
  /** Adds a step; its id, for those that come after it. */
  step(action: PlanAction, options?: StepOptions): string
  refuse(refusal: Refusal): void
  remark(remark: Remark): void
}

export interface StepOptions {
  readonly after?: readonly string[]
  readonly risk?: Risk
}

export interface DraftParts {
  readonly steps: readonly PlanStep[]
  readonly refusals: readonly Refusal[]
  readonly remarks: readonly Remark[]
}

const NO_RISK: Risk = { level: 'none' }
const CHANGE: Risk = { level: 'change' }

/** A draft, and what is in it. */
export function newDraft(roleArnOf: RoleArnOf): {
  readonly draft: Draft
  readonly parts: DraftParts
} {
  const steps: PlanStep[] = []
  const refusals: Refusal[] = []
  const remarks: Remark[] = []
  const draft: Draft = {
    step: (action, { after = [], risk } = {}) => {
      const id = actionId(action)
      steps.push({
        id,
        action,
        dependsOn: after,
        risk: risk ?? (/^(?:create|add|enable)-/.test(action.do) ? NO_RISK : CHANGE),
        inverse: inverseOf(action),
        needs: neededActions(action, roleArnOf),
      })
      return id
    },
    refuse: (refusal) => refusals.push(refusal),
    remark: (remark) => remarks.push(remark),
  }
  return { draft, parts: { steps, refusals, remarks } }
}

/** The steps, each behind all that it depends on, else in the order in which they were written. */
export function orderSteps(steps: readonly PlanStep[]): readonly PlanStep[] {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const done = new Set<string>()
  const ordered: PlanStep[] = []
  const visit = (step: PlanStep): void => {
    if (done.has(step.id)) return
    done.add(step.id)
    for (const id of step.dependsOn) {
      const before = byId.get(id)
      if (before !== undefined) visit(before)
    }
    ordered.push(step)
  }
  for (const step of steps) visit(step)
  return ordered
}
