/**
 * OpenAPI 3 of what the cluster serves, made from the same rows and schemas that requests are
 * checked by: enough for kubectl's validation, `apply` and `explain`
 * (https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3).
 */
import { VERSION } from './discovery.ts'
import { recordAt, type JsonRecord } from './objects.ts'
import { messageNamed, messageOfKind } from './protobuf/fields.ts'
import { apiVersionOf, type Registry, type ResourceType } from './resource-types.ts'
import { listKeys, type ListSchema, type ObjectSchema, type Schema } from './schema.ts'
import { objectSchemaOf } from './types/metadata.ts'

const ROOT = '/openapi/v3'
const META_SCOPES = ['meta.v1.', 'runtime.', 'resource.', 'intstr.']

/** The index and the documents, by path; undefined for any other path. */
export function openapiAt(registry: Registry, pathname: string): JsonRecord | undefined {
  if (pathname === ROOT) return indexOf(registry)
  if (!pathname.startsWith(`${ROOT}/`)) return undefined
  const rest = pathname.slice(ROOT.length + 1)
  const [root, group = '', version, ...more] = rest.split('/')
  if (root === 'api' && version === undefined) return documentOf(registry, '', group)
  if (root !== 'apis' || version === undefined || more.length > 0) return undefined
  return documentOf(registry, group, version)
}

const rootOf = (group: string, version: string): string =>
  group === '' ? `api/${version}` : `apis/${group}/${version}`

function indexOf(registry: Registry): JsonRecord {
  const paths: JsonRecord = {}
  for (const [group, versions] of registry.groups()) {
    for (const version of versions) {
      const root = rootOf(group, version)
      paths[root] = { serverRelativeURL: `${ROOT}/${root}` }
    }
  }
  return { paths }
}

function documentOf(registry: Registry, group: string, version: string): JsonRecord | undefined {
  const types = registry.types.filter((type) => type.group === group && type.version === version)
  if (types.length === 0) return undefined
  const schemas: JsonRecord = {}
  const paths: JsonRecord = {}
  for (const type of types) {
    addKind(schemas, type)
    addPaths(paths, type)
  }
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: VERSION.gitVersion },
    paths,
    components: { schemas },
  }
}

const kindExtension = ({ group, version, kind }: ResourceType): JsonRecord => ({
  group,
  kind,
  version,
})

/** The component of a kind, named as Kubernetes names it where it is one of Kubernetes' own. */
function addKind(schemas: JsonRecord, type: ResourceType): void {
  const message = messageOfKind(apiVersionOf(type), type.kind)
  const name = kindName(type)
  const made = schemaOf(schemas, objectSchemaOf(type), message)
  const own = '$ref' in made ? (schemas[name] as JsonRecord) : made
  const whole = type.custom === undefined ? own : customKind(type.custom.schema, own)
  schemas[name] = {
    description: `${type.kind} as this cluster serves it.`,
    ...whole,
    'x-kubernetes-group-version-kind': [kindExtension(type)],
  }
}

/** A definition's schema with the fields that every object has. */
function customKind(schema: JsonRecord, own: JsonRecord): JsonRecord {
  const properties = { ...recordAt(schema, 'properties'), ...recordAt(own, 'properties') }
  return { ...schema, properties }
}

function kindName(type: ResourceType): string {
  const message = messageOfKind(apiVersionOf(type), type.kind)
  if (message !== undefined) return componentName(message)
  const owner = (type.group || 'core').split('.').reverse().join('.')
  return `${owner}.${type.version}.${type.kind}`
}

function componentName(message: string): string {
  const isMeta = META_SCOPES.some((scope) => message.startsWith(scope))
  return isMeta ? `io.k8s.apimachinery.pkg.apis.${message}` : `io.k8s.api.${message}`
}

/** A schema as OpenAPI; objects that have a protobuf message become components of that name. */
function schemaOf(schemas: JsonRecord, schema: Schema, message: string | undefined): JsonRecord {
  switch (schema.kind) {
    case 'object': {
      const own = {
        ...(schema.isValue === true && { default: {} }),
        ...(schema.isAtomic === false && { [MAP_TYPE]: 'granular' }),
      }
      const name = message === undefined ? undefined : componentName(message)
      if (name === undefined) return { ...objectOf(schemas, schema, message), ...own }
      if (!Object.hasOwn(schemas, name)) {
        // Named before it is filled: schemas may hold themselves.
        schemas[name] = {}
        schemas[name] = objectOf(schemas, schema, message)
      }
      const ref = { $ref: `#/components/schemas/${name}` }
      return Object.keys(own).length === 0 ? ref : { allOf: [ref], ...own }
    }
    case 'map':
      return {
        type: 'object',
        additionalProperties: schemaOf(schemas, schema.of, message),
        ...(schema.isAtomic === true && { [MAP_TYPE]: 'atomic' }),
      }
    case 'list':
      return { ...listOf(schema), items: schemaOf(schemas, schema.of, message) }
    default:
      return {
        ...SCALARS[schema.kind],
        ...(schema.default !== undefined && { default: schema.default }),
      }
  }
}

