import { bindPod } from '../binding.ts'
import { type ClusterCore, systemOperation } from '../core.ts'
import { keyOf } from '../object-store.ts'
import { isSelectedBy, isTolerated, taintsOf } from '../node-fit.ts'
import { formatTime, listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'
import { nodeReadiness, NODES } from '../types/core.ts'
import { asPod, PODS } from '../types/pods.ts'
import { updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import { recordEvent } from './events.ts'
import { splitKey, type Controller } from './work-queue.ts'

const OPERATION = systemOperation(systemUser('kube-scheduler'))
const COMPONENT = 'default-scheduler'

/** Why a node cannot take a pod; undefined where it can. */
export function refusalOf(node: ApiObject, pod: ApiObject): string | undefined {
  if (!isSelectedBy(node, pod['spec'])) return "node(s) didn't match Pod's node affinity/selector"
  const tolerations = listAt(pod['spec'], 'tolerations')
  const untolerated = taintsOf(node).find(
    (taint) => stringAt(taint, 'effect') !== 'PreferNoSchedule' && !isTolerated(taint, tolerations),
  )
  switch (untolerated && stringAt(untolerated, 'key')) {
    case undefined:
      return undefined
    case 'node.kubernetes.io/not-ready':
      return 'node(s) were not ready'
    case 'node.kubernetes.io/unschedulable':
      return 'node(s) were unschedulable'
    default:
      return 'node(s) had untolerated taint(s)'
  }
}

const isPending = (pod: ApiObject): boolean => {
  const { spec, metadata } = asPod(pod)
  return (
    spec.nodeName === undefined &&
    metadata.deletionTimestamp === undefined &&
    stringAt(pod['spec'], 'schedulerName') === COMPONENT
  )
}

const podKey = ({ metadata }: ApiObject): string => keyOf(metadata.namespace, metadata.name ?? '')

/** Binds each pod without a node to the first Ready node that can take it. */
export const scheduler: Controller = {
  name: 'scheduler',
  keysOf: (core, { resource, type, object, previous }) => {
    if (resource === PODS) return type === 'ADDED' && isPending(object) ? [podKey(object)] : []
    if (resource !== NODES || type === 'DELETED') return []
    const isSame =
      previous !== undefined &&
      nodeReadiness(previous) === nodeReadiness(object) &&
      Bun.deepEquals(previous['spec'], object['spec']) &&
      Bun.deepEquals(previous.metadata.labels, object.metadata.labels)
    return isSame ? [] : core.store.list(PODS).filter(isPending).map(podKey)
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const pod = core.store.get(PODS, namespace, name)
    if (pod === undefined || !isPending(pod)) return
    const nodes = core.store.list(NODES)
    const chosen = nodes.find((node) => refusalOf(node, pod) === undefined)
    if (chosen === undefined) return reportFailure(core, pod, nodes)
    const target = { kind: 'Node', name: chosen.metadata.name ?? '' }
    await bindPod(core, { namespace, name }, { target }, OPERATION)
    await recordEvent(core, pod, {
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${key} to ${target.name}`,
      component: COMPONENT,
    })
  },
}

async function reportFailure(
  core: ClusterCore,
  pod: ApiObject,
  nodes: readonly ApiObject[],
): Promise<void> {
  const counts = new Map<string, number>()
  for (const node of nodes) {
    const why = refusalOf(node, pod) ?? ''
    counts.set(why, (counts.get(why) ?? 0) + 1)
  }
  const reasons = [...counts].map(([why, count]) => `${count} ${why}`).join(', ')
  const message =
    nodes.length === 0
      ? 'no nodes available to schedule pods'
      : `0/${nodes.length} nodes are available: ${reasons}.`
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason: 'Unschedulable',
    message,
    lastTransitionTime: formatTime(core.clock.now()),
  }
  const { name = '', namespace = '' } = pod.metadata
  const change = (stored: ApiObject): ApiObject => {
    const status = recordAt(stored, 'status')
    const others = listAt(status, 'conditions').filter(
      (known) => stringAt(known, 'type') !== condition.type,
    )
    return { ...stored, status: { ...status, conditions: [...others, condition] } }
  }
  await updateObject(
    core,
    { type: PODS, namespace, name, subresource: 'status' },
    change,
    OPERATION,
  )
  await recordEvent(core, pod, {
    type: 'Warning',
    reason: 'FailedScheduling',
    message,
    component: COMPONENT,
  })
}
