import { listAt, stringAt, type ApiObject } from '../objects.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { asPod } from '../types/pods.ts'

const COST = 'controller.kubernetes.io/pod-deletion-cost'
const PHASES = ['Pending', 'Unknown', 'Running']

/**
 * What tells which pod ends first, the first difference deciding: without a node, not begun, not
 * ready, cheap to delete, ready for the shortest time, restarted most often, young.
 */
function claimOf(pod: ApiObject): readonly number[] {
  const { spec, status, metadata } = asPod(pod)
  const ready = listAt(pod['status'], 'conditions').find(
    (condition) => stringAt(condition, 'type') === 'Ready',
  )
  const restarts = (status?.containerStatuses ?? []).map(({ restartCount }) => restartCount)
  const readyAt = Date.parse(stringAt(ready, 'lastTransitionTime'))
  return [
    spec.nodeName === undefined ? 0 : 1,
    PHASES.indexOf(status?.phase ?? 'Pending'),
    isPodReady(pod) ? 1 : 0,
    Number.parseInt(metadata.annotations?.[COST] ?? '0', 10) || 0,
    isPodReady(pod) && !Number.isNaN(readyAt) ? -readyAt : 0,
    -Math.max(0, ...restarts),
    -Date.parse(metadata.creationTimestamp ?? ''),
    -Number(metadata.resourceVersion),
  ]
}

/** The pods that are too many, those first that do the least. */
export function surplusOf(pods: readonly ApiObject[], wanted: number): ApiObject[] {
  const claims = new Map(pods.map((pod) => [pod, claimOf(pod)]))
  const compare = (left: ApiObject, right: ApiObject): number => {
    const [own = [], other = []] = [claims.get(left), claims.get(right)]
    const at = own.findIndex((claim, index) => claim !== other[index])
    return at < 0 ? 0 : (own[at] ?? 0) - (other[at] ?? 0)
  }
  return pods.toSorted(compare).slice(0, Math.max(0, pods.length - wanted))
}
