import { fieldFault, type Cause } from '../faults.ts'
import { isRecord, listAt, recordAt, stringAt } from '../objects.ts'
import { wrongType, type SchemaNode } from './structural-schema.ts'

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const UNSUPPORTED = [
  'id',
  'additionalItems',
  'patternProperties',
  'definitions',
  'dependencies',
  '$ref',
]
const META_FIELDS = ['apiVersion', 'kind', 'metadata']
const FAULTS_MAX = 50

interface Place {
  readonly path: string
  readonly isRoot?: boolean
  /** Why no default may be here. */
  readonly noDefault?: string
  readonly isInMetadata?: boolean
}

/**
 * What Kubernetes forbids of OpenAPI's keywords, and its own extensions wherever they do not fit
 * together. The schema's size is `validateStructure`'s to judge; at most 50 faults.
 */
export function validateKeywords(schema: SchemaNode, path: string): Cause[] {
  const faults: Cause[] = []
  visit(faults, schema, { path, isRoot: true })
  return faults.slice(0, FAULTS_MAX)
}

function visit(faults: Cause[], node: unknown, place: Place): void {
  if (!isRecord(node) || faults.length >= FAULTS_MAX) return
  const { path, isRoot = false, isInMetadata = false } = place
  const inner = (name: string, more: Partial<Place> = {}): Place => ({
    ...place,
    isRoot: false,
    path: `${path}.${name}`,
    ...more,
  })
  checkKeywords(faults, node, place)
  const { additionalProperties } = node
  const noDefault = 'inside additionalProperties applying to object metadata'
  visit(
    faults,
    additionalProperties,
    inner('additionalProperties', isInMetadata ? { noDefault } : {}),
  )
  const holdsMetadata = isRoot || node['x-kubernetes-embedded-resource'] === true
  for (const [name, property] of Object.entries(recordAt(node, 'properties'))) {
    const isOwn = holdsMetadata && META_FIELDS.includes(name)
    const more = {
      ...(isOwn && { isInMetadata: true }),
      ...(isOwn && isRoot && { noDefault: `in top-level ${name}` }),
    }
    visit(faults, property, inner(`properties[${name}]`, more))
  }
  visit(faults, node['not'], inner('not'))
  for (const name of ['allOf', 'oneOf', 'anyOf']) {
    for (const [at, branch] of listAt(node, name).entries()) {
      visit(faults, branch, inner(`${name}[${at}]`))
    }
  }
  visit(faults, node['items'], inner('items'))
  checkExtensions(faults, node, path)
}

function checkKeywords(faults: Cause[], node: SchemaNode, place: Place): void {
  const { path, noDefault, isInMetadata = false } = place
  const forbid = (field: string, says: string): unknown =>
    faults.push(fieldFault.forbidden(`${path}.${field}`, says))
  const type = stringAt(node, 'type')
  if (type !== '' && !TYPES.includes(type)) {
    faults.push(fieldFault.notSupported(`${path}.type`, type, TYPES))
  }
  if (node['default'] !== undefined && noDefault !== undefined) {
    forbid('default', `must not be set ${noDefault}`)
  }
  for (const field of UNSUPPORTED) {
    if (node[field] !== undefined) forbid(field, `${field} is not supported`)
  }
  if (type === 'null') forbid('type', 'type cannot be set to null, use nullable as an alternative')
  if (Array.isArray(node['items'])) {
    forbid('items', 'items must be a schema object and not an array')
  }
  if (isInMetadata && node['x-kubernetes-embedded-resource'] === true) {
    forbid('x-kubernetes-embedded-resource', 'must not be used inside of resource meta')
  }
  if (node['uniqueItems'] === true) {
    const says = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'
    forbid('uniqueItems', says)
  }
  const { additionalProperties } = node
  const hasProperties = Object.keys(recordAt(node, 'properties')).length > 0
  if (hasProperties && additionalProperties !== undefined && additionalProperties !== true) {
    forbid('additionalProperties', 'additionalProperties and properties are mutual exclusive')
  }
  if (listAt(node, 'x-kubernetes-validations').length > 0) {
    forbid('x-kubernetes-validations', 'this server does not evaluate CEL')
  }
}

const LIST_TYPE = 'x-kubernetes-list-type'
const LIST_KEYS = 'x-kubernetes-list-map-keys'
const MAP_TYPE = 'x-kubernetes-map-type'

