import type { ClusterCore } from '../core.ts'
import { isSelectedBy, isTolerated, taintsOf } from '../node-fit.ts'
import {
  isRecord,
  listAt,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { NODES } from '../types/core.ts'
import { CONTROLLER_REVISIONS, DAEMON_SETS } from '../types/daemon-sets.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { asPod, PODS } from '../types/pods.ts'
import { resolveCount } from '../types/workloads.ts'
import {
  claimPods,
  createPod,
  deletePod,
  isActive,
  isAvailable,
  nextAvailability,
  ownerKeys,
  ownKey,
  claimKeys,
  tell,
  writeStatus,
} from './owned-pods.ts'
import { currentRevision, hashOfRevision, pruneRevisions, REVISION_LABEL } from './revisions.ts'
import { splitKey, type Controller } from './work-queue.ts'

/** What every daemon's pod tolerates (pkg/controller/daemon/util `AddOrUpdateDaemonPodTolerations`). */
const TOLERATIONS: readonly (readonly [string, string])[] = [
  ['not-ready', 'NoExecute'],
  ['unreachable', 'NoExecute'],
  ['disk-pressure', 'NoSchedule'],
  ['memory-pressure', 'NoSchedule'],
  ['pid-pressure', 'NoSchedule'],
  ['unschedulable', 'NoSchedule'],
]

/** Keeps one pod of each daemon set on every node that fits, and rolls new templates out. */
export const daemonSets: Controller = {
  name: 'daemon-sets',
  keysOf: (core, { resource, object, previous, type }) => {
    if (resource === PODS) return claimKeys(core, DAEMON_SETS, object)
    if (resource === CONTROLLER_REVISIONS) {
      return type === 'DELETED' ? ownerKeys(object, 'DaemonSet') : []
    }
    if (resource === DAEMON_SETS) return [ownKey(object)]
    if (resource !== NODES || (previous !== undefined && isSameNode(previous, object))) return []
    return core.store.list(DAEMON_SETS).map(ownKey)
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const set = core.store.get(DAEMON_SETS, namespace, name)
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return undefined
    const hash = hashOfRevision(await currentRevision(core, set))
    const places = placesOf(core, set, await claimPods(core, set))
    await placePods(core, set, places, hash)
    await rollOut(core, set, placesOf(core, set, await claimPods(core, set)), hash)
    const after = placesOf(core, set, await claimPods(core, set))
    await reportStatus(core, set, after, hash)
    const pods = after.flatMap((place) => place.pods)
    const used = new Set(pods.map((pod) => pod.metadata.labels?.[REVISION_LABEL]))
    used.add(hash)
    await pruneRevisions(core, set, (revision) => used.has(hashOfRevision(revision)))
    return nextAvailability(core, pods, minReadyOf(set))
  },
}

const isSameNode = (left: ApiObject, right: ApiObject): boolean =>
  Bun.deepEquals(taintsOf(left), taintsOf(right)) &&
  Bun.deepEquals(left.metadata.labels, right.metadata.labels)

const minReadyOf = (set: ApiObject): number => Number(recordAt(set, 'spec')['minReadySeconds'] ?? 0)

/** A node that a daemon set's pods are on, or should be. */
interface Place {
  readonly node: string
  /** False where a pod may stay but none is made, or must go. */
  readonly wants: boolean
  readonly keeps: boolean
  readonly pods: readonly ApiObject[]
}

function placesOf(core: ClusterCore, set: ApiObject, pods: readonly ApiObject[]): Place[] {
  const spec = podSpecOf(set, '')
  const byNode = Map.groupBy(pods, nodeOf)
  const places = core.store.list(NODES).map((node): Place => {
    const name = node.metadata.name ?? ''
    const untolerated = taintsOf(node).filter(
      (taint) => !isTolerated(taint, listAt(spec, 'tolerations')),
    )
    const effects = untolerated.map((taint) => stringAt(taint, 'effect'))
    const isSelected = isSelectedBy(node, templateSpecOf(set))
    const isFree = !effects.includes('NoSchedule') && !effects.includes('NoExecute')
    return {
      node: name,
      wants: isSelected && isFree,
      keeps: isSelected && !effects.includes('NoExecute'),
      pods: byNode.get(name) ?? [],
    }
  })
  const known = new Set(places.map(({ node }) => node))
  const lost = [...byNode].filter(([node]) => !known.has(node))
  return [
    ...places,
    ...lost.map(([node, own]) => ({ node, wants: false, keeps: false, pods: own })),
  ]
}

/** The node of a pod, or the one that its affinity names. */
function nodeOf(pod: ApiObject): string {
  const { nodeName } = asPod(pod).spec
  if (nodeName !== undefined) return nodeName
  const affinity = recordAt(recordAt(pod['spec'], 'affinity'), 'nodeAffinity')
  const required = recordAt(affinity, 'requiredDuringSchedulingIgnoredDuringExecution')
  for (const term of listAt(required, 'nodeSelectorTerms')) {
    for (const field of listAt(term, 'matchFields')) {
      if (stringAt(field, 'key') === 'metadata.name') return String(listAt(field, 'values')[0])
    }
  }
  return ''
}

const templateSpecOf = (set: ApiObject): JsonRecord =>
  recordAt(recordAt(recordAt(set, 'spec'), 'template'), 'spec')

/** The template's pod spec with what ties it to a node. */
function podSpecOf(set: ApiObject, node: string): JsonRecord {
  const spec = structuredClone(templateSpecOf(set))
  const tolerations = [
    ...TOLERATIONS,
    ...(spec['hostNetwork'] === true ? [['network-unavailable', 'NoSchedule'] as const] : []),
  ].map(([key, effect]) => ({ key: `node.kubernetes.io/${key}`, operator: 'Exists', effect }))
  const affinity = recordAt(spec, 'affinity')
  const nodeAffinity = recordAt(affinity, 'nodeAffinity')
  const field = 'requiredDuringSchedulingIgnoredDuringExecution'
  const terms = listAt(recordAt(nodeAffinity, field), 'nodeSelectorTerms').filter(isRecord)
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [node] }]
  const nodeSelectorTerms = (terms.length === 0 ? [{}] : terms).map((term) => ({
    ...term,
    matchFields,
  }))
  return {
    ...spec,
    tolerations: [...listAt(spec, 'tolerations'), ...tolerations],
    affinity: { ...affinity, nodeAffinity: { ...nodeAffinity, [field]: { nodeSelectorTerms } } },
  }
}

