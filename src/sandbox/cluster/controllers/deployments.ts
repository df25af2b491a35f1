import { createHash } from 'node:crypto'
import { type ClusterCore, systemOperation } from '../core.ts'
import { createObject } from '../creating.ts'
import { deleteObject } from '../deleting.ts'
import { recordAt, sameJson, type ApiObject, type JsonRecord } from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import { DEPLOYMENTS, REPLICA_SETS } from '../types/apps.ts'
import { updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import {
  availableOf,
  HASH_LABEL,
  limitsOf,
  replicasOf,
  statusCount,
  sum,
  templateOf,
} from './deployment-sets.ts'
import { reportStatus } from './deployment-status.ts'
import { isOwnedBy, ownerKeys, ownerReferenceOf, ownKey, tell } from './owned-pods.ts'
import { splitKey, type Controller } from './work-queue.ts'

const OPERATION = systemOperation(systemUser('kube-controller-manager'))
const REVISION = 'deployment.kubernetes.io/revision'
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'
const HASH_SIGNS = 'bcdfghjklmnpqrstvwxz2456789'

/** Rolls each deployment's template out through a replica set of its own. */
export const deployments: Controller = {
  name: 'deployments',
  keysOf: (_core, { resource, object }) => {
    if (resource === REPLICA_SETS) return ownerKeys(object, 'Deployment')
    return resource === DEPLOYMENTS ? [ownKey(object)] : []
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const deployment = core.store.get(DEPLOYMENTS, namespace, name)
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) {
      return undefined
    }
    const sets = core.store
      .list(REPLICA_SETS, namespace)
      .filter((set) => isOwnedBy(set, deployment) && set.metadata.deletionTimestamp === undefined)
    const template = templateOf(deployment)
    const current = sets.find((set) => sameJson(templateOf(set), template))
    const old = sets.filter((set) => set !== current)
    if (recordAt(deployment, 'spec')['paused'] !== true) {
      await rollOut(core, deployment, { current, old })
    } else if (current !== undefined && old.every((set) => replicasOf(set) === 0)) {
      await scaleTo(core, deployment, current, replicasOf(deployment))
    }
    return reportStatus(core, deployment)
  },
}

function hashOf(template: JsonRecord): string {
  const digest = createHash('sha256').update(JSON.stringify(template)).digest()
  return [...digest.subarray(0, 10)].map((byte) => HASH_SIGNS[byte % HASH_SIGNS.length]).join('')
}

interface Rollout {
  readonly current: ApiObject | undefined
  readonly old: readonly ApiObject[]
}

async function rollOut(core: ClusterCore, deployment: ApiObject, rollout: Rollout): Promise<void> {
  const { current, old } = rollout
  if (current !== undefined) await keepRevision(core, deployment, { current, old })
  const wanted = replicasOf(deployment)
  const strategy = recordAt(recordAt(deployment, 'spec'), 'strategy')
  if (strategy['type'] === 'Recreate') {
    for (const set of old) await scaleTo(core, deployment, set, 0)
    if (sum(old, (set) => statusCount(set, 'replicas')) > 0) return
    if (current === undefined) await createSet(core, deployment, rollout, wanted)
    else await scaleTo(core, deployment, current, wanted)
    return
  }
  const { surge, unavailable } = limitsOf(strategy, wanted)
  const existing = sum(old, replicasOf)
  const own = current === undefined ? 0 : replicasOf(current)
  const room = wanted + surge - existing
  const next =
    current !== undefined && own > wanted ? wanted : Math.max(own, Math.min(wanted, room))
  if (current === undefined) await createSet(core, deployment, rollout, next)
  else await scaleTo(core, deployment, current, next)
  await shrinkOld(core, deployment, old, { own: next, current, fewest: wanted - unavailable })
  await pruneHistory(core, deployment, old)
}

/**
 * Ends old pods as far as enough others serve. What is counted is what the sets want, not only
 * what they report, which may lag behind.
 */
