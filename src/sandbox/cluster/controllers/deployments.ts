import { createHash } from 'node:crypto'
import { type ClusterCore, systemOperation } from '../core.ts'
import { createObject } from '../creating.ts'
import { deleteObject } from '../deleting.ts'
import { keyOf } from '../object-store.ts'
import {
  formatTime,
  listAt,
  omit,
  recordAt,
  sameJson,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { DEPLOYMENTS, REPLICA_SETS } from '../types/apps.ts'
import { updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import { isOwnedBy, ownerKeys, ownerReferenceOf } from './replica-sets.ts'
import { splitKey, type Controller } from './work-queue.ts'

const OPERATION = systemOperation(systemUser('kube-controller-manager'))
const HASH_LABEL = 'pod-template-hash'
const REVISION = 'deployment.kubernetes.io/revision'
const HASH_SIGNS = 'bcdfghjklmnpqrstvwxz2456789'

/** Rolls each deployment's template out through a replica set of its own. */
export const deployments: Controller = {
  name: 'deployments',
  keysOf: (_core, { resource, object }) => {
    if (resource === REPLICA_SETS) return ownerKeys(object, 'Deployment')
    return resource === DEPLOYMENTS
      ? [keyOf(object.metadata.namespace, object.metadata.name ?? '')]
      : []
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const deployment = core.store.get(DEPLOYMENTS, namespace, name)
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return
    const sets = core.store
      .list(REPLICA_SETS, namespace)
      .filter((set) => isOwnedBy(set, deployment) && set.metadata.deletionTimestamp === undefined)
    const template = templateOf(deployment)
    const current = sets.find((set) => sameJson(templateOf(set), template))
    const old = sets.filter((set) => set !== current)
    if (recordAt(deployment, 'spec')['paused'] !== true) {
      await rollOut(core, deployment, { current, old })
    }
    await reportStatus(core, deployment)
  },
}

/** A pod template without the label that tells replica sets apart. */
function templateOf(object: ApiObject): JsonRecord {
  const template = recordAt(recordAt(object, 'spec'), 'template')
  const metadata = recordAt(template, 'metadata')
  const labels = omit(recordAt(metadata, 'labels'), HASH_LABEL)
  return { ...template, metadata: { ...metadata, labels } }
}

function hashOf(template: JsonRecord): string {
  const digest = createHash('sha256').update(JSON.stringify(template)).digest()
  return [...digest.subarray(0, 10)].map((byte) => HASH_SIGNS[byte % HASH_SIGNS.length]).join('')
}

interface Rollout {
  readonly current: ApiObject | undefined
  readonly old: readonly ApiObject[]
}

const replicasOf = (object: ApiObject): number => Number(recordAt(object, 'spec')['replicas'] ?? 1)
const readyOf = (set: ApiObject): number => Number(recordAt(set, 'status')['readyReplicas'] ?? 0)
const sum = (sets: readonly ApiObject[], count: (set: ApiObject) => number): number =>
  sets.reduce((total, set) => total + count(set), 0)

async function rollOut(core: ClusterCore, deployment: ApiObject, rollout: Rollout): Promise<void> {
  const { current, old } = rollout
  const wanted = replicasOf(deployment)
  const strategy = recordAt(recordAt(deployment, 'spec'), 'strategy')
  if (strategy['type'] === 'Recreate') {
    for (const set of old) await scaleTo(core, set, 0)
    if (sum(old, (set) => Number(recordAt(set, 'status')['replicas'] ?? 0)) > 0) return
    if (current === undefined) await createSet(core, deployment, rollout, wanted)
    else await scaleTo(core, current, wanted)
    return
  }
  const { surge, unavailable } = limitsOf(strategy, wanted)
  const existing = sum(old, replicasOf)
  const own = current === undefined ? 0 : replicasOf(current)
  const room = wanted + surge - existing
  const next =
    current !== undefined && own > wanted ? wanted : Math.max(own, Math.min(wanted, room))
  if (current === undefined) await createSet(core, deployment, rollout, next)
  else await scaleTo(core, current, next)
  const ready = sum(old, readyOf) + (current === undefined ? 0 : readyOf(current))
  let spare = ready - (wanted - unavailable)
  for (const set of old) {
    // Pods that are not ready serve nobody, so they may go at once.
    const idle = Math.max(0, replicasOf(set) - readyOf(set))
    const ended = Math.min(replicasOf(set), idle + Math.max(0, Math.min(spare, readyOf(set))))
    spare -= ended - idle
    await scaleTo(core, set, replicasOf(set) - ended)
  }
  await pruneHistory(core, deployment, old)
}

/** Percentages round up for the surge and down for the unavailable; one of them is at least 1. */
function limitsOf(strategy: JsonRecord, wanted: number): { surge: number; unavailable: number } {
  const rolling = recordAt(strategy, 'rollingUpdate')
  const read = (field: string, round: (value: number) => number): number => {
    const value = rolling[field] ?? '25%'
    return typeof value === 'number'
      ? value
      : round((Number.parseInt(stringAt(rolling, field) || '25', 10) * wanted) / 100)
  }
  const surge = read('maxSurge', Math.ceil)
  const unavailable = read('maxUnavailable', Math.floor)
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable }
}

async function createSet(
  core: ClusterCore,
  deployment: ApiObject,
  { old }: Rollout,
  replicas: number,
): Promise<void> {
  const { name = '', namespace = '' } = deployment.metadata
  const spec = recordAt(deployment, 'spec')
  const template = structuredClone(recordAt(spec, 'template'))
  const hash = hashOf(template)
  const metadata = recordAt(template, 'metadata')
  const labels = { ...recordAt(metadata, 'labels'), [HASH_LABEL]: hash }
  const selector = recordAt(spec, 'selector')
  const revision =
    Math.max(0, ...old.map((set) => Number(set.metadata.annotations?.[REVISION] ?? 0))) + 1
  const value = {
    metadata: {
      name: `${name}-${hash}`,
      labels,
      annotations: { [REVISION]: String(revision) },
      ownerReferences: [ownerReferenceOf(deployment)],
    },
    spec: {
      replicas,
      minReadySeconds: spec['minReadySeconds'] ?? 0,
      selector: {
        ...selector,
        matchLabels: { ...recordAt(selector, 'matchLabels'), [HASH_LABEL]: hash },
      },
      template: { ...template, metadata: { ...metadata, labels } },
    },
  }
  await createObject(core, { type: REPLICA_SETS, namespace }, value, OPERATION)
  const annotate = (stored: ApiObject): ApiObject => ({
    ...stored,
    metadata: {
      ...stored.metadata,
      annotations: { ...stored.metadata.annotations, [REVISION]: String(revision) },
    },
  })
  await updateObject(core, { type: DEPLOYMENTS, namespace, name }, annotate, OPERATION)
}

async function scaleTo(core: ClusterCore, set: ApiObject, replicas: number): Promise<void> {
  if (replicasOf(set) === replicas) return
  const { name = '', namespace = '' } = set.metadata
  const change = (stored: ApiObject): JsonRecord => ({
    ...stored,
    spec: { ...recordAt(stored, 'spec'), replicas },
  })
  await updateObject(core, { type: REPLICA_SETS, namespace, name }, change, OPERATION)
}

async function pruneHistory(
  core: ClusterCore,
  deployment: ApiObject,
  old: readonly ApiObject[],
): Promise<void> {
  const limit = Number(recordAt(deployment, 'spec')['revisionHistoryLimit'] ?? 10)
  const revisionOf = (set: ApiObject): number => Number(set.metadata.annotations?.[REVISION] ?? 0)
  const idle = old
    .filter(
      (set) => replicasOf(set) === 0 && Number(recordAt(set, 'status')['replicas'] ?? 0) === 0,
    )
    .toSorted((left, right) => revisionOf(left) - revisionOf(right))
  for (const set of idle.slice(0, Math.max(0, idle.length - limit))) {
    const { name = '', namespace = '' } = set.metadata
    await deleteObject(core, { type: REPLICA_SETS, namespace, name }, {}, OPERATION)
  }
}

async function reportStatus(core: ClusterCore, before: ApiObject): Promise<void> {
  const { name = '', namespace = '' } = before.metadata
  const deployment = core.store.get(DEPLOYMENTS, namespace, name)
  if (deployment === undefined) return
  const sets = core.store.list(REPLICA_SETS, namespace).filter((set) => isOwnedBy(set, deployment))
  const current = sets.find((set) => sameJson(templateOf(set), templateOf(deployment)))
  const count = (set: ApiObject): number => Number(recordAt(set, 'status')['replicas'] ?? 0)
  const wanted = replicasOf(deployment)
  const ready = sum(sets, readyOf)
  const updated = current === undefined ? 0 : count(current)
  const isComplete = updated === wanted && ready >= wanted && sum(sets, count) === wanted
  const unavailable = Math.max(0, wanted - ready)
  const { unavailable: allowed } = limitsOf(
    recordAt(recordAt(deployment, 'spec'), 'strategy'),
    wanted,
  )
  const status = {
    observedGeneration: deployment.metadata.generation,
    replicas: sum(sets, count),
    updatedReplicas: updated,
    readyReplicas: ready,
    availableReplicas: ready,
    unavailableReplicas: unavailable,
    conditions: [
      condition(core, deployment, {
        type: 'Available',
        status: unavailable <= allowed ? 'True' : 'False',
        reason: unavailable <= allowed ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
      }),
      condition(core, deployment, {
        type: 'Progressing',
        status: 'True',
        reason: isComplete ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated',
      }),
    ],
  }
  const target = { type: DEPLOYMENTS, namespace, name, subresource: 'status' }
  await updateObject(core, target, (stored) => ({ ...stored, status }), OPERATION)
}

/** A condition that keeps its times while it says the same. */
function condition(
  core: ClusterCore,
  deployment: ApiObject,
  wanted: { readonly type: string; readonly status: string; readonly reason: string },
): JsonRecord {
  const now = formatTime(core.clock.now())
  const known = recordAt(
    {
      found: listAt(deployment['status'], 'conditions').find(
        (candidate) => stringAt(candidate, 'type') === wanted.type,
      ),
    },
    'found',
  )
  const isSame = known['status'] === wanted.status
  return {
    ...wanted,
    lastTransitionTime: isSame ? known['lastTransitionTime'] : now,
    lastUpdateTime: isSame && known['reason'] === wanted.reason ? known['lastUpdateTime'] : now,
  }
}
