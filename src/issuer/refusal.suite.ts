import { expect } from 'bun:test'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'

/** The code and message of the PodroleError that a call throws, for tests. */
export function refusalOf(call: () => unknown): {
  readonly code: string | undefined
  readonly message: string
} {
  try {
    call()
  } catch (error) {
    expect(error).toBeInstanceOf(PodroleError)
    return { code: codeOf(error), message: messageOf(error) }
  }
  throw new Error('it was not refused')
}
