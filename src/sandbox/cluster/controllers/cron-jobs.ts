import type { ClusterCore } from '../core.ts'
import { createObject } from '../creating.ts'
import { messageOf } from '../../../lib/errors.ts'
import { formatInZone, parseSchedule, type Schedule } from '../cron-schedule.ts'
import { deleteObject } from '../deleting.ts'
import {
  formatTime,
  listAt,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
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
    if (cron === undefined) return undefined
    const spec = recordAt(cron, 'spec')
    const own = jobsOf(core, cron)
    const standing = await takeStock(core, cron, own, await pruneJobs(core, cron, own))
    const schedule = parseSchedule(stringAt(spec, 'schedule'))
    const isIdle = spec['suspend'] === true || cron.metadata.deletionTimestamp !== undefined
    if (typeof schedule === 'string' || isIdle) {
      await writeStanding(core, cron, standing)
      return undefined
    }
    const due = lastDue(core, cron, schedule)
    const isLate = due !== undefined && missesMany(core, cron, schedule)
    if (isLate) await tell(core, cron, 'Warning', ['TooManyMissedTimes', MISSED_SAYS])
    const next = due === undefined ? standing : await runAt(core, cron, { due, standing })
    await writeStanding(core, cron, next)
    return nextDue(core, key, schedule)
  },
}

/** What the status of a cron job says. */
interface Standing {
  /** References of the jobs that it made and that run. */
  readonly active: readonly unknown[]
  readonly lastScheduleTime: string
  readonly lastSuccessfulTime: string
}

const zoneOf = (cron: ApiObject): string => stringAt(recordAt(cron, 'spec'), 'timeZone') || 'UTC'

function nextDue(core: ClusterCore, key: string, schedule: Schedule): number | undefined {
  const { everyMs } = schedule
  const { namespace, name } = splitKey(key)
  const cron = core.store.get(CRON_JOBS, namespace, name)
  if (cron === undefined) return undefined
  if (everyMs === undefined) return schedule.nextAfter(core.clock.now(), zoneOf(cron))
  const start = startOfSchedule(cron)
  return start + everyMs * (Math.floor(Math.max(0, core.clock.now() - start) / everyMs) + 1)
}

const jobsOf = (core: ClusterCore, cron: ApiObject): ApiObject[] =>
  core.store.list(JOBS, cron.metadata.namespace).filter((job) => isOwnedBy(job, cron))

const isRunning = (job: ApiObject): boolean => finishedConditionOf(job) === undefined

/** From when on due times are counted: the last one, or when the cron job was made. */
const startOfSchedule = ({ metadata, status }: ApiObject): number =>
  Date.parse(stringAt(status, 'lastScheduleTime') || (metadata.creationTimestamp ?? ''))

/** From when on a job may still be started. */
function earliestDue(core: ClusterCore, cron: ApiObject): number {
  const seconds = recordAt(cron, 'spec')['startingDeadlineSeconds']
  const deadline = typeof seconds === 'number' ? core.clock.now() - seconds * 1000 : 0
  return Math.max(startOfSchedule(cron), deadline)
}

const MISSED_MANY = 100
const MISSED_SAYS =
  'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew'

/** Whether so many times have passed that something must be wrong, estimated by the first two. */
function missesMany(core: ClusterCore, cron: ApiObject, schedule: Schedule): boolean {
  const zone = zoneOf(cron)
  const first = schedule.nextAfter(earliestDue(core, cron), zone)
  const second = first === undefined ? undefined : schedule.nextAfter(first, zone)
  if (first === undefined || second === undefined) return false
  return Math.floor((core.clock.now() - first) / (second - first)) + 1 > MISSED_MANY
}

/** How far back the last due time is looked for, step by step, so that no step is long. */
const LOOK_BACK_MS = [3_600_000, 86_400_000, 32 * 86_400_000, 366 * 86_400_000]

