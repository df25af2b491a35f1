/** The making and ending of a job's pods. */
import type { ClusterCore } from '../core.ts'
import { firstIndexesBeside, indexesOf, uniteIndexes } from '../job-indexes.ts'
import { listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from '../objects.ts'
import { containersOf } from '../types/pod-defaults.ts'
import {
  failuresBefore,
  hasFailed,
  INDEX,
  INDEX_FAILURES,
  INDEX_IGNORED,
  indexOf,
  isTerminating,
  releasePods,
  replacesOnlyFailed,
  type Tally,
  TRACKING_FINALIZER,
} from './job-accounts.ts'
import { type Backoff, endOf, retryAt } from './job-backoff.ts'
import { judgeFailure } from './job-policies.ts'
import { createPod, deletePod } from './owned-pods.ts'
import { surplusOf } from './surplus-pods.ts'

const BURST = 500
const GENERATED_NAME_MAX = 58

/**
 * Ends pods that are too many, else makes those that are missing.
 * @returns when a pod that failed may be replaced
 */
export async function managePods(
  core: ClusterCore,
  tally: Tally,
  backoff: Backoff,
): Promise<number | undefined> {
  const { job, spec, active } = tally
  const wanted = spec['suspend'] === true ? 0 : wantedOf(tally)
  const surplus = removableOf(tally, wanted).slice(0, BURST)
  for (const pod of surplus) {
    // It has not failed: nobody is to count it.
    await releasePods(core, [pod])
    await deletePod(core, job, pod)
  }
  if (surplus.length > 0) return undefined
  const missing = Math.min(BURST, wanted - active.length - leavingOf(tally).length)
  if (missing <= 0) return undefined
  const now = core.clock.now()
  if (tally.failedIndexes === undefined) {
    const at = retryAt(backoff)
    if (at > now) return at
  }
  if (!tally.isIndexed) {
    for (let made = 0; made < missing; made += 1) await addPod(core, job)
    return undefined
  }
  const indexes = missingIndexes(tally, missing)
  const times = indexes.map((index) => indexRetryAt(tally, index))
  const ready = indexes.filter((_index, at) => (times[at] ?? 0) <= now)
  for (const index of ready) await addNumberedPod(core, tally, index)
  const later = times.filter((at) => at > now)
  return later.length === 0 ? undefined : Math.min(...later)
}

/** How many pods are to run. */
function wantedOf({ spec, active, completions, succeeded }: Tally): number {
  const parallelism = Number(spec['parallelism'] ?? 1)
  if (completions === undefined) return succeeded > 0 ? active.length : parallelism
  return Math.max(0, Math.min(parallelism, completions - succeeded))
}

/** Pods with no number or another's, and as many more as there are too many. */
function removableOf({ active, isIndexed, completions = 0 }: Tally, wanted: number): ApiObject[] {
  if (!isIndexed) return surplusOf(active, wanted)
  const byIndex = Map.groupBy(active, (pod) => {
    const index = indexOf(pod)
    return index !== undefined && index < completions ? index : -1
  })
  const wrong = [...byIndex].flatMap(([index, pods]) => surplusOf(pods, index < 0 ? 0 : 1))
  const left = active.filter((pod) => !wrong.includes(pod))
  const most = wrong.length < active.length - wanted ? wanted : left.length
  return [...wrong, ...surplusOf(left, most)]
}

/** Pods that hold their place until they have ended. */
const leavingOf = ({ job, pods }: Tally): ApiObject[] =>
  replacesOnlyFailed(job) ? pods.filter((pod) => isTerminating(pod) && !hasFailed(job, pod)) : []

function missingIndexes(tally: Tally, count: number): number[] {
  const { active, completed, completions = 0, failedIndexes = [] } = tally
  const held = [...active, ...leavingOf(tally)]
    .map(indexOf)
    .filter((index): index is number => index !== undefined)
  const taken = uniteIndexes(uniteIndexes(completed, failedIndexes), indexesOf(held))
  return firstIndexesBeside(taken, count, completions)
}

/** When a number whose last pod failed may have another one. */
function indexRetryAt({ replaceable }: Tally, index: number): number {
  const last = replaceable.get(index)
  if (last === undefined) return 0
  const failures = failuresBefore(last) + failuresBefore(last, INDEX_IGNORED) + 1
  return retryAt({ failures, lastMs: endOf(last) })
}

async function addPod(core: ClusterCore, job: ApiObject): Promise<void> {
  const template = recordAt(recordAt(job, 'spec'), 'template')
  const { name = '' } = job.metadata
  await createPod(core, job, template, {
    generateName: `${name}-`,
    finalizers: [TRACKING_FINALIZER],
  })
}

async function addNumberedPod(core: ClusterCore, tally: Tally, index: number): Promise<void> {
  const { job } = tally
  const { name = '' } = job.metadata
  const template = recordAt(recordAt(job, 'spec'), 'template')
  const spec = structuredClone(recordAt(template, 'spec'))
  for (const container of containersOf(spec)) tellIndex(container)
  const mark = { [INDEX]: String(index) }
  const suffix = `-${index}-`
  await createPod(
    core,
    job,
    { ...template, spec: { ...spec, hostname: `${name}-${index}` } },
    {
      generateName: `${name.slice(0, GENERATED_NAME_MAX - suffix.length)}${suffix}`,
      finalizers: [TRACKING_FINALIZER],
      annotations: { ...mark, ...failureMarks(tally, index) },
      labels: mark,
    },
  )
}

/** Gives a container the number of its pod, where its template does not say another. In place. */
function tellIndex(container: JsonRecord): void {
  const name = 'JOB_COMPLETION_INDEX'
  const known = listAt(container, 'env')
  if (known.some((variable) => stringAt(variable, 'name') === name)) return
  const fieldRef = { fieldPath: `metadata.labels['${INDEX}']` }
  container['env'] = [...known, { name, valueFrom: { fieldRef } }]
}

/** How often a number has failed by now, which its next pod remembers. */
function failureMarks(tally: Tally, index: number): JsonRecord {
  if (tally.failedIndexes === undefined) return {}
  const last = tally.replaceable.get(index)
  if (last === undefined) return { [INDEX_FAILURES]: '0' }
  const isIgnored = judgeFailure(tally.job, last).action === 'Ignore'
  const ignored = failuresBefore(last, INDEX_IGNORED) + (isIgnored ? 1 : 0)
  return {
    [INDEX_FAILURES]: String(failuresBefore(last) + (isIgnored ? 0 : 1)),
    ...(ignored > 0 && { [INDEX_IGNORED]: String(ignored) }),
  }
}
