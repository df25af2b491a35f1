import type { LogLevel } from '../../lib/log.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { type BrokerPart, startBrokerPart } from './broker-part.ts'

/** A sandbox's brokers: one for each account that has a cluster which is not EKS. */
export class Brokers {
  readonly #running = new Map<string, Promise<BrokerPart>>()
  readonly #root: string
  readonly #logLevel: LogLevel

  /** @param root of the checkout */
  constructor(root: string, logLevel: LogLevel) {
    this.#root = root
    this.#logLevel = logLevel
  }

  /** The account's, started where it does not run. */
  of(sandbox: Sandbox, accountId: string): Promise<BrokerPart> {
    const known = this.#running.get(accountId)
    if (known !== undefined) return known
    const started = startBrokerPart({
      sandbox,
      accountId,
      root: this.#root,
      logLevel: this.#logLevel,
    })
    this.#running.set(accountId, started)
    return started
  }

  all(): Promise<readonly BrokerPart[]> {
    return Promise.all(this.#running.values())
  }

  /** Ends those that started. */
  async stop(): Promise<void> {
    for (const broker of this.#running.values()) {
      const running = await broker.catch(() => undefined)
      await running?.stop()
    }
  }
}