async function addPod(
  core: ClusterCore,
  set: ApiObject,
  node: string,
  hash: string,
): Promise<void> {
  const template = recordAt(recordAt(set, 'spec'), 'template')
  await createPod(
    core,
    set,
    { ...template, spec: podSpecOf(set, node) },
    {
      generateName: `${set.metadata.name}-`,
      labels: {
        [REVISION_LABEL]: hash,
        'pod-template-generation': String(set.metadata.generation),
      },
    },
  )
}

/** One pod where one is wanted, none where none may stay; failed ones are replaced. */
async function placePods(
  core: ClusterCore,
  set: ApiObject,
  places: readonly Place[],
  hash: string,
): Promise<void> {
  for (const { node, wants, keeps, pods } of places) {
    const ended = pods.filter((pod) => ['Failed', 'Succeeded'].includes(phaseOf(pod)))
    const running = pods.filter(isActive)
    if (!keeps) {
      for (const pod of pods) await deletePod(core, set, pod)
      continue
    }
    for (const pod of ended) {
      if (pod.metadata.deletionTimestamp !== undefined) continue
      const where = `daemon pod ${pod.metadata.namespace}/${pod.metadata.name} on node ${node}`
      await (phaseOf(pod) === 'Failed'
        ? tell(core, set, 'Warning', [
            'FailedDaemonPod',
            `Found failed ${where}, will try to kill it`,
          ])
        : tell(core, set, 'Normal', [
            'SucceededDaemonPod',
            `Found succeeded ${where}, will try to delete it`,
          ]))
      await deletePod(core, set, pod)
    }
    const isLeaving = pods.some(({ metadata }) => metadata.deletionTimestamp !== undefined)
    if (wants && running.length === 0 && !isLeaving && ended.length === 0) {
      await addPod(core, set, node, hash)
    }
    // A surge leaves one pod of each template; of two of the same, the younger goes.
    const oldest = Map.groupBy(running, (pod) => pod.metadata.labels?.[REVISION_LABEL])
    for (const same of oldest.values()) {
      for (const pod of same.toSorted(byAge).slice(1)) await deletePod(core, set, pod)
    }
  }
}

