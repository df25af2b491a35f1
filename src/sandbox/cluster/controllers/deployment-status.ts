import type { ClusterCore } from '../core.ts'
import {
  formatTime,
  isRecord,
  listAt,
  recordAt,
  sameJson,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { DEPLOYMENTS, REPLICA_SETS } from '../types/apps.ts'
import {
  availableOf,
  limitsOf,
  replicasOf,
  statusCount,
  sum,
  templateOf,
} from './deployment-sets.ts'
import { isOwnedBy, writeStatus } from './owned-pods.ts'

/** A progressDeadlineSeconds that means none (math.MaxInt32). */
const NO_DEADLINE = 2_147_483_647

/**
 * Writes a deployment's status.
 * @returns when the deployment will have taken too long, where it is on its way
 */
export async function reportStatus(
  core: ClusterCore,
  before: ApiObject,
): Promise<number | undefined> {
  const { name = '', namespace = '' } = before.metadata
  const deployment = core.store.get(DEPLOYMENTS, namespace, name)
  if (deployment === undefined) return undefined
  const sets = core.store.list(REPLICA_SETS, namespace).filter((set) => isOwnedBy(set, deployment))
  const current = sets.find((set) => sameJson(templateOf(set), templateOf(deployment)))
  const count = (set: ApiObject): number => statusCount(set, 'replicas')
  const available = sum(sets, availableOf)
  const counts = {
    observedGeneration: deployment.metadata.generation,
    replicas: sum(sets, count),
    updatedReplicas: current === undefined ? 0 : count(current),
    readyReplicas: sum(sets, (set) => statusCount(set, 'readyReplicas')),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sum(sets, replicasOf) - available),
    terminatingReplicas: sum(sets, (set) => statusCount(set, 'terminatingReplicas')),
  }
  const progress = progressOf(core, deployment, { counts, current })
  const failed = [...sets]
    .flatMap((set) => listAt(set['status'], 'conditions'))
    .find((condition) => stringAt(condition, 'type') === 'ReplicaFailure')
  await writeStatus(core, DEPLOYMENTS, deployment, {
    ...counts,
    conditions: [
      availability(core, deployment, available),
      ...progress.conditions,
      ...(isRecord(failed) ? [condition(core, deployment, wordsOf(failed))] : []),
    ],
  })
  return progress.dueMs
}

const wordsOf = (known: JsonRecord): Words => ({
  type: stringAt(known, 'type'),
  status: stringAt(known, 'status'),
  reason: stringAt(known, 'reason'),
  message: stringAt(known, 'message'),
})

function availability(core: ClusterCore, deployment: ApiObject, available: number): JsonRecord {
  const wanted = replicasOf(deployment)
  const strategy = recordAt(recordAt(deployment, 'spec'), 'strategy')
  const isEnough = available >= wanted - limitsOf(strategy, wanted).unavailable
  return condition(core, deployment, {
    type: 'Available',
    status: isEnough ? 'True' : 'False',
    reason: isEnough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: isEnough
      ? 'Deployment has minimum availability.'
      : 'Deployment does not have minimum availability.',
  })
}

interface Standing {
  readonly counts: Readonly<Record<string, number | undefined>>
  readonly current: ApiObject | undefined
}

/** The Progressing condition: when something last moved, and whether that is too long ago. */
function progressOf(
  core: ClusterCore,
  deployment: ApiObject,
  { counts, current }: Standing,
): { readonly conditions: JsonRecord[]; readonly dueMs?: number } {
  const spec = recordAt(deployment, 'spec')
  const seconds = Number(spec['progressDeadlineSeconds'] ?? NO_DEADLINE)
  if (seconds === NO_DEADLINE) return { conditions: [] }
  const known = knownCondition(deployment, 'Progressing')
  const type = 'Progressing'
  const make = (status: string, reason: string, message: string): JsonRecord[] => [
    condition(core, deployment, { type, status, reason, message }),
  ]
  if (spec['paused'] === true) {
    return { conditions: make('Unknown', 'DeploymentPaused', 'Deployment is paused') }
  }
  const set = `ReplicaSet "${current?.metadata.name ?? ''}"`
  const wanted = replicasOf(deployment)
  const isComplete =
    counts['updatedReplicas'] === wanted &&
    counts['replicas'] === wanted &&
    (counts['availableReplicas'] ?? 0) >= wanted
  if (isComplete) {
    return {
      conditions: make('True', 'NewReplicaSetAvailable', `${set} has successfully progressed.`),
    }
  }
  // Resources that do not start a roll-out do not start its clock (kubectl scale, a lost pod).
  const isIdle =
    known['reason'] === 'NewReplicaSetAvailable' && stringAt(known, 'message').startsWith(set)
  if (isIdle) return { conditions: [known] }
  const now = core.clock.now()
  const hasMoved = hasProgressed(deployment, counts) || known['reason'] === undefined
  const since = hasMoved ? now : Date.parse(stringAt(known, 'lastUpdateTime'))
  const dueMs = since + seconds * 1000
  if (!hasMoved && (dueMs <= now || known['reason'] === 'ProgressDeadlineExceeded')) {
    const message = `${set} has timed out progressing.`
    return { conditions: make('False', 'ProgressDeadlineExceeded', message) }
  }
  const [moving = {}] = make('True', 'ReplicaSetUpdated', `${set} is progressing.`)
  return { conditions: [{ ...moving, lastUpdateTime: formatTime(since) }], dueMs }
}

function hasProgressed(deployment: ApiObject, counts: Standing['counts']): boolean {
  const before = (field: string): number => statusCount(deployment, field)
  const old = before('replicas') - before('updatedReplicas')
  const after = (field: string): number => counts[field] ?? 0
  return (
    counts['observedGeneration'] !== before('observedGeneration') ||
    after('updatedReplicas') > before('updatedReplicas') ||
    after('replicas') - after('updatedReplicas') < old ||
    after('readyReplicas') > before('readyReplicas') ||
    after('availableReplicas') > before('availableReplicas')
  )
}

function knownCondition(deployment: ApiObject, type: string): JsonRecord {
  const found = listAt(deployment['status'], 'conditions').find(
    (candidate) => stringAt(candidate, 'type') === type,
  )
  return isRecord(found) ? found : {}
}

interface Words {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

/** A condition that keeps its times while it says the same. */
function condition(core: ClusterCore, deployment: ApiObject, words: Words): JsonRecord {
  const now = formatTime(core.clock.now())
  const known = knownCondition(deployment, words.type)
  const isSame = known['status'] === words.status
  return {
    ...words,
    lastTransitionTime: isSame ? known['lastTransitionTime'] : now,
    lastUpdateTime: isSame && known['reason'] === words.reason ? known['lastUpdateTime'] : now,
  }
}
