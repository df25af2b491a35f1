import type { Clock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'

/** Limits calls that others can cause: `burst` at once, `perSecond` over time. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  readonly #clock: Clock
  #tokens: number
  #filledAtMs: number

  constructor(limit: { readonly perSecond: number; readonly burst: number }, clock: Clock) {
    this.#perSecond = limit.perSecond
    this.#burst = limit.burst
    this.#clock = clock
    this.#tokens = limit.burst
    this.#filledAtMs = clock.now()
  }

  /** Whether one more call may be made now. */
  take(): boolean {
    const nowMs = this.#clock.now()
    const gained = (Math.max(0, nowMs - this.#filledAtMs) / 1000) * this.#perSecond
    this.#tokens = Math.min(this.#burst, this.#tokens + gained)
    this.#filledAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}

/**
 * What the promise gives, unless that takes longer.
 * @throws PodroleError `LookupTimeout`
 */
export async function withinMs<T>(promise: Promise<T>, ms: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new PodroleError('LookupTimeout', `there was no answer within ${ms} ms`)),
    ms,
  )
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
