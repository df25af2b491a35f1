import { AwsFault } from './fault.ts'

/** What a service model says of a string or a number. */
export interface Shape {
  readonly required?: boolean
  readonly min?: number
  readonly max?: number
  /** As the model writes it: it is quoted in the answer. */
  readonly pattern?: string
  /** The value is not quoted. */
  readonly sensitive?: boolean
  readonly oneOf?: readonly string[]
}

const MAX_QUOTED = 512

/**
 * Collects what is wrong with a call's parameters, and says all of it in one answer, in the form
 * `1 validation error detected: Value 'x' at 'roleName' failed to satisfy constraint: …`.
 */
export class Constraints {
  readonly #faults: string[] = []

  /** The text, where it keeps to its shape. */
  text(at: string, value: string | undefined, shape: Shape): string | undefined {
    if (value === undefined) {
      if (shape.required) this.#add(at, undefined, 'Member must not be null', shape)
      return undefined
    }
    const { length } = value
    if (shape.oneOf !== undefined && !shape.oneOf.includes(value)) {
      const wanted = `Member must satisfy enum value set: [${shape.oneOf.join(', ')}]`
      this.#add(at, value, wanted, shape)
    }
    if (shape.pattern !== undefined && !patternOf(shape.pattern).test(value)) {
      const wanted = `Member must satisfy regular expression pattern: ${shape.pattern}`
      this.#add(at, value, wanted, shape)
    }
    if (shape.min !== undefined && length < shape.min) {
      const wanted = `Member must have length greater than or equal to ${shape.min}`
      this.#add(at, value, wanted, shape)
    }
    if (shape.max !== undefined && length > shape.max) {
      const wanted = `Member must have length less than or equal to ${shape.max}`
      this.#add(at, value, wanted, shape)
    }
    return value
  }

  /** The whole number, where it is one and inside its bounds. */
  integer(at: string, value: string | undefined, shape: Shape): number | undefined {
    if (value === undefined) return undefined
    if (!/^-?\d{1,10}$/.test(value)) {
      throw new AwsFault('MalformedInput', `Invalid integer at '${at}'`)
    }
    const number = Number(value)
    if (shape.min !== undefined && number < shape.min) {
      const wanted = `Member must have value greater than or equal to ${shape.min}`
      this.#add(at, value, wanted, shape)
    }
    if (shape.max !== undefined && number > shape.max) {
      const wanted = `Member must have value less than or equal to ${shape.max}`
      this.#add(at, value, wanted, shape)
    }
    return number
  }

  /** A list no longer than the model allows. */
  count(at: string, length: number, max: number): void {
    if (length > max) {
      this.#add(at, undefined, `Member must have length less than or equal to ${max}`, {})
    }
  }

  /** @throws AwsFault `ValidationError` with all that was found */
  check(): void {
    const count = this.#faults.length
    if (count === 0) return
    const errors = count === 1 ? 'error' : 'errors'
    throw new AwsFault(
      'ValidationError',
      `${count} validation ${errors} detected: ${this.#faults.slice(0, 10).join('; ')}`,
    )
  }

  #add(at: string, value: string | undefined, wanted: string, shape: Shape): void {
    this.#faults.push(
      `Value ${quote(value, shape)} at '${at}' failed to satisfy constraint: ${wanted}`,
    )
  }
}

function quote(value: string | undefined, shape: Shape): string {
  if (value === undefined) return 'null'
  if (shape.sensitive) return "'***'"
  return `'${value.slice(0, MAX_QUOTED)}'`
}

const patterns = new Map<string, RegExp>()

function patternOf(source: string): RegExp {
  const known = patterns.get(source)
  if (known !== undefined) return known
  const made = new RegExp(`^(?:${source})$`, 'u')
  patterns.set(source, made)
  return made
}
