import { fieldFault, type Cause } from '../faults.ts'
import { checkLabelName } from '../names.ts'
import {
  isRecord,
  listAt,
  omit,
  recordAt,
  sameJson,
  setDefault,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import { int, intOrString, keptInt, list, mergeList, obj, str, valueObj } from '../schema.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { containerColumns } from './workload-columns.ts'
import { CONDITION, LABEL_SELECTOR, METADATA } from './metadata.ts'
import { CLAIM_SPEC, POD_TEMPLATE } from './pod-schema.ts'
import { CLAIM_STATUS } from './storage.ts'
import {
  APPS,
  checkCounts,
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
    spec: valueObj({
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
      updateStrategy: valueObj({
        type: str,
        rollingUpdate: obj({ partition: keptInt, maxUnavailable: intOrString }),
      }),
      revisionHistoryLimit: keptInt,
      minReadySeconds: int,
      persistentVolumeClaimRetentionPolicy: obj({ whenDeleted: str, whenScaled: str }),
      ordinals: obj({ start: keptInt }),
    }),
    status: valueObj({
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
  validateCreate: validateServiceName,
  validateStatus: checkCounts({
    fields: [
      'replicas',
      'readyReplicas',
      'currentReplicas',
      'updatedReplicas',
      'availableReplicas',
      'observedGeneration',
      'collisionCount',
    ],
    pairs: [
      ['readyReplicas', 'replicas'],
      ['currentReplicas', 'replicas'],
      ['updatedReplicas', 'replicas'],
      ['availableReplicas', 'replicas'],
      ['availableReplicas', 'readyReplicas'],
    ],
  }),
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
    ...containerColumns(),
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

const RETENTIONS = ['Retain', 'Delete']

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
  return [
    ...validatePolicies(spec),
    ...validateNotNegative(spec, ['replicas', 'minReadySeconds']),
    ...validateNotNegative(spec['ordinals'], ['start'], 'spec.ordinals'),
    ...validateServingWorkload(whole, { kind: 'statefulset', called: 'StatefulSet' }),
  ]
}

function validatePolicies(spec: JsonRecord): Cause[] {
  const management = stringAt(spec, 'podManagementPolicy')
  const faults: Cause[] = []
  if (management !== 'OrderedReady' && management !== 'Parallel') {
    const says = "must be 'OrderedReady' or 'Parallel'"
    faults.push(fieldFault.invalid('spec.podManagementPolicy', management, says))
  }
  const { type, rollingUpdate } = recordAt(spec, 'updateStrategy')
  const at = 'spec.updateStrategy'
  if (type === 'OnDelete' && rollingUpdate !== undefined) {
    const says = "only allowed for updateStrategy 'RollingUpdate'"
    faults.push(fieldFault.invalid(`${at}.rollingUpdate`, rollingUpdate, says))
  } else if (type !== 'OnDelete' && type !== 'RollingUpdate') {
    faults.push(fieldFault.invalid(at, { type }, "must be 'RollingUpdate' or 'OnDelete'"))
  } else faults.push(...validateNotNegative(rollingUpdate, ['partition'], `${at}.rollingUpdate`))
  const retention = recordAt(spec, 'persistentVolumeClaimRetentionPolicy')
  for (const field of ['whenDeleted', 'whenScaled']) {
    const value = stringAt(retention, field)
    if (RETENTIONS.includes(value)) continue
    const where = `spec.persistentVolumeClaimRetentionPolicy.${field}`
    faults.push(fieldFault.notSupported(where, value, RETENTIONS))
  }
  return faults
}

/** Only of a new one: of an old one the name stays whatever it is. */
function validateServiceName(object: ApiObject): Cause[] {
  const name = stringAt(object['spec'], 'serviceName')
  return name === ''
    ? []
    : checkLabelName(name).map((says) => fieldFault.invalid('spec.serviceName', name, says))
}
