import { type ClusterCore, systemOperation } from '../core.ts'
import { createObject } from '../creating.ts'
import { deleteObject } from '../deleting.ts'
import { isRecord, listAt, recordAt, type ApiObject, type JsonRecord } from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import { CONFIG_MAPS, NAMESPACE_FINALIZER, NAMESPACES, SERVICE_ACCOUNTS } from '../types/core.ts'
import { updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import { type ConditionWords, withCondition, writeStatus } from './owned-pods.ts'
import type { Controller } from './work-queue.ts'

const OPERATION = systemOperation(systemUser('kube-controller-manager'))
const ROOT_CA = 'kube-root-ca.crt'

/** Gives every namespace its `default` service account and the API's root certificate. */
export const namespaceDefaults: Controller = {
  name: 'namespace-defaults',
  keysOf: (_core, { resource, type, object }) => {
    if (resource === NAMESPACES && type !== 'DELETED') return [object.metadata.name ?? '']
    const isDefault =
      (resource === SERVICE_ACCOUNTS && object.metadata.name === 'default') ||
      (resource === CONFIG_MAPS && object.metadata.name === ROOT_CA)
    return isDefault && type !== 'ADDED' ? [object.metadata.namespace ?? ''] : []
  },
  reconcile: async (core, namespace) => {
    const found = core.store.get(NAMESPACES, undefined, namespace)
    if (found === undefined || found.metadata.deletionTimestamp !== undefined) return
    if (core.store.get(SERVICE_ACCOUNTS, namespace, 'default') === undefined) {
      const value = { metadata: { name: 'default' } }
      await createObject(core, { type: SERVICE_ACCOUNTS, namespace }, value, OPERATION)
    }
    const data = { 'ca.crt': core.certificateAuthority }
    const bundle = core.store.get(CONFIG_MAPS, namespace, ROOT_CA)
    if (bundle === undefined) {
      const value = { metadata: { name: ROOT_CA }, data }
      await createObject(core, { type: CONFIG_MAPS, namespace }, value, OPERATION)
    } else if (recordAt(bundle, 'data')['ca.crt'] !== data['ca.crt']) {
      const target = { type: CONFIG_MAPS, namespace, name: ROOT_CA }
      await updateObject(core, target, (stored) => ({ ...stored, data }), OPERATION)
    }
  },
}

/** Empties namespaces that are being deleted, then lets them go. */
export const namespaceContent: Controller = {
  name: 'namespace-content',
  keysOf: (core, { resource, type, object }) => {
    if (resource === NAMESPACES) {
      return type === 'MODIFIED' || type === 'ADDED' ? [object.metadata.name ?? ''] : []
    }
    const { namespace } = object.metadata
    return type === 'DELETED' && namespace !== undefined && isTerminating(core, namespace)
      ? [namespace]
      : []
  },
  reconcile: async (core, name) => {
    if (!isTerminating(core, name)) return
    const left: Left[] = []
    for (const type of core.registry.stored()) {
      if (!type.namespaced) continue
      for (const { metadata } of core.store.list(type, name)) {
        const target = { type, namespace: name, name: metadata.name ?? '' }
        if (metadata.deletionTimestamp === undefined) {
          await deleteObject(core, target, BACKGROUND, OPERATION)
        }
        const object = core.store.get(type, name, target.name)
        if (object !== undefined) left.push({ type, object })
      }
    }
    await reportLeft(core, name, left)
    if (left.length > 0) return
    const target = { type: NAMESPACES, name, subresource: 'finalize' }
    await updateObject(core, target, withoutOwnFinalizer, OPERATION)
  },
}

/** Not what batch/v1 does by default: what a job has goes too. */
const BACKGROUND = { propagationPolicy: 'Background' }

const withoutOwnFinalizer = (stored: ApiObject): JsonRecord => {
  const finalizers = listAt(stored['spec'], 'finalizers')
  return {
    ...stored,
    spec: {
      ...recordAt(stored, 'spec'),
      finalizers: finalizers.filter((one) => one !== NAMESPACE_FINALIZER),
    },
  }
}

interface Left {
  readonly type: ResourceType
  readonly object: ApiObject
}

/** Says in a namespace's conditions what is still in it, and for whom. */
async function reportLeft(core: ClusterCore, name: string, left: readonly Left[]): Promise<void> {
  const namespace = core.store.get(NAMESPACES, undefined, name)
  if (namespace === undefined) return
  const before = recordAt(namespace, 'status')
  const conditions = conditionsOf(left).reduce(
    (known, words) => withCondition(core, known, words),
    listAt(before, 'conditions').filter(isRecord),
  )
  await writeStatus(core, NAMESPACES, namespace, { ...before, conditions })
}

function conditionsOf(left: readonly Left[]): ConditionWords[] {
  const kinds = Map.groupBy(left, ({ type }) => `${type.plural}.${type.group}`)
  const finalizers = Map.groupBy(
    left.flatMap(({ object }) => object.metadata.finalizers ?? []),
    (finalizer) => finalizer,
  )
  const listed = (
    groups: ReadonlyMap<string, readonly unknown[]>,
    says: (name: string, count: number) => string,
  ): string =>
    [...groups]
      .map(([key, some]) => says(key, some.length))
      .toSorted()
      .join(', ')
  const remaining = listed(kinds, (kind, count) => `${kind} has ${count} resource instances`)
  const held = listed(
    finalizers,
    (finalizer, count) => `${finalizer} in ${count} resource instances`,
  )
  const fine = (type: string, reason: string, message: string): ConditionWords => ({
    type,
    status: 'False',
    reason,
    message,
  })
  return [
    fine(
      'NamespaceDeletionDiscoveryFailure',
      'ResourcesDiscovered',
      'All resources successfully discovered',
    ),
    fine(
      'NamespaceDeletionGroupVersionParsingFailure',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    fine(
      'NamespaceDeletionContentFailure',
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ),
    remaining === ''
      ? fine('NamespaceContentRemaining', 'ContentRemoved', 'All content successfully removed')
      : {
          type: 'NamespaceContentRemaining',
          status: 'True',
          reason: 'SomeResourcesRemain',
          message: `Some resources are remaining: ${remaining}`,
        },
    held === ''
      ? fine(
          'NamespaceFinalizersRemaining',
          'ContentHasNoFinalizers',
          'All content-preserving finalizers finished',
        )
      : {
          type: 'NamespaceFinalizersRemaining',
          status: 'True',
          reason: 'SomeFinalizersRemain',
          message: `Some content in the namespace has finalizers remaining: ${held}`,
        },
  ]
}

function isTerminating(core: ClusterCore, name: string): boolean {
  const found = core.store.get(NAMESPACES, undefined, name)
  return found?.metadata.deletionTimestamp !== undefined
}
