/** What a pod's priority and disruption may be. */
import { fieldFault } from '../faults.ts'
import { checkPathSegmentName, checkSubdomainName } from '../names.ts'
import { recordAt, setDefault, stringAt } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import {
  bool,
  int,
  intOrString,
  keptInt,
  keptStr,
  map,
  mergeList,
  obj,
  str,
  time,
  valueObj,
} from '../schema.ts'
import { validateLabelSelector } from '../selectors.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { checkImmutable, LABEL_SELECTOR, META_CONDITION } from './metadata.ts'
import {
  countOf,
  STATUS_SUBRESOURCE,
  textOf,
  validateCountOrPercent,
  validateNotOverAll,
} from './workloads.ts'

const KEPT = {
  version: 'v1',
  namespaced: true,
  shortNames: [],
  verbs: OBJECT_VERBS,
  subresources: [],
  nameRule: checkSubdomainName,
} as const

export const POD_DISRUPTION_BUDGETS: ResourceType = {
  ...KEPT,
  group: 'policy',
  kind: 'PodDisruptionBudget',
  nameRule: checkPathSegmentName,
  plural: 'poddisruptionbudgets',
  singular: 'poddisruptionbudget',
  shortNames: ['pdb'],
  subresources: [STATUS_SUBRESOURCE],
  hasGeneration: true,
  schema: obj({
    spec: valueObj({
      minAvailable: intOrString,
      maxUnavailable: intOrString,
      selector: LABEL_SELECTOR,
      unhealthyPodEvictionPolicy: keptStr,
    }),
    status: valueObj({
      observedGeneration: int,
      disruptedPods: map(time),
      disruptionsAllowed: keptInt,
      currentHealthy: keptInt,
      desiredHealthy: keptInt,
      expectedPods: keptInt,
      conditions: mergeList('type', META_CONDITION),
    }),
  }),
  defaults: (object) => setDefault(object, 'spec', {}),
  prepareCreate: (object) => {
    object['status'] = {
      disruptionsAllowed: 0,
      currentHealthy: 0,
      desiredHealthy: 0,
      expectedPods: 0,
    }
  },
  validate: (object) => {
    const spec = recordAt(object, 'spec')
    const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = spec
    const policies = ['AlwaysAllow', 'IfHealthyBudget']
    return [
      ...(minAvailable !== undefined && maxUnavailable !== undefined
        ? [fieldFault.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set')]
        : []),
      ...validateCountOrPercent(minAvailable, 'spec.minAvailable'),
      ...validateNotOverAll(minAvailable, 'spec.minAvailable'),
      ...validateCountOrPercent(maxUnavailable, 'spec.maxUnavailable'),
      ...validateNotOverAll(maxUnavailable, 'spec.maxUnavailable'),
      ...validateLabelSelector(spec['selector'], 'spec.selector'),
      ...(policy === undefined || policies.includes(textOf(policy))
        ? []
        : [fieldFault.notSupported('spec.unhealthyPodEvictionPolicy', policy, policies)]),
    ]
  },
  validateStatus: (object) =>
    ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'].flatMap((field) => {
      const count = countOf(object, 'status', field)
      const says = 'must be greater than or equal to 0'
      return count < 0 ? [fieldFault.invalid(`status.${field}`, count, says)] : []
    }),
  columns: [
    NAME_COLUMN,
    column('Min Available', (object) => textOf(recordAt(object, 'spec')['minAvailable']) || 'N/A'),
    column(
      'Max Unavailable',
      (object) => textOf(recordAt(object, 'spec')['maxUnavailable']) || 'N/A',
    ),
    column('Allowed Disruptions', (object) => countOf(object, 'status', 'disruptionsAllowed'), {
      type: 'integer',
    }),
    AGE_COLUMN,
  ],
}

/** Above it are the classes that the cluster itself makes. */
const PRIORITY_MAX = 1_000_000_000
export const SYSTEM_PRIORITY_CLASSES: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
}

export const PRIORITY_CLASSES: ResourceType = {
  ...KEPT,
  group: 'scheduling.k8s.io',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  singular: 'priorityclass',
  shortNames: ['pc'],
  namespaced: false,
  hasGeneration: true,
  schema: obj({
    value: keptInt,
    globalDefault: bool,
    description: str,
    preemptionPolicy: keptStr,
  }),
  defaults: (object) => {
    setDefault(object, 'value', 0)
    setDefault(object, 'preemptionPolicy', 'PreemptLowerPriority')
  },
  validate: (object) => {
    const { name = '' } = object.metadata
    const value = Number(object['value'])
    const policies = ['Never', 'PreemptLowerPriority']
    const policy = stringAt(object, 'preemptionPolicy')
    const isSystem = SYSTEM_PRIORITY_CLASSES[name] === value
    return [
      ...(!isSystem && name.startsWith('system-')
        ? [
            fieldFault.forbidden(
              'metadata.name',
              "priority class names with 'system-' prefix are reserved for system use only. error: the value of the class is not the system's own",
            ),
          ]
        : []),
      ...(!isSystem && value > PRIORITY_MAX
        ? [
            fieldFault.forbidden(
              'value',
              `maximum allowed value of a user defined priority is ${PRIORITY_MAX}`,
            ),
          ]
        : []),
      ...(policies.includes(policy)
        ? []
        : [fieldFault.notSupported('preemptionPolicy', policy, policies)]),
    ]
  },
  validateUpdate: (object, old) => [
    ...checkImmutable(object['value'], old['value'], 'value'),
    ...checkImmutable(object['preemptionPolicy'], old['preemptionPolicy'], 'preemptionPolicy'),
  ],
  columns: [
    NAME_COLUMN,
    column('Value', (object) => Number(object['value']), { type: 'integer' }),
    column('Global-Default', (object) => object['globalDefault'] === true, { type: 'boolean' }),
    AGE_COLUMN,
    column('PreemptionPolicy', (object) => stringAt(object, 'preemptionPolicy')),
  ],
}
