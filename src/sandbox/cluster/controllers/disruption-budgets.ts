import type { ClusterCore } from '../core.ts'
import { listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from '../objects.ts'
import { labelSelectorOf } from '../selectors.ts'
import { DEPLOYMENTS, REPLICA_SETS } from '../types/apps.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { PODS } from '../types/pods.ts'
import { POD_DISRUPTION_BUDGETS } from '../types/policies.ts'
import { STATEFUL_SETS } from '../types/stateful-sets.ts'
import { resolveCount } from '../types/workloads.ts'
import { ownKey, tell, withCondition, writeStatus } from './owned-pods.ts'
import { splitKey, type Controller } from './work-queue.ts'

/** An evicted pod that is still there so long afterwards was not deleted after all. */
const DISRUPTED_MAX_MS = 120_000

/** Keeps each budget's count of the pods that may be evicted. */
export const disruptionBudgets: Controller = {
  name: 'disruption-budgets',
  keysOf: (core, { resource, object, previous }) => {
    if (resource === POD_DISRUPTION_BUDGETS) return [ownKey(object)]
    const isScaled =
      resource === DEPLOYMENTS || resource === REPLICA_SETS || resource === STATEFUL_SETS
    if (resource !== PODS && !isScaled) return []
    const budgets = core.store.list(POD_DISRUPTION_BUDGETS, object.metadata.namespace)
    if (isScaled) return budgets.map(ownKey)
    return budgets
      .filter((budget) => covers(budget, object) || (previous && covers(budget, previous)))
      .map(ownKey)
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const budget = core.store.get(POD_DISRUPTION_BUDGETS, namespace, name)
    if (budget === undefined || budget.metadata.deletionTimestamp !== undefined) return undefined
    const pods = core.store
      .list(PODS, namespace)
      .filter((pod) => covers(budget, pod) && !['Succeeded', 'Failed'].includes(phaseOf(pod)))
    const disrupted = stillDisrupted(core, budget, pods)
    const counts = countsOf(core, budget, pods)
    const status = recordAt(budget, 'status')
    if (typeof counts === 'string') {
      await tell(core, budget, 'Warning', ['CalculateExpectedPodCountFailed', counts])
      await writeStatus(core, POD_DISRUPTION_BUDGETS, budget, {
        ...status,
        observedGeneration: budget.metadata.generation,
        disruptionsAllowed: 0,
        conditions: conditionsOf(core, budget, ['False', 'SyncFailed', counts]),
      })
      return undefined
    }
    const healthy = pods.filter(
      (pod) =>
        isPodReady(pod) &&
        pod.metadata.deletionTimestamp === undefined &&
        disrupted[pod.metadata.name ?? ''] === undefined,
    ).length
    const { expected, desired } = counts
    const allowed = expected <= 0 ? 0 : Math.max(0, healthy - desired)
    await writeStatus(core, POD_DISRUPTION_BUDGETS, budget, {
      observedGeneration: budget.metadata.generation,
      disruptedPods: disrupted,
      disruptionsAllowed: allowed,
      currentHealthy: healthy,
      desiredHealthy: desired,
      expectedPods: expected,
      conditions: conditionsOf(
        core,
        budget,
        allowed > 0 ? ['True', 'SufficientPods', ''] : ['False', 'InsufficientPods', ''],
      ),
    })
    const times = Object.values(disrupted).map(
      (time) => Date.parse(String(time)) + DISRUPTED_MAX_MS,
    )
    return times.length === 0 ? undefined : Math.min(...times)
  },
}

/** Whether a pod is one of those that a budget protects: `{}` takes all, no selector none. */
export function covers(budget: ApiObject, pod: ApiObject): boolean {
  return (
    budget.metadata.namespace === pod.metadata.namespace &&
    labelSelectorOf(recordAt(budget, 'spec')['selector'])(pod.metadata.labels ?? {})
  )
}

const phaseOf = (pod: ApiObject): string => stringAt(pod['status'], 'phase')

function stillDisrupted(
  core: ClusterCore,
  budget: ApiObject,
  pods: readonly ApiObject[],
): JsonRecord {
  const known = Object.entries(recordAt(recordAt(budget, 'status'), 'disruptedPods'))
  return Object.fromEntries(
    known.filter(([name, time]) => {
      const pod = pods.find((candidate) => candidate.metadata.name === name)
      const isOver = Date.parse(String(time)) + DISRUPTED_MAX_MS <= core.clock.now()
      return pod !== undefined && pod.metadata.deletionTimestamp === undefined && !isOver
    }),
  )
}

interface Counts {
  readonly expected: number
  readonly desired: number
}

/** How many pods are expected and how many must be healthy; the reason where nobody can say. */
function countsOf(
  core: ClusterCore,
  budget: ApiObject,
  pods: readonly ApiObject[],
): Counts | string {
  const { minAvailable, maxUnavailable } = recordAt(budget, 'spec')
  if (typeof minAvailable === 'number') return { expected: pods.length, desired: minAvailable }
  if (minAvailable === undefined && maxUnavailable === undefined) {
    return { expected: pods.length, desired: 0 }
  }
  const expected = expectedOf(core, pods)
  if (typeof expected === 'string') return expected
  if (maxUnavailable === undefined) {
    return { expected, desired: resolveCount(minAvailable, expected, Math.ceil) }
  }
  const unavailable = resolveCount(maxUnavailable, expected, Math.ceil)
  return { expected, desired: Math.max(0, expected - unavailable) }
}

/** The sum of the scales of the pods' controllers. */
function expectedOf(core: ClusterCore, pods: readonly ApiObject[]): number | string {
  const scales = new Map<string, number>()
  for (const pod of pods) {
    const owner = (pod.metadata.ownerReferences ?? []).find(({ controller }) => controller === true)
    const { name, namespace } = pod.metadata
    // Nobody says how many of them there should be.
    if (owner === undefined) continue
    const type = [REPLICA_SETS, STATEFUL_SETS].find(({ kind }) => kind === owner.kind)
    const found = type && core.store.get(type, namespace, owner.name)
    if (found === undefined) return `found no controllers for pod "${name}"`
    const above = deploymentOf(core, found)
    const scaled = above ?? found
    scales.set(scaled.metadata.uid ?? '', Number(recordAt(scaled, 'spec')['replicas'] ?? 1))
  }
  return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0)
}

function deploymentOf(core: ClusterCore, set: ApiObject): ApiObject | undefined {
  const owner = (set.metadata.ownerReferences ?? []).find(
    ({ controller, kind }) => controller === true && kind === 'Deployment',
  )
  return owner && core.store.get(DEPLOYMENTS, set.metadata.namespace, owner.name)
}

function conditionsOf(
  core: ClusterCore,
  budget: ApiObject,
  [status, reason, message]: readonly ['True' | 'False', string, string],
): JsonRecord[] {
  const conditions = withCondition(core, listAt(budget['status'], 'conditions'), {
    type: 'DisruptionAllowed',
    status,
    reason,
    message,
  })
  const { generation } = budget.metadata
  return conditions.map((condition) => ({ ...condition, observedGeneration: generation }))
}