async function shrinkOld(
  core: ClusterCore,
  deployment: ApiObject,
  old: readonly ApiObject[],
  state: { readonly own: number; readonly current: ApiObject | undefined; readonly fewest: number },
): Promise<void> {
  const { own, current, fewest } = state
  const newAvailable = current === undefined ? 0 : Math.min(own, availableOf(current))
  const serves = (set: ApiObject): number => Math.min(replicasOf(set), availableOf(set))
  let budget = sum(old, replicasOf) + own - fewest - (own - newAvailable)
  let spare = sum(old, serves) + newAvailable - fewest
  for (const set of old) {
    // Pods that are not available serve nobody, so they may go first.
    const idle = Math.max(0, Math.min(budget, replicasOf(set) - serves(set)))
    const busy = Math.max(0, Math.min(budget - idle, spare, serves(set)))
    budget -= idle + busy
    spare -= busy
    await scaleTo(core, deployment, set, replicasOf(set) - idle - busy)
  }
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
  const revision = newestOf(old) + 1
  const value = {
    metadata: {
      name: `${name}-${hash}`,
      labels,
      annotations: {
        ...inherited(deployment),
        ...sizeMarks(deployment),
        [REVISION]: String(revision),
      },
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
  const made = await createObject(core, { type: REPLICA_SETS, namespace }, value, OPERATION)
  const message = `Scaled up replica set ${made.metadata.name} from 0 to ${replicas}`
  await tell(core, deployment, 'Normal', ['ScalingReplicaSet', message])
  await annotate(core, DEPLOYMENTS, deployment, { [REVISION]: String(revision) })
}

const revisionOf = (set: ApiObject): number => Number(set.metadata.annotations?.[REVISION] ?? 0)
const newestOf = (sets: readonly ApiObject[]): number => Math.max(0, ...sets.map(revisionOf))

/** What `kubectl rollout history` shows goes along; what `kubectl apply` remembers does not. */
function inherited(deployment: ApiObject): Record<string, string> {
  const {
    [REVISION]: _own,
    [LAST_APPLIED]: _applied,
    ...rest
  } = {
    ...deployment.metadata.annotations,
  }
  return rest
}

/** How many pods the deployment wants and may have, which its sets remember. */
function sizeMarks(deployment: ApiObject): Record<string, string> {
  const wanted = replicasOf(deployment)
  const { surge } = limitsOf(recordAt(recordAt(deployment, 'spec'), 'strategy'), wanted)
  return {
    'deployment.kubernetes.io/desired-replicas': String(wanted),
    'deployment.kubernetes.io/max-replicas': String(wanted + surge),
  }
}

/** A template that comes back is the newest revision again. */
async function keepRevision(
  core: ClusterCore,
  deployment: ApiObject,
  { current, old }: { readonly current: ApiObject; readonly old: readonly ApiObject[] },
): Promise<void> {
  const newest = newestOf(old)
  const revision = revisionOf(current) > newest ? revisionOf(current) : newest + 1
  const mark = { [REVISION]: String(revision) }
  await annotate(core, REPLICA_SETS, current, {
    ...inherited(deployment),
    ...sizeMarks(deployment),
    ...mark,
  })
  await annotate(core, DEPLOYMENTS, deployment, mark)
}

async function annotate(
  core: ClusterCore,
  type: ResourceType,
  { metadata }: ApiObject,
  annotations: Record<string, string>,
): Promise<void> {
  const { name = '', namespace = '' } = metadata
  const change = (stored: ApiObject): ApiObject => ({
    ...stored,
    metadata: {
      ...stored.metadata,
      annotations: { ...stored.metadata.annotations, ...annotations },
    },
  })
  await updateObject(core, { type, namespace, name }, change, OPERATION)
}

async function scaleTo(
  core: ClusterCore,
  deployment: ApiObject,
  set: ApiObject,
  replicas: number,
): Promise<void> {
  if (replicasOf(set) === replicas) return
  const { name = '', namespace = '' } = set.metadata
  const change = (stored: ApiObject): JsonRecord => ({
    ...stored,
    spec: { ...recordAt(stored, 'spec'), replicas },
  })
  await updateObject(core, { type: REPLICA_SETS, namespace, name }, change, OPERATION)
  const direction = replicas > replicasOf(set) ? 'up' : 'down'
  const message = `Scaled ${direction} replica set ${name} from ${replicasOf(set)} to ${replicas}`
  await tell(core, deployment, 'Normal', ['ScalingReplicaSet', message])
}

async function pruneHistory(
  core: ClusterCore,
  deployment: ApiObject,
  old: readonly ApiObject[],
): Promise<void> {
  const limit = Number(recordAt(deployment, 'spec')['revisionHistoryLimit'] ?? 10)
  const idle = old
    .filter((set) => replicasOf(set) === 0 && statusCount(set, 'replicas') === 0)
    .toSorted((left, right) => revisionOf(left) - revisionOf(right))
  for (const set of idle.slice(0, Math.max(0, idle.length - limit))) {
    const { name = '', namespace = '' } = set.metadata
    await deleteObject(core, { type: REPLICA_SETS, namespace, name }, {}, OPERATION)
  }
}
