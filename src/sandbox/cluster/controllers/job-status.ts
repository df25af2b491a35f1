/** What a job's status says. */
import type { ClusterCore } from '../core.ts'
import { formatIndexes } from '../job-indexes.ts'
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
import { JOBS } from '../types/batch.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { isTerminating, releasePods, settle, type Tally, type Uncounted } from './job-accounts.ts'
import type { Verdict } from './job-verdict.ts'
import { type ConditionWords, isActive, tell, writeStatus } from './owned-pods.ts'

/** What was decided of a job. */
export interface Outcome {
  readonly verdict: Verdict | undefined
  readonly startMs: number | undefined
  /** The job has just been suspended or resumed. */
  readonly suspension: ConditionWords | undefined
}

const hasUncounted = ({ succeeded, failed }: Uncounted): boolean =>
  succeeded.length + failed.length > 0

/**
 * Writes down how a job stands. Ends are named in the status before their pods are let go of, and
 * so is how the job will end: pods are what that is decided from. Numbers of pods and the last word
 * follow then, so that each end counts once though the controller stops in between.
 */
export async function record(
  core: ClusterCore,
  tally: Tally,
  outcome: Outcome,
  podsOf: () => readonly ApiObject[],
): Promise<void> {
  const { job } = tally
  const { verdict } = outcome
  const { released, uncounted } = settle(tally, verdict?.outcome)
  const before = recordAt(job, 'status')
  const conditions = conditionsOf(core, job, outcome)
  const write = (more: JsonRecord): Promise<void> =>
    writeStatus(core, JOBS, job, {
      ...omit(before, 'startTime', 'completedIndexes', 'failedIndexes'),
      conditions,
      ...(outcome.startMs !== undefined && { startTime: formatTime(outcome.startMs) }),
      ...countsOf(podsOf()),
      ...indexesOfStatus(tally),
      ...more,
    })
  if (released.length > 0 || hasUncounted(uncounted)) {
    await write({ uncountedTerminatedPods: uncounted })
    await releasePods(core, released)
  }
  const succeeded = Number(before['succeeded'] ?? 0) + uncounted.succeeded.length
  const counts = {
    succeeded: tally.isIndexed ? tally.succeeded : succeeded,
    failed: Number(before['failed'] ?? 0) + uncounted.failed.length,
    uncountedTerminatedPods: {},
  }
  const isOver = !podsOf().some((pod) => isActive(pod) || isTerminating(pod))
  if (verdict === undefined || !isOver) return write(counts)
  await write({ ...counts, ...lastWord(core, conditions, verdict) })
  await tellEnd(core, tally, verdict)
}

const countsOf = (pods: readonly ApiObject[]): JsonRecord => {
  const active = pods.filter(isActive)
  return {
    active: active.length,
    ready: active.filter(isPodReady).length,
    terminating: pods.filter(isTerminating).length,
  }
}

function indexesOfStatus({ isIndexed, completed, failedIndexes, succeeded }: Tally): JsonRecord {
  if (!isIndexed) return {}
  return {
    succeeded,
    completedIndexes: formatIndexes(completed),
    ...(failedIndexes !== undefined && { failedIndexes: formatIndexes(failedIndexes) }),
  }
}

function conditionsOf(
  core: ClusterCore,
  job: ApiObject,
  { verdict, suspension }: Outcome,
): JsonRecord[] {
  const known = listAt(job['status'], 'conditions').filter(isRecord)
  const words = suspension === undefined ? [] : [suspension]
  if (verdict !== undefined) {
    const type = verdict.outcome === 'success' ? 'SuccessCriteriaMet' : 'FailureTarget'
    words.push(wordsOf(type, verdict))
  }
  return words.reduce((conditions, one) => withJobCondition(core, conditions, one), known)
}

const wordsOf = (type: string, { reason, message }: Verdict): ConditionWords => ({
  type,
  status: 'True',
  reason,
  message,
})

function lastWord(
  core: ClusterCore,
  conditions: readonly JsonRecord[],
  verdict: Verdict,
): JsonRecord {
  const isSuccess = verdict.outcome === 'success'
  const words = wordsOf(isSuccess ? 'Complete' : 'Failed', verdict)
  return {
    conditions: withJobCondition(core, conditions, words),
    ...(isSuccess && { completionTime: formatTime(core.clock.now()) }),
  }
}

/** Conditions with one set, in its place; its times are those of its last change. */
function withJobCondition(
  core: ClusterCore,
  conditions: readonly JsonRecord[],
  words: ConditionWords,
): JsonRecord[] {
  const now = formatTime(core.clock.now())
  const next = { ...words, lastProbeTime: now, lastTransitionTime: now }
  const at = conditions.findIndex((condition) => stringAt(condition, 'type') === words.type)
  if (at < 0) return [...conditions, next]
  const isSame = (['status', 'reason', 'message'] as const).every(
    (field) => stringAt(conditions[at], field) === words[field],
  )
  return isSame ? [...conditions] : conditions.with(at, next)
}

async function tellEnd(core: ClusterCore, tally: Tally, verdict: Verdict): Promise<void> {
  const { job, completions, succeeded } = tally
  if (verdict.outcome === 'failure') {
    return tell(core, job, 'Warning', [verdict.reason, verdict.message])
  }
  if (completions !== undefined && succeeded > completions) {
    const says = 'Too many succeeded pods running after completion count reached'
    await tell(core, job, 'Warning', ['TooManySucceededPods', says])
  }
  await tell(core, job, 'Normal', ['Completed', 'Job completed'])
}
