import { fieldFault, type Cause } from '../faults.ts'
import { isRecord, listAt, recordAt, sameJson, stringAt, type JsonRecord } from '../objects.ts'
import { patternOf } from './pattern-cache.ts'

/** A structural schema as it is stored: a node of `openAPIV3Schema`. */
export type SchemaNode = JsonRecord

const NODES_MAX = 50_000
const DEPTH_MAX = 100
const FAULTS_MAX = 50
const JUNCTORS = ['allOf', 'anyOf', 'oneOf'] as const
/** The one form in which a branch may say a type. */
const INT_OR_STRING = [{ type: 'integer' }, { type: 'string' }]

type Level = 'root' | 'item' | 'field'

interface Walk {
  readonly faults: Cause[]
  nodes: number
  isOver: boolean
}

/**
 * What keeps a schema from being a structural one (Kubernetes, "Specifying a structural schema"), or
 * from being served here, sorted by the text of the faults; at most 50.
 */
export function validateStructure(schema: SchemaNode, path: string): Cause[] {
  const walk: Walk = { faults: [], nodes: 0, isOver: false }
  visitNode(walk, schema, { path, level: 'root', depth: 0 })
  if (!walk.isOver) requireStructure(walk.faults, schema, { node: schema, path, at: path })
  const textOf = ({ field, message }: Cause): string => `${field}: ${message}`
  const byText = (one: Cause, other: Cause): number =>
    textOf(one) < textOf(other) ? -1 : Number(textOf(one) > textOf(other))
  return walk.faults.toSorted(byText).slice(0, FAULTS_MAX)
}

interface Place {
  readonly path: string
  readonly level: Level
  readonly depth: number
}

const below = ({ path, depth }: Place, name: string, level: Level): Place => ({
  path: `${path}.${name}`,
  level,
  depth: depth + 1,
})

/** False where the walk has become too long to go on. */
function enter(walk: Walk, { path, depth }: Place): boolean {
  walk.nodes += 1
  if (walk.isOver || walk.faults.length >= FAULTS_MAX) return false
  if (walk.nodes <= NODES_MAX && depth <= DEPTH_MAX) return true
  walk.isOver = true
  const says = `schemas may have ${NODES_MAX} nodes and ${DEPTH_MAX} levels`
  walk.faults.push(fieldFault.forbidden(path, says))
  return false
}

function visitNode(walk: Walk, node: SchemaNode, place: Place): void {
  if (!enter(walk, place)) return
  const { path, level } = place
  const { items, additionalProperties } = node
  if (isRecord(items)) visitNode(walk, items, below(place, 'items', 'item'))
  else if (node['type'] === 'array' && items === undefined) {
    walk.faults.push(fieldFault.required(`${path}.items`, 'must be specified'))
  }
  for (const [name, property] of propertiesOf(node)) {
    visitNode(walk, property, below(place, `properties[${name}]`, 'field'))
  }
  if (additionalProperties !== undefined && level === 'root') {
    const says = 'must not be used at the root'
    walk.faults.push(fieldFault.forbidden(`${path}.additionalProperties`, says))
  }
  if (isRecord(additionalProperties)) {
    visitNode(walk, additionalProperties, below(place, 'additionalProperties', 'field'))
  }
  checkExtensions(walk.faults, node, path)
  visitBranches(walk, node, place, 'structure')
  checkType(walk.faults, node, place)
  checkMetadata(walk.faults, node, place)
}

const propertiesOf = (node: SchemaNode): [string, SchemaNode][] =>
  Object.entries(recordAt(node, 'properties')).filter((entry): entry is [string, SchemaNode] =>
    isRecord(entry[1]),
  )

function checkExtensions(faults: Cause[], node: SchemaNode, path: string): void {
  if (node['x-kubernetes-int-or-string'] !== true) return
  for (const field of ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource']) {
    const says = 'must be false if x-kubernetes-int-or-string is true'
    if (node[field] === true) faults.push(fieldFault.invalid(`${path}.${field}`, true, says))
  }
}

