import type { ClusterCore } from '../core.ts'
import {
  formatTime,
  isRecord,
  listAt,
  omit,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { DEPLOYMENTS, REPLICA_SETS } from '../types/apps.ts'
import {
  allOf,
  availableOf,
  limitsOf,
  replicasOf,
  type ReplicaSets,
  sortSets,
  statusCount,
  sum,
} from './deployment-sets.ts'
import { type ConditionWords, isOwnedBy, writeStatus } from './owned-pods.ts'

/** A progressDeadlineSeconds that means none (math.MaxInt32). */
const NO_DEADLINE = 2_147_483_647
const PROGRESSING = 'Progressing'

type Conditions = readonly JsonRecord[]

/**
 * Writes a deployment's status. `estimates`: says too how its roll-out comes on, which scaling it
 * and pausing it say nothing of.
 * @returns when the deployment will have taken too long, where it is on its way
 */
export async function reportStatus(
  core: ClusterCore,
  before: ApiObject,
  { estimates }: { readonly estimates: boolean },
): Promise<number | undefined> {
  const deployment = storedOf(core, before)
  if (deployment === undefined) return undefined
  const sets = setsOf(core, deployment)
  const counts = countsOf(deployment, sets)
  const available = set(core, conditionsOf(deployment), availability(deployment, counts))
  const conditions = estimates
    ? withFailure(
        core,
        withProgress(core, deployment, { counts, sets, conditions: available }),
        sets,
      )
    : available
  const { collisionCount } = recordAt(deployment, 'status')
  const status = { ...counts, ...(collisionCount !== undefined && { collisionCount }), conditions }
  await writeStatus(core, DEPLOYMENTS, deployment, status)
  return estimates ? dueAt(deployment, counts, conditions) : undefined
}

function storedOf(core: ClusterCore, { metadata }: ApiObject): ApiObject | undefined {
  return core.store.get(DEPLOYMENTS, metadata.namespace, metadata.name ?? '')
}

function setsOf(core: ClusterCore, deployment: ApiObject): ReplicaSets {
  const sets = core.store.list(REPLICA_SETS, deployment.metadata.namespace)
  return sortSets(
    deployment,
    sets.filter((one) => isOwnedBy(one, deployment)),
  )
}

interface Counts {
  readonly [field: string]: number | undefined
  readonly replicas: number
  readonly updatedReplicas: number
  readonly readyReplicas: number
  readonly availableReplicas: number
}

function countsOf(deployment: ApiObject, sets: ReplicaSets): Counts {
  const all = allOf(sets)
  const available = sum(all, availableOf)
  const count = (set: ApiObject): number => statusCount(set, 'replicas')
  return {
    observedGeneration: deployment.metadata.generation,
    replicas: sum(all, count),
    updatedReplicas: sets.current === undefined ? 0 : count(sets.current),
    readyReplicas: sum(all, (set) => statusCount(set, 'readyReplicas')),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sum(all, replicasOf) - available),
    terminatingReplicas: sum(all, (set) => statusCount(set, 'terminatingReplicas')),
  }
}

/** Whether all of a deployment's pods are new and available, as its status of now has it. */
export const isComplete = (deployment: ApiObject): boolean =>
  isAllThere(deployment, countsBefore(deployment)) &&
  statusCount(deployment, 'observedGeneration') >= (deployment.metadata.generation ?? 0)

const countsBefore = (deployment: ApiObject): Counts => ({
  replicas: statusCount(deployment, 'replicas'),
  updatedReplicas: statusCount(deployment, 'updatedReplicas'),
  readyReplicas: statusCount(deployment, 'readyReplicas'),
  availableReplicas: statusCount(deployment, 'availableReplicas'),
})

function isAllThere(deployment: ApiObject, counts: Counts): boolean {
  const { replicas, updatedReplicas, availableReplicas } = counts
  const wanted = replicasOf(deployment)
  return [replicas, updatedReplicas, availableReplicas].every((count) => count === wanted)
}

const conditionsOf = (deployment: ApiObject): JsonRecord[] =>
  listAt(deployment['status'], 'conditions').filter(isRecord)

const find = (conditions: Conditions, type: string): JsonRecord | undefined =>
  conditions.find((one) => one['type'] === type)

const without = (conditions: Conditions, type: string): JsonRecord[] =>
  conditions.filter((one) => one['type'] !== type)

/** Conditions with one set, at their end; one that has the same status and reason stays as it is. */
function set(core: ClusterCore, conditions: Conditions, words: ConditionWords): JsonRecord[] {
  const known = find(conditions, words.type)
  const isSame = known?.['status'] === words.status
  if (isSame && known?.['reason'] === words.reason) return [...conditions]
  const now = formatTime(core.clock.now())
  const lastTransitionTime = isSame ? known?.['lastTransitionTime'] : now
  return [...without(conditions, words.type), { ...words, lastUpdateTime: now, lastTransitionTime }]
}

function availability(deployment: ApiObject, { availableReplicas }: Counts): ConditionWords {
  const isEnough = availableReplicas >= replicasOf(deployment) - limitsOf(deployment).unavailable
  return {
    type: 'Available',
    status: isEnough ? 'True' : 'False',
    reason: isEnough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: isEnough
      ? 'Deployment has minimum availability.'
      : 'Deployment does not have minimum availability.',
  }
}

const deadlineOf = (deployment: ApiObject): number =>
  Number(recordAt(deployment, 'spec')['progressDeadlineSeconds'] ?? NO_DEADLINE)

const hasDeadline = (deployment: ApiObject): boolean => deadlineOf(deployment) !== NO_DEADLINE

