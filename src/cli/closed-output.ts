/**
 * Readers that leave early, as `podrole … | head -1` has them. Unheard, their EPIPE would end the
 * process with a stack trace, in the midst of an apply too.
 */
import { codeOf } from '../lib/errors.ts'

const closed = new AbortController()

/** Aborted when nobody reads standard output any more: what only prints can end then. */
export const outputClosed: AbortSignal = closed.signal

/** Lets a command go on to its own end and exit code; what nobody reads is thrown away. */
export function outliveReaders(): void {
  process.stdout.on('error', (error) => {
    refuseOthers(error)
    closed.abort()
  })
  process.stderr.on('error', refuseOthers)
}

/** A full disk is no reader that left. */
function refuseOthers(error: unknown): void {
  if (codeOf(error) !== 'EPIPE') throw error
}
