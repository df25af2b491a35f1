import type { ClusterCore } from './core.ts'
import { forbidden } from './faults.ts'
import { recordAt, stringAt, type ApiObject } from './objects.ts'
import { PODS } from './types/pods.ts'
import { PRIORITY_CLASSES, SYSTEM_PRIORITY_CLASSES } from './types/policies.ts'

/**
 * The Priority admission plugin: a pod's priority is its class's, or the default class's, or 0. In
 * place.
 * @throws ApiFault Forbidden, where the class is not there or the pod says another number
 */
export function setPriority(core: ClusterCore, pod: ApiObject): void {
  const spec = recordAt(pod, 'spec')
  const name = stringAt(spec, 'priorityClassName')
  const found =
    name === ''
      ? core.store.list(PRIORITY_CLASSES).find((each) => each['globalDefault'] === true)
      : core.store.get(PRIORITY_CLASSES, undefined, name)
  const value = Number(found?.['value'] ?? SYSTEM_PRIORITY_CLASSES[name] ?? 0)
  const shown = pod.metadata.name ?? pod.metadata.generateName ?? 'Unknown'
  if (name !== '' && found === undefined && SYSTEM_PRIORITY_CLASSES[name] === undefined) {
    throw forbidden(PODS, shown, `no PriorityClass with name ${name} was found`)
  }
  const own = spec['priority']
  if (own !== undefined && own !== value) {
    const says = `the integer value of priority (${Number(own)}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`
    throw forbidden(PODS, shown, says)
  }
  if (found !== undefined && name === '') spec['priorityClassName'] = found.metadata.name
  spec['priority'] = value
  spec['preemptionPolicy'] ??= stringAt(found, 'preemptionPolicy') || 'PreemptLowerPriority'
}