const MAP_TYPE = 'x-kubernetes-map-type'

/** How the elements of a list are told apart, for both ways to merge them. */
function listOf(schema: ListSchema): JsonRecord {
  const { isSet, isMerged, mergeKey } = schema
  const keys = listKeys(schema)
  return {
    type: 'array',
    ...(keys.length > 0 && {
      'x-kubernetes-list-map-keys': keys,
      'x-kubernetes-list-type': 'map',
    }),
    ...(isSet === true && { 'x-kubernetes-list-type': 'set' }),
    ...(keys.length === 0 && isSet !== true && { 'x-kubernetes-list-type': 'atomic' }),
    ...(mergeKey !== undefined && { 'x-kubernetes-patch-merge-key': mergeKey }),
    ...((mergeKey !== undefined || isMerged === true) && {
      'x-kubernetes-patch-strategy': 'merge',
    }),
  }
}

const SCALARS = {
  string: { type: 'string' },
  integer: { type: 'integer', format: 'int64' },
  number: { type: 'number', format: 'double' },
  boolean: { type: 'boolean' },
  quantity: { type: 'string', format: 'quantity' },
  'int-or-string': { type: 'string', format: 'int-or-string' },
  time: { type: 'string', format: 'date-time' },
  'micro-time': { type: 'string', format: 'date-time' },
  bytes: { type: 'string', format: 'byte' },
  any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
} as const

function objectOf(
  schemas: JsonRecord,
  { fields, isAtomic }: ObjectSchema,
  message: string | undefined,
): JsonRecord {
  const types = fieldTypes(message)
  const properties = Object.entries(fields).map(([field, schema]) => {
    const type = types.get(field)
    return [
      field,
      schemaOf(schemas, schema, type !== undefined && type.length > 1 ? type : undefined),
    ]
  })
  return {
    type: 'object',
    ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
    ...(isAtomic === true && { [MAP_TYPE]: 'atomic' }),
  }
}

/** The types of a message's fields, those of embedded messages among them. */
function fieldTypes(message: string | undefined): Map<string, string> {
  const types = new Map<string, string>()
  for (const { name, type, isEmbedded } of (message === undefined
    ? undefined
    : messageNamed(message)
  )?.values() ?? []) {
    if (!isEmbedded) types.set(name, type)
    else for (const [inner, innerType] of fieldTypes(type)) types.set(inner, innerType)
  }
  return types
}

const ACTIONS: Readonly<Record<string, readonly [string, string, boolean]>> = {
  list: ['get', 'list', false],
  create: ['post', 'post', false],
  deletecollection: ['delete', 'deletecollection', false],
  get: ['get', 'get', true],
  update: ['put', 'put', true],
  patch: ['patch', 'patch', true],
  delete: ['delete', 'delete', true],
}
const PATCH_TYPES = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
]
const QUERY_OF_WRITES = ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({
  name,
  in: 'query',
  schema: { type: 'string', uniqueItems: true },
}))

function addPaths(paths: JsonRecord, type: ResourceType): void {
  const scope = type.namespaced ? '/namespaces/{namespace}' : ''
  const whole = `/${rootOf(type.group, type.version)}${scope}/${type.plural}`
  const one = `${whole}/{name}`
  const [onAll, onOne]: [JsonRecord, JsonRecord] = [{}, {}]
  for (const verb of type.verbs) {
    const action = ACTIONS[verb]
    if (action === undefined) continue
    const [method, name, isOnName] = action
    const target = isOnName ? onOne : onAll
    target[method] = operationOf(type, name)
  }
  if (Object.keys(onAll).length > 0) paths[whole] = onAll
  if (Object.keys(onOne).length > 0) paths[one] = onOne
}

function operationOf(type: ResourceType, action: string): JsonRecord {
  const ref = { $ref: `#/components/schemas/${kindName(type)}` }
  const isWrite = ['post', 'put', 'patch'].includes(action)
  const accepted = action === 'patch' ? PATCH_TYPES : ['*/*']
  const body = action === 'patch' ? { type: 'object' } : ref
  return {
    operationId: `${action}${type.kind}`,
    ...(isWrite && {
      parameters: QUERY_OF_WRITES,
      requestBody: {
        content: Object.fromEntries(accepted.map((media) => [media, { schema: body }])),
        required: true,
      },
    }),
    responses: {
      '200': { description: 'OK', content: { 'application/json': { schema: ref } } },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': kindExtension(type),
  }
}
