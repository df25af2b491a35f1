import { faultFields } from '../../../lib/log.ts'
import type { ClusterCore } from '../core.ts'
import type { StoreEvent } from '../object-store.ts'

/** Brings one thing, named by a key, to where its objects say it should be; may be called again. */
export interface Controller {
  readonly name: string
  /** The keys whose state an event may concern. */
  keysOf(core: ClusterCore, event: StoreEvent): readonly string[]
  /**
   * @returns when the key wants another look though no event may come: milliseconds since the
   *   epoch, by the cluster's clock
   */
  reconcile(core: ClusterCore, key: string): Promise<number | undefined | void>
}

/** Controllers that run. */
export interface RunningControllers {
  /** Takes up at once what is due by the cluster's clock, which tests move by hand. */
  wake(): void
  stop(): void
}

const RETRY_FIRST_MS = 50
const RETRY_MAX_MS = 10_000
/** How often the cluster's clock is read for keys that are due later. */
const WAKE_MS = 200

/**
 * Runs controllers over the store's events, one key at a time each. A reconcile that throws is
 * tried again later, with longer pauses.
 */
export function startControllers(
  core: ClusterCore,
  controllers: readonly Controller[],
): RunningControllers {
  const queues = controllers.map((controller) => new WorkQueue(core, controller))
  const unsubscribe = core.store.subscribe((event) => {
    for (const queue of queues) queue.take(event)
  })
  for (const type of core.registry.stored()) {
    for (const object of core.store.list(type)) {
      const event = {
        type: 'ADDED',
        revision: 0,
        resource: type,
        object,
        previous: undefined,
      } as const
      for (const queue of queues) queue.take(event)
    }
  }
  const wake = (): void => {
    for (const queue of queues) queue.wake()
  }
  const timer = setInterval(wake, WAKE_MS)
  // Whoever serves the cluster keeps the process; this alone does not.
  timer.unref()
  return {
    wake,
    stop: () => {
      clearInterval(timer)
      unsubscribe()
      for (const queue of queues) queue.stop()
    },
  }
}

class WorkQueue {
  readonly #core: ClusterCore
  readonly #controller: Controller
  readonly #pending = new Set<string>()
  readonly #failures = new Map<string, number>()
  readonly #timers = new Set<ReturnType<typeof setTimeout>>()
  /** Keys that want another look, with the time of it. */
  readonly #due = new Map<string, number>()
  #isRunning = false
  #isStopped = false

  constructor(core: ClusterCore, controller: Controller) {
    this.#core = core
    this.#controller = controller
  }

  take(event: StoreEvent): void {
    for (const key of this.#controller.keysOf(this.#core, event)) this.#add(key)
  }

  wake(): void {
    if (this.#due.size === 0) return
    const now = this.#core.clock.now()
    for (const [key, at] of this.#due) if (at <= now) this.#add(key)
  }

  stop(): void {
    this.#isStopped = true
    this.#due.clear()
    for (const timer of this.#timers) clearTimeout(timer)
  }

  #add(key: string): void {
    if (this.#isStopped) return
    this.#pending.add(key)
    if (this.#isRunning) return
    this.#isRunning = true
    queueMicrotask(() => void this.#run())
  }

  async #run(): Promise<void> {
    for (const key of this.#pending) {
      if (this.#isStopped) break
      this.#pending.delete(key)
      this.#due.delete(key)
      try {
        const dueMs = await this.#controller.reconcile(this.#core, key)
        if (typeof dueMs === 'number') this.#due.set(key, dueMs)
        this.#failures.delete(key)
      } catch (thrown) {
        this.#retry(key, thrown)
      }
    }
    this.#isRunning = false
  }

  #retry(key: string, thrown: unknown): void {
    if (this.#isStopped) return
    const failures = (this.#failures.get(key) ?? 0) + 1
    this.#failures.set(key, failures)
    const fields = { controller: this.#controller.name, key, ...faultFields(thrown) }
    this.#core.log.debug('reconcile failed', fields)
    const wait = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 12))
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#add(key)
    }, wait)
    this.#timers.add(timer)
  }
}

/** `NAMESPACE/NAME` taken apart. */
export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const at = key.indexOf('/')
  return { namespace: key.slice(0, at), name: key.slice(at + 1) }
}
