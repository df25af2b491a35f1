import type { Log, LogFields } from './log.ts'
import { repeat } from './repeating.ts'
import { tellOnce } from './told-once.ts'

export interface FollowOptions<T> {
  /** For the log: `serving certificate`. */
  readonly what: string
  readonly read: () => Promise<T>
  /** What is in use now. */
  readonly current: T
  readonly isSame: (a: T, b: T) => boolean
  /** Takes the new one; what it throws leaves the old one and is told of. */
  readonly onChange: (next: T) => void
  /** What is logged of a new one. */
  readonly fieldsOf: (next: T) => LogFields
  /** Milliseconds between two looks; 10,000 by default. */
  readonly pollMs?: number | undefined
  readonly log: Log
}

/**
 * Follows what is in files by reading them: a Secret's mount changes by a rename that brings no
 * event for its files. What cannot be read, such as a file that is half written, leaves what is in
 * use, is told of once, and is looked at again.
 */
export function follow<T>(options: FollowOptions<T>): { stop(): Promise<void> } {
  const { what, log } = options
  const told = tellOnce((fields) => log.warn(`${what} not replaced`, fields))
  let { current } = options
  const look = async (): Promise<void> => {
    try {
      const next = await options.read()
      told.clear()
      if (options.isSame(next, current)) return
      options.onChange(next)
      current = next
      log.info(`${what} replaced`, options.fieldsOf(next))
    } catch (error) {
      told.fault(error)
    }
  }
  return repeat(look, { everyMs: options.pollMs ?? 10_000 })
}
