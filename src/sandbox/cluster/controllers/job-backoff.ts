/** How long a job waits before it makes another pod in place of one that failed. */
import { isRecord, listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'

const FIRST_MS = 10_000
const MAX_MS = 600_000

/** Failures one after the other, and when the last of them was. */
export interface Backoff {
  readonly failures: number
  readonly lastMs: number
}

export const NO_BACKOFF: Backoff = { failures: 0, lastMs: 0 }

/** Each failure since the last success doubles the pause. */
export function nextBackoff(
  before: Backoff,
  ended: { readonly succeeded: readonly ApiObject[]; readonly failed: readonly ApiObject[] },
): Backoff {
  const lastSuccess = Math.max(...ended.succeeded.map(endOf))
  const base = ended.succeeded.length > 0 ? NO_BACKOFF : before
  const failures = ended.failed.map(endOf).filter((at) => at > lastSuccess)
  return {
    failures: base.failures + failures.length,
    lastMs: failures.length > 0 ? Math.max(...failures) : base.lastMs,
  }
}

/** When another pod may be made. */
export const retryAt = ({ failures, lastMs }: Backoff): number =>
  failures === 0 ? 0 : lastMs + Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10))

/**
 * When a pod ended: its last container, or when it stopped being ready, or when it was deleted, or
 * else when it was made.
 */
export function endOf(pod: ApiObject): number {
  const ready = listAt(pod['status'], 'conditions').find(
    (condition) =>
      stringAt(condition, 'type') === 'Ready' && stringAt(condition, 'status') === 'False',
  )
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, creationTimestamp } = pod.metadata
  const times = [
    lastContainerEnd(pod),
    Date.parse(stringAt(ready, 'lastTransitionTime')),
    Date.parse(deletionTimestamp ?? '') - deletionGracePeriodSeconds * 1000,
    Date.parse(creationTimestamp ?? ''),
  ]
  return times.find((time) => !Number.isNaN(time)) ?? 0
}

/** NaN while one of the containers runs; sidecars end after the others. */
function lastContainerEnd(pod: ApiObject): number {
  const sidecars = listAt(pod['spec'], 'initContainers')
    .filter((container) => stringAt(container, 'restartPolicy') === 'Always')
    .map((container) => stringAt(container, 'name'))
  const statuses = [
    ...listAt(pod['status'], 'containerStatuses'),
    ...listAt(pod['status'], 'initContainerStatuses').filter((status) =>
      sidecars.includes(stringAt(status, 'name')),
    ),
  ].filter(isRecord)
  const ends = statuses.map((status) =>
    Date.parse(stringAt(recordAt(status['state'], 'terminated'), 'finishedAt')),
  )
  return ends.length === 0 ? Number.NaN : Math.max(...ends)
}
