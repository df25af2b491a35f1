/** How server-side apply sees a value of a schema: what of it has an owner of its own. */
import { isRecord } from '../objects.ts'
import { any, fieldSchema, listKeys, type ListSchema, type Schema } from '../schema.ts'
import { keyElement, valueElement } from './path-elements.ts'

/** An element of a list by key that has no key, or one of a set that is no scalar. */
export class ElementFault extends Error {}

export type Shape =
  /** Has one owner as a whole. */
  | { readonly kind: 'leaf' }
  /** Each field has an owner. */
  | {
      readonly kind: 'fields'
      /** The schema of a field; undefined where the schema does not know it. */
      of(name: string): Schema | undefined
      /** The field is the schema's own, not one of a map's keys. */
      isNamed(name: string): boolean
      /** Fields that are there, empty, also where nobody set them. */
      readonly values: ReadonlyMap<string, unknown>
    }
  /** Each element has an owner. */
  | { readonly kind: 'elements'; readonly of: Schema; elementOf(item: unknown): string }

const LEAF: Shape = { kind: 'leaf' }
const NONE: ReadonlyMap<string, unknown> = new Map()

/** Of a value that the schema says nothing about. Lists have one owner, objects one for each field. */
const OPEN: Shape = { kind: 'fields', of: () => any, isNamed: () => false, values: NONE }

const shapes = new WeakMap<Schema, Shape>()

/** The shape of a value; the schema alone decides, but where it says nothing. */
export function shapeOf(schema: Schema, value: unknown): Shape {
  if (schema.kind === 'any') {
    if (schema.isAtomic === true) return LEAF
    return value === undefined || value === null || isRecord(value) ? OPEN : LEAF
  }
  const known = shapes.get(schema)
  if (known !== undefined) return known
  const made = makeShape(schema)
  shapes.set(schema, made)
  return made
}

function makeShape(schema: Schema): Shape {
  switch (schema.kind) {
    case 'map':
      if (schema.isAtomic === true) return LEAF
      return { kind: 'fields', of: () => schema.of, isNamed: () => false, values: NONE }
    case 'object':
      if (schema.isAtomic === true) return LEAF
      return {
        kind: 'fields',
        of: (name) => fieldSchema(schema, name) ?? schema.of,
        isNamed: (name) => fieldSchema(schema, name) !== undefined,
        values: new Map(
          Object.entries(schema.fields).flatMap(([name, field]): [string, unknown][] => {
            if (field.kind === 'object' && field.isValue === true) return [[name, {}]]
            return field.kind === 'list' && field.keepsEmpty === true ? [[name, null]] : []
          }),
        ),
      }
    case 'list': {
      const { of, isSet } = schema
      if (isSet === true) return { kind: 'elements', of, elementOf: setElement }
      const keys = listKeys(schema)
      if (keys.length === 0) return LEAF
      const names = keys.toSorted()
      return { kind: 'elements', of, elementOf: (item) => keyedElement(schema, names, item) }
    }
    default:
      return LEAF
  }
}

function keyedElement({ of }: ListSchema, names: readonly string[], item: unknown): string {
  if (item === null) {
    throw new ElementFault('associative list with keys may not have a null element')
  }
  if (!isRecord(item)) {
    throw new ElementFault('associative list with keys may not have non-map elements')
  }
  const values = names.map((name) => item[name] ?? defaultOf(of, name))
  const given = names.filter((_, at) => values[at] !== undefined)
  if (given.length === 0) {
    const quoted = names.map((name) => JSON.stringify(name)).join(' ')
    throw new ElementFault(
      `associative list with keys has an element that omits all key fields [${quoted}] (and doesn't have default values for any key fields)`,
    )
  }
  return keyElement(
    given,
    values.filter((value) => value !== undefined),
  )
}

function defaultOf(of: Schema, name: string): unknown {
  const field = of.kind === 'object' ? fieldSchema(of, name) : undefined
  return field !== undefined && 'default' in field ? field.default : undefined
}

function setElement(item: unknown): string {
  if (isRecord(item)) {
    throw new ElementFault("associative list without keys has an element that's a map type")
  }
  if (Array.isArray(item)) {
    throw new ElementFault('not supported: associative list with lists as elements')
  }
  if (item === null) {
    throw new ElementFault("associative list without keys has an element that's an explicit null")
  }
  return valueElement(item)
}

/** An own field of what may be an object. */
export function ownField(value: unknown, name: string): unknown {
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

/** The names of the fields of one or two values that may be objects, each once. */
export function fieldNames(left: unknown, right?: unknown): readonly string[] {
  const names = isRecord(left) ? Object.keys(left) : []
  if (!isRecord(right)) return names
  const more = Object.keys(right)
  if (names.length === 0) return more
  return [...names, ...more.filter((name) => !Object.hasOwn(left as object, name))]
}
