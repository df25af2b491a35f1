/** The replica set of a deployment's template, and what sets remember of revisions. */
import { messageOf } from '../../../lib/errors.ts'
import type { ClusterCore } from '../core.ts'
import { createObject } from '../creating.ts'
import { ApiFault } from '../faults.ts'
import { recordAt, sameJson, type ApiObject, type JsonRecord } from '../objects.ts'
import { DEPLOYMENTS, REPLICA_SETS } from '../types/apps.ts'
import { updateObject } from '../updating.ts'
import {
  DESIRED,
  HASH_LABEL,
  limitsOf,
  MOST,
  type ReplicaSets,
  replicasOf,
  statusCount,
} from './deployment-sets.ts'
import { reportCollision, reportFound, reportProgress } from './deployment-status.ts'
import { OPERATION, ownerReferenceOf, tell } from './owned-pods.ts'
import { hashOfTemplate } from './revisions.ts'

const REVISION = 'deployment.kubernetes.io/revision'
const HISTORY = 'deployment.kubernetes.io/revision-history'
const NOT_INHERITED = new Set([
  REVISION,
  HISTORY,
  DESIRED,
  MOST,
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
])
const HISTORY_LENGTH_MAX = 2000

/** A replica set's revision; 0 where it says none. */
export const revisionOf = ({ metadata }: ApiObject): number =>
  Number(metadata.annotations?.[REVISION] ?? 0)

/**
 * The replica set of a deployment's template, with the newest revision, which the deployment is
 * told. It is made, with so many replicas, where there is none.
 */
export async function currentSet(
  core: ClusterCore,
  deployment: ApiObject,
  { current, old }: ReplicaSets,
  replicas = 0,
): Promise<ApiObject> {
  const next = Math.max(0, ...old.map(revisionOf)) + 1
  const set =
    current === undefined
      ? await makeSet(core, deployment, { revision: next, replicas })
      : await renewSet(core, deployment, current, next)
  await annotate(core, deployment, { [REVISION]: set.metadata.annotations?.[REVISION] ?? '' })
  if (current !== undefined) await reportFound(core, deployment, set)
  return set
}

/** What of a deployment's annotations its replica set has too. */
const inherited = ({ metadata }: ApiObject): Record<string, string> =>
  Object.fromEntries(
    Object.entries(metadata.annotations ?? {}).filter(([key]) => !NOT_INHERITED.has(key)),
  )

/** How many pods the deployment wants and may have, which its sets remember. */
export function sizeMarks(deployment: ApiObject): Record<string, string> {
  const wanted = replicasOf(deployment)
  return { [DESIRED]: String(wanted), [MOST]: String(wanted + limitsOf(deployment).surge) }
}

/** A set whose template comes back is the newest revision again, and remembers the ones it was. */
async function renewSet(
  core: ClusterCore,
  deployment: ApiObject,
  set: ApiObject,
  next: number,
): Promise<ApiObject> {
  const { name = '', namespace = '', annotations: known = {} } = set.metadata
  const isOlder = revisionOf(set) < next
  const annotations = {
    ...known,
    ...inherited(deployment),
    ...(isOlder && { [REVISION]: String(next) }),
    ...(isOlder && known[REVISION] !== undefined && { [HISTORY]: historyOf(known) }),
  }
  const spec = recordAt(set, 'spec')
  const seconds = Number(recordAt(deployment, 'spec')['minReadySeconds'] ?? 0)
  if (sameJson(annotations, known) && Number(spec['minReadySeconds'] ?? 0) === seconds) return set
  const change = (stored: ApiObject): JsonRecord => ({
    ...stored,
    metadata: { ...stored.metadata, annotations },
    spec: { ...recordAt(stored, 'spec'), minReadySeconds: seconds },
  })
  return updateObject(core, { type: REPLICA_SETS, namespace, name }, change, OPERATION)
}

/** The revisions that a set was, the last of them its own of now; the first are forgotten. */
function historyOf(annotations: Readonly<Record<string, string>>): string {
  const known = annotations[HISTORY]
  const revisions = [...(known === undefined ? [] : known.split(',')), annotations[REVISION] ?? '']
  while (revisions.join(',').length > HISTORY_LENGTH_MAX) revisions.shift()
  return revisions.join(',')
}

async function makeSet(
  core: ClusterCore,
  deployment: ApiObject,
  { revision, replicas }: { readonly revision: number; readonly replicas: number },
): Promise<ApiObject> {
  const { name = '', namespace = '' } = deployment.metadata
  const spec = recordAt(deployment, 'spec')
  const template = structuredClone(recordAt(spec, 'template'))
  const hash = hashOfTemplate(template, statusCount(deployment, 'collisionCount'))
  const metadata = recordAt(template, 'metadata')
  const labels = { ...recordAt(metadata, 'labels'), [HASH_LABEL]: hash }
  const selector = recordAt(spec, 'selector')
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
  const made = await createObject(core, { type: REPLICA_SETS, namespace }, value, OPERATION).catch(
    async (thrown: unknown) => {
      // Somebody else's set has the name: another hash is tried next.
      const isTaken = thrown instanceof ApiFault && thrown.code === 'AlreadyExists'
      if (isTaken) await reportCollision(core, deployment)
      else await tellFailure(core, deployment, `"${value.metadata.name}": ${messageOf(thrown)}`)
      throw thrown
    },
  )
  if (replicas > 0) {
    const message = `Scaled up replica set ${made.metadata.name} from 0 to ${replicas}`
    await tell(core, deployment, 'Normal', ['ScalingReplicaSet', message])
  }
  await reportProgress(core, deployment, {
    status: 'True',
    reason: 'NewReplicaSetCreated',
    message: `Created new replica set "${made.metadata.name}"`,
  })
  return made
}

async function tellFailure(core: ClusterCore, deployment: ApiObject, why: string): Promise<void> {
  const [reason, message] = ['ReplicaSetCreateError', `Failed to create new replica set ${why}`]
  await reportProgress(core, deployment, { status: 'False', reason, message })
  await tell(core, deployment, 'Warning', [reason, message])
}

async function annotate(
  core: ClusterCore,
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
  await updateObject(core, { type: DEPLOYMENTS, namespace, name }, change, OPERATION)
}
