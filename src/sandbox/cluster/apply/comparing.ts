/** Which fields a value has, and which of them a change of it touches. */
import { isRecord, sameJson } from '../objects.ts'
import { any, type Schema } from '../schema.ts'
import { EMPTY_SET, type FieldSet, FieldSetBuilder, isEmptySet } from './field-sets.ts'
import { fieldElement } from './path-elements.ts'
import { fieldNames, ownField, type Shape, shapeOf } from './shapes.ts'

/** The fields that a change of a value touches; none is in two of the sets. */
export interface Comparison {
  readonly removed: FieldSet
  readonly modified: FieldSet
  readonly added: FieldSet
}

interface Walk {
  readonly removed: FieldSetBuilder
  readonly modified: FieldSetBuilder
  readonly added: FieldSetBuilder
  readonly path: string[]
}

type Fields = Extract<Shape, { kind: 'fields' }>
type Elements = Extract<Shape, { kind: 'elements' }>

/**
 * Compares two values of a schema. Containers that come or go are in the sets with their content.
 * @throws ElementFault
 */
export function compareValues(schema: Schema, before: unknown, after: unknown): Comparison {
  const sets = {
    removed: new FieldSetBuilder(),
    modified: new FieldSetBuilder(),
    added: new FieldSetBuilder(),
  }
  compareAs({ ...sets, path: [] }, shapeOf(schema, after), before, after)
  return sets
}

function compare(walk: Walk, schema: Schema, before: unknown, after: unknown): void {
  if (before === after) return
  if (before === undefined) walk.added.graft(walk.path, contentOf(schema, after))
  else if (after === undefined) walk.removed.graft(walk.path, contentOf(schema, before))
  else if (isScalar(before) || isScalar(after) || !sameJson(before, after)) {
    const [old, next] = [shapeOf(schema, before), shapeOf(schema, after)]
    // A value without a schema may turn from one shape into another.
    if (old !== next) compareAs(walk, old, before, after)
    compareAs(walk, next, before, after)
  }
}

const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null

/** Everything below a value that comes or goes as a whole: of that, each path counts. */
function contentOf(schema: Schema, value: unknown): FieldSet {
  const shape = shapeOf(schema, value)
  const members = new Set<string>()
  const children = new Map<string, FieldSet>()
  const add = (element: string, of: Schema, inner: unknown): void => {
    members.add(element)
    if (isScalar(inner)) return
    const below = contentOf(of, inner)
    if (!isEmptySet(below)) children.set(element, below)
  }
  if (shape.kind === 'fields' && isRecord(value)) {
    for (const name of Object.keys(value)) {
      add(fieldElement(name), shape.of(name) ?? any, value[name])
    }
    for (const [name, filled] of shape.values) {
      if (!Object.hasOwn(value, name)) add(fieldElement(name), shape.of(name) ?? any, filled)
    }
  } else if (shape.kind === 'elements' && Array.isArray(value)) {
    for (const [element, items] of groupElements(shape, value)) {
      // Elements with the same key, which a list by key should not have, have one owner together.
      add(element, shape.of, items.length === 1 ? items[0] : null)
    }
  }
  return members.size === 0 ? EMPTY_SET : { members, children }
}

function compareAs(walk: Walk, shape: Shape, before: unknown, after: unknown): void {
  if (shape.kind === 'fields' && !(isBare(shape, before) && isBare(shape, after))) {
    compareFields(walk, shape, before, after)
  } else if (shape.kind === 'elements' && (listOf(before).length > 0 || listOf(after).length > 0)) {
    compareElements(walk, shape, listOf(before), listOf(after))
  } else if (!sameJson(before, after)) walk.modified.insert(walk.path)
}

const isBare = (shape: Fields, value: unknown): boolean =>
  !isRecord(value) || (shape.values.size === 0 && Object.keys(value).length === 0)

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

function compareFields(walk: Walk, shape: Fields, before: unknown, after: unknown): void {
  for (const name of fieldNames(before, after)) {
    walk.path.push(fieldElement(name))
    const [old, next] = [fieldOf(shape, before, name), fieldOf(shape, after, name)]
    compare(walk, shape.of(name) ?? any, old, next)
    walk.path.pop()
  }
}

/** A field of an object, or what Go writes there where nobody set it. */
function fieldOf(shape: Fields, value: unknown, name: string): unknown {
  const own = ownField(value, name)
  return own === undefined && isRecord(value) ? shape.values.get(name) : own
}

function compareElements(
  walk: Walk,
  shape: Elements,
  before: readonly unknown[],
  after: readonly unknown[],
): void {
  const [old, next] = [groupElements(shape, before), groupElements(shape, after)]
  for (const element of new Set([...old.keys(), ...next.keys()])) {
    const [was, is] = [old.get(element) ?? [], next.get(element) ?? []]
    walk.path.push(element)
    if (was.length <= 1 && is.length <= 1) compare(walk, shape.of, was[0], is[0])
    else compareRepeated(walk, shape.of, was, is)
    walk.path.pop()
  }
}

function compareRepeated(
  walk: Walk,
  schema: Schema,
  was: readonly unknown[],
  is: readonly unknown[],
): void {
  if (was.length > 1 && is.length > 1) {
    if (!sameJson(was, is)) walk.modified.insert(walk.path)
  } else if (was.length > 1) {
    if (is.length > 0) compare(walk, schema, undefined, is[0])
    walk.removed.insert(walk.path)
  } else {
    if (was.length > 0) compare(walk, schema, was[0], undefined)
    walk.added.insert(walk.path)
  }
}

/** The items of a list under their path elements, in order. */
export function groupElements(shape: Elements, items: readonly unknown[]): Map<string, unknown[]> {
  return Map.groupBy(items, (item) => shape.elementOf(item))
}

/**
 * The fields that a value names: every leaf, every element of a list and every key of a map.
 * @throws ElementFault
 */
export function fieldSetOf(schema: Schema, value: unknown): FieldSet {
  const set = new FieldSetBuilder()
  collect(set, [], schema, value)
  return set
}

function collect(set: FieldSetBuilder, path: string[], schema: Schema, value: unknown): void {
  const shape = shapeOf(schema, value)
  if (shape.kind === 'leaf') set.insert(path)
  else if (shape.kind === 'fields') {
    for (const name of fieldNames(value)) {
      const inner = ownField(value, name)
      path.push(fieldElement(name))
      collect(set, path, shape.of(name) ?? any, inner)
      const isEmpty = inner === null || (isRecord(inner) && Object.keys(inner).length === 0)
      if (isEmpty || !shape.isNamed(name)) set.insert(path)
      path.pop()
    }
  } else {
    for (const [element, items] of groupElements(shape, listOf(value))) {
      path.push(element)
      if (items.length === 1) collect(set, path, shape.of, items[0])
      set.insert(path)
      path.pop()
    }
  }
}
