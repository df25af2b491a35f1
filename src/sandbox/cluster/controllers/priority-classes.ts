import { createObject } from '../creating.ts'
import { NAMESPACES } from '../types/core.ts'
import { PRIORITY_CLASSES, SYSTEM_PRIORITY_CLASSES } from '../types/policies.ts'
import { OPERATION } from './owned-pods.ts'
import type { Controller } from './work-queue.ts'

/** Keeps the two priority classes that every cluster has, as kube-apiserver does. */
export const priorityClasses: Controller = {
  name: 'priority-classes',
  keysOf: (_core, { resource, object, type }) => {
    const { name = '' } = object.metadata
    if (resource === PRIORITY_CLASSES && type === 'DELETED') return [name]
    const isFirst = resource === NAMESPACES && name === 'kube-system'
    return isFirst ? Object.keys(SYSTEM_PRIORITY_CLASSES) : []
  },
  reconcile: async (core, name) => {
    const value = SYSTEM_PRIORITY_CLASSES[name]
    if (value === undefined || core.store.get(PRIORITY_CLASSES, undefined, name) !== undefined) {
      return
    }
    const description = `Used for system critical pods that must ${name === 'system-node-critical' ? 'not be moved from their current node' : 'run in the cluster, but can be moved to another node if necessary'}.`
    const object = { metadata: { name }, value, description }
    await createObject(core, { type: PRIORITY_CLASSES }, object, OPERATION)
  },
}
