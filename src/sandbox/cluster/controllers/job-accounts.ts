/** How a job's ended pods are counted, each once, though pods and controllers come and go. */
import type { ClusterCore } from '../core.ts'
import { listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from '../objects.ts'
import { PODS } from '../types/pods.ts'
import { updateObject } from '../updating.ts'
import { OPERATION } from './owned-pods.ts'

/** Keeps a pod until its end has been counted. */
export const TRACKING_FINALIZER = 'batch.kubernetes.io/job-tracking'
export const INDEX = 'batch.kubernetes.io/job-completion-index'

const phaseOf = (pod: ApiObject): string => stringAt(pod['status'], 'phase')

/** Whether a pod of a job counts as failed: also one that is deleted before its end. */
export function hasFailed(job: ApiObject, pod: ApiObject): boolean {
  if (phaseOf(pod) === 'Failed') return true
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata
  if (deletionTimestamp === undefined || phaseOf(pod) === 'Succeeded') return false
  const isGone = deletionGracePeriodSeconds === 0
  return recordAt(job, 'spec')['podReplacementPolicy'] !== 'Failed' || isGone
}

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

/** Ends that are not in `status.succeeded` and `status.failed` yet, by the uid of their pod. */
export interface Uncounted {
  readonly succeeded: readonly string[]
  readonly failed: readonly string[]
}

/** What the status holds as uncounted, and what has ended since. */
export function uncountedOf(job: ApiObject, pods: readonly ApiObject[]): Uncounted {
  const known = recordAt(recordAt(job, 'status'), 'uncountedTerminatedPods')
  const read = (field: string): string[] => listAt(known, field).map(String)
  const [succeeded, failed] = [read('succeeded'), read('failed')]
  for (const pod of pods.filter(isTracked)) {
    const { uid = '' } = pod.metadata
    if (succeeded.includes(uid) || failed.includes(uid)) continue
    if (phaseOf(pod) === 'Succeeded') succeeded.push(uid)
    else if (hasFailed(job, pod)) failed.push(uid)
  }
  return { succeeded, failed }
}

/** The number of a pod of an indexed job. */
export function indexOf(pod: ApiObject): number | undefined {
  const text = pod.metadata.annotations?.[INDEX] ?? ''
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

const INDEXES_MAX = 100_000

/** `0,2-4` as numbers. */
export function parseIndexes(text: string): Set<number> {
  const indexes = new Set<number>()
  for (const part of text.split(',').filter((each) => each !== '')) {
    const [first = 0, last = first] = part.split('-').map(Number)
    for (let index = first; index <= last && indexes.size < INDEXES_MAX; index += 1) {
      indexes.add(index)
    }
  }
  return indexes
}

/** Numbers as `0,2-4`. */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const runs: [number, number][] = []
  for (const index of [...indexes].toSorted((left, right) => left - right)) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === index - 1) last[1] = index
    else runs.push([index, index])
  }
  return runs
    .map(([first, last]) =>
      first === last ? `${first}` : last === first + 1 ? `${first},${last}` : `${first}-${last}`,
    )
    .join(',')
}
