import type { ClusterCore } from '../core.ts'
import { checkSubdomainName } from '../names.ts'
import {
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
  type ResourceType,
  type Subresource,
} from '../resource-types.ts'
import { obj } from '../schema.ts'
import { ageSince, AGE_COLUMN, NAME_COLUMN } from '../types/columns.ts'
import { conditionOf, CUSTOM_RESOURCE_DEFINITIONS } from '../types/custom-resource-definitions.ts'
import { STATUS_SUBRESOURCE, SCALE_SUBRESOURCE } from '../types/workloads.ts'
import { findValues, parseJsonPath } from './json-path.ts'
import { fillDefaults, pruneValue } from './schema-values.ts'
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

const built = new WeakMap<ApiObject, readonly ResourceType[]>()

/** The types of a definition, one for each served version, in the order of their priority. */
export function typesOf(definition: ApiObject): readonly ResourceType[] {
  const known = built.get(definition)
  if (known !== undefined) return known
  const versions = listAt(definition['spec'], 'versions')
    .filter(isRecord)
    .filter((version) => version['served'] === true || version['storage'] === true)
    .toSorted((left, right) => compareVersions(stringAt(left, 'name'), stringAt(right, 'name')))
  const made = versions.map((version) => typeOf(definition, version))
  built.set(definition, made)
  return made
}

function typeOf(definition: ApiObject, version: JsonRecord): ResourceType {
  const spec = recordAt(definition, 'spec')
  const names = recordAt(spec, 'names')
  const schema = recordAt(recordAt(version, 'schema'), 'openAPIV3Schema')
  const isTerminating = definition.metadata.deletionTimestamp !== undefined
  const identity = { group: stringAt(spec, 'group'), version: stringAt(version, 'name') }
  const kind = stringAt(names, 'kind')
  const views = new WeakMap<ApiObject, ApiObject>()
  const fill = (object: ApiObject): void => {
    const { metadata } = object
    fillDefaults(schema, object)
    object.metadata = metadata
  }
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
    verbs: isTerminating ? OBJECT_VERBS.filter((verb) => verb !== 'create') : OBJECT_VERBS,
    subresources,
    nameRule: checkSubdomainName,
    hasGeneration: true,
    needsVersion: true,
    schema: obj({}),
    custom: {
      isStorage: version['storage'] === true,
      isServed: version['served'] === true,
      schema,
      ...(version['deprecated'] === true && { warning: deprecationOf(identity, kind, version) }),
      ...scalePathsOf(version),
      prune: (value) => {
        const { apiVersion, kind: own, metadata, ...rest } = value
        const pruned = pruneValue(schema, rest)
        return { pruned, value: { apiVersion, kind: own, metadata, ...rest } }
      },
      view: (stored) => {
        const seen = views.get(stored)
        if (seen !== undefined) return seen
        const view = { ...structuredClone(stored), apiVersion: apiVersionOf(identity), kind }
        fill(view)
        views.set(stored, view)
        return view
      },
      validateStatus: (object) => validateValue(schema, contentOf(object, schema)),
    },
    defaults: fill,
    prepareCreate: (object) => {
      if (hasStatus) delete object['status']
    },
    validate: (object) => validateValue(schema, contentOf(object, schema)),
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

function deprecationOf(
  identity: { readonly group: string; readonly version: string },
  kind: string,
  version: JsonRecord,
): string {
  return (
    stringAt(version, 'deprecationWarning') || `${apiVersionOf(identity)} ${kind} is deprecated`
  )
}

function columnsOf(version: JsonRecord): Column[] {
  const shown = listAt(version, 'additionalPrinterColumns')
  if (shown.length === 0) return [NAME_COLUMN, AGE_COLUMN]
  return [
    NAME_COLUMN,
    ...shown.map((row): Column => {
      const type = stringAt(row, 'type') as Column['type']
      const steps = parseJsonPath(stringAt(row, 'jsonPath')) ?? []
      return {
        name: stringAt(row, 'name'),
        type,
        priority: Number(recordAt({ row }, 'row')['priority'] ?? 0),
        cell: (object, nowMs) => {
          const found = findValues(steps, object)
          if (type === 'date') return ageSince(found[0], nowMs)
          if (type === 'integer' || type === 'number') {
            return typeof found[0] === 'number' ? found[0] : ''
          }
          return found.map(textOf).join(',').slice(0, 1024)
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
