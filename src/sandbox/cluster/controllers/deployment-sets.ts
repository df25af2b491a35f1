/** What a deployment's replica sets say, for its roll-out and its status. */
import { omit, recordAt, type ApiObject, type JsonRecord } from '../objects.ts'
import { resolveCount } from '../types/workloads.ts'

export const HASH_LABEL = 'pod-template-hash'

/** A pod template without the label that tells replica sets apart. */
export function templateOf(object: ApiObject): JsonRecord {
  const template = recordAt(recordAt(object, 'spec'), 'template')
  const metadata = recordAt(template, 'metadata')
  const labels = omit(recordAt(metadata, 'labels'), HASH_LABEL)
  return { ...template, metadata: { ...metadata, labels } }
}

export const replicasOf = (object: ApiObject): number =>
  Number(recordAt(object, 'spec')['replicas'] ?? 1)

export const statusCount = (set: ApiObject, field: string): number =>
  Number(recordAt(set, 'status')[field] ?? 0)

export const availableOf = (set: ApiObject): number => statusCount(set, 'availableReplicas')

export const sum = (sets: readonly ApiObject[], count: (set: ApiObject) => number): number =>
  sets.reduce((total, set) => total + count(set), 0)

/** Percentages round up for the surge and down for the unavailable; one of them is at least 1. */
export function limitsOf(
  strategy: JsonRecord,
  wanted: number,
): { readonly surge: number; readonly unavailable: number } {
  if (strategy['type'] === 'Recreate') return { surge: 0, unavailable: 0 }
  const rolling = recordAt(strategy, 'rollingUpdate')
  const surge = resolveCount(rolling['maxSurge'] ?? '25%', wanted, Math.ceil)
  const unavailable = resolveCount(rolling['maxUnavailable'] ?? '25%', wanted, Math.floor)
  return {
    surge,
    unavailable: surge === 0 && unavailable === 0 ? 1 : Math.min(unavailable, wanted),
  }
}
