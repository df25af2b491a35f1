import { isRecord, listAt, stringAt } from '../objects.ts'
import { any, type ListSchema, obj, type ObjectSchema, type Schema, str } from '../schema.ts'
import { METADATA } from '../types/metadata.ts'
import type { SchemaNode } from './structural-schema.ts'

const known = new WeakMap<SchemaNode, ObjectSchema>()

/**
 * A structural schema in the form of the built-in types' schemas, as server-side apply reads it:
 * `x-kubernetes-list-type`, `-list-map-keys` and `-map-type` say what has an owner of its own.
 */
export function typedSchemaOf(node: SchemaNode): ObjectSchema {
  const made = known.get(node)
  if (made !== undefined) return made
  const root = objectOf(node, false)
  const whole = { ...root, fields: { ...root.fields, ...OBJECT_FIELDS } }
  known.set(node, whole)
  return whole
}

const OBJECT_FIELDS = obj({ apiVersion: str, kind: str, metadata: METADATA }).fields

/** `isOpen`: a schema above preserves unknown fields. */
function schemaOf(node: unknown, isOpen: boolean): Schema {
  if (!isRecord(node)) return any
  switch (stringAt(node, 'type')) {
    case 'object':
      return objectOf(node, isOpen)
    case 'array':
      return listOf(node, isOpen)
    case 'string': {
      const isPlain = ['', 'byte'].includes(stringAt(node, 'format'))
      return { kind: isPlain ? 'string' : 'int-or-string', ...defaultOf(node) }
    }
    case 'integer':
    case 'number':
      return { kind: 'number', ...defaultOf(node) }
    case 'boolean':
      return { kind: 'boolean', ...defaultOf(node) }
    default:
      return any
  }
}

function defaultOf(node: SchemaNode): { default?: string | number | boolean } {
  const value = node['default']
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? { default: value }
    : {}
}

function objectOf(node: SchemaNode, isAboveOpen: boolean): ObjectSchema {
  const isOpen = isAboveOpen || node['x-kubernetes-preserve-unknown-fields'] === true
  const { properties, additionalProperties } = node
  const fields = Object.entries(isRecord(properties) ? properties : {})
  const of = isRecord(additionalProperties)
    ? schemaOf(additionalProperties, isOpen)
    : isOpen || fields.length === 0 || additionalProperties === true
      ? any
      : undefined
  return {
    ...obj({
      ...Object.fromEntries(fields.map(([name, field]) => [name, schemaOf(field, isOpen)])),
      ...(node['x-kubernetes-embedded-resource'] === true && OBJECT_FIELDS),
    }),
    ...(of !== undefined && { of }),
    ...(node['x-kubernetes-map-type'] === 'atomic' && { isAtomic: true }),
  }
}

function listOf(node: SchemaNode, isOpen: boolean): ListSchema {
  const type = stringAt(node, 'x-kubernetes-list-type')
  return {
    kind: 'list',
    of: schemaOf(node['items'], isOpen),
    ...(type === 'map' && { keys: listAt(node, 'x-kubernetes-list-map-keys').map(String) }),
    ...(type === 'set' && { isSet: true }),
  }
}
