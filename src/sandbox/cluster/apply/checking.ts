/** Whether an applied configuration has the types of its schema. */
import { isRecord } from '../objects.ts'
import { any, type Schema } from '../schema.ts'
import { fieldElement, printElement } from './path-elements.ts'
import { ElementFault, shapeOf } from './shapes.ts'

const FAULTS_MAX = 50

/**
 * Faults of a configuration, each with its path, in the words of Kubernetes: fields that the
 * schema does not know, wrong types, list elements without their keys or with those of another.
 * At most 50.
 */
export function checkTypes(schema: Schema, value: unknown): string[] {
  const faults: string[] = []
  check(faults, schema, value, '')
  return faults.slice(0, FAULTS_MAX)
}

type Faults = string[]

function check(faults: Faults, schema: Schema, value: unknown, at: string): void {
  if (value === null || schema.kind === 'any' || faults.length >= FAULTS_MAX) return
  switch (schema.kind) {
    case 'object':
    case 'map':
      if (isRecord(value)) checkFields(faults, schema, value, at)
      else faults.push(fault(at, `expected map, got ${shown(value)}`))
      return
    case 'list':
      if (Array.isArray(value)) checkItems(faults, schema, value, at)
      else faults.push(fault(at, `expected list, got ${shown(value)}`))
      return
    default: {
      const says = scalarFault(schema.kind, value)
      if (says !== undefined) faults.push(fault(at, says))
    }
  }
}

const fault = (at: string, says: string): string => (at === '' ? says : `${at}: ${says}`)

function checkFields(
  faults: Faults,
  schema: Extract<Schema, { kind: 'object' | 'map' }>,
  value: Record<string, unknown>,
  at: string,
): void {
  for (const [name, inner] of Object.entries(value)) {
    const here = at + printElement(fieldElement(name))
    const own =
      schema.kind === 'map'
        ? schema.of
        : Object.hasOwn(schema.fields, name)
          ? schema.fields[name]
          : schema.of
    if (own === undefined) {
      faults.push(fault(here, 'field not declared in schema'))
      return
    }
    check(faults, own, inner, here)
  }
}

function checkItems(
  faults: Faults,
  schema: Extract<Schema, { kind: 'list' }>,
  items: readonly unknown[],
  at: string,
): void {
  const shape = shapeOf(schema, items)
  const seen = new Set<string>()
  for (const [index, item] of items.entries()) {
    let element = `i:${index}`
    if (shape.kind === 'elements') {
      try {
        element = shape.elementOf(item)
      } catch (thrown) {
        if (!(thrown instanceof ElementFault)) throw thrown
        faults.push(fault(at, `element ${index}: ${thrown.message}`))
        return
      }
      if (seen.has(element)) {
        faults.push(fault(at, `duplicate entries for key ${printElement(element)}`))
      }
      seen.add(element)
    }
    check(faults, schema.of ?? any, item, at + printElement(element))
  }
}

function scalarFault(kind: Schema['kind'], value: unknown): string | undefined {
  switch (kind) {
    case 'string':
    case 'bytes':
      if (typeof value === 'string') return undefined
      return `expected string, got &value.valueUnstructured{Value:${shownInGo(value)}}`
    case 'integer':
    case 'number':
      if (typeof value === 'number') return undefined
      return `expected numeric (int or float), got ${typeInGo(value)}`
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `expected boolean, got ${shown(value)}`
    default:
      // Quantities, times and numbers or names are any scalar at this point.
      return typeof value === 'object' ? `expected any scalar, got ${shown(value)}` : undefined
  }
}

/** A value as Go's `%v` shows the pointer to it, bounded. */
const shown = (value: unknown): string => `&{${plainInGo(value as Json).slice(0, 200)}}`

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

function plainInGo(value: Json): string {
  if (value === null) return '<nil>'
  if (typeof value !== 'object') return String(value)
  if (isList(value)) return `[${value.map(plainInGo).join(' ')}]`
  const pairs = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1))
  return `map[${pairs.map(([name, inner]) => `${name}:${plainInGo(inner)}`).join(' ')}]`
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value)

function shownInGo(value: unknown): string {
  if (typeof value !== 'object') return JSON.stringify(value)
  return `${typeInGo(value)}{${plainInGo(value as Json).slice(0, 200)}}`
}

function typeInGo(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}'
  if (isRecord(value)) return 'map[string]interface {}'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
