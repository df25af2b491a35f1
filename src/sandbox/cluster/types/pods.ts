import type { Pod } from '../../../kube/objects.ts'
import { validateLabels } from '../names.ts'
import { checkSubdomainName } from '../names.ts'
import { recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { POD_COLUMNS } from './pod-columns.ts'
import { fillPodSpec, qosClassOf } from './pod-defaults.ts'
import { POD_SPEC, POD_STATUS } from './pod-schema.ts'
import { validatePodSpec, validatePodUpdate } from './pod-validation.ts'
import { obj } from '../schema.ts'

/** A stored object as a pod: the schema has checked its shape. */
export const asPod = (object: ApiObject): Pod => object as unknown as Pod

export const PODS: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [
    { name: 'status', verbs: ['get', 'patch', 'update'] },
    { name: 'binding', kind: 'Binding', verbs: ['create'] },
    { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
    { name: 'log', verbs: ['get'] },
    { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
    { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
  ],
  schema: obj({ spec: POD_SPEC, status: POD_STATUS }),
  nameRule: checkSubdomainName,
  hasGeneration: true,
  returnsDeleted: true,
  statusLeaves: ['deletionTimestamp', 'ownerReferences'],
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const spec = recordAt(object, 'spec')
    setDefault(spec, 'enableServiceLinks', true)
    fillPodSpec(spec)
  },
  prepareCreate: (object) => {
    object['status'] = { phase: 'Pending', qosClass: qosClassOf(object['spec']) }
  },
  validate: (object) => validatePodSpec(recordAt(object, 'spec'), 'spec'),
  validateUpdate: (object, old) =>
    validatePodUpdate(recordAt(object, 'spec'), recordAt(old, 'spec')),
  selectableFields: (object) => {
    const spec = recordAt(object, 'spec')
    const status = recordAt(object, 'status')
    return {
      'spec.nodeName': stringAt(spec, 'nodeName'),
      'spec.restartPolicy': stringAt(spec, 'restartPolicy'),
      'spec.schedulerName': stringAt(spec, 'schedulerName'),
      'spec.serviceAccountName': stringAt(spec, 'serviceAccountName'),
      'spec.hostNetwork': String(spec['hostNetwork'] === true),
      'status.phase': stringAt(status, 'phase'),
      'status.podIP': stringAt(status, 'podIP'),
      'status.nominatedNodeName': stringAt(status, 'nominatedNodeName'),
    }
  },
  columns: POD_COLUMNS,
}

/** Faults of a pod template at `spec.template`. */
export function validateTemplate(object: ApiObject): ReturnType<typeof validatePodSpec> {
  const template = recordAt(recordAt(object, 'spec'), 'template')
  const labels = recordAt(recordAt(template, 'metadata'), 'labels') as Record<string, string>
  return [
    ...validateLabels(labels, 'spec.template.labels'),
    ...validatePodSpec(recordAt(template, 'spec'), 'spec.template.spec'),
  ]
}
