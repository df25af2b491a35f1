import { fieldFault, type Cause } from '../faults.ts'
import { isRecord, listAt, stringAt, type JsonRecord } from '../objects.ts'
import { compilePattern, PatternFault, type Pattern } from './pattern.ts'

/** A structural schema as it is stored: a node of `openAPIV3Schema`. */
export type SchemaNode = JsonRecord

const TYPES = ['string', 'integer', 'number', 'boolean', 'object', 'array']
const NODES_MAX = 50_000
const DEPTH_MAX = 100
const FAULTS_MAX = 50
const JUNCTORS = ['allOf', 'anyOf', 'oneOf'] as const
/** Fields that only the structure outside of junctors may have. */
const STRUCTURE = [
  'type',
  'default',
  'additionalProperties',
  'nullable',
  'title',
  'description',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
]
const UNSUPPORTED = ['$ref', 'definitions', 'dependencies', 'patternProperties', 'id']
const WHOLE = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties']
const NUMBERS = ['minimum', 'maximum', 'multipleOf']

const patterns = new Map<string, Pattern | string>()
const PATTERNS_MAX = 10_000

/** A schema's pattern, compiled once; a string says what is wrong with it. */
export function patternOf(source: string): Pattern | string {
  const known = patterns.get(source)
  if (known !== undefined) return known
  let made: Pattern | string
  try {
    made = compilePattern(source)
  } catch (thrown) {
    if (!(thrown instanceof PatternFault)) throw thrown
    made = thrown.message
  }
  if (patterns.size >= PATTERNS_MAX) patterns.clear()
  patterns.set(source, made)
  return made
}

interface Walk {
  readonly faults: Cause[]
  nodes: number
}

/**
 * What keeps a schema from being a structural one (Kubernetes, "Specifying a structural schema"),
 * or from being served here. At most 50 faults.
 */
export function validateSchema(schema: SchemaNode, path: string): Cause[] {
  const walk: Walk = { faults: [], nodes: 0 }
  const type = stringAt(schema, 'type')
  if (type === '')
    walk.faults.push(fieldFault.required(`${path}.type`, 'must not be empty at the root'))
  else if (type !== 'object') {
    walk.faults.push(fieldFault.invalid(`${path}.type`, type, 'must be object at the root'))
  }
  if (schema['nullable'] === true) {
    walk.faults.push(
      fieldFault.forbidden(`${path}.nullable`, 'nullable cannot be true at the root'),
    )
  }
  visit(walk, schema, { path, depth: 0, role: 'root' })
  return walk.faults.slice(0, FAULTS_MAX)
}

interface Place {
  readonly path: string
  readonly depth: number
  readonly role: 'root' | 'field' | 'item' | 'junctor'
}

function visit(walk: Walk, node: unknown, place: Place): void {
  const { path, depth, role } = place
  walk.nodes += 1
  if (walk.faults.length >= FAULTS_MAX) return
  if (walk.nodes > NODES_MAX || depth > DEPTH_MAX) {
    const says = `schemas may have ${NODES_MAX} nodes and ${DEPTH_MAX} levels`
    if (walk.nodes <= NODES_MAX + 1 || depth > DEPTH_MAX)
      walk.faults.push(fieldFault.forbidden(path, says))
    return
  }
  if (!isRecord(node)) {
    walk.faults.push(fieldFault.invalid(path, node, 'must be a schema object'))
    return
  }
  const inner = (name: string, inRole: Place['role'] = role): Place => ({
    path: `${path}.${name}`,
    depth: depth + 1,
    role: role === 'junctor' ? 'junctor' : inRole,
  })
  checkNode(walk.faults, node, place)
  const { properties, items, additionalProperties } = node
  if (properties !== undefined && !isRecord(properties)) {
    walk.faults.push(fieldFault.invalid(`${path}.properties`, properties, 'must be an object'))
  } else {
    for (const [name, property] of Object.entries(properties ?? {})) {
      visit(walk, property, inner(`properties[${name}]`, 'field'))
    }
  }
  if (items !== undefined) visit(walk, items, inner('items', 'item'))
  if (isRecord(additionalProperties)) {
    visit(walk, additionalProperties, inner('additionalProperties', 'field'))
  }
  for (const name of JUNCTORS) {
    if (node[name] !== undefined && !Array.isArray(node[name])) {
      walk.faults.push(fieldFault.invalid(`${path}.${name}`, node[name], 'must be a list'))
    }
    for (const [at, branch] of listAt(node, name).entries()) {
      visit(walk, branch, { ...inner(`${name}[${at}]`), role: 'junctor' })
    }
  }
  if (node['not'] !== undefined) visit(walk, node['not'], { ...inner('not'), role: 'junctor' })
}

