import type { ClusterCore } from '../core.ts'
import { deleteObject } from '../deleting.ts'
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
import { finishedConditionOf, JOBS } from '../types/batch.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { asPod, PODS } from '../types/pods.ts'
import { containersOf } from '../types/pod-defaults.ts'
import {
  formatIndexes,
  hasFailed,
  INDEX,
  indexOf,
  parseIndexes,
  releasePods,
  TRACKING_FINALIZER,
  uncountedOf,
} from './job-accounts.ts'
import {
  createPod,
  deletePod,
  isActive,
  isOwnedBy,
  OPERATION,
  ownerKeys,
  ownKey,
  tell,
  withCondition,
  writeStatus,
} from './owned-pods.ts'
import { splitKey, type Controller } from './work-queue.ts'

const BACKOFF_FIRST_MS = 10_000
const BACKOFF_MAX_MS = 600_000
const BURST = 500

/** Runs each job's pods to their end as often as it wants, and deletes finished jobs in time. */
export const jobs: Controller = {
  name: 'jobs',
  keysOf: (_core, { resource, object }) => {
    if (resource === PODS) return ownerKeys(object, 'Job')
    return resource === JOBS ? [ownKey(object)] : []
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const job = core.store.get(JOBS, namespace, name)
    if (job === undefined || job.metadata.deletionTimestamp !== undefined) {
      const left = core.store
        .list(PODS, namespace)
        .filter((pod) => ownerKeys(pod, 'Job').includes(key))
      await releasePods(core, left)
      return undefined
    }
    const pods = core.store.list(PODS, namespace).filter((pod) => isOwnedBy(pod, job))
    const finished = finishedConditionOf(job)
    if (finished !== undefined) {
      await releasePods(core, pods)
      return expire(core, job, finished)
    }
    return advance(core, await countEnds(core, job, pods))
  },
}

/** Deletes a finished job when its time is over. */
async function expire(
  core: ClusterCore,
  job: ApiObject,
  finished: JsonRecord,
): Promise<number | undefined> {
  const seconds = recordAt(job, 'spec')['ttlSecondsAfterFinished']
  if (typeof seconds !== 'number') return undefined
  const at = Date.parse(stringAt(finished, 'lastTransitionTime')) + seconds * 1000
  if (at > core.clock.now()) return at
  const { name = '', namespace = '' } = job.metadata
  const options = { propagationPolicy: 'Foreground' }
  await deleteObject(core, { type: JOBS, namespace, name }, options, OPERATION)
  return undefined
}

/** A job with its pods and the counts of their ends. */
interface Tally {
  readonly job: ApiObject
  readonly pods: readonly ApiObject[]
  readonly succeeded: number
  readonly failed: number
  readonly indexes: ReadonlySet<number>
}

/**
 * Counts pods that have ended. Their uids are in the status before their finalizer goes, and leave
 * it with the count, so that an end counts once though the controller stops in between.
 */
async function countEnds(
  core: ClusterCore,
  job: ApiObject,
  pods: readonly ApiObject[],
): Promise<Tally> {
  const status = recordAt(job, 'status')
  const uncounted = uncountedOf(job, pods)
  const ended = [...uncounted.succeeded, ...uncounted.failed]
  const indexes = parseIndexes(stringAt(status, 'completedIndexes'))
  if (ended.length > 0) {
    await writeStatus(core, JOBS, job, { ...status, uncountedTerminatedPods: uncounted })
    for (const pod of pods) {
      const index = indexOf(pod)
      if (stringAt(pod['status'], 'phase') === 'Succeeded' && index !== undefined) {
        indexes.add(index)
      }
    }
    await releasePods(
      core,
      pods.filter((pod) => ended.includes(pod.metadata.uid ?? '')),
    )
  }
  const isIndexed = recordAt(job, 'spec')['completionMode'] === 'Indexed'
  const succeeded = Number(status['succeeded'] ?? 0) + uncounted.succeeded.length
  const { namespace } = job.metadata
  return {
    job,
    pods: core.store.list(PODS, namespace).filter((pod) => isOwnedBy(pod, job)),
    succeeded: isIndexed ? indexes.size : succeeded,
    failed: Number(status['failed'] ?? 0) + uncounted.failed.length,
    indexes,
  }
}

