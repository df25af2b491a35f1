/** How a job ends. */
import { countIndexes } from '../job-indexes.ts'
import { listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'
import { hasFailed, type Tally } from './job-accounts.ts'
import { judgeFailure, matchSuccess } from './job-policies.ts'

export interface Verdict {
  readonly outcome: 'success' | 'failure'
  readonly reason: string
  readonly message: string
}

const failure = (reason: string, message: string): Verdict => ({
  outcome: 'failure',
  reason,
  message,
})

/** What a job ends with when it has as many successes as it wants. */
export const COMPLETED: Verdict = {
  outcome: 'success',
  reason: 'CompletionsReached',
  message: 'Reached expected number of succeeded pods',
}

/** Whether a job is done that has so many active pods left. */
export const isDone = ({ completions, succeeded }: Tally, active: number): boolean =>
  active === 0 && (completions === undefined ? succeeded > 0 : succeeded >= completions)

/**
 * Why a job has to end though pods of it may run; undefined while it goes on. What its status says
 * already holds. `startMs` is when it began; undefined while it is suspended.
 */
export function verdictOf(tally: Tally, nowMs: number, startMs?: number): Verdict | undefined {
  const { job, spec, pods } = tally
  const known = knownVerdict(job)
  if (known !== undefined) return known
  const limit = Number(spec['backoffLimit'] ?? 6)
  const seconds = spec['activeDeadlineSeconds']
  for (const pod of pods.filter((one) => hasFailed(job, one))) {
    const { message } = judgeFailure(job, pod)
    if (message !== undefined) return failure('PodFailurePolicy', message)
  }
  if (tally.failed > limit || hasRestartedTooOften(tally, limit)) {
    return failure('BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  }
  if (typeof seconds === 'number' && startMs !== undefined && nowMs >= startMs + seconds * 1000) {
    return failure('DeadlineExceeded', 'Job was active longer than specified deadline')
  }
  return verdictOfIndexes(tally)
}

function verdictOfIndexes(tally: Tally): Verdict | undefined {
  const { spec, completed, completions = 0, failedIndexes = [], isIndexed } = tally
  if (!isIndexed) return undefined
  const failed = countIndexes(failedIndexes)
  const most = spec['maxFailedIndexes']
  if (typeof most === 'number' && failed > most) {
    const says = 'Job has exceeded the specified maximal number of failed indexes'
    return failure('MaxFailedIndexesExceeded', says)
  }
  if (failed > 0 && failed + countIndexes(completed) >= completions) {
    return failure('FailedIndexes', 'Job has failed indexes')
  }
  const message = matchSuccess(spec, completed)
  return message === undefined
    ? undefined
    : { outcome: 'success', reason: 'SuccessPolicy', message }
}

/** What was decided before and is waiting for pods to end. */
function knownVerdict(job: ApiObject): Verdict | undefined {
  for (const [type, outcome] of [
    ['SuccessCriteriaMet', 'success'],
    ['FailureTarget', 'failure'],
  ] as const) {
    const found = listAt(job['status'], 'conditions').find(
      (condition) =>
        stringAt(condition, 'type') === type && stringAt(condition, 'status') === 'True',
    )
    if (found === undefined) continue
    return { outcome, reason: stringAt(found, 'reason'), message: stringAt(found, 'message') }
  }
  return undefined
}

/** Where a pod restarts its containers itself, those count. */
function hasRestartedTooOften({ spec, pods }: Tally, limit: number): boolean {
  if (recordAt(recordAt(spec, 'template'), 'spec')['restartPolicy'] !== 'OnFailure') return false
  const restarts = pods
    .filter(({ status }) => ['Running', 'Pending'].includes(stringAt(status, 'phase')))
    .flatMap(({ status }) => [
      ...listAt(status, 'initContainerStatuses'),
      ...listAt(status, 'containerStatuses'),
    ])
    .reduce<number>((sum, one) => sum + Number(recordAt({ one }, 'one')['restartCount'] ?? 0), 0)
  return limit === 0 ? restarts > 0 : restarts >= limit
}
