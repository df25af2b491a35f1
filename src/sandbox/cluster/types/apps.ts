import { fieldFault, type Cause } from '../faults.ts'
import { checkSubdomainName } from '../names.ts'
import { isRecord, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { bool, int, intOrString, keptInt, mergeList, obj, str } from '../schema.ts'
import { labelSelectorOf, validateLabelSelector } from '../selectors.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { WORKLOAD_COLUMNS } from './workload-columns.ts'
import { checkImmutable, CONDITION, LABEL_SELECTOR } from './metadata.ts'
import { fillPodSpec } from './pod-defaults.ts'
import { POD_TEMPLATE } from './pod-schema.ts'
import { SCALE_SUBRESOURCE } from './workloads.ts'
import { validateTemplate } from './pods.ts'

const APPS = {
  group: 'apps',
  version: 'v1',
  categories: ['all'],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [{ name: 'status', verbs: ['get', 'patch', 'update'] }, SCALE_SUBRESOURCE],
  nameRule: checkSubdomainName,
  hasGeneration: true,
} as const

const count = (object: ApiObject, part: 'spec' | 'status', field: string): number =>
  Number(recordAt(object, part)[field] ?? 0)

function fillTemplate(spec: Record<string, unknown>): void {
  setDefault(spec, 'replicas', 1)
  setDefault(spec, 'template', {})
  const template = recordAt(spec, 'template')
  setDefault(template, 'spec', {})
  fillPodSpec(recordAt(template, 'spec'))
}

function validateWorkload(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const faults: Cause[] = []
  const replicas = spec['replicas']
  if (typeof replicas === 'number' && replicas < 0) {
    faults.push(fieldFault.invalid('spec.replicas', replicas, 'must be greater than or equal to 0'))
  }
  const { selector } = spec
  if (!isRecord(selector)) faults.push(fieldFault.required('spec.selector'))
  else if (Object.keys(selector).length === 0) {
    faults.push(
      fieldFault.invalid('spec.selector', selector, 'empty selector is invalid for deployment'),
    )
  } else {
    faults.push(...validateLabelSelector(selector, 'spec.selector'))
    const template = recordAt(recordAt(spec, 'template'), 'metadata')
    const labels = recordAt(template, 'labels') as Record<string, string>
    if (!labelSelectorOf(selector)(labels)) {
      faults.push(
        fieldFault.invalid(
          'spec.template.metadata.labels',
          labels,
          '`selector` does not match template `labels`',
        ),
      )
    }
  }
  faults.push(...validateTemplate(object))
  const policy = stringAt(recordAt(recordAt(spec, 'template'), 'spec'), 'restartPolicy')
  if (policy !== 'Always') {
    faults.push(fieldFault.notSupported('spec.template.spec.restartPolicy', policy, ['Always']))
  }
  return faults
}

const validateSelectorKept = (object: ApiObject, old: ApiObject): Cause[] =>
  checkImmutable(
    recordAt(object, 'spec')['selector'],
    recordAt(old, 'spec')['selector'],
    'spec.selector',
  )

export const DEPLOYMENTS: ResourceType = {
  ...APPS,
  kind: 'Deployment',
  plural: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  schema: obj({
    spec: obj({
      replicas: keptInt,
      selector: LABEL_SELECTOR,
      template: POD_TEMPLATE,
      strategy: obj({
        type: str,
        rollingUpdate: obj({ maxUnavailable: intOrString, maxSurge: intOrString }),
      }),
      minReadySeconds: int,
      revisionHistoryLimit: keptInt,
      paused: bool,
      progressDeadlineSeconds: keptInt,
    }),
    status: obj({
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
  validateUpdate: validateSelectorKept,
  columns: [
    NAME_COLUMN,
    column(
      'Ready',
      (object) =>
        `${count(object, 'status', 'readyReplicas')}/${count(object, 'spec', 'replicas')}`,
    ),
    column('Up-to-date', (object) => count(object, 'status', 'updatedReplicas'), {
      type: 'integer',
    }),
    column('Available', (object) => count(object, 'status', 'availableReplicas'), {
      type: 'integer',
    }),
    AGE_COLUMN,
    ...WORKLOAD_COLUMNS,
  ],
}

function validateDeployment(object: ApiObject): Cause[] {
  const faults = validateWorkload(object)
  const strategy = recordAt(recordAt(object, 'spec'), 'strategy')
  const type = stringAt(strategy, 'type')
  if (type !== 'Recreate' && type !== 'RollingUpdate') {
    faults.push(fieldFault.notSupported('spec.strategy.type', type, ['Recreate', 'RollingUpdate']))
  }
  if (type === 'Recreate' && strategy['rollingUpdate'] !== undefined) {
    faults.push(
      fieldFault.forbidden(
        'spec.strategy.rollingUpdate',
        "may not be specified when strategy `type` is 'Recreate'",
      ),
    )
  }
  for (const field of ['maxUnavailable', 'maxSurge']) {
    const value = recordAt(strategy, 'rollingUpdate')[field]
    const text =
      typeof value === 'number' ? String(value) : stringAt(strategy['rollingUpdate'], field)
    if (value === undefined || /^\d{1,9}$|^\d{1,3}%$/.test(text)) continue
    faults.push(
      fieldFault.invalid(
        `spec.strategy.rollingUpdate.${field}`,
        value,
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      ),
    )
  }
  return faults
}

export const REPLICA_SETS: ResourceType = {
  ...APPS,
  kind: 'ReplicaSet',
  plural: 'replicasets',
  singular: 'replicaset',
  shortNames: ['rs'],
  schema: obj({
    spec: obj({
      replicas: keptInt,
      minReadySeconds: int,
      selector: LABEL_SELECTOR,
      template: POD_TEMPLATE,
    }),
    status: obj({
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
    fillTemplate(recordAt(object, 'spec'))
  },
  prepareCreate: (object) => {
    object['status'] = { replicas: 0 }
  },
  validate: validateWorkload,
  validateUpdate: validateSelectorKept,
  selectableFields: (object) => ({
    'status.replicas': String(count(object, 'status', 'replicas')),
  }),
  columns: [
    NAME_COLUMN,
    column('Desired', (object) => count(object, 'spec', 'replicas'), { type: 'integer' }),
    column('Current', (object) => count(object, 'status', 'replicas'), { type: 'integer' }),
    column('Ready', (object) => count(object, 'status', 'readyReplicas'), { type: 'integer' }),
    AGE_COLUMN,
    ...WORKLOAD_COLUMNS,
  ],
}
