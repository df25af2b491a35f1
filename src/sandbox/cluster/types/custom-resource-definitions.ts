import { parseJsonPath } from '../custom/json-path.ts'
import { fillDefaults, pruneValue } from '../custom/schema-values.ts'
import { validateSchema, type SchemaNode } from '../custom/structural-schema.ts'
import { validateValue } from '../custom/schema-validation.ts'
import { fieldFault, type Cause } from '../faults.ts'
import { checkSubdomainName } from '../names.ts'
import {
  isRecord,
  listAt,
  recordAt,
  sameJson,
  setDefault,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { any, bool, int, keptStr, list, mergeList, obj, str } from '../schema.ts'
import { column, NAME_COLUMN } from './columns.ts'
import { CONDITION } from './metadata.ts'

export const CUSTOM_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io'
const APPROVAL = 'api-approved.kubernetes.io'

const NAMES = obj({
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
  schema: obj({ openAPIV3Schema: any }),
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
    spec: obj({
      group: str,
      names: NAMES,
      scope: str,
      versions: list(VERSION),
      conversion: obj({ strategy: str, webhook: any }),
      preserveUnknownFields: bool,
    }),
    status: obj({
      conditions: mergeList('type', CONDITION),
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
      conditions: [],
      acceptedNames: {},
      storedVersions: storageVersions(object),
    }
    const finalizers = object.metadata.finalizers ?? []
    object.metadata.finalizers = [...new Set([...finalizers, CUSTOM_FINALIZER])]
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
  validateUpdate,
  columns: [NAME_COLUMN, column('Created At', ({ metadata }) => metadata.creationTimestamp ?? '')],
}

const storageVersions = (object: ApiObject): string[] =>
  listAt(object['spec'], 'versions')
    .filter((version) => isRecord(version) && version['storage'] === true)
    .map((version) => stringAt(version, 'name'))

/** Whether the API server serves the definition's objects. */
export function conditionOf(object: ApiObject, type: string): string {
  const found = listAt(object['status'], 'conditions').find(
    (condition) => stringAt(condition, 'type') === type,
  )
  return stringAt(found, 'status')
}

function validateDefinition(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const names = recordAt(spec, 'names')
  const [group, plural, scope] = [
    stringAt(spec, 'group'),
    stringAt(names, 'plural'),
    stringAt(spec, 'scope'),
  ]
  const faults: Cause[] = []
  if (object.metadata.name !== `${plural}.${group}`) {
    const says = 'must be spec.names.plural+"."+spec.group'
    faults.push(fieldFault.invalid('metadata.name', object.metadata.name, says))
  }
  if (group === '') faults.push(fieldFault.required('spec.group'))
  else if (!group.includes('.')) {
    faults.push(fieldFault.invalid('spec.group', group, 'should be a domain with at least one dot'))
  } else {
    const faulty = checkSubdomainName(group)
    faults.push(...faulty.map((says) => fieldFault.invalid('spec.group', group, says)))
  }
  const isProtected = /(?:^|\.)(?:k8s|kubernetes)\.io$/.test(group)
  if (isProtected && stringAt(object.metadata.annotations, APPROVAL) === '') {
    const says = `protected groups must have approval annotation "${APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111`
    faults.push(fieldFault.required(`metadata.annotations[${APPROVAL}]`, says))
  }
  const scopes = ['Cluster', 'Namespaced']
  if (scope === '') faults.push(fieldFault.required('spec.scope'))
  else if (!scopes.includes(scope)) {
    faults.push(fieldFault.notSupported('spec.scope', scope, scopes))
  }
  if (stringAt(recordAt(spec, 'conversion'), 'strategy') !== 'None') {
    const says = 'this server converts by the strategy None only'
    faults.push(fieldFault.forbidden('spec.conversion.strategy', says))
  }
  if (spec['preserveUnknownFields'] === true) {
    const says =
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead'
    faults.push(fieldFault.invalid('spec.preserveUnknownFields', true, says))
  }
  return [...faults, ...validateNames(names), ...validateVersions(object, spec)]
}

function validateNames(names: JsonRecord): Cause[] {
  const faults: Cause[] = []
  for (const field of ['plural', 'singular', 'kind', 'listKind']) {
    const name = stringAt(names, field)
    const path = `spec.names.${field}`
    if (name === '') faults.push(fieldFault.required(path))
    else {
      const found = checkDns1035(name.toLowerCase())
      const isMixed = field === 'kind' || field === 'listKind' || name === name.toLowerCase()
      const says = isMixed ? found : ['must be lower case']
      faults.push(...says.map((text) => fieldFault.invalid(path, name, text)))
    }
  }
  for (const [at, name] of listAt(names, 'shortNames').entries()) {
    const found = checkDns1035(String(name))
    const path = `spec.names.shortNames[${at}]`
    faults.push(...found.map((says) => fieldFault.invalid(path, name, says)))
  }
  const [kind, listKind] = [stringAt(names, 'kind'), stringAt(names, 'listKind')]
  if (kind !== '' && kind === listKind) {
    const says = 'kind and listKind may not be the same'
    faults.push(fieldFault.invalid('spec.names.listKind', listKind, says))
  }
  return faults
}

const DNS_1035 = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/
const DNS_1035_SAYS =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"

function checkDns1035(name: string): string[] {
  const faults = name.length > 63 ? ['must be no more than 63 characters'] : []
  return DNS_1035.test(name) ? faults : [...faults, DNS_1035_SAYS]
}

const VERSIONS_MAX = 50

function validateVersions(object: ApiObject, spec: JsonRecord): Cause[] {
  const versions = listAt(spec, 'versions').filter(isRecord)
  const names = versions.map((version) => stringAt(version, 'name'))
  const path = 'spec.versions'
  if (versions.length === 0) {
    return [fieldFault.required(path, 'must have at least one version')]
  }
  if (versions.length > VERSIONS_MAX) {
    return [fieldFault.forbidden(path, `at most ${VERSIONS_MAX} versions are served`)]
  }
  const faults = versions.flatMap((version, at) => validateVersion(version, `${path}[${at}]`))
  if (new Set(names).size !== names.length) {
    faults.push(fieldFault.invalid(path, names, 'must contain unique version names'))
  }
  if (storageVersions(object).length !== 1) {
    const says = 'must have exactly one version marked as storage version'
    faults.push(fieldFault.invalid(path, names, says))
  }
  const stored = listAt(object['status'], 'storedVersions')
  for (const [at, value] of stored.entries()) {
    const name = String(value)
    if (names.includes(name)) continue
    const says = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`
    faults.push(fieldFault.invalid(`status.storedVersions[${at}]`, name, says))
  }
  return faults
}

const COLUMN_TYPES = ['integer', 'number', 'string', 'boolean', 'date']

function validateVersion(version: JsonRecord, path: string): Cause[] {
  const name = stringAt(version, 'name')
  const faults = checkDns1035(name).map((says) => fieldFault.invalid(`${path}.name`, name, says))
  const schema = recordAt(version, 'schema')['openAPIV3Schema']
  const here = `${path}.schema.openAPIV3Schema`
  if (!isRecord(schema)) faults.push(fieldFault.required(here, 'schemas are required'))
  else {
    const found = validateSchema(schema, here)
    faults.push(...found, ...(found.length === 0 ? validateDefaults(schema, here) : []))
  }
  for (const [at, shown] of listAt(version, 'additionalPrinterColumns').entries()) {
    const columnPath = `${path}.additionalPrinterColumns[${at}]`
    const type = stringAt(shown, 'type')
    const jsonPath = stringAt(shown, 'jsonPath')
    if (stringAt(shown, 'name') === '') faults.push(fieldFault.required(`${columnPath}.name`))
    if (!COLUMN_TYPES.includes(type)) {
      const says = `must be one of ${COLUMN_TYPES.join(',')}`
      faults.push(fieldFault.invalid(`${columnPath}.type`, type, says))
    }
    if (parseJsonPath(jsonPath) === undefined) {
      const says = 'unrecognized simple JSON path'
      faults.push(fieldFault.invalid(`${columnPath}.jsonPath`, jsonPath, says))
    }
  }
  if (version['selectableFields'] !== undefined) {
    for (const [at, field] of listAt(version, 'selectableFields').entries()) {
      const jsonPath = stringAt(field, 'jsonPath')
      if (/^(?:\.\w+)+$/.test(jsonPath)) continue
      const says = 'is an invalid path: does not refer to a valid field'
      faults.push(fieldFault.invalid(`${path}.selectableFields[${at}].jsonPath`, jsonPath, says))
    }
  }
  const scale = recordAt(version, 'subresources')['scale']
  if (isRecord(scale)) faults.push(...validateScale(scale, `${path}.subresources.scale`))
  return faults
}

function validateScale(scale: JsonRecord, path: string): Cause[] {
  const wanted = { specReplicasPath: '.spec.', statusReplicasPath: '.status.' }
  return Object.entries(wanted).flatMap(([field, prefix]) => {
    const value = stringAt(scale, field)
    if (value === '') return [fieldFault.required(`${path}.${field}`)]
    const says = `should be a json path under ${prefix.slice(0, -1)}`
    return value.startsWith(prefix) && /^(?:\.\w+)+$/.test(value)
      ? []
      : [fieldFault.invalid(`${path}.${field}`, value, says)]
  })
}

/** Defaults must be what the schema would keep and take. */
function validateDefaults(schema: SchemaNode, path: string): Cause[] {
  const faults: Cause[] = []
  const visit = (node: unknown, here: string): void => {
    if (!isRecord(node) || faults.length > 20) return
    if (node['default'] !== undefined) {
      const value = structuredClone(node['default'])
      const pruned = pruneValue(node, value)
      fillDefaults(node, value)
      if (pruned.length > 0) {
        const says = 'must not have unknown fields'
        faults.push(fieldFault.invalid(`${here}.default`, node['default'], says))
      } else faults.push(...validateValue(node, value, `${here}.default`))
    }
    for (const [name, child] of Object.entries(recordAt(node, 'properties'))) {
      visit(child, `${here}.properties[${name}]`)
    }
    visit(node['items'], `${here}.items`)
    visit(node['additionalProperties'], `${here}.additionalProperties`)
  }
  visit(schema, path)
  return faults
}

function validateUpdate(object: ApiObject, old: ApiObject): Cause[] {
  if (conditionOf(old, 'Established') !== 'True') return []
  const fields = [['scope'], ['names', 'kind'], ['names', 'plural'], ['group']]
  return fields.flatMap((field) => {
    const read = (from: ApiObject): unknown =>
      field.reduce<unknown>((at, name) => recordAt({ at }, 'at')[name], from['spec'])
    return sameJson(read(object), read(old))
      ? []
      : [fieldFault.invalid(`spec.${field.join('.')}`, read(object), 'field is immutable')]
  })
}
