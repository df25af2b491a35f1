/** What a deployment's replica sets say, for its roll-out and its status. */
import { omit, recordAt, sameJson, type ApiObject, type JsonRecord } from '../objects.ts'
import { resolveCount } from '../types/workloads.ts'

export const HASH_LABEL = 'pod-template-hash'
/** How many pods a deployment wanted when one of its sets was last scaled. */
export const DESIRED = 'deployment.kubernetes.io/desired-replicas'
/** How many pods it might have then. */
export const MOST = 'deployment.kubernetes.io/max-replicas'

/** A deployment's replica sets: the one of its template, and the others, oldest first. */
export interface ReplicaSets {
  readonly current: ApiObject | undefined
  readonly old: readonly ApiObject[]
}

/** Tells the replica set of a deployment's template from the others; of two, the older is it. */
export function sortSets(deployment: ApiObject, sets: readonly ApiObject[]): ReplicaSets {
  const byAge = sets.toSorted(compareAge)
  const template = templateOf(deployment)
  const current = byAge.find((set) => sameJson(templateOf(set), template))
  return { current, old: byAge.filter((set) => set !== current) }
}

/** Sorts objects by when they were made, and by name where that is the same. */
export const compareAge = (left: ApiObject, right: ApiObject): number =>
  ageOf(left) < ageOf(right) ? -1 : 1

const ageOf = ({ metadata }: ApiObject): string =>
  `${metadata.creationTimestamp ?? ''} ${metadata.name ?? ''}`

/** All of a deployment's replica sets. */
export const allOf = ({ current, old }: ReplicaSets): ApiObject[] =>
  current === undefined ? [...old] : [...old, current]

/** A pod template without the label that tells replica sets apart. */
function templateOf(object: ApiObject): JsonRecord {
  const template = recordAt(recordAt(object, 'spec'), 'template')
  const metadata = recordAt(template, 'metadata')
  const labels = omit(recordAt(metadata, 'labels'), HASH_LABEL)
  return { ...template, metadata: { ...metadata, labels } }
}

export const replicasOf = (object: ApiObject): number =>
  Number(recordAt(object, 'spec')['replicas'] ?? 1)

export const statusCount = (set: ApiObject, field: string): number =>
  Number(recordAt(set, 'status')[field] ?? 0)

export const availableOf = (set: ApiObject): number => statusCount(set, 'availableReplicas')

export const sum = (sets: readonly ApiObject[], count: (set: ApiObject) => number): number =>
  sets.reduce((total, set) => total + count(set), 0)

/** How many pods of a deployment there may be above what it wants, and how many may not serve. */
export interface Limits {
  readonly surge: number
  readonly unavailable: number
}

/** Whether a deployment ends its old pods before it makes new ones. */
export const isRecreated = (deployment: ApiObject): boolean =>
  recordAt(recordAt(deployment, 'spec'), 'strategy')['type'] === 'Recreate'

/** Percentages round up for the surge and down for the unavailable; one of them is at least 1. */
export function limitsOf(deployment: ApiObject): Limits {
  if (isRecreated(deployment)) return { surge: 0, unavailable: 0 }
  const wanted = replicasOf(deployment)
  const rolling = recordAt(recordAt(recordAt(deployment, 'spec'), 'strategy'), 'rollingUpdate')
  const surge = resolveCount(rolling['maxSurge'] ?? '25%', wanted, Math.ceil)
  const unavailable = resolveCount(rolling['maxUnavailable'] ?? '25%', wanted, Math.floor)
  const isStuck = surge === 0 && unavailable === 0
  return { surge, unavailable: Math.min(isStuck ? 1 : unavailable, wanted) }
}