function checkExtensions(faults: Cause[], node: SchemaNode, path: string): void {
  const open = 'x-kubernetes-preserve-unknown-fields'
  if (node[open] === false) {
    faults.push(fieldFault.invalid(`${path}.${open}`, false, 'must be true or undefined'))
  }
  const type = stringAt(node, 'type')
  const { [MAP_TYPE]: mapType, [LIST_TYPE]: listType } = node
  if (mapType !== undefined && type !== 'object') {
    faults.push(wrongType(`${path}.type`, type, `must be object if ${MAP_TYPE} is specified`))
  }
  if (mapType !== undefined && mapType !== 'atomic' && mapType !== 'granular') {
    const known = ['atomic', 'granular']
    faults.push(fieldFault.notSupported(`${path}.${MAP_TYPE}`, mapType, known))
  }
  if (listType !== undefined && type !== 'array') {
    faults.push(wrongType(`${path}.type`, type, `must be array if ${LIST_TYPE} is specified`))
  } else if (listType === 'set') faults.push(...setFaults(node, path))
  if (listType !== undefined && !['atomic', 'set', 'map'].some((known) => known === listType)) {
    const known = ['atomic', 'set', 'map']
    faults.push(fieldFault.notSupported(`${path}.${LIST_TYPE}`, listType, known))
  }
  if (listAt(node, LIST_KEYS).length > 0 && listType !== 'map') {
    const says = `must be map if ${LIST_KEYS} is non-empty`
    faults.push(wrongType(`${path}.${LIST_TYPE}`, stringAt(node, LIST_TYPE), says))
  }
  if (listType === 'map') faults.push(...mapFaults(node, path))
  const { items } = node
  if ((listType === 'map' || listType === 'set') && isRecord(items) && items['nullable'] === true) {
    const says = `cannot be nullable when ${LIST_TYPE} is ${listType}`
    faults.push(fieldFault.forbidden(`${path}.items.nullable`, says))
  }
}

/** Elements of a set are compared as a whole. */
function setFaults(node: SchemaNode, path: string): Cause[] {
  const { items } = node
  if (!isRecord(items)) return []
  const says = `must be atomic as item of a list with ${LIST_TYPE}=set`
  const itemType = items[LIST_TYPE]
  if (items['type'] === 'array' && itemType !== undefined && itemType !== 'atomic') {
    return [fieldFault.invalid(`${path}.items.${LIST_TYPE}`, itemType, says)]
  }
  return items['type'] === 'object' && items[MAP_TYPE] !== 'atomic'
    ? [fieldFault.invalid(`${path}.items.${MAP_TYPE}`, itemType ?? null, says)]
    : []
}

/** Elements of a map are told apart by keys that each of them has. */
function mapFaults(node: SchemaNode, path: string): Cause[] {
  const faults: Cause[] = []
  const keys = listAt(node, LIST_KEYS).map(String)
  const { items } = node
  if (keys.length === 0) {
    const says = `must not be empty if ${LIST_TYPE} is map`
    faults.push(fieldFault.required(`${path}.${LIST_KEYS}`, says))
  }
  if (!isRecord(items)) {
    const says = `must have a schema if ${LIST_TYPE} is map`
    return [...faults, fieldFault.required(`${path}.items`, says)]
  }
  if (items['type'] !== 'object') {
    const says = `must be object if parent array's ${LIST_TYPE} is map`
    faults.push(fieldFault.invalid(`${path}.items.type`, stringAt(items, 'type'), says))
  }
  const properties = recordAt(items, 'properties')
  for (const [at, key] of keys.entries()) {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined
    const refuse = (says: string): unknown =>
      faults.push(fieldFault.invalid(`${path}.${LIST_KEYS}`, keys, says))
    if (isRecord(property)) faults.push(...keyFaults(items, property, { path, key }))
    else if (items['type'] === 'object') refuse('entries must all be names of item properties')
    if (keys.indexOf(key) !== at) refuse('must not contain duplicate entries')
  }
  return faults
}

function keyFaults(
  items: SchemaNode,
  property: SchemaNode,
  { path, key }: { readonly path: string; readonly key: string },
): Cause[] {
  const here = `${path}.items.properties[${key}]`
  const of = 'this property is in x-kubernetes-list-map-keys, so it'
  const isAlwaysThere = listAt(items, 'required').includes(key) || property['default'] !== undefined
  return [
    ...(property['type'] === 'array' || property['type'] === 'object'
      ? [
          fieldFault.invalid(
            `${here}.type`,
            stringAt(items, 'type'),
            `must be a scalar type if parent array's ${LIST_TYPE} is map`,
          ),
        ]
      : []),
    ...(isAlwaysThere
      ? []
      : [
          fieldFault.required(
            `${here}.default`,
            `${of} must have a default or be a required property`,
          ),
        ]),
    ...(property['nullable'] === true
      ? [fieldFault.forbidden(`${here}.nullable`, `${of} cannot be nullable`)]
      : []),
  ]
}
