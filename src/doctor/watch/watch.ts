import { setTimeout as sleep } from 'node:timers/promises'
import { faultFields, type Log } from '../../lib/log.ts'
import { secondsSince } from '../../lib/metrics/measured.ts'
import { type Diagnosis, diagnose } from '../checks/diagnose.ts'
import type { DoctorFacts } from '../facts/doctor-facts.ts'
import { identityState } from './identity-state.ts'
import type { DoctorMetrics } from './metrics.ts'

export interface WatchOptions {
  readonly gather: () => Promise<DoctorFacts>
  readonly metrics: DoctorMetrics
  readonly log: Log
  /** Milliseconds from the beginning of a look to that of the next. */
  readonly intervalMs: number
  readonly signal: AbortSignal
}

/**
 * Looks again and again, one look at a time: one that takes longer than the interval is followed
 * by the next at once. What came and what went since the look before is logged.
 */
export async function watchDoctor(options: WatchOptions): Promise<void> {
  const { intervalMs, signal } = options
  let before: Diagnosis | undefined
  while (!signal.aborted) {
    const since = performance.now()
    before = (await look(options, before)) ?? before
    const leftMs = intervalMs - (performance.now() - since)
    if (leftMs > 0) await sleep(leftMs, undefined, { signal }).catch(() => undefined)
  }
}

async function look(
  { gather, log, metrics }: WatchOptions,
  before: Diagnosis | undefined,
): Promise<Diagnosis | undefined> {
  const since = performance.now()
  try {
    const facts = await gather()
    const diagnosis = diagnose(facts)
    const states = facts.clusters.map((cluster) => identityState(cluster, facts))
    metrics.looked({ atMs: facts.nowMs, diagnosis, states }, secondsSince(since))
    tell(log, before, diagnosis)
    return diagnosis
  } catch (error) {
    metrics.failed(secondsSince(since))
    log.warn('the look failed', faultFields(error))
    return undefined
  }
}

function tell(log: Log, before: Diagnosis | undefined, now: Diagnosis): void {
  const keysOf = (diagnosis: Diagnosis | undefined): ReadonlySet<string> =>
    new Set((diagnosis?.findings ?? []).map(({ id, subject }) => `${id} ${subject}`))
  const [had, has] = [keysOf(before), keysOf(now)]
  for (const { id, severity, subject, what } of now.findings) {
    if (!had.has(`${id} ${subject}`)) log.warn('found', { id, severity, subject, what })
  }
  for (const { id, subject } of before?.findings ?? []) {
    if (!has.has(`${id} ${subject}`)) log.info('gone', { id, subject })
  }
}
