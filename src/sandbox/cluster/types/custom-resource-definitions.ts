import {
  storageVersions,
  validateDefinition,
  validateDefinitionUpdate,
} from '../custom/definition-validation.ts'
import { decodeNode } from '../custom/schema-decoding.ts'
import { checkSubdomainName } from '../names.ts'
import { listAt, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { any, bool, int, keptStr, keyedList, list, obj, part, str, valueObj } from '../schema.ts'
import { NAME_COLUMN } from './columns.ts'
import { CONDITION } from './metadata.ts'

export const CUSTOM_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io'

const NAMES = valueObj({
  plural: str,
  singular: str,
  shortNames: list(str),
  kind: str,
  listKind: str,
  categories: list(str),
})

const VERSION = obj({
  name: str,
  served: { kind: 'boolean', keepsEmpty: true },
  storage: { kind: 'boolean', keepsEmpty: true },
  deprecated: bool,
  deprecationWarning: keptStr,
  schema: obj({ openAPIV3Schema: part(decodeNode) }),
  subresources: obj({
    status: any,
    scale: obj({ specReplicasPath: str, statusReplicasPath: str, labelSelectorPath: keptStr }),
  }),
  additionalPrinterColumns: list(
    obj({ name: str, type: str, format: str, description: str, priority: int, jsonPath: str }),
  ),
  selectableFields: list(obj({ jsonPath: str })),
})

export const CUSTOM_RESOURCE_DEFINITIONS: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  singular: 'customresourcedefinition',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  namespaced: false,
  verbs: OBJECT_VERBS,
  subresources: [{ name: 'status', verbs: ['get', 'patch', 'update'] }],
  nameRule: checkSubdomainName,
  hasGeneration: true,
  needsVersion: true,
  schema: obj({
    spec: valueObj({
      group: str,
      names: NAMES,
      scope: str,
      versions: list(VERSION),
      conversion: obj({ strategy: str, webhook: any }),
      preserveUnknownFields: bool,
    }),
    status: valueObj({
      conditions: keyedList(['type'], CONDITION),
      acceptedNames: NAMES,
      storedVersions: list(str),
    }),
  }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const spec = recordAt(object, 'spec')
    setDefault(spec, 'names', {})
    const names = recordAt(spec, 'names')
    const kind = stringAt(names, 'kind')
    setDefault(names, 'singular', kind.toLowerCase())
    if (kind !== '') setDefault(names, 'listKind', `${kind}List`)
    setDefault(spec, 'conversion', { strategy: 'None' })
  },
  prepareCreate: (object) => {
    object['status'] = {
      conditions: null,
      acceptedNames: { plural: '', kind: '' },
      storedVersions: storageVersions(object),
    }
  },
  prepareDelete: (object, at) => {
    const finalizers = object.metadata.finalizers ?? []
    object.metadata.finalizers = [...new Set([...finalizers, CUSTOM_FINALIZER])]
    setCondition(object, at, {
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionPending',
      message:
        'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
    })
  },
  prepareUpdate: (object) => {
    const status = recordAt(object, 'status')
    const stored = listAt(status, 'storedVersions')
    object['status'] = {
      ...status,
      storedVersions: [...new Set([...stored, ...storageVersions(object)])],
    }
  },
  validate: validateDefinition,
  validateUpdate: (object, old) =>
    validateDefinitionUpdate(object, old, conditionOf(old, 'Established') === 'True'),
  columns: [
    NAME_COLUMN,
    {
      name: 'Created At',
      type: 'date',
      cell: ({ metadata }) => metadata.creationTimestamp ?? '',
    },
  ],
}

export interface DefinitionCondition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

/** Puts a condition in the place of the one of its type; the time moves with the status alone. */
export function setCondition(object: ApiObject, at: string, condition: DefinitionCondition): void {
  const old = listAt(object['status'], 'conditions')
  const before = old.find((known) => stringAt(known, 'type') === condition.type)
  const isSame = stringAt(before, 'status') === condition.status
  const since = isSame ? stringAt(before, 'lastTransitionTime') : at
  const made = { ...condition, lastTransitionTime: since }
  const conditions =
    before === undefined ? [...old, made] : old.map((known) => (known === before ? made : known))
  object['status'] = { ...recordAt(object, 'status'), conditions }
}

/** Whether the API server serves the definition's objects. */
export function conditionOf(object: ApiObject, type: string): string {
  const found = listAt(object['status'], 'conditions').find(
    (condition) => stringAt(condition, 'type') === type,
  )
  return stringAt(found, 'status')
}