/** The last time that was due and for which no job was made. */
function lastDue(core: ClusterCore, cron: ApiObject, schedule: Schedule): number | undefined {
  const now = core.clock.now()
  const earliest = earliestDue(core, cron)
  const { everyMs } = schedule
  if (everyMs !== undefined) {
    const times = Math.floor((now - earliest) / everyMs)
    return times > 0 ? earliest + times * everyMs : undefined
  }
  const zone = zoneOf(cron)
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

/** Starts the job of a due time where nothing is against it; @returns how the cron job stands then. */
async function runAt(
  core: ClusterCore,
  cron: ApiObject,
  { due, standing }: { readonly due: number; readonly standing: Standing },
): Promise<Standing> {
  const { name = '', namespace = '' } = cron.metadata
  const policy = recordAt(cron, 'spec')['concurrencyPolicy']
  const jobName = `${name}-${Math.floor(due / 60_000)}`
  const { active } = standing
  // A schedule of seconds comes to the same name again within its minute.
  if (active.some((job) => stringAt(job, 'name') === jobName)) return standing
  if (policy === 'Forbid' && active.length > 0) {
    await tell(core, cron, 'Normal', [
      'JobAlreadyActive',
      'Not starting job because prior execution is running and concurrency policy is Forbid',
    ])
    return standing
  }
  if (policy === 'Replace') {
    for (const reference of active) {
      const job = core.store.get(JOBS, namespace, stringAt(reference, 'name'))
      if (job !== undefined) await deleteJob(core, cron, job)
    }
  }
  const left = policy === 'Replace' ? [] : active
  const known = core.store.get(JOBS, namespace, jobName)
  const isTaken = known !== undefined && !isOwnedBy(known, cron)
  if (isTaken || known?.metadata.deletionTimestamp !== undefined) {
    return { ...standing, active: left }
  }
  const job = known ?? (await makeJob(core, cron, { name: jobName, due }))
  return { ...standing, active: [...left, referenceOf(job)], lastScheduleTime: formatTime(due) }
}

async function makeJob(
  core: ClusterCore,
  cron: ApiObject,
  { name, due }: { readonly name: string; readonly due: number },
): Promise<ApiObject> {
  const template = recordAt(recordAt(cron, 'spec'), 'jobTemplate')
  const metadata = recordAt(template, 'metadata')
  const mark = { [TIMESTAMP]: formatInZone(due, zoneOf(cron)) }
  const value = {
    metadata: {
      name,
      labels: { ...recordAt(metadata, 'labels') },
      annotations: { ...recordAt(metadata, 'annotations'), ...mark },
      ownerReferences: [ownerReferenceOf(cron)],
    },
    spec: structuredClone(recordAt(template, 'spec')),
  }
  const { namespace = '' } = cron.metadata
  const job = await createObject(core, { type: JOBS, namespace }, value, OPERATION).catch(
    async (thrown: unknown) => {
      const says = `Error creating job: ${messageOf(thrown)}`
      await tell(core, cron, 'Warning', ['FailedCreate', says])
      throw thrown
    },
  )
  await tell(core, cron, 'Normal', ['SuccessfulCreate', `Created job ${name}`])
  return job
}

const referenceOf = ({ apiVersion, kind, metadata }: ApiObject): JsonRecord => ({
  apiVersion,
  kind,
  namespace: metadata.namespace,
  name: metadata.name,
  uid: metadata.uid,
  resourceVersion: metadata.resourceVersion,
})

async function deleteJob(core: ClusterCore, cron: ApiObject, job: ApiObject): Promise<void> {
  const { name = '', namespace = '' } = job.metadata
  if (job.metadata.deletionTimestamp !== undefined) return
  const options = { propagationPolicy: 'Background' }
  await deleteObject(core, { type: JOBS, namespace, name }, options, OPERATION)
  await tell(core, cron, 'Normal', ['SuccessfulDelete', `Deleted job ${name}`])
}

/** Keeps as many finished jobs as the limits say, the last ones; @returns those that go. */
async function pruneJobs(
  core: ClusterCore,
  cron: ApiObject,
  own: readonly ApiObject[],
): Promise<readonly ApiObject[]> {
  const spec = recordAt(cron, 'spec')
  const finished = own
    .filter((job) => !isRunning(job))
    .toSorted(
      (left, right) =>
        startOf(left) - startOf(right) ||
        ((left.metadata.name ?? '') < (right.metadata.name ?? '') ? -1 : 1),
    )
  const pruned: ApiObject[] = []
  for (const [type, field] of [
    ['Complete', 'successfulJobsHistoryLimit'],
    ['Failed', 'failedJobsHistoryLimit'],
  ] as const) {
    const limit = Number(spec[field] ?? Number.POSITIVE_INFINITY)
    const some = finished.filter((job) => finishedConditionOf(job)?.['type'] === type)
    for (const job of some.slice(0, Math.max(0, some.length - limit))) {
      await deleteJob(core, cron, job)
      pruned.push(job)
    }
  }
  return pruned
}

/** Jobs that never started come last. */
const startOf = (job: ApiObject): number => {
  const started = Date.parse(stringAt(job['status'], 'startTime'))
  return Number.isNaN(started) ? Number.MAX_SAFE_INTEGER : started
}

/** How a cron job stands by its jobs; what is news of them is told. */
async function takeStock(
  core: ClusterCore,
  cron: ApiObject,
  own: readonly ApiObject[],
  pruned: readonly ApiObject[],
): Promise<Standing> {
  const before = recordAt(cron, 'status')
  const gone = new Set(pruned.map(({ metadata }) => metadata.uid))
  const known = listAt(before, 'active').filter((job) => !gone.has(stringAt(job, 'uid')))
  const isKnown = ({ metadata }: ApiObject): boolean =>
    known.some((job) => stringAt(job, 'uid') === metadata.uid)
  let lastSuccess = stringAt(before, 'lastSuccessfulTime')
  for (const job of own) {
    const { name } = job.metadata
    const type = stringAt(finishedConditionOf(job), 'type')
    if (type === '' && !isKnown(job)) {
      const says = `Saw a job that the controller did not create or forgot: ${name}`
      await tell(core, cron, 'Warning', ['UnexpectedJob', says])
    } else if (type !== '' && isKnown(job)) {
      const says = `Saw completed job: ${name}, condition: ${type}`
      await tell(core, cron, 'Normal', ['SawCompletedJob', says])
    }
    const ended = stringAt(job['status'], 'completionTime')
    if (type === 'Complete' && ended > lastSuccess) lastSuccess = ended
  }
  const running = new Set(own.filter(isRunning).map(({ metadata }) => metadata.uid))
  const uids = new Set(own.map(({ metadata }) => metadata.uid))
  for (const job of known.filter((one) => !uids.has(stringAt(one, 'uid')))) {
    const says = `Active job went missing: ${stringAt(job, 'name')}`
    await tell(core, cron, 'Normal', ['MissingJob', says])
  }
  return {
    active: known.filter((job) => running.has(stringAt(job, 'uid'))),
    lastScheduleTime: stringAt(before, 'lastScheduleTime'),
    lastSuccessfulTime: lastSuccess,
  }
}

/** Times that are not known yet are left out. */
function writeStanding(core: ClusterCore, cron: ApiObject, standing: Standing): Promise<void> {
  const known = Object.entries(standing).filter(([, value]) => value !== '')
  return writeStatus(core, CRON_JOBS, cron, Object.fromEntries(known))
}
