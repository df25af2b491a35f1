import { messageOf } from '../../lib/errors.ts'

/** What could not be read, and why. */
export interface Unread {
  readonly what: string
  readonly why: string
}

/** Reads one thing after another and goes on without what fails. */
export function tryEach(): {
  readonly unread: readonly Unread[]
  /** Undefined where it failed, which `unread` then has. */
  readonly tried: <T>(what: string, read: () => Promise<T>) => Promise<T | undefined>
} {
  const unread: Unread[] = []
  return {
    unread,
    tried: async (what, read) => {
      try {
        return await read()
      } catch (error) {
        unread.push({ what, why: messageOf(error) })
        return undefined
      }
    },
  }
}
