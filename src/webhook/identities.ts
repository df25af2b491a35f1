import { setTimeout as sleep } from 'node:timers/promises'
import { formatServiceAccountName, type ServiceAccountName } from '../iam/service-account-name.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { faultFields, type Log } from '../lib/log.ts'
import { TokenBucket, withinMs } from './lookup-limits.ts'

/** Which service accounts get their role through container credentials (EKS Pod Identity). */
export interface ContainerCredentialsIdentities {
  has(serviceAccount: ServiceAccountName): Promise<boolean> | boolean
  /** Resolves when the first answer can be trusted; absent where it always can. */
  readonly ready?: Promise<void>
  stop?(): Promise<void>
}

/** One that was started and is stopped again. */
export interface FollowedIdentities extends ContainerCredentialsIdentities {
  readonly ready: Promise<void>
  stop(): Promise<void>
}

/** No service account at all. */
export const noIdentities: ContainerCredentialsIdentities = { has: () => false }

/** What is asked of the association API, at EKS or at a broker. */
export interface AssociationSource {
  /** Every association of the cluster. */
  list(
    clusterName: string,
  ): Promise<Iterable<{ readonly namespace: string; readonly serviceAccount: string }>>
  /** Whether there is one, asked now and not cached. */
  exists(clusterName: string, serviceAccount: ServiceAccountName): Promise<boolean>
}

export interface AssociationIdentitiesOptions {
  readonly source: AssociationSource
  readonly clusterName: string
  /** Milliseconds between two lists; 15,000 by default. A positive answer is trusted no longer. */
  readonly pollMs?: number
  /** Milliseconds that an admission waits for `exists`; 1,000 by default. */
  readonly lookupMs?: number
  readonly log: Log
  readonly clock?: Clock
}

/** EKS throttles its list operations by the account: admissions may not use all of it. */
const LOOKUPS = { perSecond: 10, burst: 50 }
const MAX_BACK_OFF_MS = 60_000

/**
 * Follows a cluster's associations by listing them. One that the list does not show (yet) is asked
 * for when a pod needs it, so that a pod created right after its association gets it; so is one
 * whose list is older than the poll interval. Where that question fails, the list's answer counts.
 */
export function associationIdentities(options: AssociationIdentitiesOptions): FollowedIdentities {
  const clock = options.clock ?? systemClock
  const pollMs = options.pollMs ?? 15_000
  const log = options.log.with({ cluster: options.clusterName })
  const associations = new Associations(options, clock)
  const stopped = new AbortController()
  const { promise: ready, resolve: setReady } = Promise.withResolvers<void>()
  const run = async (): Promise<void> => {
    let failures = 0
    while (!stopped.signal.aborted) {
      try {
        await associations.list()
        failures = 0
        setReady()
      } catch (error) {
        failures += 1
        log.warn('associations not listed, the old ones stay', faultFields(error))
      }
      const wait =
        failures === 0
          ? pollMs
          : Math.min(MAX_BACK_OFF_MS, pollMs, 250 * 2 ** Math.min(failures, 20))
      await sleep(wait * (0.9 + Math.random() / 10), undefined, { signal: stopped.signal }).catch(
        () => undefined,
      )
    }
    setReady()
  }
  const running = run()
  return {
    has: (serviceAccount) => associations.has(serviceAccount, pollMs, log),
    ready,
    stop: async () => {
      stopped.abort()
      await running
    },
  }
}

class Associations {
  readonly #options: AssociationIdentitiesOptions
  readonly #clock: Clock
  readonly #bucket: TokenBucket
  #listed: ReadonlySet<string> = new Set()
  #listedAtMs = -Infinity
  /** When `exists` said yes, by key; those that a later list covers are dropped. */
  readonly #found = new Map<string, number>()
  readonly #asking = new Map<string, Promise<boolean>>()

  constructor(options: AssociationIdentitiesOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    this.#bucket = new TokenBucket(LOOKUPS, clock)
  }

  async list(): Promise<void> {
    const startedMs = this.#clock.now()
    const all = await this.#options.source.list(this.#options.clusterName)
    const keys = new Set<string>()
    for (const { namespace, serviceAccount } of all) {
      keys.add(formatServiceAccountName({ namespace, name: serviceAccount }))
    }
    this.#listed = keys
    // What the list shows is as old as its request.
    this.#listedAtMs = startedMs
    for (const [key, foundAtMs] of this.#found) {
      if (foundAtMs < startedMs) this.#found.delete(key)
    }
  }

  async has(serviceAccount: ServiceAccountName, trustMs: number, log: Log): Promise<boolean> {
    const key = formatServiceAccountName(serviceAccount)
    const nowMs = this.#clock.now()
    const listed = this.#listed.has(key)
    if (listed && nowMs - this.#listedAtMs <= trustMs) return true
    const foundAtMs = this.#found.get(key)
    if (foundAtMs !== undefined && nowMs - foundAtMs <= trustMs) return true
    try {
      return await this.#ask(serviceAccount, key)
    } catch (error) {
      const fields = { serviceAccount: key, answer: listed, ...faultFields(error) }
      log.warn("association not looked up, the list's answer counts", fields)
      return listed
    }
  }

  async #ask(serviceAccount: ServiceAccountName, key: string): Promise<boolean> {
    let asking = this.#asking.get(key)
    if (asking === undefined) {
      if (!this.#bucket.take()) {
        throw new PodroleError('TooManyLookups', 'too many associations are being looked up')
      }
      asking = this.#options.source
        .exists(this.#options.clusterName, serviceAccount)
        .finally(() => this.#asking.delete(key))
      this.#asking.set(key, asking)
    }
    const exists = await withinMs(asking, this.#options.lookupMs ?? 1000)
    if (exists) this.#found.set(key, this.#clock.now())
    else this.#found.delete(key)
    return exists
  }
}
