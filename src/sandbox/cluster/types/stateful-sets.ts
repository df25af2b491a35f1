import { fieldFault, type Cause } from '../faults.ts'
import {
  isRecord,
  listAt,
  omit,
  recordAt,
  sameJson,
  setDefault,
  stringAt,
  type ApiObject,
} from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import { int, intOrString, keptInt, list, mergeList, obj, str } from '../schema.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { CONTAINER_COLUMNS } from './workload-columns.ts'
import { CONDITION, LABEL_SELECTOR, METADATA } from './metadata.ts'
import { POD_TEMPLATE } from './pod-schema.ts'
import { CLAIM_SPEC, CLAIM_STATUS } from './storage.ts'
import {
  APPS,
  countOf,
  fillTemplate,
  SCALE_SUBRESOURCE,
  STATUS_SUBRESOURCE,
  validateNotNegative,
  validateServingWorkload,
} from './workloads.ts'

const MUTABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
]

export const STATEFUL_SETS: ResourceType = {
  ...APPS,
  kind: 'StatefulSet',
  plural: 'statefulsets',
  singular: 'statefulset',
  shortNames: ['sts'],
  subresources: [STATUS_SUBRESOURCE, SCALE_SUBRESOURCE],
  schema: obj({
    spec: obj({
      replicas: keptInt,
      selector: LABEL_SELECTOR,
      template: POD_TEMPLATE,
      volumeClaimTemplates: list(
        obj({
          apiVersion: str,
          kind: str,
          metadata: METADATA,
          spec: CLAIM_SPEC,
          status: CLAIM_STATUS,
        }),
      ),
      serviceName: { kind: 'string', keepsEmpty: true },
      podManagementPolicy: str,
      updateStrategy: obj({
        type: str,
        rollingUpdate: obj({ partition: keptInt, maxUnavailable: intOrString }),
      }),
      revisionHistoryLimit: keptInt,
      minReadySeconds: int,
      persistentVolumeClaimRetentionPolicy: obj({ whenDeleted: str, whenScaled: str }),
      ordinals: obj({ start: keptInt }),
    }),
    status: obj({
      observedGeneration: int,
      replicas: keptInt,
      readyReplicas: int,
      currentReplicas: int,
      updatedReplicas: int,
      currentRevision: str,
      updateRevision: str,
      collisionCount: keptInt,
      conditions: mergeList('type', CONDITION),
      availableReplicas: keptInt,
    }),
  }),
  defaults: fillDefaults,
  prepareCreate: (object) => {
    object['status'] = { replicas: 0, availableReplicas: 0 }
  },
  validate: validateStatefulSet,
  validateUpdate: (object, old) => {
    const [now, before] = [object, old].map((each) => omit(recordAt(each, 'spec'), ...MUTABLE))
    if (sameJson(now, before)) return []
    const fields = `'${MUTABLE.slice(0, -1).join("', '")}' and '${MUTABLE.at(-1)}'`
    return [
      fieldFault.forbidden(
        'spec',
        `updates to statefulset spec for fields other than ${fields} are forbidden`,
      ),
    ]
  },
  columns: [
    NAME_COLUMN,
    column(
      'Ready',
      (object) =>
        `${countOf(object, 'status', 'readyReplicas')}/${countOf(object, 'spec', 'replicas')}`,
    ),
    AGE_COLUMN,
    ...CONTAINER_COLUMNS,
  ],
}

function fillDefaults(object: ApiObject): void {
  setDefault(object, 'spec', {})
  const spec = recordAt(object, 'spec')
  setDefault(spec, 'replicas', 1)
  fillTemplate(spec)
  setDefault(spec, 'serviceName', '')
  setDefault(spec, 'podManagementPolicy', 'OrderedReady')
  setDefault(spec, 'updateStrategy', {})
  const strategy = recordAt(spec, 'updateStrategy')
  setDefault(strategy, 'type', 'RollingUpdate')
  if (strategy['type'] === 'RollingUpdate') {
    setDefault(strategy, 'rollingUpdate', {})
    setDefault(recordAt(strategy, 'rollingUpdate'), 'partition', 0)
  }
  setDefault(spec, 'revisionHistoryLimit', 10)
  setDefault(spec, 'persistentVolumeClaimRetentionPolicy', {})
  const retention = recordAt(spec, 'persistentVolumeClaimRetentionPolicy')
  setDefault(retention, 'whenDeleted', 'Retain')
  setDefault(retention, 'whenScaled', 'Retain')
  for (const claim of listAt(spec, 'volumeClaimTemplates')) {
    if (!isRecord(claim)) continue
    setDefault(claim, 'apiVersion', 'v1')
    setDefault(claim, 'kind', 'PersistentVolumeClaim')
    setDefault(claim, 'spec', {})
    setDefault(recordAt(claim, 'spec'), 'volumeMode', 'Filesystem')
    setDefault(claim, 'status', { phase: 'Pending' })
  }
}

const POLICIES: readonly (readonly [string, string, readonly string[]])[] = [
  ['', 'podManagementPolicy', ['OrderedReady', 'Parallel']],
  ['updateStrategy', 'type', ['OnDelete', 'RollingUpdate']],
  ['persistentVolumeClaimRetentionPolicy', 'whenDeleted', ['Delete', 'Retain']],
  ['persistentVolumeClaimRetentionPolicy', 'whenScaled', ['Delete', 'Retain']],
]

function validateStatefulSet(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  // A claim's volume is made for each pod, so the template may mount what it does not hold.
  const claims = listAt(spec, 'volumeClaimTemplates').map((claim) => ({
    name: stringAt(recordAt(claim, 'metadata'), 'name'),
    persistentVolumeClaim: { claimName: 'made-for-each-pod' },
  }))
  const template = recordAt(spec, 'template')
  const podSpec = recordAt(template, 'spec')
  const volumes = [...listAt(podSpec, 'volumes'), ...claims]
  const whole = {
    ...object,
    spec: { ...spec, template: { ...template, spec: { ...podSpec, volumes } } },
  }
  const faults = validateServingWorkload(whole, 'statefulset')
  for (const [holder, field, allowed] of POLICIES) {
    const value = stringAt(holder === '' ? spec : recordAt(spec, holder), field)
    if (allowed.includes(value)) continue
    const at = ['spec', holder, field].filter((part) => part !== '').join('.')
    faults.push(fieldFault.notSupported(at, value, allowed))
  }
  return [
    ...faults,
    ...validateNotNegative(
      recordAt(recordAt(spec, 'updateStrategy'), 'rollingUpdate'),
      ['partition'],
      'spec.updateStrategy.rollingUpdate',
    ),
    ...validateNotNegative(spec['ordinals'], ['start'], 'spec.ordinals'),
  ]
}
