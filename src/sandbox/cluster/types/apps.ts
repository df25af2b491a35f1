import { fieldFault, type Cause } from '../faults.ts'
import { recordAt, setDefault, type ApiObject } from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import { bool, int, intOrString, keptInt, mergeList, obj, str, valueObj } from '../schema.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { workloadColumns } from './workload-columns.ts'
import { checkImmutable, CONDITION, LABEL_SELECTOR } from './metadata.ts'
import { POD_TEMPLATE } from './pod-schema.ts'
import {
  APPS,
  checkCounts,
  countOf,
  fillTemplate,
  isNone,
  SCALE_SUBRESOURCE,
  STATUS_SUBRESOURCE,
  validateCountOrPercent,
  validateNotNegative,
  validateNotOverAll,
  validateServingWorkload,
} from './workloads.ts'

/** How Kubernetes speaks of deployments' and replica sets' selectors and templates alike. */
const SPOKEN_OF = { kind: 'deployment', called: 'ReplicaSet' }

const validateSelectorKept = (object: ApiObject, old: ApiObject): Cause[] =>
  checkImmutable(
    recordAt(object, 'spec')['selector'],
    recordAt(old, 'spec')['selector'],
    'spec.selector',
  )

export const DEPLOYMENTS: ResourceType = {
  ...APPS,
  subresources: [STATUS_SUBRESOURCE, SCALE_SUBRESOURCE],
  kind: 'Deployment',
  plural: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  statusLeaves: ['labels'],
  schema: obj({
    spec: valueObj({
      replicas: keptInt,
      selector: LABEL_SELECTOR,
      template: POD_TEMPLATE,
      strategy: valueObj({
        type: str,
        rollingUpdate: obj({ maxUnavailable: intOrString, maxSurge: intOrString }),
      }),
      minReadySeconds: int,
      revisionHistoryLimit: keptInt,
      paused: bool,
      progressDeadlineSeconds: keptInt,
    }),
    status: valueObj({
      observedGeneration: int,
      replicas: int,
      updatedReplicas: int,
      readyReplicas: int,
      availableReplicas: int,
      unavailableReplicas: int,
      terminatingReplicas: keptInt,
      conditions: mergeList('type', CONDITION),
      collisionCount: keptInt,
    }),
  }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const spec = recordAt(object, 'spec')
    setDefault(spec, 'replicas', 1)
    fillTemplate(spec)
    setDefault(spec, 'strategy', {})
    const strategy = recordAt(spec, 'strategy')
    setDefault(strategy, 'type', 'RollingUpdate')
    if (strategy['type'] === 'RollingUpdate') {
      setDefault(strategy, 'rollingUpdate', {})
      const rolling = recordAt(strategy, 'rollingUpdate')
      setDefault(rolling, 'maxUnavailable', '25%')
      setDefault(rolling, 'maxSurge', '25%')
    }
    setDefault(spec, 'revisionHistoryLimit', 10)
    setDefault(spec, 'progressDeadlineSeconds', 600)
  },
  prepareCreate: (object) => {
    object['status'] = {}
  },
  validate: validateDeployment,
  validateStatus: checkCounts({
    fields: [
      'observedGeneration',
      'replicas',
      'updatedReplicas',
      'readyReplicas',
      'availableReplicas',
      'unavailableReplicas',
      'terminatingReplicas',
      'collisionCount',
    ],
    pairs: [
      ['updatedReplicas', 'replicas'],
      ['readyReplicas', 'replicas'],
      ['availableReplicas', 'replicas'],
      ['availableReplicas', 'readyReplicas', 'readyReplicas'],
    ],
  }),
  validateUpdate: validateSelectorKept,
  columns: [
    NAME_COLUMN,
    column(
      'Ready',
      (object) =>
        `${countOf(object, 'status', 'readyReplicas')}/${countOf(object, 'spec', 'replicas')}`,
    ),
    column('Up-to-date', (object) => countOf(object, 'status', 'updatedReplicas')),
    column('Available', (object) => countOf(object, 'status', 'availableReplicas')),
    AGE_COLUMN,
    ...workloadColumns(),
  ],
}

