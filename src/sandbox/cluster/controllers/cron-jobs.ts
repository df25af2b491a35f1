import type { ClusterCore } from '../core.ts'
import { createObject } from '../creating.ts'
import { parseSchedule, type Schedule } from '../cron-schedule.ts'
import { deleteObject } from '../deleting.ts'
import { formatTime, listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'
import { CRON_JOBS, finishedConditionOf, JOBS } from '../types/batch.ts'
import {
  isOwnedBy,
  OPERATION,
  ownerKeys,
  ownerReferenceOf,
  ownKey,
  tell,
  writeStatus,
} from './owned-pods.ts'
import { splitKey, type Controller } from './work-queue.ts'

const TIMESTAMP = 'batch.kubernetes.io/cronjob-scheduled-timestamp'

/** Makes a job whenever a cron job's schedule says so, and keeps the last few of them. */
export const cronJobs: Controller = {
  name: 'cron-jobs',
  keysOf: (_core, { resource, object }) => {
    if (resource === JOBS) return ownerKeys(object, 'CronJob')
    return resource === CRON_JOBS ? [ownKey(object)] : []
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const cron = core.store.get(CRON_JOBS, namespace, name)
    if (cron === undefined || cron.metadata.deletionTimestamp !== undefined) return undefined
    const spec = recordAt(cron, 'spec')
    await pruneJobs(core, cron)
    const schedule = parseSchedule(stringAt(spec, 'schedule'))
    if (typeof schedule === 'string' || spec['suspend'] === true) {
      await report(core, cron)
      return undefined
    }
    const zone = stringAt(spec, 'timeZone') || 'UTC'
    const due = lastDue(core, cron, schedule)
    if (due !== undefined) await runAt(core, cron, due)
    else await report(core, cron)
    return nextDue(core, key, schedule, zone)
  },
}

function nextDue(
  core: ClusterCore,
  key: string,
  schedule: Schedule,
  zone: string,
): number | undefined {
  const { everyMs } = schedule
  if (everyMs === undefined) return schedule.nextAfter(core.clock.now(), zone)
  const { namespace, name } = splitKey(key)
  const cron = core.store.get(CRON_JOBS, namespace, name)
  const last = stringAt(cron?.['status'], 'lastScheduleTime')
  const start = Date.parse(last || (cron?.metadata.creationTimestamp ?? ''))
  return start + everyMs * (Math.floor(Math.max(0, core.clock.now() - start) / everyMs) + 1)
}

const jobsOf = (core: ClusterCore, cron: ApiObject): ApiObject[] =>
  core.store.list(JOBS, cron.metadata.namespace).filter((job) => isOwnedBy(job, cron))

const isRunning = (job: ApiObject): boolean => finishedConditionOf(job) === undefined

/** How far back the last due time is looked for, step by step, so that no step is long. */
const LOOK_BACK_MS = [3_600_000, 86_400_000, 32 * 86_400_000, 366 * 86_400_000]

/** The last time that was due and for which no job was made. */
function lastDue(core: ClusterCore, cron: ApiObject, schedule: Schedule): number | undefined {
  const now = core.clock.now()
  const spec = recordAt(cron, 'spec')
  const last = stringAt(cron['status'], 'lastScheduleTime')
  let earliest = Date.parse(last === '' ? (cron.metadata.creationTimestamp ?? '') : last)
  const deadline = spec['startingDeadlineSeconds']
  if (typeof deadline === 'number') earliest = Math.max(earliest, now - deadline * 1000)
  const { everyMs } = schedule
  if (everyMs !== undefined) {
    const times = Math.floor((now - earliest) / everyMs)
    return times > 0 ? earliest + times * everyMs : undefined
  }
  const zone = stringAt(spec, 'timeZone') || 'UTC'
  for (const span of [...LOOK_BACK_MS, now - earliest]) {
    const start = Math.max(earliest, now - span)
    let due = schedule.nextAfter(start, zone)
    if (due === undefined || due > now) {
      if (start === earliest) return undefined
      continue
    }
    for (;;) {
      const next: number | undefined = schedule.nextAfter(due, zone)
      if (next === undefined || next > now) return due
      due = next
    }
  }
  return undefined
}

async function runAt(core: ClusterCore, cron: ApiObject, due: number): Promise<void> {
  const { name = '', namespace = '' } = cron.metadata
  const policy = recordAt(cron, 'spec')['concurrencyPolicy']
  const running = jobsOf(core, cron).filter(isRunning)
  const jobName = `${name}-${Math.floor(due / 60_000)}`
  // A schedule of seconds comes to the same name again within its minute.
  if (listAt(cron['status'], 'active').some((job) => stringAt(job, 'name') === jobName)) {
    return report(core, cron)
  }
  if (policy === 'Forbid' && running.length > 0) {
    await tell(core, cron, 'Normal', [
      'JobAlreadyActive',
      'Not starting job because prior execution is running and concurrency policy is Forbid',
    ])
    return report(core, cron)
  }
  if (policy === 'Replace') {
    for (const job of running) await deleteJob(core, cron, job)
  }
  if (core.store.get(JOBS, namespace, jobName) === undefined) {
    const template = recordAt(recordAt(cron, 'spec'), 'jobTemplate')
    const metadata = recordAt(template, 'metadata')
    const value = {
      metadata: {
        name: jobName,
        labels: { ...recordAt(metadata, 'labels') },
        annotations: { ...recordAt(metadata, 'annotations'), [TIMESTAMP]: formatTime(due) },
        ownerReferences: [ownerReferenceOf(cron)],
      },
      spec: structuredClone(recordAt(template, 'spec')),
    }
    await createObject(core, { type: JOBS, namespace }, value, OPERATION)
    await tell(core, cron, 'Normal', ['SuccessfulCreate', `Created job ${jobName}`])
  }
  await report(core, cron, due)
}

async function deleteJob(core: ClusterCore, cron: ApiObject, job: ApiObject): Promise<void> {
  const { name = '', namespace = '' } = job.metadata
  if (job.metadata.deletionTimestamp !== undefined) return
  const options = { propagationPolicy: 'Background' }
  await deleteObject(core, { type: JOBS, namespace, name }, options, OPERATION)
  await tell(core, cron, 'Normal', ['SuccessfulDelete', `Deleted job ${name}`])
}

/** Keeps as many finished jobs as the limits say, the last ones. */
async function pruneJobs(core: ClusterCore, cron: ApiObject): Promise<void> {
  const spec = recordAt(cron, 'spec')
  const finished = jobsOf(core, cron)
    .filter((job) => !isRunning(job))
    .toSorted((left, right) => startOf(left) - startOf(right))
  for (const [type, field] of [
    ['Complete', 'successfulJobsHistoryLimit'],
    ['Failed', 'failedJobsHistoryLimit'],
  ] as const) {
    const limit = Number(spec[field] ?? 1)
    const own = finished.filter((job) => finishedConditionOf(job)?.['type'] === type)
    for (const job of own.slice(0, Math.max(0, own.length - limit))) {
      await deleteJob(core, cron, job)
    }
  }
}

const startOf = (job: ApiObject): number =>
  Date.parse(stringAt(job['status'], 'startTime') || (job.metadata.creationTimestamp ?? ''))

async function report(core: ClusterCore, cron: ApiObject, due?: number): Promise<void> {
  const before = recordAt(cron, 'status')
  const own = jobsOf(core, cron)
  const known = new Set(listAt(before, 'active').map((job) => stringAt(job, 'uid')))
  let lastSuccess = stringAt(before, 'lastSuccessfulTime')
  for (const job of own) {
    const finished = finishedConditionOf(job)
    if (finished === undefined) continue
    const type = stringAt(finished, 'type')
    const { name, uid = '' } = job.metadata
    if (known.has(uid)) {
      const message = `Saw completed job: ${name}, condition: ${type}`
      await tell(core, cron, 'Normal', ['SawCompletedJob', message])
    }
    const ended = stringAt(job['status'], 'completionTime')
    if (type === 'Complete' && ended > lastSuccess) lastSuccess = ended
  }
  const active = own.filter(isRunning).map(({ apiVersion, kind, metadata }) => ({
    apiVersion,
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
  }))
  const kept = new Map(listAt(before, 'active').map((job) => [stringAt(job, 'uid'), job]))
  await writeStatus(core, CRON_JOBS, cron, {
    ...before,
    active: active.map((job) => kept.get(job.uid ?? '') ?? job),
    ...(due !== undefined && { lastScheduleTime: formatTime(due) }),
    ...(lastSuccess !== '' && { lastSuccessfulTime: lastSuccess }),
  })
}
