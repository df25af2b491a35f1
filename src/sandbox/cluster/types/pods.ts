import type { Pod } from '../../../kube/objects.ts'
import { validateLabels } from '../names.ts'
import { checkSubdomainName } from '../names.ts'
import { listAt, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { fillPodSpec, qosClassOf } from './pod-defaults.ts'
import { POD_SPEC, POD_STATUS } from './pod-schema.ts'
import { validatePodSpec, validatePodUpdate } from './pod-validation.ts'
import { obj } from '../schema.ts'

/** A stored object as a pod: the schema has checked its shape. */
export const asPod = (object: ApiObject): Pod => object as unknown as Pod

/** What kubectl shows as a pod's STATUS. */
export function podPhaseOf(object: ApiObject): string {
  const { metadata, status } = asPod(object)
  if (metadata.deletionTimestamp !== undefined) return 'Terminating'
  let shown: string = status?.reason ?? status?.phase ?? 'Unknown'
  for (const { state } of status?.containerStatuses ?? []) {
    shown = state?.waiting?.reason ?? state?.terminated?.reason ?? shown
  }
  return shown
}

/** Whether a pod's Ready condition is true. */
export function isPodReady(object: ApiObject): boolean {
  const conditions = asPod(object).status?.conditions ?? []
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

const readyCounts = (object: ApiObject): string => {
  const { spec, status } = asPod(object)
  const ready = (status?.containerStatuses ?? []).filter((container) => container.ready).length
  return `${ready}/${spec.containers.length}`
}

const restarts = (object: ApiObject): number =>
  (asPod(object).status?.containerStatuses ?? []).reduce(
    (sum, { restartCount }) => sum + restartCount,
    0,
  )

/** How many of a pod's readiness gates are open, as `1/2`. */
function readinessGates(object: ApiObject): string {
  const gates = listAt(object['spec'], 'readinessGates')
  if (gates.length === 0) return '<none>'
  const conditions = asPod(object).status?.conditions ?? []
  const open = gates.filter((gate) =>
    conditions.some(
      ({ type, status }) => type === stringAt(gate, 'conditionType') && status === 'True',
    ),
  )
  return `${open.length}/${gates.length}`
}

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
  ],
  schema: obj({ spec: POD_SPEC, status: POD_STATUS }),
  nameRule: checkSubdomainName,
  hasGeneration: true,
  returnsDeleted: true,
  statusHoldsMetadata: true,
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
  columns: [
    NAME_COLUMN,
    column('Ready', readyCounts),
    column('Status', podPhaseOf),
    column('Restarts', restarts, { type: 'integer' }),
    AGE_COLUMN,
    column('IP', (object) => asPod(object).status?.podIP ?? '<none>', { isWide: true }),
    column('Node', (object) => asPod(object).spec.nodeName ?? '<none>', { isWide: true }),
    column(
      'Nominated Node',
      (object) => stringAt(object['status'], 'nominatedNodeName') || '<none>',
      {
        isWide: true,
      },
    ),
    column('Readiness Gates', readinessGates, { isWide: true }),
  ],
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