function validateDeployment(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const { progressDeadlineSeconds: deadline } = spec
  const isShort = typeof deadline === 'number' && deadline <= Number(spec['minReadySeconds'] ?? 0)
  return [
    ...validateNotNegative(spec, ['replicas']),
    ...validateServingWorkload(object, SPOKEN_OF),
    ...validateStrategy(recordAt(spec, 'strategy'), 'spec.strategy'),
    ...validateNotNegative(spec, [
      'minReadySeconds',
      'revisionHistoryLimit',
      'progressDeadlineSeconds',
    ]),
    ...(isShort
      ? [
          fieldFault.invalid(
            'spec.progressDeadlineSeconds',
            deadline,
            'must be greater than minReadySeconds',
          ),
        ]
      : []),
  ]
}

function validateStrategy(strategy: Record<string, unknown>, at: string): Cause[] {
  const { type, rollingUpdate: rolling } = strategy
  const here = `${at}.rollingUpdate`
  if (type === 'Recreate') {
    const says = "may not be specified when strategy `type` is 'Recreate'"
    return rolling === undefined ? [] : [fieldFault.forbidden(here, says)]
  }
  if (type !== 'RollingUpdate') {
    return [fieldFault.notSupported(at, { type }, ['Recreate', 'RollingUpdate'])]
  }
  const { maxUnavailable, maxSurge } = recordAt(strategy, 'rollingUpdate')
  const isStuck = isNone(maxUnavailable) && isNone(maxSurge)
  return [
    ...validateCountOrPercent(maxUnavailable, `${here}.maxUnavailable`),
    ...validateCountOrPercent(maxSurge, `${here}.maxSurge`),
    ...(isStuck
      ? [
          fieldFault.invalid(
            `${here}.maxUnavailable`,
            maxUnavailable,
            'may not be 0 when `maxSurge` is 0',
          ),
        ]
      : []),
    ...validateNotOverAll(maxUnavailable, `${here}.maxUnavailable`),
  ]
}

export const REPLICA_SETS: ResourceType = {
  ...APPS,
  subresources: [STATUS_SUBRESOURCE, SCALE_SUBRESOURCE],
  kind: 'ReplicaSet',
  plural: 'replicasets',
  singular: 'replicaset',
  shortNames: ['rs'],
  schema: obj({
    spec: valueObj({
      replicas: keptInt,
      minReadySeconds: int,
      selector: LABEL_SELECTOR,
      template: POD_TEMPLATE,
    }),
    status: valueObj({
      replicas: keptInt,
      fullyLabeledReplicas: int,
      readyReplicas: int,
      availableReplicas: int,
      terminatingReplicas: keptInt,
      observedGeneration: int,
      conditions: mergeList('type', CONDITION),
    }),
  }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const spec = recordAt(object, 'spec')
    setDefault(spec, 'replicas', 1)
    fillTemplate(spec)
  },
  prepareCreate: (object) => {
    object['status'] = { replicas: 0 }
  },
  validate: (object) => [
    ...validateNotNegative(object['spec'], ['replicas', 'minReadySeconds']),
    ...validateServingWorkload(object, SPOKEN_OF),
  ],
  validateStatus: checkCounts({
    fields: [
      'replicas',
      'fullyLabeledReplicas',
      'readyReplicas',
      'availableReplicas',
      'observedGeneration',
      'terminatingReplicas',
    ],
    pairs: [
      ['fullyLabeledReplicas', 'replicas'],
      ['readyReplicas', 'replicas'],
      ['availableReplicas', 'replicas'],
      ['availableReplicas', 'readyReplicas', 'readyReplicas'],
    ],
  }),
  validateUpdate: validateSelectorKept,
  selectableFields: (object) => ({
    'status.replicas': String(countOf(object, 'status', 'replicas')),
  }),
  columns: [
    NAME_COLUMN,
    column('Desired', (object) => countOf(object, 'spec', 'replicas'), { type: 'integer' }),
    column('Current', (object) => countOf(object, 'status', 'replicas'), { type: 'integer' }),
    column('Ready', (object) => countOf(object, 'status', 'readyReplicas'), { type: 'integer' }),
    AGE_COLUMN,
    ...workloadColumns(),
  ],
}
