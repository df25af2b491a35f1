/**
 * What a sandbox was at one moment: AWS's records, the clusters with their objects and keys. Its
 * own keys, ports and folders are not among them. Holds secret keys. Pure, but for reading the state.
 */
import { versionOf } from './cluster/object-store.ts'
import { type ApiObject, sameJson } from './cluster/objects.ts'
import type { Collections } from './cluster/restoring.ts'
import { CLUSTERS_TABLE, type KeptCluster } from './kept.ts'
import type { Change, State } from './state.ts'

/** The state's records by their tables. */
export type TableRows = ReadonlyMap<string, ReadonlyMap<string, unknown>>

/** Whoever has a key goes on with it, as far as its user or role is there. */
const KEYS_TABLE = 'sts.keys'
/** What a cluster's clients may have seen of it before it was deleted. */
const REVISION_GAP = 1_000_000

export function takeSnapshot(state: State): readonly Change[] {
  return [...state.records()].filter(
    ({ table }) => table === CLUSTERS_TABLE || !table.startsWith('sandbox.'),
  )
}

export function tableRows(records: Iterable<Change>): TableRows {
  const tables = new Map<string, Map<string, unknown>>()
  for (const { table, key, value } of records) {
    const rows = tables.get(table)
    if (rows === undefined) tables.set(table, new Map([[key, value]]))
    else rows.set(key, value)
  }
  return tables
}

/** The clusters of a snapshot, as they were started. */
export const clustersOf = (tables: TableRows): readonly KeptCluster[] => [
  ...((tables.get(CLUSTERS_TABLE)?.values() ?? []) as Iterable<KeptCluster>),
]

/** One cluster's objects. */
export function objectsOf(tables: TableRows, cluster: string): Collections {
  const prefix = `cluster/${cluster}/`
  return new Map(
    [...tables]
      .filter(([table]) => table.startsWith(prefix))
      .map(([table, rows]) => [table.slice(prefix.length), rows as ReadonlyMap<string, ApiObject>]),
  )
}

/** A cluster that is made again goes on past every resourceVersion that it may have had. */
export function revisionPast(tables: TableRows, cluster: string): Change {
  const table = `cluster-revision/${cluster}`
  let revision = Number(tables.get(table)?.get('revision') ?? 0)
  for (const rows of objectsOf(tables, cluster).values()) {
    for (const object of rows.values()) revision = Math.max(revision, versionOf(object))
  }
  return { table, key: 'revision', value: revision + REVISION_GAP }
}

/**
 * The writes that make tables what they were; access keys that were given out since stay.
 * @param isLeft tables that somebody else brings back
 */
export function tableChanges(
  then: TableRows,
  now: TableRows,
  isLeft: (table: string) => boolean,
): Change[] {
  const changes: Change[] = []
  for (const [table, rows] of now) {
    if (isLeft(table) || table === KEYS_TABLE) continue
    for (const key of rows.keys()) {
      if (then.get(table)?.has(key) !== true) changes.push({ table, key, value: undefined })
    }
  }
  for (const [table, rows] of then) {
    if (isLeft(table)) continue
    const here = now.get(table)
    for (const [key, value] of rows) {
      const present = here?.get(key)
      if (present !== value && !sameJson(present, value)) changes.push({ table, key, value })
    }
  }
  return changes
}