const phaseOf = (pod: ApiObject): string => stringAt(pod['status'], 'phase')
const byAge = (left: ApiObject, right: ApiObject): number =>
  Date.parse(left.metadata.creationTimestamp ?? '') -
  Date.parse(right.metadata.creationTimestamp ?? '')

async function rollOut(
  core: ClusterCore,
  set: ApiObject,
  places: readonly Place[],
  hash: string,
): Promise<void> {
  const strategy = recordAt(recordAt(set, 'spec'), 'updateStrategy')
  if (strategy['type'] !== 'RollingUpdate') return
  const wanted = places.filter(({ wants }) => wants)
  const { maxUnavailable, maxSurge } = recordAt(strategy, 'rollingUpdate')
  const unavailable = resolveCount(maxUnavailable ?? 1, wanted.length, Math.ceil)
  let surge = resolveCount(maxSurge ?? 0, wanted.length, Math.ceil)
  const isNew = (pod: ApiObject): boolean => pod.metadata.labels?.[REVISION_LABEL] === hash
  const serves = (pod: ApiObject): boolean =>
    isActive(pod) && isAvailable(core, pod, minReadyOf(set))
  let spare = unavailable - wanted.filter(({ pods }) => !pods.some(serves)).length
  surge -= wanted.filter(({ pods }) => pods.some(isNew) && pods.some((pod) => !isNew(pod))).length
  for (const { node, pods } of wanted) {
    const old = pods.filter((pod) => isActive(pod) && !isNew(pod))
    const [first] = old
    if (first === undefined) continue
    const replacement = pods.find((pod) => isActive(pod) && isNew(pod))
    if (replacement !== undefined) {
      if (serves(replacement)) for (const pod of old) await deletePod(core, set, pod)
    } else if (maxSurge !== undefined && resolveCount(maxSurge, wanted.length, Math.ceil) > 0) {
      if (serves(first) && surge <= 0) continue
      surge -= 1
      await addPod(core, set, node, hash)
    } else if (!old.some(serves) || spare > 0) {
      if (old.some(serves)) spare -= 1
      for (const pod of old) await deletePod(core, set, pod)
    }
  }
}

async function reportStatus(
  core: ClusterCore,
  set: ApiObject,
  places: readonly Place[],
  hash: string,
): Promise<void> {
  const wanted = places.filter(({ wants }) => wants)
  const oldestOf = ({ pods }: Place): ApiObject[] => pods.filter(isActive).toSorted(byAge)
  const count = (test: (pod: ApiObject) => boolean): number =>
    wanted.filter((place) => oldestOf(place).some(test)).length
  const available = count((pod) => isAvailable(core, pod, minReadyOf(set)))
  const updated = count((pod) => pod.metadata.labels?.[REVISION_LABEL] === hash)
  await writeStatus(core, DAEMON_SETS, set, {
    observedGeneration: set.metadata.generation,
    desiredNumberScheduled: wanted.length,
    currentNumberScheduled: count(() => true),
    numberMisscheduled: places.filter((place) => !place.wants && oldestOf(place).length > 0).length,
    numberReady: count(isPodReady),
    updatedNumberScheduled: updated,
    numberAvailable: available,
    numberUnavailable: wanted.length - available,
  })
}
