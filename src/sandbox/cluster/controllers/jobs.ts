import { messageOf } from '../../../lib/errors.ts'
import type { ClusterCore } from '../core.ts'
import { deleteObject } from '../deleting.ts'
import { listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from '../objects.ts'
import { finishedConditionOf, JOBS } from '../types/batch.ts'
import { PODS } from '../types/pods.ts'
import { releasePods, type Tally, tallyOf } from './job-accounts.ts'
import { type Backoff, nextBackoff, NO_BACKOFF } from './job-backoff.ts'
import { managePods } from './job-pods.ts'
import { record } from './job-status.ts'
import { COMPLETED, isDone, type Verdict, verdictOf } from './job-verdict.ts'
import {
  type ConditionWords,
  deletePod,
  isActive,
  isOwnedBy,
  OPERATION,
  ownerKeys,
  ownKey,
  tell,
} from './owned-pods.ts'
import { splitKey, type Controller } from './work-queue.ts'

const JOB_CONTROLLER = 'kubernetes.io/job-controller'

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
      backoffsOf(core).delete(key)
      const left = core.store
        .list(PODS, namespace)
        .filter((pod) => ownerKeys(pod, 'Job').includes(key))
      await releasePods(core, left)
      return undefined
    }
    const finished = finishedConditionOf(job)
    const { managedBy = JOB_CONTROLLER } = recordAt(job, 'spec')
    if (managedBy !== JOB_CONTROLLER) {
      return finished === undefined ? undefined : expire(core, job, finished)
    }
    const pods = podsOf(core, job)
    if (finished === undefined) return advance(core, tallyOf(job, pods))
    await releasePods(core, pods)
    backoffsOf(core).delete(key)
    return expire(core, job, finished)
  },
}

const podsOf = (core: ClusterCore, job: ApiObject): ApiObject[] =>
  core.store.list(PODS, job.metadata.namespace).filter((pod) => isOwnedBy(pod, job))

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

/** Failures of each job's pods by its key, as long as the controller runs. */
const BACKOFFS = new WeakMap<ClusterCore, Map<string, Backoff>>()

function backoffsOf(core: ClusterCore): Map<string, Backoff> {
  const known = BACKOFFS.get(core) ?? new Map<string, Backoff>()
  BACKOFFS.set(core, known)
  return known
}

/** Takes a job one step on; @returns when it wants another look. */
async function advance(core: ClusterCore, tally: Tally): Promise<number | undefined> {
  const { job, spec } = tally
  const backoffs = backoffsOf(core)
  const backoff = nextBackoff(backoffs.get(ownKey(job)) ?? NO_BACKOFF, tally.ended)
  const now = core.clock.now()
  const isSuspended = spec['suspend'] === true
  const started = Date.parse(stringAt(job['status'], 'startTime'))
  let startMs = !Number.isNaN(started) ? started : isSuspended ? undefined : now
  let verdict: Verdict | undefined = verdictOf(tally, now, isSuspended ? undefined : startMs)
  let suspension: ConditionWords | undefined
  let due: number | undefined
  let failure: Error | undefined
  if (verdict !== undefined) for (const pod of tally.active) await deletePod(core, job, pod)
  else {
    try {
      due = await managePods(core, tally, backoff)
    } catch (thrown) {
      failure = thrown instanceof Error ? thrown : new Error(messageOf(thrown))
    }
    if (isDone(tally, podsOf(core, job).filter(isActive).length)) verdict = COMPLETED
    else suspension = await tellSuspension(core, job)
  }
  if (suspension !== undefined) startMs = isSuspended ? undefined : now
  await record(core, tally, { verdict, startMs, suspension }, () => podsOf(core, job))
  backoffs.set(ownKey(job), backoff)
  if (failure !== undefined) throw failure
  const seconds = spec['activeDeadlineSeconds']
  const isTimed = verdict === undefined && !isSuspended && typeof seconds === 'number'
  if (!isTimed || startMs === undefined) return due
  return Math.min(due ?? Number.POSITIVE_INFINITY, startMs + seconds * 1000)
}

/** What a job's status is to say of its being suspended, where that has changed. */
async function tellSuspension(
  core: ClusterCore,
  job: ApiObject,
): Promise<ConditionWords | undefined> {
  const isSuspended = recordAt(job, 'spec')['suspend'] === true
  const known = listAt(job['status'], 'conditions').find(
    (condition) => stringAt(condition, 'type') === 'Suspended',
  )
  const status = isSuspended ? 'True' : 'False'
  if (stringAt(known, 'status') === status || (known === undefined && !isSuspended)) {
    return undefined
  }
  const verb = isSuspended ? 'Suspended' : 'Resumed'
  const message = `Job ${verb.toLowerCase()}`
  await tell(core, job, 'Normal', [verb, message])
  return { type: 'Suspended', status, reason: `Job${verb}`, message }
}
