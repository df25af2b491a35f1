import { fieldFault } from '../faults.ts'
import { checkSubdomainName } from '../names.ts'
import { recordAt, stringAt } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { keptInt, keptStr, microTime, obj, valueObj } from '../schema.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { validateNotNegative } from './workloads.ts'

/** `strategy` and `preferredHolder` belong to a feature that is off in Kubernetes by default. */
export const LEASES: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  singular: 'lease',
  shortNames: [],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [],
  schema: obj({
    spec: valueObj({
      holderIdentity: keptStr,
      leaseDurationSeconds: keptInt,
      acquireTime: microTime,
      renewTime: microTime,
      leaseTransitions: keptInt,
      strategy: keptStr,
      preferredHolder: keptStr,
    }),
  }),
  nameRule: checkSubdomainName,
  needsVersion: true,
  defaults: (object) => {
    const spec = recordAt(object, 'spec')
    delete spec['strategy']
    delete spec['preferredHolder']
  },
  validate: (object) => {
    const { leaseDurationSeconds: seconds } = recordAt(object, 'spec')
    return [
      ...(typeof seconds === 'number' && seconds <= 0
        ? [fieldFault.invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0')]
        : []),
      ...validateNotNegative(object['spec'], ['leaseTransitions']),
    ]
  },
  columns: [
    NAME_COLUMN,
    column('Holder', (object) => stringAt(object['spec'], 'holderIdentity')),
    AGE_COLUMN,
  ],
}
