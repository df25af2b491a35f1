import { quotaOf } from '../quotas/quotas.ts'
import { AwsFault } from '../wire/fault.ts'
import { accountOf, type Call } from '../world.ts'

const MAX_KEPT = 1000

interface Left {
  readonly requests: number
  readonly atMs: number
}

/** How many requests each account has left in each region: a second's worth at most. */
export class RequestRates {
  readonly #left = new Map<string, Left>()

  /** Takes one request; false where none is left. */
  take(key: string, perSecond: number, nowMs: number): boolean {
    const known = this.#left.get(key)
    const grown = known && known.requests + (Math.max(0, nowMs - known.atMs) * perSecond) / 1000
    const requests = Math.min(perSecond, grown ?? perSecond)
    const taken = requests >= 1
    if (known === undefined && this.#left.size >= MAX_KEPT) this.#left.clear()
    this.#left.set(key, { requests: taken ? requests - 1 : requests, atMs: nowMs })
    return taken
  }
}

/**
 * Counts a signed call. What AWS's services ask for their own sake is not counted, nor are calls
 * that carry a token in the place of a signature: AWS publishes no rate for them.
 * Source: IAM User Guide, "IAM and AWS STS quotas", STS request quotas.
 * @throws AwsFault `Throttling`
 */
export function countRequest(call: Call): void {
  const key = `${accountOf(call)}/${call.region}`
  if (call.world.stsRates.take(key, quotaOf(call, 'stsRequestsPerSecond'), call.nowMs)) return
  throw new AwsFault('Throttling', 'Rate exceeded', { status: 400 })
}
