import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Acts again and again until it is stopped, one act after the other. Whoever acts sees to its own
 * faults: one that is thrown ends the repeating.
 * @param options `everyMs` milliseconds between two acts; `first` one that is under way already
 */
export function repeat(
  act: () => Promise<void>,
  { everyMs, first }: { readonly everyMs: number; readonly first?: Promise<void> },
): { stop(): Promise<void> } {
  const stopped = new AbortController()
  const run = async (): Promise<void> => {
    await first
    while (!stopped.signal.aborted) {
      await sleep(everyMs, undefined, { signal: stopped.signal }).catch(() => undefined)
      if (!stopped.signal.aborted) await act()
    }
  }
  const running = run()
  return {
    stop: async () => {
      stopped.abort()
      await running
    },
  }
}