const LEVEL_SAYS = {
  root: 'must not be empty at the root',
  field: 'must not be empty for specified object fields',
  item: 'must not be empty for specified array items',
} as const

function checkType(faults: Cause[], node: SchemaNode, { path, level }: Place): void {
  const type = stringAt(node, 'type')
  const isEmbedded = node['x-kubernetes-embedded-resource'] === true
  const isOpen = node['x-kubernetes-preserve-unknown-fields'] === true
  if (isEmbedded && type !== 'object') {
    const says = 'must be object if x-kubernetes-embedded-resource is true'
    faults.push(wrongType(`${path}.type`, type, says))
  } else if (type === '' && !isOpen && node['x-kubernetes-int-or-string'] !== true) {
    faults.push(fieldFault.required(`${path}.type`, LEVEL_SAYS[level]))
  }
  if (level === 'root' && type !== '' && type !== 'object') {
    faults.push(fieldFault.invalid(`${path}.type`, type, 'must be object at the root'))
  }
  if (!isEmbedded) return
  if (node['additionalProperties'] !== undefined) {
    const says = 'must not be used if x-kubernetes-embedded-resource is set'
    faults.push(fieldFault.forbidden(`${path}.additionalProperties`, says))
  }
  if (!isOpen && propertiesOf(node).length === 0) {
    const says =
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields'
    faults.push(fieldFault.required(`${path}.properties`, says))
  }
}

/** A type that a node must have for what else it says. */
export function wrongType(field: string, type: string, says: string): Cause {
  return type === '' ? fieldFault.required(field, says) : fieldFault.invalid(field, type, says)
}

/** What every object has is the server's own: a schema may narrow the name of its objects alone. */
function checkMetadata(faults: Cause[], node: SchemaNode, { path, level }: Place): void {
  const isObject = level === 'root' || node['x-kubernetes-embedded-resource'] === true
  if (!isObject) return
  const properties = recordAt(node, 'properties')
  const wanted = [
    ['kind', 'string'],
    ['apiVersion', 'string'],
    ['metadata', 'object'],
  ] as const
  for (const [name, type] of wanted) {
    const property = properties[name]
    if (!isRecord(property) || property['type'] === type) continue
    const here = `${path}.properties[${name}].type`
    faults.push(fieldFault.invalid(here, stringAt(property, 'type'), `must be ${type}`))
  }
  const { metadata } = properties
  if (level !== 'root' || !isRecord(metadata)) return
  const { type: _type, default: _default, properties: inner, ...rest } = metadata
  const names = Object.keys(isRecord(inner) ? inner : {})
  const isNarrow = names.every((name) => name === 'name' || name === 'generateName')
  if (isNarrow && Object.keys(rest).length === 0) return
  const says =
    'must not specify anything other than name and generateName, but metadata is implicitly specified'
  faults.push(fieldFault.forbidden(`${path}.properties[metadata]`, says))
}

/** `first` is the first branch of a structure's allOf: its anyOf may say a type, as the structure's. */
type Role = 'structure' | 'first' | 'branch'

/** allOf, anyOf, oneOf, not and the pattern. */
function visitBranches(walk: Walk, node: SchemaNode, place: Place, role: Role): void {
  for (const name of JUNCTORS) {
    const isExcepted = name === 'anyOf' && role !== 'branch' && sameJson(node[name], INT_OR_STRING)
    if (isExcepted) continue
    for (const [at, branch] of listAt(node, name).entries()) {
      const inner = name === 'allOf' && at === 0 && role === 'structure' ? 'first' : 'branch'
      if (!isRecord(branch)) continue
      visitBranch(walk, branch, below(place, `${name}[${at}]`, place.level), inner)
    }
  }
  const { not, pattern } = node
  if (isRecord(not)) visitBranch(walk, not, below(place, 'not', place.level))
  const fault = typeof pattern === 'string' ? patternOf(pattern) : undefined
  if (typeof fault !== 'string') return
  const says = `must be a valid regular expression, but isn't: error parsing regexp: ${fault}`
  walk.faults.push(fieldFault.invalid(`${place.path}.pattern`, pattern, says))
}