function checkNode(faults: Cause[], node: SchemaNode, { path, role }: Place): void {
  const forbid = (field: string, says: string): unknown =>
    faults.push(fieldFault.forbidden(`${path}.${field}`, says))
  for (const field of UNSUPPORTED) {
    if (node[field] !== undefined) forbid(field, `${field} is not supported`)
  }
  if (node['uniqueItems'] === true) {
    const says = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'
    forbid('uniqueItems', says)
  }
  if (listAt(node, 'x-kubernetes-validations').length > 0) {
    forbid('x-kubernetes-validations', 'this server does not evaluate CEL')
  }
  if (role === 'junctor') {
    const isIntOrString = node['x-kubernetes-int-or-string'] === true
    for (const field of STRUCTURE) {
      const value = node[field]
      // The two forms of int-or-string are the one exception.
      if (value === undefined || (field === 'type' && !isIntOrString && isScalarType(value)))
        continue
      forbid(field, 'must be empty to be structural')
    }
  } else checkType(faults, node, { path, role, depth: 0 })
  checkLimits(faults, node, path)
  if (node['properties'] !== undefined && isRecord(node['additionalProperties'])) {
    forbid('additionalProperties', 'additionalProperties and properties are mutual exclusive')
  }
  if (node['additionalProperties'] === false) {
    forbid('additionalProperties', 'additionalProperties cannot be set to false')
  }
}

const isScalarType = (value: unknown): boolean => value === 'integer' || value === 'string'

const ROLE_SAYS = {
  root: 'at the root',
  field: 'for specified object fields',
  item: 'for specified array items',
} as const

function checkType(faults: Cause[], node: SchemaNode, { path, role }: Place): void {
  const { type = '' } = node
  const isOpen = node['x-kubernetes-preserve-unknown-fields'] === true
  const isIntOrString = node['x-kubernetes-int-or-string'] === true
  if (isIntOrString) {
    if (type !== '') {
      const says = 'must be empty if x-kubernetes-int-or-string is true'
      faults.push(fieldFault.invalid(`${path}.type`, type, says))
    }
  } else if (type === '') {
    if (!isOpen && (role === 'field' || role === 'item')) {
      const says = `must not be empty ${ROLE_SAYS[role]}`
      faults.push(fieldFault.required(`${path}.type`, says))
    }
  } else if (!TYPES.some((known) => known === type)) {
    faults.push(fieldFault.notSupported(`${path}.type`, type, TYPES))
  }
  if (type === 'array' && node['items'] === undefined) {
    faults.push(fieldFault.required(`${path}.items`, 'must be specified'))
  }
  if (isOpen && type !== '' && type !== 'object') {
    const says = 'must be false for non-object types'
    faults.push(fieldFault.invalid(`${path}.x-kubernetes-preserve-unknown-fields`, true, says))
  }
  const listType = stringAt(node, 'x-kubernetes-list-type')
  if (listType === 'map' && listAt(node, 'x-kubernetes-list-map-keys').length === 0) {
    const says = 'must not be empty if x-kubernetes-list-type is map'
    faults.push(fieldFault.required(`${path}.x-kubernetes-list-map-keys`, says))
  }
}

function checkLimits(faults: Cause[], node: SchemaNode, path: string): void {
  for (const field of WHOLE) {
    const value = node[field]
    if (value === undefined || (Number.isSafeInteger(value) && Number(value) >= 0)) continue
    faults.push(
      fieldFault.invalid(`${path}.${field}`, value, 'must be a whole number of 0 or more'),
    )
  }
  for (const field of NUMBERS) {
    const value = node[field]
    if (
      value === undefined ||
      (typeof value === 'number' && (field !== 'multipleOf' || value > 0))
    ) {
      continue
    }
    faults.push(fieldFault.invalid(`${path}.${field}`, value, 'must be a number'))
  }
  const { pattern, enum: values, required } = node
  if (pattern !== undefined) {
    const says = typeof pattern === 'string' ? patternOf(pattern) : 'not a string'
    if (typeof says === 'string') {
      const fault = `must be a valid regular expression, but isn't: error parsing regexp: ${says}`
      faults.push(fieldFault.invalid(`${path}.pattern`, pattern, fault))
    }
  }
  if (values !== undefined && !Array.isArray(values)) {
    faults.push(fieldFault.invalid(`${path}.enum`, values, 'must be a list'))
  }
  const isNames = Array.isArray(required) && required.every((name) => typeof name === 'string')
  if (required !== undefined && !isNames) {
    faults.push(fieldFault.invalid(`${path}.required`, required, 'must be a list of names'))
  }
}
