/** How a job's ended pods are counted, each once, though pods and controllers come and go. */
import type { ClusterCore } from '../core.ts'
import {
  countIndexes,
  hasIndex,
  type Indexes,
  indexesOf,
  parseIndexes,
  uniteIndexes,
} from '../job-indexes.ts'
import { listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from '../objects.ts'
import { PODS } from '../types/pods.ts'
import { updateObject } from '../updating.ts'
import { endOf } from './job-backoff.ts'
import { judgeFailure } from './job-policies.ts'
import { isActive, OPERATION } from './owned-pods.ts'

/** Keeps a pod until its end has been counted. */
export const TRACKING_FINALIZER = 'batch.kubernetes.io/job-tracking'
export const INDEX = 'batch.kubernetes.io/job-completion-index'
/** How often pods of the same number failed before, those that do not count apart. */
export const INDEX_FAILURES = 'batch.kubernetes.io/job-index-failure-count'
export const INDEX_IGNORED = 'batch.kubernetes.io/job-index-ignored-failure-count'

const phaseOf = (pod: ApiObject): string => stringAt(pod['status'], 'phase')

/** Whether pods are replaced only once they have ended, not as soon as they are to end. */
export const replacesOnlyFailed = (job: ApiObject): boolean => {
  const spec = recordAt(job, 'spec')
  return spec['podReplacementPolicy'] === 'Failed' || spec['podFailurePolicy'] !== undefined
}

/** Whether a pod of a job counts as failed: also one that is deleted before its end. */
export function hasFailed(job: ApiObject, pod: ApiObject): boolean {
  if (phaseOf(pod) === 'Failed') return true
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata
  if (deletionTimestamp === undefined || phaseOf(pod) === 'Succeeded') return false
  // Its node has let go of it: kube-controller-manager's pod collector says Failed of it then.
  const isGone = deletionGracePeriodSeconds === 0
  return !replacesOnlyFailed(job) || isGone
}

/** Whether a pod is to end and has not yet. */
export const isTerminating = (pod: ApiObject): boolean =>
  pod.metadata.deletionTimestamp !== undefined && !['Succeeded', 'Failed'].includes(phaseOf(pod))

const isTracked = (pod: ApiObject): boolean =>
  pod.metadata.finalizers?.includes(TRACKING_FINALIZER) === true

/** Lets go of pods whose end is counted, or whose job is gone. */
export async function releasePods(core: ClusterCore, pods: readonly ApiObject[]): Promise<void> {
  for (const pod of pods) {
    const { name = '', namespace = '', uid } = pod.metadata
    const stored = core.store.get(PODS, namespace, name)
    if (stored === undefined || stored.metadata.uid !== uid || !isTracked(stored)) continue
    const change = (current: ApiObject): JsonRecord => ({
      ...current,
      metadata: {
        ...current.metadata,
        finalizers: (current.metadata.finalizers ?? []).filter(
          (each) => each !== TRACKING_FINALIZER,
        ),
      },
    })
    await updateObject(core, { type: PODS, namespace, name }, change, OPERATION)
  }
}

/** The number of a pod of an indexed job. */
export function indexOf(pod: ApiObject): number | undefined {
  const text = pod.metadata.annotations?.[INDEX] ?? ''
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

/** How often pods of a pod's number failed before it. */
export function failuresBefore(pod: ApiObject, mark = INDEX_FAILURES): number {
  const text = pod.metadata.annotations?.[mark] ?? ''
  return /^\d{1,9}$/.test(text) ? Number(text) : 0
}

/** A job with its pods, and what has come of them by now, counted in its status or not. */
export interface Tally {
  readonly job: ApiObject
  readonly spec: JsonRecord
  readonly pods: readonly ApiObject[]
  readonly active: readonly ApiObject[]
  /** Of a job whose pods have numbers. */
  readonly isIndexed: boolean
  readonly completions: number | undefined
  readonly succeeded: number
  readonly failed: number
  /** Ended pods that no status has named yet. */
  readonly ended: {
    readonly succeeded: readonly ApiObject[]
    readonly failed: readonly ApiObject[]
  }
  readonly completed: Indexes
  /** Numbers that may fail no more, where they are counted one by one. */
  readonly failedIndexes: Indexes | undefined
  /** By number, the failed pod that is kept until it is replaced. */
  readonly replaceable: ReadonlyMap<number, ApiObject>
}

/** Adds up a job's pods. */
export function tallyOf(job: ApiObject, pods: readonly ApiObject[]): Tally {
  const spec = recordAt(job, 'spec')
  const status = recordAt(job, 'status')
  const isIndexed = spec['completionMode'] === 'Indexed'
  const completions = typeof spec['completions'] === 'number' ? spec['completions'] : undefined
  const active = pods.filter(isActive)
  const isValid = (pod: ApiObject): boolean => !isIndexed || hasPlace(pod, completions)
  const tracked = pods.filter((pod) => isTracked(pod) && isValid(pod))
  const known = uncountedOf(job)
  const isNew = (pod: ApiObject, uids: readonly string[]): boolean =>
    !uids.includes(pod.metadata.uid ?? '')
  const ended = {
    succeeded: tracked.filter((pod) => phaseOf(pod) === 'Succeeded' && isNew(pod, known.succeeded)),
    failed: tracked.filter((pod) => hasFailed(job, pod) && isNew(pod, known.failed)),
  }
  const limit = isIndexed ? (completions ?? 0) : 0
  const numbersOf = (some: readonly ApiObject[]): Indexes =>
    indexesOf(some.map(indexOf).filter((index) => index !== undefined))
  const read = (field: string): Indexes => parseIndexes(stringAt(status, field), limit)
  const completed = isIndexed
    ? uniteIndexes(
        read('completedIndexes'),
        numbersOf(tracked.filter((pod) => phaseOf(pod) === 'Succeeded')),
      )
    : []
  const failedIndexes =
    isIndexed && spec['backoffLimitPerIndex'] !== undefined
      ? uniteIndexes(
          read('failedIndexes'),
          numbersOf(tracked.filter((pod) => failsItsIndex(job, pod))),
        )
      : undefined
  const counted = ended.failed.filter((pod) => judgeFailure(job, pod).action !== 'Ignore')
  const succeeded = Number(status['succeeded'] ?? 0) + known.succeeded.length
  const tally = {
    job,
    spec,
    pods,
    active,
    isIndexed,
    completions,
    succeeded: isIndexed ? countIndexes(completed) : succeeded + ended.succeeded.length,
    failed: Number(status['failed'] ?? 0) + known.failed.length + counted.length,
    ended,
    completed,
    failedIndexes,
  }
  return { ...tally, replaceable: replaceableOf(tally, tracked) }
}

const hasPlace = (pod: ApiObject, completions = 0): boolean =>
  (indexOf(pod) ?? Number.POSITIVE_INFINITY) < completions

/** Whether no more pods are made of the number of a pod that failed. */
function failsItsIndex(job: ApiObject, pod: ApiObject): boolean {
  if (!hasFailed(job, pod)) return false
  const { action } = judgeFailure(job, pod)
  if (action === 'FailIndex') return true
  const limit = Number(recordAt(job, 'spec')['backoffLimitPerIndex'] ?? 0)
  return action !== 'Ignore' && failuresBefore(pod) >= limit
}

function replaceableOf(
  { job, active, completed, failedIndexes }: Omit<Tally, 'replaceable'>,
  tracked: readonly ApiObject[],
): Map<number, ApiObject> {
  const found = new Map<number, ApiObject>()
  if (failedIndexes === undefined) return found
  const running = new Set(active.map(indexOf))
  const failures = (pod: ApiObject): number =>
    failuresBefore(pod) + failuresBefore(pod, INDEX_IGNORED)
  for (const pod of tracked.filter((one) => hasFailed(job, one))) {
    const index = indexOf(pod) ?? 0
    if (running.has(index) || hasIndex(completed, index) || hasIndex(failedIndexes, index)) continue
    const other = found.get(index)
    const isLater =
      other === undefined || (failures(other) <= failures(pod) && endOf(other) <= endOf(pod))
    if (isLater) found.set(index, pod)
  }
  return found
}

/** Ends that are not in `status.succeeded` and `status.failed` yet, by the uid of their pod. */
export interface Uncounted {
  readonly succeeded: readonly string[]
  readonly failed: readonly string[]
}

/** What the status holds as uncounted. */
export function uncountedOf(job: ApiObject): Uncounted {
  const known = recordAt(recordAt(job, 'status'), 'uncountedTerminatedPods')
  const read = (field: string): string[] => listAt(known, field).map(String)
  return { succeeded: read('succeeded'), failed: read('failed') }
}

/** Which pods to let go of now, and which ends to count with them. */
export interface Settlement {
  readonly released: readonly ApiObject[]
  readonly uncounted: Uncounted
}

/**
 * What is to be counted. `outcome` is how the job ends, where it does: then every pod is let go of,
 * and what did not succeed has failed with a job that fails.
 */
export function settle(tally: Tally, outcome?: 'success' | 'failure'): Settlement {
  const { job, isIndexed, completions } = tally
  const known = uncountedOf(job)
  const uids = { succeeded: new Set(known.succeeded), failed: new Set(known.failed) }
  const kept = new Set([...tally.replaceable.values()].map(({ metadata }) => metadata.uid))
  const released = tally.pods.filter(isTracked).filter((pod) => {
    const { uid = '' } = pod.metadata
    const isKnown = uids.succeeded.has(uid) || uids.failed.has(uid)
    if (outcome !== undefined || isKnown || phaseOf(pod) === 'Succeeded') return true
    return hasFailed(job, pod) && !kept.has(uid)
  })
  for (const pod of released) {
    const { uid = '' } = pod.metadata
    if (phaseOf(pod) === 'Succeeded') {
      if (!isIndexed && !uids.failed.has(uid)) uids.succeeded.add(uid)
    } else if (hasFailed(job, pod) || outcome === 'failure') {
      if (isIndexed && !hasPlace(pod, completions)) continue
      if (judgeFailure(job, pod).action !== 'Ignore') uids.failed.add(uid)
    }
  }
  return {
    released,
    uncounted: { succeeded: [...uids.succeeded], failed: [...uids.failed] },
  }
}