/** Fields that only the structure outside of branches may have, with what is said of them. */
const OF_STRUCTURE: readonly (readonly [string, string])[] = [
  ['type', 'empty'],
  ['default', 'undefined'],
  ['title', 'empty'],
  ['description', 'empty'],
  ['nullable', 'false'],
  ['x-kubernetes-preserve-unknown-fields', 'false'],
  ['x-kubernetes-embedded-resource', 'false'],
  ['x-kubernetes-int-or-string', 'false'],
  ['x-kubernetes-list-map-keys', 'empty'],
  ['x-kubernetes-list-type', 'undefined'],
  ['x-kubernetes-map-type', 'undefined'],
  ['x-kubernetes-validations', 'empty'],
]

function visitBranch(walk: Walk, node: SchemaNode, place: Place, role: Role = 'branch'): void {
  if (!enter(walk, place)) return
  const { path } = place
  const forbid = (field: string, says: string): unknown =>
    walk.faults.push(fieldFault.forbidden(`${path}.${field}`, says))
  visitBranches(walk, node, place, role)
  if (isRecord(node['items'])) visitBranch(walk, node['items'], below(place, 'items', 'item'))
  for (const [name, property] of propertiesOf(node)) {
    visitBranch(walk, property, below(place, `properties[${name}]`, 'field'))
  }
  for (const [field, says] of OF_STRUCTURE) {
    if (node[field] !== undefined) forbid(field, `must be ${says} to be structural`)
  }
  if (node['additionalProperties'] !== undefined && node['additionalProperties'] !== false) {
    forbid('additionalProperties', 'must be undefined to be structural')
  }
  if (Object.hasOwn(recordAt(node, 'properties'), 'metadata')) {
    forbid('properties[metadata]', 'must not be specified in a nested context')
  }
}

interface Pair {
  /** The structure's node. */
  readonly node: SchemaNode | undefined
  readonly path: string
  /** The path of the branch that speaks of it. */
  readonly at: string
}

/** Whatever a branch of the root speaks of must be in the structure too. */
function requireStructure(faults: Cause[], branch: SchemaNode, pair: Pair): void {
  const { node, path, at } = pair
  if (faults.length >= FAULTS_MAX) return
  if (node === undefined) {
    faults.push(fieldFault.required(path, `because it is defined in ${at}`))
    return
  }
  const branches = JUNCTORS.flatMap((name) =>
    listAt(branch, name).map((one, index) => [`${name}[${index}]`, one] as const),
  )
  for (const [name, inner] of [...branches, ['not', branch['not']] as const]) {
    if (isRecord(inner)) requireParts(faults, inner, { node, path, at: `${at}.${name}` })
  }
}

function requireParts(faults: Cause[], branch: SchemaNode, pair: Pair): void {
  requireStructure(faults, branch, pair)
  const { node, path, at } = pair
  if (node === undefined) return
  const { items } = branch
  if (isRecord(items)) {
    const inner = isRecord(node['items']) ? node['items'] : undefined
    requireParts(faults, items, { node: inner, path: `${path}.items`, at: `${at}.items` })
  }
  for (const [name, property] of propertiesOf(branch)) {
    const known = recordAt(node, 'properties')
    const inner = Object.hasOwn(known, name) ? known[name] : undefined
    const step = `properties[${name}]`
    const next = { path: `${path}.${step}`, at: `${at}.${step}` }
    requireParts(faults, property, { node: isRecord(inner) ? inner : undefined, ...next })
  }
}
