import { admit } from './admission.ts'
import type { ClusterCore, Operation } from './core.ts'
import { checkKind, decodeAs } from './decoding.ts'
import { conflict, fieldFault, unnamedFault } from './faults.ts'
import { formatTime, listAt, omit, recordAt, stringAt, type JsonRecord } from './objects.ts'
import { BINDING } from './types/reviews.ts'
import { asPod, PODS } from './types/pods.ts'
import { findObject } from './updating.ts'

/**
 * Binds a pod to a node, once.
 * @throws ApiFault NotFound, Conflict, Invalid
 */
export async function bindPod(
  core: ClusterCore,
  ref: { readonly namespace: string; readonly name: string },
  body: JsonRecord,
  operation: Operation,
): Promise<void> {
  checkKind('v1', 'Binding', body)
  const rest = omit(body, 'apiVersion', 'kind', 'metadata')
  const target = recordAt(
    decodeAs(BINDING, { kind: 'Binding', version: 'v1' }, rest, operation),
    'target',
  )
  const node = stringAt(target, 'name')
  const kindOf = stringAt(target, 'kind')
  const causes = [
    ...(node === '' ? [fieldFault.required('target.name')] : []),
    ...(kindOf !== '' && kindOf !== 'Node'
      ? [fieldFault.notSupported('target.kind', kindOf, ['Node', '<empty>'])]
      : []),
  ]
  if (causes.length > 0) {
    throw unnamedFault(causes.map((cause) => `${cause.field}: ${cause.message}`).join(', '))
  }
  const place = { type: PODS, ...ref }
  findObject(core, place)
  await admit(core, {
    ...place,
    kind: { group: '', version: 'v1', kind: 'Binding' },
    subresource: 'binding',
    operation: 'CREATE',
    object: { apiVersion: 'v1', kind: 'Binding', metadata: { ...ref }, target },
    context: operation,
  })
  const pod = findObject(core, place)
  const { nodeName } = asPod(pod).spec
  const refuse = (why: string): Error =>
    conflict({ group: '', plural: 'pods/binding' }, ref.name, why)
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw refuse(`pod ${ref.name} is being deleted, cannot be assigned to a host`)
  }
  if (nodeName !== undefined) {
    throw refuse(`pod ${ref.name} is already assigned to node "${nodeName}"`)
  }
  if (operation.dryRun) return
  const status = recordAt(pod, 'status')
  const conditions = listAt(status, 'conditions').filter(
    (condition) => stringAt(condition, 'type') !== 'PodScheduled',
  )
  const scheduled = {
    type: 'PodScheduled',
    status: 'True',
    lastTransitionTime: formatTime(core.clock.now()),
  }
  core.store.put(PODS, {
    ...pod,
    spec: { ...recordAt(pod, 'spec'), nodeName: node },
    status: { ...status, conditions: [...conditions, scheduled] },
  })
}
