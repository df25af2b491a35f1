/** How EKS's records come to be and pass away: with the clock, looked at when they are read. */
import type { Table } from '../../state.ts'
import type { Lifecycle } from './records.ts'

/** How long EKS works at a creation, an update or a deletion; minutes on AWS. */
export const TRANSITION_MS = 1000

export type LifecycleStatus = 'CREATING' | 'ACTIVE' | 'UPDATING' | 'DELETING'

export function statusOf(record: Lifecycle, nowMs: number): LifecycleStatus {
  if (record.goneAtMs !== undefined) return 'DELETING'
  if (nowMs < record.readyAtMs) return 'CREATING'
  return record.updatedAtMs !== undefined && nowMs < record.updatedAtMs ? 'UPDATING' : 'ACTIVE'
}

export const startLifecycle = (nowMs: number): Lifecycle => ({
  createdAtMs: nowMs,
  modifiedAtMs: nowMs,
  readyAtMs: nowMs + TRANSITION_MS,
})

export const isGone = (record: Lifecycle, nowMs: number): boolean =>
  record.goneAtMs !== undefined && nowMs >= record.goneAtMs

/** The record, unless its deletion has come to its end: then its row goes too. */
export function liveRecord<T extends Lifecycle>(
  table: Table<T>,
  key: string,
  nowMs: number,
): T | undefined {
  const record = table.get(key)
  if (record === undefined || !isGone(record, nowMs)) return record
  table.delete(key)
  return undefined
}

/** All of a cluster's records that are not gone. */
export function liveRecords<T extends Lifecycle & { readonly cluster: string }>(
  table: Table<T>,
  cluster: string,
  nowMs: number,
): readonly T[] {
  return [...table.values()].filter(
    (record) => record.cluster === cluster && !isGone(record, nowMs),
  )
}