interface Standing {
  readonly counts: Counts
  readonly sets: ReplicaSets
  readonly conditions: Conditions
}

/** The conditions with what is to be said of the roll-out: over, on its way, or too slow. */
function withProgress(
  core: ClusterCore,
  deployment: ApiObject,
  { counts, sets, conditions }: Standing,
): JsonRecord[] {
  if (!hasDeadline(deployment)) return without(conditions, PROGRESSING)
  const known = find(conditions, PROGRESSING)
  const isOver = known?.['reason'] === 'NewReplicaSetAvailable'
  // Nothing rolls out: this is about a pod that was lost, say.
  if (isOver && counts.replicas === counts.updatedReplicas) return [...conditions]
  const { current } = sets
  const subject =
    current === undefined
      ? `Deployment "${deployment.metadata.name ?? ''}"`
      : `ReplicaSet "${current.metadata.name ?? ''}"`
  const words = (status: 'True' | 'False', reason: string, says: string): ConditionWords => ({
    type: PROGRESSING,
    status,
    reason,
    message: `${subject} ${says}`,
  })
  if (isAllThere(deployment, counts)) {
    const done = words('True', 'NewReplicaSetAvailable', 'has successfully progressed.')
    return set(core, conditions, done)
  }
  if (hasMoved(countsBefore(deployment), counts)) {
    const moving = set(core, without(conditions, PROGRESSING), {
      ...words('True', 'ReplicaSetUpdated', 'is progressing.'),
    })
    const last = moving.at(-1)
    if (known?.['status'] === 'True' && last !== undefined) {
      last['lastTransitionTime'] = known['lastTransitionTime']
    }
    return moving
  }
  const due = dueAt(deployment, counts, conditions)
  if (due === undefined || due > core.clock.now()) return [...conditions]
  const late = words('False', 'ProgressDeadlineExceeded', 'has timed out progressing.')
  return set(core, conditions, late)
}

function hasMoved(before: Counts, after: Counts): boolean {
  const old = (counts: Counts): number => counts.replicas - counts.updatedReplicas
  return (
    after.updatedReplicas > before.updatedReplicas ||
    old(after) < old(before) ||
    after.readyReplicas > before.readyReplicas ||
    after.availableReplicas > before.availableReplicas
  )
}

/** When a roll-out that does not move is too slow; undefined where that says nothing. */
function dueAt(deployment: ApiObject, counts: Counts, conditions: Conditions): number | undefined {
  const known = find(conditions, PROGRESSING)
  const reason = stringAt(known, 'reason')
  const isSettled = ['', 'NewReplicaSetAvailable', 'ProgressDeadlineExceeded'].includes(reason)
  if (!hasDeadline(deployment) || isSettled || isAllThere(deployment, counts)) return undefined
  return Date.parse(stringAt(known, 'lastUpdateTime')) + deadlineOf(deployment) * 1000
}

/** The conditions with what a replica set says of pods that cannot be made. */
function withFailure(core: ClusterCore, conditions: Conditions, sets: ReplicaSets): JsonRecord[] {
  const { current, old } = sets
  const type = 'ReplicaFailure'
  const found = [...(current === undefined ? [] : [current]), ...old]
    .flatMap((one) => listAt(one['status'], 'conditions'))
    .find((one) => stringAt(one, 'type') === type)
  if (!isRecord(found)) return without(conditions, type)
  const words = omit(found, 'lastTransitionTime', 'lastUpdateTime') as unknown as ConditionWords
  return set(core, conditions, words)
}

/** Says in a deployment's status that it is paused, or goes on. */
export async function reportPause(core: ClusterCore, deployment: ApiObject): Promise<void> {
  const reason = stringAt(find(conditionsOf(deployment), PROGRESSING), 'reason')
  if (!hasDeadline(deployment) || reason === 'ProgressDeadlineExceeded') return
  const isPaused = recordAt(deployment, 'spec')['paused'] === true
  if (isPaused === (reason === 'DeploymentPaused')) return
  await reportProgress(core, deployment, {
    status: 'Unknown',
    reason: isPaused ? 'DeploymentPaused' : 'DeploymentResumed',
    message: isPaused ? 'Deployment is paused' : 'Deployment is resumed',
  })
}

/** Says what became of making the replica set of a deployment's template. */
export async function reportProgress(
  core: ClusterCore,
  before: ApiObject,
  words: Omit<ConditionWords, 'type'>,
): Promise<void> {
  const deployment = storedOf(core, before)
  if (deployment === undefined || !hasDeadline(deployment)) return
  const conditions = set(core, conditionsOf(deployment), { type: PROGRESSING, ...words })
  await writeStatus(core, DEPLOYMENTS, deployment, {
    ...recordAt(deployment, 'status'),
    conditions,
  })
}

/** Says that a deployment's replica set was there before it, where nothing is said yet. */
export async function reportFound(
  core: ClusterCore,
  deployment: ApiObject,
  found: ApiObject,
): Promise<void> {
  if (find(conditionsOf(deployment), PROGRESSING) !== undefined) return
  const message = `Found new replica set "${found.metadata.name ?? ''}"`
  await reportProgress(core, deployment, { status: 'True', reason: 'FoundNewReplicaSet', message })
}

/** Counts that the name of a deployment's next replica set was taken. */
export async function reportCollision(core: ClusterCore, deployment: ApiObject): Promise<void> {
  await writeStatus(core, DEPLOYMENTS, deployment, {
    ...recordAt(deployment, 'status'),
    collisionCount: statusCount(deployment, 'collisionCount') + 1,
  })
}
