import { fieldFault, type Cause } from '../faults.ts'
import { checkSubdomainName } from '../names.ts'
import { recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { any, atomic, int, intOrString, keptInt, mergeList, obj, str, valueObj } from '../schema.ts'
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
  validateCountOrPercent,
  validateNotNegative,
  validateNotOverAll,
  validateServingWorkload,
} from './workloads.ts'

const integer = { type: 'integer' } as const

export const DAEMON_SETS: ResourceType = {
  ...APPS,
  kind: 'DaemonSet',
  plural: 'daemonsets',
  singular: 'daemonset',
  shortNames: ['ds'],
  schema: obj({
    spec: valueObj({
      selector: LABEL_SELECTOR,
      template: POD_TEMPLATE,
      updateStrategy: valueObj({
        type: str,
        rollingUpdate: obj({ maxUnavailable: intOrString, maxSurge: intOrString }),
      }),
      minReadySeconds: int,
      revisionHistoryLimit: keptInt,
    }),
    status: valueObj({
      currentNumberScheduled: keptInt,
      numberMisscheduled: keptInt,
      desiredNumberScheduled: keptInt,
      numberReady: keptInt,
      observedGeneration: int,
      updatedNumberScheduled: int,
      numberAvailable: int,
      numberUnavailable: int,
      collisionCount: keptInt,
      conditions: mergeList('type', CONDITION),
    }),
  }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const spec = recordAt(object, 'spec')
    fillTemplate(spec)
    setDefault(spec, 'updateStrategy', {})
    const strategy = recordAt(spec, 'updateStrategy')
    setDefault(strategy, 'type', 'RollingUpdate')
    if (strategy['type'] === 'RollingUpdate') {
      setDefault(strategy, 'rollingUpdate', {})
      const rolling = recordAt(strategy, 'rollingUpdate')
      setDefault(rolling, 'maxUnavailable', 1)
      setDefault(rolling, 'maxSurge', 0)
    }
    setDefault(spec, 'revisionHistoryLimit', 10)
  },
  prepareCreate: (object) => {
    object['status'] = {
      currentNumberScheduled: 0,
      numberMisscheduled: 0,
      desiredNumberScheduled: 0,
      numberReady: 0,
    }
  },
  validate: (object) => [
    ...validateServingWorkload(object, { kind: 'daemonset', called: 'DaemonSet' }),
    ...validateNotNegative(object['spec'], ['minReadySeconds']),
    ...validateStrategy(recordAt(recordAt(object, 'spec'), 'updateStrategy')),
    ...validateNotNegative(object['spec'], ['revisionHistoryLimit']),
  ],
  validateStatus: checkCounts({
    fields: [
      'currentNumberScheduled',
      'numberMisscheduled',
      'desiredNumberScheduled',
      'numberReady',
      'observedGeneration',
      'updatedNumberScheduled',
      'numberAvailable',
      'numberUnavailable',
      'collisionCount',
    ],
  }),
  validateUpdate: (object, old) =>
    checkImmutable(
      recordAt(object, 'spec')['selector'],
      recordAt(old, 'spec')['selector'],
      'spec.selector',
    ),
  columns: [
    NAME_COLUMN,
    column('Desired', (object) => countOf(object, 'status', 'desiredNumberScheduled'), integer),
    column('Current', (object) => countOf(object, 'status', 'currentNumberScheduled'), integer),
    column('Ready', (object) => countOf(object, 'status', 'numberReady'), integer),
    column('Up-to-date', (object) => countOf(object, 'status', 'updatedNumberScheduled'), integer),
    column('Available', (object) => countOf(object, 'status', 'numberAvailable'), integer),
    column('Node Selector', (object) => {
      const template = recordAt(recordAt(object, 'spec'), 'template')
      const selector = Object.entries(recordAt(recordAt(template, 'spec'), 'nodeSelector'))
      return selector.map(([key, value]) => `${key}=${String(value)}`).join(',') || '<none>'
    }),
    AGE_COLUMN,
    ...workloadColumns(),
  ],
}

function validateStrategy(strategy: Record<string, unknown>): Cause[] {
  const at = 'spec.updateStrategy'
  const type = stringAt(strategy, 'type')
  if (type === 'OnDelete') return []
  if (type !== 'RollingUpdate') {
    return [fieldFault.notSupported(at, { type }, ['RollingUpdate', 'OnDelete'])]
  }
  const { maxUnavailable, maxSurge } = recordAt(strategy, 'rollingUpdate')
  const [unavailableAt, surgeAt] = [
    `${at}.rollingUpdate.maxUnavailable`,
    `${at}.rollingUpdate.maxSurge`,
  ]
  const faults = [
    ...validateCountOrPercent(maxUnavailable, unavailableAt),
    ...validateCountOrPercent(maxSurge, surgeAt),
    ...validateNotOverAll(maxUnavailable, unavailableAt),
    ...validateNotOverAll(maxSurge, surgeAt),
  ]
  if (isNone(maxUnavailable) && isNone(maxSurge)) {
    faults.push(fieldFault.required(unavailableAt, 'cannot be 0 when maxSurge is 0'))
  }
  if (!isNone(maxUnavailable) && !isNone(maxSurge)) {
    const says = 'may not be set when maxUnavailable is non-zero'
    faults.push(fieldFault.invalid(surgeAt, maxSurge, says))
  }
  return faults
}

const revisionOf = (object: ApiObject): number => Number(object['revision'] ?? 0)

export const CONTROLLER_REVISIONS: ResourceType = {
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  singular: 'controllerrevision',
  shortNames: [],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [],
  nameRule: checkSubdomainName,
  schema: obj({ data: atomic(any), revision: keptInt }),
  defaults: (object) => setDefault(object, 'revision', 0),
  validate: (object) => [
    ...(object['data'] === undefined ? [fieldFault.required('data')] : []),
    ...(revisionOf(object) < 0
      ? [fieldFault.invalid('revision', revisionOf(object), 'must be greater than or equal to 0')]
      : []),
  ],
  validateUpdate: (object, old) => checkImmutable(object['data'], old['data'], 'data'),
  columns: [
    NAME_COLUMN,
    column('Controller', (object) => {
      const owner = object.metadata.ownerReferences?.find(({ controller }) => controller === true)
      return owner === undefined ? '<none>' : `${owner.kind.toLowerCase()}.apps/${owner.name}`
    }),
    column('Revision', revisionOf),
    AGE_COLUMN,
  ],
}
