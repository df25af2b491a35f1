import { inspect } from 'node:util'

/**
 * A value that does not print: not by template strings, `JSON.stringify`, `console.log` or a
 * logger. Only `reveal()` gives it out, so that every use can be found by that name.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
