import { type ClusterCore, systemOperation } from '../core.ts'
import { createObject } from '../creating.ts'
import { deleteObject } from '../deleting.ts'
import { recordAt } from '../objects.ts'
import { CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS } from '../types/core.ts'
import { updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
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
    let left = 0
    for (const type of core.registry.stored()) {
      if (!type.namespaced) continue
      for (const { metadata } of core.store.list(type, name)) {
        const target = { type, namespace: name, name: metadata.name ?? '' }
        if (metadata.deletionTimestamp === undefined) {
          await deleteObject(core, target, {}, OPERATION)
        }
        if (core.store.get(type, name, target.name) !== undefined) left += 1
      }
    }
    if (left > 0) return
    const target = { type: NAMESPACES, name, subresource: 'finalize' }
    await updateObject(core, target, (stored) => ({ ...stored, spec: {} }), OPERATION)
  },
}

function isTerminating(core: ClusterCore, name: string): boolean {
  const found = core.store.get(NAMESPACES, undefined, name)
  return found?.metadata.deletionTimestamp !== undefined
}
