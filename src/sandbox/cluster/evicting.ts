import { admit } from './admission.ts'
import { covers } from './controllers/disruption-budgets.ts'
import { withCondition } from './controllers/owned-pods.ts'
import type { ClusterCore, Operation } from './core.ts'
import { checkKind, decodeAs } from './decoding.ts'
import { deleteObject, readDeleteOptions, type DeleteOptions } from './deleting.ts'
import { ApiFault, badRequest, unnamedFault } from './faults.ts'
import {
  formatTime,
  isRecord,
  listAt,
  omit,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from './objects.ts'
import { METADATA } from './types/metadata.ts'
import { isPodReady } from './types/pod-columns.ts'
import { PODS } from './types/pods.ts'
import { POD_DISRUPTION_BUDGETS } from './types/policies.ts'
import { DELETE_OPTIONS } from './types/reviews.ts'
import { obj } from './schema.ts'
import { findObject } from './updating.ts'

const EVICTION = obj({ metadata: METADATA, deleteOptions: DELETE_OPTIONS })
/** `MaxDisruptedPodSize` of kube-apiserver. */
const DISRUPTED_MAX = 2000
const RETRY_SECONDS = 10

/**
 * Deletes a pod if its disruption budget lets it go (the Eviction API,
 * https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/).
 * @throws ApiFault NotFound, BadRequest, TooManyRequests where the budget says no
 */
export async function evictPod(
  core: ClusterCore,
  ref: { readonly namespace: string; readonly name: string },
  body: JsonRecord,
  operation: Operation,
): Promise<void> {
  // The first form of evictions, which is the same one.
  const isBeta = body['apiVersion'] === 'policy/v1beta1'
  checkKind(isBeta ? 'policy/v1beta1' : 'policy/v1', 'Eviction', body)
  const eviction = decodeAs(
    EVICTION,
    { kind: 'Eviction', version: 'v1' },
    omit(body, 'apiVersion', 'kind'),
    operation,
  )
  const namespace = stringAt(eviction['metadata'], 'namespace')
  if (namespace !== '' && namespace !== ref.namespace) {
    throw badRequest(
      'the namespace of the provided object does not match the namespace sent on the request',
    )
  }
  if (stringAt(eviction['metadata'], 'name') !== ref.name) {
    throw badRequest('name in URL does not match name in Eviction object')
  }
  const place = { type: PODS, ...ref }
  findObject(core, place)
  const rest = isRecord(eviction['deleteOptions']) ? eviction['deleteOptions'] : undefined
  const options = readDeleteOptions(rest, new URLSearchParams(), operation)
  const asked: Operation = { ...operation, dryRun: operation.dryRun || options.dryRun === true }
  await admit(core, {
    ...place,
    kind: { group: 'policy', version: 'v1', kind: 'Eviction' },
    subresource: 'eviction',
    operation: 'CREATE',
    object: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { ...ref } },
    context: asked,
  })
  const pod = findObject(core, place)
  if (isBudgeted(pod)) spendBudget(core, pod, asked)
  const wanted = withVersion(pod, options)
  if (!asked.dryRun && (wanted.uid ?? pod.metadata.uid) === pod.metadata.uid)
    markDisrupted(core, pod)
  await deleteObject(core, place, wanted, asked)
}

/** Tells whoever watches the pod why it goes; a precondition of its version is the version before. */
function markDisrupted(core: ClusterCore, pod: ApiObject): void {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  } as const
  const status = recordAt(pod, 'status')
  const conditions = withCondition(core, listAt(status, 'conditions'), condition)
  core.store.put(PODS, { ...pod, status: { ...status, conditions } })
}

/** A pod that has ended, has not begun or ends already costs no budget. */
function isBudgeted(pod: ApiObject): boolean {
  const phase = stringAt(pod['status'], 'phase')
  return (
    !['Succeeded', 'Failed', 'Pending'].includes(phase) &&
    pod.metadata.deletionTimestamp === undefined
  )
}

/** The pod that was judged is the one that goes. */
function withVersion(pod: ApiObject, options: DeleteOptions): DeleteOptions {
  return pod.metadata.uid === undefined ? options : { uid: pod.metadata.uid, ...options }
}

function spendBudget(core: ClusterCore, pod: ApiObject, operation: Operation): void {
  const budgets = core.store
    .list(POD_DISRUPTION_BUDGETS, pod.metadata.namespace)
    .filter((budget) => covers(budget, pod))
  const [budget, another] = budgets
  if (budget === undefined) return
  if (another !== undefined) {
    throw unnamedFault(
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    )
  }
  const status = recordAt(budget, 'status')
  const count = (field: string): number => Number(status[field] ?? 0)
  if (!isPodReady(pod)) {
    const isAlways = recordAt(budget, 'spec')['unhealthyPodEvictionPolicy'] === 'AlwaysAllow'
    const isCovered =
      count('currentHealthy') >= count('desiredHealthy') && count('desiredHealthy') > 0
    if (isAlways || isCovered) return
  }
  const { name = '', generation = 0 } = budget.metadata
  if (count('observedGeneration') < generation) {
    throw refusal(`The disruption budget ${name} is still being processed by the server.`)
  }
  if (count('disruptionsAllowed') <= 0) {
    throw refusal(
      `The disruption budget ${name} needs ${count('desiredHealthy')} healthy pods and has ${count('currentHealthy')} currently`,
    )
  }
  const disruptedPods = recordAt(status, 'disruptedPods')
  if (Object.keys(disruptedPods).length > DISRUPTED_MAX) {
    throw refusal(`DisruptedPods map too big - too many evictions not confirmed by PDB controller`)
  }
  if (operation.dryRun) return
  core.store.put(POD_DISRUPTION_BUDGETS, {
    ...budget,
    status: {
      ...status,
      disruptionsAllowed: count('disruptionsAllowed') - 1,
      disruptedPods: {
        ...disruptedPods,
        [pod.metadata.name ?? '']: formatTime(core.clock.now()),
      },
    },
  })
}

function refusal(why: string): ApiFault {
  return new ApiFault({
    reason: 'TooManyRequests',
    code: 429,
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: {
      causes: [{ reason: 'DisruptionBudget', message: why }],
      retryAfterSeconds: RETRY_SECONDS,
    },
  })
}
