/** Values of a schema put together and taken apart, as server-side apply does. */
import { isRecord, setOwn, type JsonRecord } from '../objects.ts'
import { any, type Schema } from '../schema.ts'
import { groupElements } from './comparing.ts'
import type { FieldSet } from './field-sets.ts'
import { fieldElement, fieldNameOf } from './path-elements.ts'
import { fieldNames, ownField, type Shape, shapeOf } from './shapes.ts'

type Fields = Extract<Shape, { kind: 'fields' }>
type Elements = Extract<Shape, { kind: 'elements' }>

/**
 * What an object becomes when a configuration is applied to it: nothing goes, leaves are the
 * configuration's. Lists by key have the order of the configuration where it says something.
 * @throws ElementFault
 */
export function mergeValues(schema: Schema, live: unknown, config: unknown): unknown {
  const shape = shapeOf(schema, config ?? live)
  if (shape.kind === 'fields') {
    const [own, wanted] = [isRecord(live) ? live : {}, isRecord(config) ? config : {}]
    if (Object.keys(own).length + Object.keys(wanted).length > 0) {
      return mergeFields(shape, own, wanted)
    }
  }
  if (shape.kind === 'elements') {
    const [own, wanted] = [Array.isArray(live) ? live : [], Array.isArray(config) ? config : []]
    if (own.length + wanted.length > 0) return mergeElements(shape, own, wanted)
  }
  return config === undefined ? live : config
}

function mergeFields(shape: Fields, live: JsonRecord, config: JsonRecord): JsonRecord {
  const merged: JsonRecord = {}
  for (const name of fieldNames(live, config)) {
    const value = mergeValues(shape.of(name) ?? any, ownField(live, name), ownField(config, name))
    if (value !== undefined) setOwn(merged, name, value)
  }
  return merged
}

function mergeElements(
  shape: Elements,
  live: readonly unknown[],
  config: readonly unknown[],
): unknown[] {
  const wanted = new Map(config.map((item) => [shape.elementOf(item), item]))
  const known = groupElements(shape, live)
  const elements = live.map((item) => shape.elementOf(item))
  return orderOf(elements, [...wanted.keys()]).map(({ element, at }) => {
    if (!wanted.has(element)) return live[at]
    const own = known.get(element) ?? []
    // Repeated elements are not merged with the one that takes their place.
    return mergeValues(shape.of, own.length === 1 ? own[0] : undefined, wanted.get(element))
  })
}

interface Slot {
  readonly element: string
  /** Its index in the live list, of one that is only there. */
  readonly at: number
}

/**
 * The order of a merged list: the wanted elements in their order; one that only the live list has
 * stays behind the elements that it follows there.
 */
function orderOf(live: readonly string[], wanted: readonly string[]): Slot[] {
  const isWanted = new Set(wanted)
  const isLive = new Set(live)
  const shared = wanted.filter((element) => isLive.has(element))
  const slots: Slot[] = []
  let [at, next, nextShared] = [0, 0, 0]
  const takeWanted = (element: string): void => {
    slots.push({ element, at: -1 })
    next += 1
    if (shared[nextShared] === element) nextShared += 1
  }
  while (at < live.length || next < wanted.length) {
    const [own, other] = [live[at], wanted[next]]
    const expected = shared[nextShared]
    if (own !== undefined && !isWanted.has(own)) {
      slots.push({ element: own, at })
      at += 1
    } else if (own !== undefined && (own === other || own !== expected)) {
      // What is wanted elsewhere comes there.
      at += 1
      if (other !== undefined && (own === other || expected === undefined)) takeWanted(other)
    } else if (other !== undefined) takeWanted(other)
  }
  return slots
}

/** A value without the fields and elements of a set. What is emptied by that becomes null. */
export function removeFields(schema: Schema, value: unknown, fields: FieldSet): unknown {
  const shape = shapeOf(schema, value)
  if (shape.kind === 'fields' && isRecord(value)) {
    const kept: JsonRecord = {}
    for (const [name, inner] of Object.entries(value)) {
      const element = fieldElement(name)
      if (fields.members.has(element)) continue
      const below = fields.children.get(element)
      const left = below === undefined ? inner : removeFields(shape.of(name) ?? any, inner, below)
      setOwn(kept, name, left)
    }
    return Object.keys(kept).length > 0 ? kept : null
  }
  if (shape.kind === 'elements' && Array.isArray(value)) {
    const kept = value.flatMap((item: unknown) => {
      const element = shape.elementOf(item)
      if (fields.members.has(element)) return []
      const below = fields.children.get(element)
      return [below === undefined ? item : removeFields(shape.of, item, below)]
    })
    return kept.length > 0 ? kept : null
  }
  return shape.kind === 'leaf' && !Array.isArray(value) && !isRecord(value) ? value : null
}

/**
 * A set with the fields above its paths too, where the schema names them: who leaves `spec.a.b`
 * out leaves `spec.a` out, but not a map or an element that others may have filled.
 */
export function withNamedFields(schema: Schema, set: FieldSet): FieldSet {
  const shape = shapeOf(schema, undefined)
  const members = new Set(set.members)
  const children = new Map<string, FieldSet>()
  for (const [element, child] of set.children) {
    const name = fieldNameOf(element)
    if (shape.kind === 'fields' && name !== undefined && shape.isNamed(name)) members.add(element)
    children.set(element, withNamedFields(schemaBelow(shape, element) ?? any, child))
  }
  return { members, children }
}

/**
 * A set as the schema of today has it: where a map or a list has one owner as a whole by now, who
 * owned a part of it owns it.
 */
export function reconcileFields(schema: Schema, set: FieldSet): FieldSet {
  if (reconciledWith.get(set) === schema) return set
  const left = reconcile(schema, set)
  reconciledWith.set(left, schema)
  return left
}

/** Sets that are as a schema has them already. */
const reconciledWith = new WeakMap<FieldSet, Schema>()

function reconcile(schema: Schema, set: FieldSet): FieldSet {
  const shape = shapeOf(schema, undefined)
  if (shape.kind === 'leaf' || set.children.size === 0) return set
  const members = new Set(set.members)
  const children = new Map<string, FieldSet>()
  let isSame = true
  for (const [element, child] of set.children) {
    const inner = schemaBelow(shape, element)
    if (inner !== undefined && isWhole(inner)) {
      members.add(element)
      isSame = false
      continue
    }
    const left = inner === undefined ? child : reconcile(inner, child)
    isSame &&= left === child
    children.set(element, left)
  }
  return isSame ? set : { members, children }
}

/** The schema of what a path element leads to. */
function schemaBelow(shape: Shape, element: string): Schema | undefined {
  if (shape.kind === 'elements') return shape.of
  const name = fieldNameOf(element)
  return shape.kind === 'fields' && name !== undefined ? shape.of(name) : undefined
}

const isWhole = (schema: Schema): boolean =>
  (schema.kind === 'map' || schema.kind === 'object' || schema.kind === 'list') &&
  shapeOf(schema, undefined).kind === 'leaf'
