/** Makes a running sandbox what a snapshot says it was. */
import type { Aws } from './aws/aws.ts'
import type { ClusterRestore } from './cluster/restoring.ts'
import { isTableOf } from './kept.ts'
import type { RunningClusters } from './running-clusters.ts'
import {
  clustersOf,
  objectsOf,
  revisionPast,
  tableChanges,
  tableRows,
  takeSnapshot,
} from './snapshot.ts'
import type { Change, State } from './state.ts'

export interface RestoreSurroundings {
  readonly state: State
  readonly aws: Pick<Aws, 'restored'>
  readonly clusters: RunningClusters
}

/**
 * Brings everything back. Clusters that were made since end, those that were deleted since are made
 * again with their issuer, keys and objects: to refuse would leave a test suite that makes clusters
 * without a way back. All records are written at once, so that whoever is killed here comes back
 * with what was or with what is wanted, whole.
 * @throws what ending or starting a cluster throws; the records are what they were when it starts
 */
export async function restoreState(
  { state, aws, clusters }: RestoreSurroundings,
  records: readonly Change[],
): Promise<void> {
  const then = tableRows(records)
  const wanted = clustersOf(then)
  await clusters.endOthers(wanted)
  // Nothing else runs from here until the records are written: what is read is what is there.
  const now = tableRows(takeSnapshot(state))
  const running = [...clusters.running.values()]
  const plans = running.flatMap(({ name, cluster, nodes }): ClusterRestore[] => {
    const liveNodes = new Set(nodes.map((node) => node.name))
    const at = { now: objectsOf(now, name), liveNodes }
    const plan = cluster.planRestore?.(objectsOf(then, name), at)
    return plan === undefined ? [] : [plan]
  })
  const isRunning = (table: string): boolean => running.some(({ name }) => isTableOf(name, table))
  const ended = wanted.filter(({ name }) => !clusters.running.has(name))
  state.write([
    ...tableChanges(then, now, isRunning),
    ...plans.flatMap(({ changes }) => changes),
    ...ended.map(({ name }) => revisionPast(then, name)),
  ])
  for (const plan of plans) plan.tell()
  aws.restored()
  await clusters.reattach()
  for (const cluster of ended) await clusters.launch(cluster)
}
