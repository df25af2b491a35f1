/** AWS's records as they were at one moment, for tests that want them back. */
import { PodroleError } from '../lib/errors.ts'
import type { Change, State } from './state.ts'

/** Records of AWS alone: what is in clusters is not among them. Holds secret keys. */
export interface Snapshot {
  readonly records: readonly Change[]
}

const CLUSTERS = 'eks.clusters'
/** Whoever has a key goes on with it, as far as its user or role is there. */
const KEYS = 'sts.keys'

const isOfAws = (table: string): boolean => !/^(?:cluster(?:-[a-z]+)?\/|sandbox\.)/.test(table)

export const takeSnapshot = (state: State): Snapshot => ({
  records: [...state.records()].filter(({ table }) => isOfAws(table)),
})

/**
 * Puts AWS's records back; access keys that were given out since stay.
 * @throws PodroleError `ClustersDiffer` where EKS has made or deleted a cluster since
 */
export function restoreSnapshot(state: State, { records }: Snapshot): void {
  const now = [...state.records()].filter(({ table }) => isOfAws(table))
  const [then, present] = [clustersOf(records), clustersOf(now)]
  if (then !== present) {
    throw new PodroleError(
      'ClustersDiffer',
      `the snapshot has the clusters ${then}, the sandbox has ${present}: wanted the same ones`,
      { hint: 'delete clusters that were made since, or take the snapshot after they are made' },
    )
  }
  const wanted = new Set(records.map(placeOf))
  for (const record of now) {
    if (record.table === KEYS || wanted.has(placeOf(record))) continue
    state.table(record.table).delete(record.key)
  }
  for (const { table, key, value } of records) {
    const rows = state.table(table)
    if (rows.get(key) !== value) rows.set(key, value)
  }
}

const clustersOf = (records: readonly Change[]): string =>
  JSON.stringify(
    records
      .filter(({ table }) => table === CLUSTERS)
      .map(({ key }) => key)
      .toSorted(),
  )

const placeOf = ({ table, key }: Change): string => JSON.stringify([table, key])
