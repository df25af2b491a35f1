/**
 * The two halves of a plan, for two people with two networks: what is asked of AWS (or a broker),
 * and what is asked of Kubernetes. Pure.
 */
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import type { PlanAction, PlanStep } from '../plan/plan.ts'
import { isKubernetesAction } from './action-port.ts'
import { isWorkloadIdentityAction } from './workload-identity-port.ts'

export type Half = 'aws' | 'kubernetes'

export const otherHalf = (half: Half): Half => (half === 'aws' ? 'kubernetes' : 'aws')

/**
 * Which of the two an action is asked of. Document 002's add-on is objects of Kubernetes: its IAM
 * OIDC provider is a step of AWS's half, and its issuer's keys may be published before.
 */
export const halfOf = (action: PlanAction): Half =>
  'cluster' in action && (isKubernetesAction(action) || isWorkloadIdentityAction(action))
    ? 'kubernetes'
    : 'aws'

export interface PlanPart {
  /** To be done now, in the plan's order. */
  readonly own: readonly PlanStep[]
  /** Of this half too, and for later: of the other half's steps, those that they wait for. */
  readonly waiting: readonly { readonly step: PlanStep; readonly for: readonly string[] }[]
  /** Of the other half, and not done as far as is known. */
  readonly others: readonly PlanStep[]
}

/**
 * What one half may do, where those steps of both halves are done.
 * @param steps of the whole plan, each behind all that it depends on
 */
export function partOf(
  steps: readonly PlanStep[],
  half: Half,
  done: ReadonlySet<string>,
): PlanPart {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const held = new Map<string, readonly string[]>()
  const part = { own: [], waiting: [], others: [] } as {
    readonly [K in keyof PlanPart]: PlanPart[K][number][]
  }
  for (const step of steps) {
    if (done.has(step.id)) continue
    if (halfOf(step.action) !== half) {
      part.others.push(step)
      continue
    }
    const blocks = step.dependsOn.flatMap((id) => {
      const before = byId.get(id)
      if (before === undefined || done.has(id)) return []
      if (halfOf(before.action) === half) return held.get(id) ?? []
      return needsDone(step.action) ? [id] : []
    })
    if (blocks.length === 0) part.own.push(step)
    else {
      const reasons = [...new Set(blocks)]
      held.set(step.id, reasons)
      part.waiting.push({ step, for: reasons })
    }
  }
  return part
}

/**
 * Whether a step needs those of the other half that it depends on to be done. A service account that
 * had no role is given one by its ARN, which is known before the role is made: its pods get
 * credentials when both are there. One that has a role keeps it until the new one lets it in, and
 * AWS takes nothing away as long as a service account has it.
 */
export function needsDone(action: PlanAction): boolean {
  if (halfOf(action) === 'aws') return true
  if (action.do !== 'patch-service-account') return false
  const [before, after] = [action.before, action.after].map(
    ({ annotations }) => annotations[ROLE_ANNOTATION] ?? null,
  )
  return before !== null && after !== null && before !== after
}

/**
 * The steps of AWS's half that are right whatever Kubernetes has, for a plan that did not look there:
 * without those that take a role or somebody's place in it away, and what is behind them.
 */
export function withoutTaking(steps: readonly PlanStep[]): readonly PlanStep[] {
  const deleted = new Set(
    steps.flatMap(({ action }) => (action.do === 'delete-role' ? [action.role.name] : [])),
  )
  const dropped = new Set<string>()
  return steps.filter(({ action, dependsOn, id }) => {
    const takes =
      (action.do === 'put-trust' && action.phase === 'trim') ||
      action.do === 'delete-role' ||
      ((action.do === 'detach-policy' || action.do === 'delete-inline-policy') &&
        deleted.has(action.role))
    if (!takes && !dependsOn.some((one) => dropped.has(one))) return true
    dropped.add(id)
    return false
  })
}
