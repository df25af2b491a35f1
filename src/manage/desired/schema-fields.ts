/** What the schemas know of fields, found by walking along a value. */
import { z } from 'zod'
import { type FaultPath, formatPath } from './faults.ts'
import { isLeftAlone } from './schema.ts'

type Schema = z.core.$ZodType

/** The names of the fields that are known where the path leads. */
export function fieldNamesAt(schema: Schema, path: FaultPath): readonly string[] {
  const found = path.reduce<Schema | undefined>(
    (at, part) => (at === undefined ? undefined : childOf(at, part)),
    schema,
  )
  const object = found === undefined ? undefined : unwrap(found)
  return object instanceof z.ZodObject ? Object.keys(object.shape) : []
}

/**
 * The fields of a value that podrole leaves alone, each named once: `addons[].publishers` however
 * many add-ons have it.
 */
export function leftAlonePaths(schema: Schema, value: unknown): readonly string[] {
  const found = new Set<string>()
  collect(schema, value, [], found)
  return [...found]
}

function collect(schema: Schema, value: unknown, path: FaultPath, found: Set<string>): void {
  if (isLeftAlone(schema)) {
    if (value !== undefined) found.add(formatPath(path).replaceAll(/\[\d+\]/g, '[]'))
    return
  }
  const bare = unwrap(schema)
  if (bare instanceof z.ZodArray && Array.isArray(value)) {
    for (const [at, item] of value.entries()) collect(bare.element, item, [...path, at], found)
  } else if (bare instanceof z.ZodObject && typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      const child: unknown = Object.hasOwn(bare.shape, key) ? bare.shape[key] : undefined
      if (child instanceof z.ZodType) collect(child, item, [...path, key], found)
    }
  }
}

function childOf(schema: Schema, part: string | number): Schema | undefined {
  const bare = unwrap(schema)
  if (bare instanceof z.ZodArray) return bare.element
  if (!(bare instanceof z.ZodObject) || !Object.hasOwn(bare.shape, part)) return undefined
  const child: unknown = bare.shape[part]
  return child instanceof z.ZodType ? child : undefined
}

const unwrap = (schema: Schema): Schema =>
  schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema
