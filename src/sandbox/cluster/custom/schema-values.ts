import { isRecord, listAt, setOwn, type JsonRecord } from '../objects.ts'
import { METADATA } from '../types/metadata.ts'
import type { SchemaNode } from './structural-schema.ts'

const isTrue = (node: SchemaNode, field: string): boolean => node[field] === true

/** The schema of one field of an object; undefined where the structure does not know it. */
export function childSchema(node: SchemaNode, name: string): SchemaNode | undefined {
  const { properties, additionalProperties } = node
  if (isRecord(properties) && Object.hasOwn(properties, name)) {
    const found = properties[name]
    return isRecord(found) ? found : undefined
  }
  return isRecord(additionalProperties) ? additionalProperties : undefined
}

const PRUNED_MAX = 50
const EMBEDDED = ['apiVersion', 'kind', 'metadata']

/**
 * Removes what a structural schema does not specify, in place (Kubernetes, "Field pruning").
 * @returns the paths of the first 50 fields that went
 */
export function pruneValue(node: SchemaNode, value: unknown, path = ''): string[] {
  const pruned: string[] = []
  prune(node, value, path, pruned)
  return pruned
}

function prune(node: SchemaNode, value: unknown, path: string, pruned: string[]): void {
  if (Array.isArray(value)) {
    const { items } = node
    if (!isRecord(items)) return
    for (const [at, item] of value.entries()) prune(items, item, `${path}[${at}]`, pruned)
    return
  }
  if (!isRecord(value)) return
  const keepsAll =
    isTrue(node, 'x-kubernetes-preserve-unknown-fields') || node['additionalProperties'] === true
  const isEmbedded = isTrue(node, 'x-kubernetes-embedded-resource')
  for (const [name, inner] of Object.entries(value)) {
    const here = path === '' ? name : `${path}.${name}`
    const child = childSchema(node, name)
    const isOwn = isEmbedded && EMBEDDED.includes(name)
    if (isOwn && name === 'metadata') pruneMetadata(inner, here, pruned)
    if (child !== undefined) prune(child, inner, here, pruned)
    else if (!keepsAll && !isOwn) drop(value, name, here, pruned)
  }
}

/** An embedded object's metadata has the fields of every object's. */
function pruneMetadata(value: unknown, path: string, pruned: string[]): void {
  if (!isRecord(value)) return
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(METADATA.fields, name)) drop(value, name, `${path}.${name}`, pruned)
  }
}

function drop(value: JsonRecord, name: string, path: string, pruned: string[]): void {
  if (pruned.length < PRUNED_MAX) pruned.push(path)
  delete value[name]
}

/**
 * Fills defaults in place, outer ones before inner; null gives way to a default where the field is
 * not nullable, and goes where there is none (Kubernetes, "Defaulting and Nullable").
 */
export function fillDefaults(node: SchemaNode, value: unknown): void {
  if (Array.isArray(value)) {
    const { items } = node
    if (isRecord(items)) for (const item of value) fillDefaults(items, item)
    return
  }
  if (!isRecord(value)) return
  const { properties, additionalProperties } = node
  for (const [name, child] of Object.entries(isRecord(properties) ? properties : {})) {
    if (!isRecord(child)) continue
    const own = Object.hasOwn(value, name) ? value[name] : undefined
    if (own !== undefined && (own !== null || isTrue(child, 'nullable'))) continue
    if (child['default'] !== undefined) setOwn(value, name, structuredClone(child['default']))
    else if (own === null) delete value[name]
  }
  for (const [name, inner] of Object.entries(value)) {
    const child = childSchema(node, name)
    if (child === undefined) continue
    if (inner === null && child === additionalProperties && !isTrue(child, 'nullable')) {
      delete value[name]
    } else fillDefaults(child, inner)
  }
}

/** The values that a list of type map or set may hold once only, as JSON texts. */
export function listKeys(node: SchemaNode, items: readonly unknown[]): string[] | undefined {
  const type = node['x-kubernetes-list-type']
  if (type === 'set') return items.map((item) => JSON.stringify(item))
  if (type !== 'map') return undefined
  const names = listAt(node, 'x-kubernetes-list-map-keys').map(String)
  return items.map((item) => {
    const found: JsonRecord = {}
    for (const name of names) setOwn(found, name, isRecord(item) ? item[name] : undefined)
    return JSON.stringify(found)
  })
}
