/** Until when tokens live that were really seen, by the key that signed them. */
import type { Clock } from '../lib/clock.ts'
import type { Registry } from '../lib/metrics/registry.ts'

/** A gauge: the latest `exp` among accepted tokens whose header has this kid, in Unix seconds. */
export const TOKEN_EXPIRY = 'podrole_token_expiry_timestamp_seconds'
/** A counter: tokens of keys that were too many to be kept. Not 0: the gauge does not tell all. */
export const TOKEN_EXPIRY_DROPPED = 'podrole_token_expiry_dropped_total'

/** Keys of one process: a broker may have thousands of clusters with two keys each. */
export const MAX_KIDS = 10_000
/** A key whose last token ended so long ago is told of no more. */
const FORGET_MS = 86_400_000

/**
 * Only tokens that were accepted may be told of: of others anybody could make up what they like.
 */
export class SeenTokens {
  readonly #clock: Clock
  readonly #lastExp = new Map<string, number>()
  #dropped = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * @param kid of the header; a token without one names no key, and none of those that rotate
   *   signs such a token
   * @param exp in Unix seconds
   */
  see(kid: string | undefined, exp: number): void {
    if (kid === undefined || kid === '') return
    const before = this.#lastExp.get(kid)
    if (before === undefined && this.#lastExp.size >= MAX_KIDS) this.#forget(0)
    if (before === undefined && this.#lastExp.size >= MAX_KIDS) this.#dropped += 1
    else if (before === undefined || before < exp) this.#lastExp.set(kid, exp)
  }

  /** Adds the gauge and the counter; their types are on the page before any token was seen. */
  addTo(registry: Registry): void {
    registry.gauge(
      {
        name: TOKEN_EXPIRY,
        help: 'The latest end of tokens that were accepted, by the key that signed them, in Unix seconds.',
        labels: ['kid'],
      },
      () => {
        this.#forget(FORGET_MS)
        return [...this.#lastExp].map(([kid, value]) => ({ labels: { kid }, value }))
      },
    )
    registry.readCounter(
      {
        name: TOKEN_EXPIRY_DROPPED,
        help: 'Accepted tokens of keys that are too many to be told of.',
      },
      () => [{ value: this.#dropped }],
    )
  }

  /** Keys whose last token ended that long ago; STS takes one for five minutes more. */
  #forget(agoMs: number): void {
    const endedBefore = (this.#clock.now() - Math.max(agoMs, STS_GRACE_MS)) / 1000
    for (const [kid, exp] of this.#lastExp) if (exp < endedBefore) this.#lastExp.delete(kid)
  }
}

const STS_GRACE_MS = 300_000