async function advance(core: ClusterCore, tally: Tally): Promise<number | undefined> {
  const { job } = tally
  const spec = recordAt(job, 'spec')
  const now = core.clock.now()
  const isSuspended = spec['suspend'] === true
  const started = Date.parse(stringAt(job['status'], 'startTime'))
  const start = isSuspended ? undefined : Number.isNaN(started) ? now : started
  const verdict = isSuspended ? undefined : verdictOf(core, tally, start ?? now)
  let due: number | undefined
  if (verdict !== undefined || isSuspended) {
    for (const pod of tally.pods.filter(isActive)) await deletePod(core, job, pod)
  } else due = await fill(core, tally)
  const after = core.store.list(PODS, job.metadata.namespace).filter((pod) => isOwnedBy(pod, job))
  const current = { ...tally, pods: after }
  await report(core, current, { verdict, start })
  const seconds = spec['activeDeadlineSeconds']
  if (verdict !== undefined || typeof seconds !== 'number' || start === undefined) return due
  return Math.min(due ?? Number.POSITIVE_INFINITY, start + seconds * 1000)
}

interface Verdict {
  readonly isComplete: boolean
  readonly reason: string
  readonly message: string
}

/** How the job has ended; undefined while it runs. */
function verdictOf(core: ClusterCore, tally: Tally, start: number): Verdict | undefined {
  const { job, pods, succeeded, failed } = tally
  const spec = recordAt(job, 'spec')
  const target = listAt(job['status'], 'conditions').find(
    (condition) =>
      stringAt(condition, 'type') === 'FailureTarget' && stringAt(condition, 'status') === 'True',
  )
  if (target !== undefined) {
    return {
      isComplete: false,
      reason: stringAt(target, 'reason'),
      message: stringAt(target, 'message'),
    }
  }
  const limit = Number(spec['backoffLimit'] ?? 6)
  if (failed > limit || hasRestartedTooOften(spec, pods, limit)) {
    return {
      isComplete: false,
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
    }
  }
  const seconds = spec['activeDeadlineSeconds']
  if (typeof seconds === 'number' && core.clock.now() >= start + seconds * 1000) {
    return {
      isComplete: false,
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    }
  }
  const { completions } = spec
  const isComplete =
    typeof completions === 'number'
      ? succeeded >= completions
      : succeeded > 0 && !pods.some(isActive)
  return isComplete
    ? {
        isComplete,
        reason: 'CompletionsReached',
        message: 'Reached expected number of succeeded pods',
      }
    : undefined
}

/** Where a pod restarts its containers itself, those count. */
function hasRestartedTooOften(
  spec: JsonRecord,
  pods: readonly ApiObject[],
  limit: number,
): boolean {
  const template = recordAt(recordAt(spec, 'template'), 'spec')
  if (template['restartPolicy'] !== 'OnFailure') return false
  const restarts = pods
    .filter(
      (pod) => isActive(pod) && ['Running', 'Pending'].includes(asPod(pod).status?.phase ?? ''),
    )
    .flatMap((pod) => asPod(pod).status?.containerStatuses ?? [])
    .reduce((sum, { restartCount }) => sum + restartCount, 0)
  return limit === 0 ? restarts > 0 : restarts >= limit
}

/** Makes missing pods and ends surplus ones; @returns when a pod that failed may be replaced. */
async function fill(core: ClusterCore, tally: Tally): Promise<number | undefined> {
  const { job, pods, succeeded, indexes } = tally
  const spec = recordAt(job, 'spec')
  const active = pods.filter(isActive)
  const parallelism = Number(spec['parallelism'] ?? 1)
  const { completions } = spec
  const wanted =
    typeof completions === 'number'
      ? Math.min(parallelism, completions - succeeded)
      : succeeded > 0
        ? Math.min(active.length, parallelism)
        : parallelism
  const surplus = active.toSorted(
    (left, right) => Number(isPodReady(left)) - Number(isPodReady(right)),
  )
  for (const pod of surplus.slice(0, Math.max(0, active.length - wanted))) {
    await deletePod(core, job, pod)
  }
  // With `podReplacementPolicy: Failed` pods that end still hold their place.
  const leaving = pods.filter(
    (pod) => pod.metadata.deletionTimestamp !== undefined && !hasFailed(job, pod),
  )
  const missing = Math.min(BURST, wanted - active.length - leaving.length)
  if (missing <= 0) return undefined
  const at = retryAt(tally)
  if (at > core.clock.now()) return at
  const taken = new Set([...active, ...leaving].map(indexOf))
  const isIndexed = spec['completionMode'] === 'Indexed'
  for (let made = 0, index = 0; made < missing; index += 1) {
    if (isIndexed && (indexes.has(index) || taken.has(index))) continue
    await addPod(core, job, isIndexed ? index : undefined)
    made += 1
  }
  return undefined
}

