/** Reads the members of a JSON 1.1 input by the shapes of the service's model. */
import type { Shape } from './constraints.ts'
import { AwsFault } from './fault.ts'
import type { TargetInput } from './target.ts'

const invalid = (message: string): AwsFault => new AwsFault('ValidationException', message)

function memberOf(input: TargetInput, name: string): unknown {
  return Object.hasOwn(input, name) ? (input[name] ?? undefined) : undefined
}

const failed = (name: string, wanted: string): AwsFault =>
  invalid(`1 validation error detected: Value at '${name}' failed to satisfy constraint: ${wanted}`)

/** A string within its shape. @throws AwsFault `ValidationException` */
export function readText(input: TargetInput, name: string, shape: Shape = {}): string | undefined {
  const value = memberOf(input, name)
  if (value === undefined) {
    if (shape.required) throw failed(name, 'Member must not be null')
    return undefined
  }
  if (typeof value !== 'string')
    throw new AwsFault('SerializationException', `${name} is no string`)
  if (shape.oneOf !== undefined && !shape.oneOf.includes(value)) {
    throw failed(name, `Member must satisfy enum value set: [${shape.oneOf.join(', ')}]`)
  }
  if (value.length < (shape.min ?? 0)) {
    throw failed(name, `Member must have length greater than or equal to ${shape.min ?? 0}`)
  }
  if (shape.max !== undefined && value.length > shape.max) {
    throw failed(name, `Member must have length less than or equal to ${shape.max}`)
  }
  if (shape.pattern !== undefined && !new RegExp(`^(?:${shape.pattern})$`, 'u').test(value)) {
    throw failed(name, `Member must satisfy regular expression pattern: ${shape.pattern}`)
  }
  return value
}

/** A string that must be there. */
export const requireText = (input: TargetInput, name: string, shape: Shape = {}): string =>
  readText(input, name, { ...shape, required: true }) ?? ''

/** A number within its bounds. @throws AwsFault `ValidationException` */
export function readNumber(
  input: TargetInput,
  name: string,
  bounds: { readonly min: number; readonly max: number },
): number | undefined {
  const value = memberOf(input, name)
  if (value === undefined) return undefined
  if (typeof value !== 'number')
    throw new AwsFault('SerializationException', `${name} is no number`)
  if (value < bounds.min) {
    throw failed(name, `Member must have value greater than or equal to ${bounds.min}`)
  }
  if (value > bounds.max) {
    throw failed(name, `Member must have value less than or equal to ${bounds.max}`)
  }
  return value
}

/** Bytes, which travel in base64. */
export function requireBlob(
  input: TargetInput,
  name: string,
  bounds: { readonly min: number; readonly max: number },
): Buffer {
  const text = requireText(input, name)
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw new AwsFault('SerializationException', `${name} is not base64`)
  }
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length >= bounds.min && bytes.length <= bounds.max) return bytes
  throw failed(name, `Member must have length between ${bounds.min} and ${bounds.max}`)
}

/** A list of structures; empty where it is not there. */
export function readStructures(input: TargetInput, name: string): readonly TargetInput[] {
  const value = memberOf(input, name) ?? []
  if (!Array.isArray(value)) throw new AwsFault('SerializationException', `${name} is no list`)
  return value.map((item: unknown) => {
    if (typeof item === 'object' && item !== null) return item as TargetInput
    throw new AwsFault('SerializationException', `${name} is no list of structures`)
  })
}
