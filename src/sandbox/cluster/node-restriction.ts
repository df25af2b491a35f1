import type { Admission } from './admission.ts'
import type { ClusterCore } from './core.ts'
import { forbidden, notFound } from './faults.ts'
import { listAt, recordAt, stringAt, type ApiObject } from './objects.ts'
import { NODES, SERVICE_ACCOUNTS } from './types/core.ts'
import { PODS } from './types/pods.ts'
import { nodeOf } from './users.ts'

/**
 * The NodeRestriction admission plugin: a kubelet changes its own node, its own pods, and asks for
 * tokens of pods that run on it (kubernetes/kubernetes plugin/pkg/admission/noderestriction).
 * @throws ApiFault Forbidden
 */
export function admitByNodeRestriction(core: ClusterCore, admission: Admission): void {
  const node = nodeOf(admission.context.user)
  if (node === undefined) return
  const { type, subresource } = admission
  if (type === PODS && subresource === undefined) checkPod(admission, node)
  else if (type === PODS && subresource === 'status') checkPodStatus(admission, node)
  else if (type === NODES) checkNode(admission, node)
  else if (type === SERVICE_ACCOUNTS && subresource === 'token') checkToken(core, admission, node)
}

function checkPod(admission: Admission, node: string): void {
  const { operation, name, object, oldObject } = admission
  if (operation === 'CREATE') {
    const isMirror = object?.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined
    if (!isMirror) {
      throw forbidden(
        PODS,
        name || 'Unknown',
        `pod does not have "kubernetes.io/config.mirror" annotation, node "${node}" can only create mirror pods`,
      )
    }
    if (stringAt(object?.['spec'], 'nodeName') !== node) {
      throw forbidden(
        PODS,
        name,
        `node "${node}" can only create pods with spec.nodeName set to itself`,
      )
    }
  }
  if (operation === 'DELETE' && !runsOn(oldObject, node)) {
    throw forbidden(
      PODS,
      name,
      `node "${node}" can only delete pods with spec.nodeName set to itself`,
    )
  }
}

function checkPodStatus({ name, oldObject }: Admission, node: string): void {
  if (runsOn(oldObject, node)) return
  throw forbidden(
    PODS,
    name,
    `node "${node}" can only update pod status for pods with spec.nodeName set to itself`,
  )
}

function checkNode(admission: Admission, node: string): void {
  const { operation } = admission
  const name = admission.name || (admission.object?.metadata.name ?? '')
  if (name !== node) {
    throw forbidden(NODES, name, `node "${node}" is not allowed to modify node "${name}"`)
  }
  if (operation === 'DELETE')
    throw forbidden(NODES, name, `node "${node}" is not allowed to delete itself`)
}

function checkToken(core: ClusterCore, admission: Admission, node: string): void {
  const { name, namespace, object } = admission
  const refuse = (why: string): Error => forbidden(SERVICE_ACCOUNTS, name, why)
  const spec = recordAt(object, 'spec')
  const ref = recordAt(spec, 'boundObjectRef')
  if (stringAt(ref, 'apiVersion') !== 'v1' || stringAt(ref, 'kind') !== 'Pod') {
    throw refuse('node requested token not bound to a pod')
  }
  const uid = stringAt(ref, 'uid')
  if (uid === '') throw refuse('node requested token with a pod binding without a uid')
  const pod = core.store.get(PODS, namespace, stringAt(ref, 'name'))
  if (pod === undefined) throw notFound(PODS, stringAt(ref, 'name'))
  if (pod.metadata.uid !== uid) {
    throw refuse(
      `the UID in the bound object reference (${uid}) does not match the UID in record (${pod.metadata.uid}). The object might have been deleted and then recreated`,
    )
  }
  if (!runsOn(pod, node)) {
    throw refuse('node requested token bound to a pod scheduled on a different node')
  }
  for (const audience of listAt(spec, 'audiences')) {
    if (audiencesOf(pod, core.apiAudiences).has(String(audience))) continue
    throw refuse(
      `audience ${JSON.stringify(audience)} not found in pod spec volume, system:node:${node} is not authorized to request tokens for this audience`,
    )
  }
}

const runsOn = (pod: ApiObject | undefined, node: string): boolean =>
  stringAt(pod?.['spec'], 'nodeName') === node

/** The audiences of a pod's projected tokens; one without an audience is for the API. */
function audiencesOf(pod: ApiObject, apiAudiences: readonly string[]): Set<string> {
  const audiences = new Set<string>()
  for (const volume of listAt(pod['spec'], 'volumes')) {
    for (const source of listAt(recordAt(volume, 'projected'), 'sources')) {
      const token = recordAt(source, 'serviceAccountToken')
      const audience = stringAt(token, 'audience')
      if (audience !== '') audiences.add(audience)
      else if (stringAt(token, 'path') !== '') for (const own of apiAudiences) audiences.add(own)
    }
  }
  return audiences
}
