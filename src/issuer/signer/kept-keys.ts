import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../lib/clock.ts'
import { PodroleError } from '../../lib/errors.ts'
import { follow } from '../../lib/following.ts'
import type { Log } from '../../lib/log.ts'
import { issuerKeysFields, type IssuerKeys, type SigningSource } from './signing-source.ts'

/** A set of keys, and when the reading of it began that went well last. */
export interface AgedKeys {
  readonly keys: IssuerKeys
  readonly readAtMs: number
}

/** The keys of a source as they were when it was last read well. */
export interface KeptKeys {
  readonly source: SigningSource
  current(): AgedKeys
  /** Reads now, and gives what is current then: the old keys where that fails. */
  refreshed(): Promise<AgedKeys>
  stop(): Promise<void>
}

const POLL_MS = 2000
const READ_MS = 10_000

/**
 * Reads a source, and again every two seconds: one reading at a time, each bounded.
 * @throws what the first reading throws
 */
export async function keepKeys(
  source: SigningSource,
  options: {
    readonly clock: Clock
    readonly log: Log
    /** Milliseconds between two readings; 2,000 by default. */
    readonly pollMs?: number
  },
): Promise<KeptKeys> {
  const { clock, log } = options
  let reading: Promise<AgedKeys> | undefined
  let current: AgedKeys
  const read = async (): Promise<AgedKeys> => {
    const readAtMs = clock.now()
    current = { keys: await bounded(source), readAtMs }
    return current
  }
  const readOnce = (): Promise<AgedKeys> => {
    reading ??= read().finally(() => (reading = undefined))
    return reading
  }
  const first = await read()
  current = first
  const following = follow({
    what: 'keys',
    read: async () => (await readOnce()).keys,
    current: first.keys,
    isSame: (a, b) => JSON.stringify(issuerKeysFields(a)) === JSON.stringify(issuerKeysFields(b)),
    // `read` has put them in place already.
    onChange: () => undefined,
    fieldsOf: issuerKeysFields,
    pollMs: options.pollMs ?? POLL_MS,
    log,
  })
  return {
    source,
    current: () => current,
    refreshed: () => readOnce().catch(() => current),
    stop: () => following.stop(),
  }
}

async function bounded(source: SigningSource): Promise<IssuerKeys> {
  const stopped = new AbortController()
  const late = async (): Promise<never> => {
    await sleep(READ_MS, undefined, { signal: stopped.signal })
    throw new PodroleError(
      'SourceTooSlow',
      `${source.name} was not read within ${READ_MS / 1000} seconds`,
    )
  }
  const limit = late()
  limit.catch(() => undefined)
  try {
    return await Promise.race([source.read(), limit])
  } finally {
    stopped.abort()
  }
}
