import type { ClusterCore } from '../core.ts'
import type { Cause } from '../faults.ts'
import { checkSubdomainName } from '../names.ts'
import {
  cloneObject,
  isRecord,
  listAt,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import {
  apiVersionOf,
  OBJECT_VERBS,
  type Column,
  type CustomBehaviour,
  type ResourceType,
  type Subresource,
  type Verb,
} from '../resource-types.ts'
import { obj } from '../schema.ts'
import { ageSince, AGE_COLUMN, NAME_COLUMN } from '../types/columns.ts'
import { conditionOf, CUSTOM_RESOURCE_DEFINITIONS } from '../types/custom-resource-definitions.ts'
import { STATUS_SUBRESOURCE, SCALE_SUBRESOURCE } from '../types/workloads.ts'
import { findValues, parseJsonPath } from './json-path.ts'
import { fillDefaults, pruneValue } from './schema-values.ts'
import { scaleFaults } from './custom-scale.ts'
import { validateValue } from './schema-validation.ts'

/** Keeps the registry's custom types what the cluster's established definitions say. */
export function serveCustomTypes(core: ClusterCore): void {
  const rebuild = (): void => {
    const definitions = core.store
      .list(CUSTOM_RESOURCE_DEFINITIONS)
      .filter((definition) => conditionOf(definition, 'Established') === 'True')
    const types = definitions.flatMap(typesOf)
    core.registry.setCustomTypes(types)
    core.store.include(types)
  }
  rebuild()
  core.store.subscribe(({ resource }) => {
    if (resource === CUSTOM_RESOURCE_DEFINITIONS) rebuild()
  })
}

/** What discovery says of a definition that is being deleted. */
const TERMINATING_VERBS: readonly Verb[] = ['delete', 'deletecollection', 'get', 'list', 'watch']

const built = new WeakMap<ApiObject, readonly ResourceType[]>()

/** The types of a definition, one for each served version, in the order of their priority. */
export function typesOf(definition: ApiObject): readonly ResourceType[] {
  const known = built.get(definition)
  if (known !== undefined) return known
  const versions = listAt(definition['spec'], 'versions')
    .filter(isRecord)
    .filter((version) => version['served'] === true || version['storage'] === true)
    .toSorted((left, right) => compareVersions(stringAt(left, 'name'), stringAt(right, 'name')))
  const made: ResourceType[] = []
  const storageOf = (): ResourceType | undefined =>
    made.find((type) => type.custom?.isStorage === true)
  for (const version of versions) made.push(typeOf(definition, version, storageOf))
  built.set(definition, made)
  return made
}

interface VersionedSchema {
  readonly definition: ApiObject
  readonly version: JsonRecord
  readonly schema: JsonRecord
  readonly apiVersion: string
  readonly kind: string
}

function typeOf(
  definition: ApiObject,
  version: JsonRecord,
  storageOf: () => ResourceType | undefined,
): ResourceType {
  const spec = recordAt(definition, 'spec')
  const names = recordAt(spec, 'names')
  const schema = recordAt(recordAt(version, 'schema'), 'openAPIV3Schema')
  const identity = { group: stringAt(spec, 'group'), version: stringAt(version, 'name') }
  const kind = stringAt(names, 'kind')
  const custom = behaviourOf(
    { definition, version, schema, kind, apiVersion: apiVersionOf(identity) },
    storageOf,
  )
  const subresources = subresourcesOf(version)
  const hasStatus = subresources.includes(STATUS_SUBRESOURCE)
  return {
    ...identity,
    kind,
    plural: stringAt(names, 'plural'),
    singular: stringAt(names, 'singular'),
    listKind: stringAt(names, 'listKind'),
    shortNames: listAt(names, 'shortNames').map(String),
    categories: listAt(names, 'categories').map(String),
    namespaced: stringAt(spec, 'scope') === 'Namespaced',
    verbs: custom.isTerminating ? TERMINATING_VERBS : OBJECT_VERBS,
    subresources,
    nameRule: checkSubdomainName,
    hasGeneration: true,
    needsVersion: true,
    schema: obj({}),
    custom,
    defaults: (object) => fill(schema, object),
    prepareCreate: (object) => {
      if (hasStatus) delete object['status']
    },
    validate: (object) => [
      ...validateValue(schema, contentOf(object, schema)),
      ...scaleFaults(object, version, ['specReplicasPath', 'statusReplicasPath']),
    ],
    validateStatus: (object) => validateStatus(object, schema, version),
    selectableFields: (object) =>
      Object.fromEntries(
        listAt(version, 'selectableFields').map((field) => {
          const path = stringAt(field, 'jsonPath')
          const [value] = findValues(parseJsonPath(path) ?? [], object)
          return [path.slice(1), textOf(value)]
        }),
      ),
    columns: columnsOf(version),
  }
}

function behaviourOf(
  { definition, version, schema, apiVersion, kind }: VersionedSchema,
  storageOf: () => ResourceType | undefined,
): CustomBehaviour {
  const views = new WeakMap<ApiObject, ApiObject>()
  return {
    isStorage: version['storage'] === true,
    isServed: version['served'] === true,
    isTerminating: definition.metadata.deletionTimestamp !== undefined,
    schema,
    ...(version['deprecated'] === true && { warning: deprecationOf(definition, version) }),
    ...scalePathsOf(version),
    prune: (value) => {
      const { apiVersion: own, kind: ownKind, metadata, ...rest } = value
      const pruned = pruneValue(schema, rest).toSorted()
      return { pruned, value: { apiVersion: own, kind: ownKind, metadata, ...rest } }
    },
    view: (stored) => {
      const seen = views.get(stored)
      if (seen !== undefined) return seen
      const { apiVersion: _version, kind: _kind, metadata, ...content } = cloneObject(stored)
      pruneValue(schema, content)
      const view = { apiVersion, kind, metadata, ...content }
      fill(schema, view)
      views.set(stored, view)
      return view
    },
    toStorage: (object) => {
      const storage = storageOf()
      if (storage === undefined || version['storage'] === true) return object
      const { metadata, ...content } = cloneObject(object)
      const kept = storage.custom?.prune(content).value
      return { ...kept, apiVersion: apiVersionOf(storage), kind, metadata }
    },
  }
}

/** Defaults never touch what every object has. */
function fill(schema: JsonRecord, object: ApiObject): void {
  const { metadata } = object
  fillDefaults(schema, object)
  object.metadata = metadata
}

/** A change of the status is judged by the status' own schema. */
function validateStatus(object: ApiObject, schema: JsonRecord, version: JsonRecord): Cause[] {
  const own = recordAt(schema, 'properties')['status']
  const faults = isRecord(own) ? validateValue(own, object['status'] ?? {}) : []
  return [
    ...faults.map((fault) => ({
      ...fault,
      field: fault.field === '<nil>' ? 'status' : `status.${fault.field}`,
    })),
    ...scaleFaults(object, version, ['statusReplicasPath']),
  ]
}

/** The schema speaks of metadata only where it says so; the server checks the rest itself. */
function contentOf(object: ApiObject, schema: JsonRecord): JsonRecord {
  const { metadata, ...content } = object
  return isRecord(recordAt(schema, 'properties')['metadata']) ? { ...content, metadata } : content
}

function subresourcesOf(version: JsonRecord): Subresource[] {
  const subresources = recordAt(version, 'subresources')
  return [
    ...(subresources['status'] === undefined ? [] : [STATUS_SUBRESOURCE]),
    ...(subresources['scale'] === undefined ? [] : [SCALE_SUBRESOURCE]),
  ]
}

function scalePathsOf(version: JsonRecord): {
  scale?: Record<'spec' | 'status' | 'selector', string>
} {
  const scale = recordAt(version, 'subresources')['scale']
  if (!isRecord(scale)) return {}
  return {
    scale: {
      spec: stringAt(scale, 'specReplicasPath'),
      status: stringAt(scale, 'statusReplicasPath'),
      selector: stringAt(scale, 'labelSelectorPath'),
    },
  }
}

/** Names the newest version that is served and not deprecated, where that is a newer one. */
function deprecationOf(definition: ApiObject, version: JsonRecord): string {
  const own = stringAt(version, 'deprecationWarning')
  if (own !== '') return own
  const spec = recordAt(definition, 'spec')
  const shown = (name: string): string =>
    `${stringAt(spec, 'group')}/${name} ${stringAt(recordAt(spec, 'names'), 'kind')}`
  const name = stringAt(version, 'name')
  const newer = listAt(spec, 'versions')
    .filter(isRecord)
    .filter((other) => other['served'] === true && other['deprecated'] !== true)
    .map((other) => stringAt(other, 'name'))
    .filter((other) => compareVersions(other, name) < 0)
    .toSorted(compareVersions)[0]
  return `${shown(name)} is deprecated${newer === undefined ? '' : `; use ${shown(newer)}`}`
}

function columnsOf(version: JsonRecord): Column[] {
  const shown = listAt(version, 'additionalPrinterColumns')
  if (shown.length === 0) return [NAME_COLUMN, { ...AGE_COLUMN, type: 'date' }]
  return [
    NAME_COLUMN,
    ...shown.map((row): Column => {
      const type = stringAt(row, 'type') as Column['type']
      const steps = parseJsonPath(stringAt(row, 'jsonPath')) ?? []
      return {
        name: stringAt(row, 'name'),
        type,
        priority: Number(recordAt({ row }, 'row')['priority'] ?? 0),
        format: stringAt(row, 'format'),
        description:
          stringAt(row, 'description') ||
          `Custom resource definition column (in JSONPath format): ${stringAt(row, 'jsonPath')}`,
        cell: (object, nowMs) => {
          const [value] = findValues(steps, object)
          if (value === undefined || value === null) return null
          if (type === 'string') return textOf(value)
          if (type === 'date') return typeof value === 'string' ? ageSince(value, nowMs) : null
          if (type === 'boolean') return typeof value === 'boolean' ? value : null
          if (typeof value !== 'number') return null
          return type === 'integer' ? Math.trunc(value) : value
        },
      }
    }),
  ]
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '')

const STABILITY = ['alpha', 'beta', '']

/** GA before beta before alpha, the newest first; other names last, by the alphabet. */
export function compareVersions(left: string, right: string): number {
  const parse = (name: string): readonly number[] | undefined => {
    const match = /^v(\d{1,9})(?:(alpha|beta)(\d{1,9}))?$/.exec(name)
    return match === null
      ? undefined
      : [STABILITY.indexOf(match[2] ?? ''), Number(match[1]), Number(match[3] ?? 0)]
  }
  const [one, other] = [parse(left), parse(right)]
  if (one === undefined || other === undefined) {
    if (one !== other) return one === undefined ? 1 : -1
    return left < right ? -1 : left > right ? 1 : 0
  }
  for (const [at, value] of one.entries()) {
    const difference = (other[at] ?? 0) - value
    if (difference !== 0) return difference
  }
  return 0
}