/** Each failure since the last success doubles the pause before another pod. */
function retryAt({ job, pods }: Tally): number {
  const endOf = (pod: ApiObject): number => {
    const times = (asPod(pod).status?.containerStatuses ?? []).map(({ state }) =>
      Date.parse(stringAt(recordAt(state, 'terminated'), 'finishedAt')),
    )
    const known = times.filter((time) => !Number.isNaN(time))
    const { deletionTimestamp, creationTimestamp } = pod.metadata
    return known.length > 0
      ? Math.max(...known)
      : Date.parse(deletionTimestamp ?? creationTimestamp ?? '')
  }
  const succeeded = pods.filter((pod) => stringAt(pod['status'], 'phase') === 'Succeeded')
  const lastSuccess = Math.max(0, ...succeeded.map(endOf))
  const failures = pods
    .filter((pod) => hasFailed(job, pod))
    .map(endOf)
    .filter((at) => at > lastSuccess)
  if (failures.length === 0) return 0
  const pause = BACKOFF_FIRST_MS * 2 ** Math.min(failures.length - 1, 10)
  return Math.max(...failures) + Math.min(BACKOFF_MAX_MS, pause)
}

async function addPod(core: ClusterCore, job: ApiObject, index?: number): Promise<void> {
  const template = recordAt(recordAt(job, 'spec'), 'template')
  const { name = '' } = job.metadata
  const finalizers = [TRACKING_FINALIZER]
  if (index === undefined) {
    await createPod(core, job, template, { generateName: `${name}-`, finalizers })
    return
  }
  const spec = structuredClone(recordAt(template, 'spec'))
  const variable = {
    name: 'JOB_COMPLETION_INDEX',
    valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${INDEX}']` } },
  }
  for (const container of containersOf(spec)) {
    container['env'] = [...listAt(container, 'env'), variable]
  }
  const mark = { [INDEX]: String(index) }
  await createPod(
    core,
    job,
    { ...template, spec: { ...spec, hostname: `${name}-${index}` } },
    { generateName: `${name}-${index}-`, finalizers, annotations: mark, labels: mark },
  )
}

interface Outcome {
  readonly verdict: Verdict | undefined
  readonly start: number | undefined
}

async function report(core: ClusterCore, tally: Tally, outcome: Outcome): Promise<void> {
  const { job, pods, succeeded, failed, indexes } = tally
  const { verdict, start } = outcome
  const active = pods.filter(isActive)
  const leaving = pods.filter(
    (pod) =>
      pod.metadata.deletionTimestamp !== undefined &&
      !['Succeeded', 'Failed'].includes(stringAt(pod['status'], 'phase')),
  )
  const before = recordAt(job, 'status')
  // The last word waits until every pod has ended.
  const isOver = verdict !== undefined && active.length + leaving.length === 0
  await writeStatus(core, JOBS, job, {
    ...omit(before, 'startTime', 'uncountedTerminatedPods', 'completedIndexes'),
    conditions: conditionsOf(core, job, { verdict, isOver }),
    ...(start !== undefined && { startTime: formatTime(start) }),
    active: active.length,
    ready: active.filter(isPodReady).length,
    terminating: leaving.length,
    succeeded,
    failed,
    uncountedTerminatedPods: {},
    ...(indexes.size > 0 && { completedIndexes: formatIndexes(indexes) }),
    ...(isOver && verdict.isComplete && { completionTime: formatTime(core.clock.now()) }),
  })
  if (!isOver) return
  if (verdict.isComplete) await tell(core, job, 'Normal', ['Completed', 'Job completed'])
  else await tell(core, job, 'Warning', [verdict.reason, verdict.message])
}

function conditionsOf(
  core: ClusterCore,
  job: ApiObject,
  { verdict, isOver }: { readonly verdict: Verdict | undefined; readonly isOver: boolean },
): JsonRecord[] {
  let conditions = listAt(job['status'], 'conditions').filter(isRecord)
  const isSuspended = recordAt(job, 'spec')['suspend'] === true
  const wasSuspended = conditions.some((condition) => condition['type'] === 'Suspended')
  if (isSuspended || wasSuspended) {
    conditions = withCondition(core, conditions, {
      type: 'Suspended',
      status: isSuspended ? 'True' : 'False',
      reason: isSuspended ? 'JobSuspended' : 'JobResumed',
      message: isSuspended ? 'Job suspended' : 'Job resumed',
    })
  }
  if (verdict === undefined) return conditions
  const { isComplete, reason, message } = verdict
  const words = { status: 'True', reason, message } as const
  const first = isComplete ? 'SuccessCriteriaMet' : 'FailureTarget'
  conditions = withCondition(core, conditions, { type: first, ...words })
  if (!isOver) return conditions
  return withCondition(core, conditions, { type: isComplete ? 'Complete' : 'Failed', ...words })
}
