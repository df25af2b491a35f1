import { describeAccess } from './authorization.ts'
import type { ClusterCore, Operation } from './core.ts'
import { admitByNodeRestriction } from './node-restriction.ts'
import { ApiFault, forbidden, notFound } from './faults.ts'
import {
  cloneObject,
  listAt,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from './objects.ts'
import { checkEscalation } from './rbac/escalation.ts'
import { setPriority } from './pod-priority.ts'
import type { ResourceType } from './resource-types.ts'
import { mountServiceAccount } from './service-account-admission.ts'
import { NAMESPACES } from './types/core.ts'
import { checkResize, setStorageClass } from './storage-admission.ts'
import { PODS } from './types/pods.ts'
import { PERSISTENT_VOLUME_CLAIMS } from './types/storage.ts'
import { dispatchMutatingWebhooks } from './webhook-dispatch.ts'

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE'

/** What admission is asked about. */
export interface Admission {
  readonly type: ResourceType
  /** Of the object, where it is not the type's own (TokenRequest, Binding). */
  readonly kind?: { readonly group: string; readonly version: string; readonly kind: string }
  readonly subresource?: string
  readonly operation: AdmissionOperation
  readonly namespace?: string
  readonly name: string
  readonly object?: ApiObject
  readonly oldObject?: ApiObject
  /** Of a DELETE, where they are not the context's. */
  readonly options?: JsonRecord
  readonly context: Operation
}

const PROTECTED_NAMESPACES = ['default', 'kube-system', 'kube-public']

/**
 * The admission chain: NamespaceLifecycle, NodeRestriction, PersistentVolumeClaimResize,
 * DefaultStorageClass, ServiceAccount, Priority and DefaultTolerationSeconds, then the mutating webhooks.
 * @returns the object as it is admitted
 * @throws ApiFault
 */
export async function admit(
  core: ClusterCore,
  admission: Admission,
): Promise<ApiObject | undefined> {
  tellRefusal(core, admission, () => checkEscalation(core, admission))
  checkNamespace(core, admission)
  tellRefusal(core, admission, () => admitByNodeRestriction(core, admission))
  if (admission.type === PERSISTENT_VOLUME_CLAIMS) checkResize(core, admission)
  const object = admission.object === undefined ? undefined : cloneObject(admission.object)
  if (object !== undefined) mutateBuiltIn(core, admission, object)
  return dispatchMutatingWebhooks(core, { ...admission, ...(object && { object }) }, (again) =>
    mutateBuiltIn(core, admission, again),
  )
}

/** Runs a check that decides on rights, and puts what it refuses on record. */
function tellRefusal(core: ClusterCore, admission: Admission, check: () => void): void {
  try {
    check()
  } catch (thrown) {
    if (thrown instanceof ApiFault && thrown.status === 403) {
      const { type, operation, subresource, namespace, context } = admission
      const resource = {
        group: type.group,
        plural: type.plural,
        name: admittedName(admission),
        ...(subresource !== undefined && { subresource }),
        ...(namespace !== undefined && { namespace }),
      }
      core.decisions.record({
        atMs: core.clock.now(),
        kind: 'authorization',
        outcome: 'denied',
        user: context.user.username,
        subject: describeAccess({ user: context.user, verb: operation.toLowerCase(), resource }),
        reason: thrown.message,
      })
    }
    throw thrown
  }
}

function mutateBuiltIn(core: ClusterCore, admission: Admission, object: ApiObject): void {
  if (admission.operation !== 'CREATE' || admission.subresource !== undefined) return
  if (admission.type === PERSISTENT_VOLUME_CLAIMS) setStorageClass(core, object)
  if (admission.type !== PODS) return
  mountServiceAccount(core, object)
  const spec = recordAt(object, 'spec')
  setPriority(core, object)
  addTolerations(spec)
}

function addTolerations(spec: Record<string, unknown>): void {
  const tolerations = [...listAt(spec, 'tolerations')]
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const isCovered = tolerations.some((toleration) => {
      const own = stringAt(toleration, 'key')
      const effect = stringAt(toleration, 'effect')
      return (own === key || own === '') && (effect === 'NoExecute' || effect === '')
    })
    if (isCovered) continue
    tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 })
  }
  if (tolerations.length > 0) spec['tolerations'] = tolerations
}

/** NamespaceLifecycle: nothing new in a namespace that is not there or ends. */
function checkNamespace(core: ClusterCore, admission: Admission): void {
  const { type, operation, namespace, name } = admission
  if (operation === 'DELETE' && type === NAMESPACES && PROTECTED_NAMESPACES.includes(name)) {
    throw forbidden(NAMESPACES, name, 'this namespace may not be deleted')
  }
  if (namespace === undefined || operation === 'DELETE') return
  const found = core.store.get(NAMESPACES, undefined, namespace)
  if (found === undefined) throw notFound(NAMESPACES, namespace)
  if (operation !== 'CREATE' || admission.subresource !== undefined) return
  if (found.metadata.deletionTimestamp === undefined) return
  throw forbidden(
    type,
    admittedName(admission),
    `unable to create new content in namespace ${namespace} because it is being terminated`,
    [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  )
}

/** How messages of admission name an object that may have no name yet. */
export function admittedName({ name, object }: Pick<Admission, 'name' | 'object'>): string {
  if (name !== '') return name
  return object?.metadata.name ?? object?.metadata.generateName ?? 'Unknown'
}
