import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, systemClock } from '../lib/clock.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
import { faultFields, type Log } from '../lib/log.ts'
import type { KubeClient, ListOptions, ResourceType } from './client.ts'
import type { KubeObject } from './objects.ts'

/** A change of one resource. */
export interface ResourceEvent<T extends KubeObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: T
}

export interface FollowOptions<T extends KubeObject> extends ListOptions {
  readonly signal: AbortSignal
  /** Everything that is there; called again after each relist. */
  readonly onSync: (items: readonly T[]) => void
  readonly onEvent: (event: ResourceEvent<T>) => void
  readonly log: Log
  readonly clock?: Clock
  /** Milliseconds before the first and at most before any further attempt: 250 and 30,000. */
  readonly retryMs?: { readonly first: number; readonly most: number }
}

/** A watch that lived this long was healthy: the next attempt waits the shortest time again. */
const HEALTHY_MS = 10_000

/**
 * Follows a kind of resource with list and watch until the signal is aborted, then ends. A watch
 * that ends or breaks is resumed from the last resourceVersion (bookmarks included), with
 * exponential back-off and jitter while the API server is away; 410 lists again (Kubernetes API
 * concepts, "Efficient detection of changes").
 * @throws what `onSync` or `onEvent` throw
 */
export async function followResources<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType,
  options: FollowOptions<T>,
): Promise<void> {
  const clock = options.clock ?? systemClock
  const first = options.retryMs?.first ?? 250
  const most = options.retryMs?.most ?? 30_000
  const follower = new Follower<T>(client, type, options)
  let failures = 0
  while (!options.signal.aborted) {
    const startedMs = clock.now()
    try {
      await follower.run()
      failures = clock.now() - startedMs < HEALTHY_MS ? failures + 1 : 0
    } catch (error) {
      if (options.signal.aborted) return
      if (error instanceof CallbackFault) throw error.cause
      failures = clock.now() - startedMs < HEALTHY_MS ? failures + 1 : 1
      options.log.warn(`following ${type.plural} broke off`, faultFields(error))
    }
    // A watch that the server ends at once, again and again, must not become a busy loop.
    const wait = Math.min(most, first * 2 ** Math.min(failures, 20))
    await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal: options.signal }).catch(
      () => undefined,
    )
  }
}

class CallbackFault extends Error {}

class Follower<T extends KubeObject> {
  readonly #client: KubeClient
  readonly #type: ResourceType
  readonly #options: FollowOptions<T>
  #resourceVersion: string | undefined

  constructor(client: KubeClient, type: ResourceType, options: FollowOptions<T>) {
    this.#client = client
    this.#type = type
    this.#options = options
  }

  /** One list where there is nothing to resume from, and one watch to its end. */
  async run(): Promise<void> {
    const { signal, namespace, labelSelector, fieldSelector } = this.#options
    const selection = {
      ...(namespace !== undefined && { namespace }),
      ...(labelSelector !== undefined && { labelSelector }),
      ...(fieldSelector !== undefined && { fieldSelector }),
    }
    if (this.#resourceVersion === undefined) {
      const list = await this.#client.list<T>(this.#type, selection)
      if (signal.aborted) return
      callBack(() => this.#options.onSync(list.items))
      this.#resourceVersion = list.metadata.resourceVersion ?? '0'
    }
    try {
      await this.#watch(selection)
    } catch (error) {
      if (isExpired(error)) this.#resourceVersion = undefined
      throw error
    }
  }

  async #watch(selection: ListOptions): Promise<void> {
    const events = this.#client.watch<T>(this.#type, {
      ...selection,
      signal: this.#options.signal,
      ...(this.#resourceVersion !== undefined && { resourceVersion: this.#resourceVersion }),
    })
    for await (const event of events) {
      if (this.#options.signal.aborted) return
      if (event.type === 'ERROR') {
        const { reason, message, code } = event.object ?? {}
        const fallback = code === 410 ? 'Expired' : 'WatchError'
        throw new PodroleError(reason ?? fallback, message ?? 'the watch ended with an error', {
          status: code ?? 500,
        })
      }
      const { type, object } = event
      if (type !== 'BOOKMARK') callBack(() => this.#options.onEvent({ type, object }))
      this.#resourceVersion = object.metadata.resourceVersion ?? this.#resourceVersion
    }
  }
}

const isExpired = (error: unknown): boolean =>
  error instanceof PodroleError &&
  (error.status === 410 || ['Expired', 'Gone'].includes(codeOf(error) ?? ''))

/** A fault of the caller's own is not one of the API server: it ends the following. */
function callBack(act: () => void): void {
  try {
    act()
  } catch (error) {
    throw new CallbackFault('a callback threw', { cause: error })
  }
}
