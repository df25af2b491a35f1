import type { Clock } from '../../../lib/clock.ts'
import type { KeySet } from '../../../token/jwks.ts'
import type { IssuerNames } from '../../../issuer/outside/issuer-names.ts'
import { fetchIssuerKeys } from './issuer-keys.ts'

const MAX_ISSUERS = 1000

/**
 * How STS comes by an issuer's keys: fetched, and then kept for so long, also where a token names
 * a key that is not among them. What could not be fetched is not kept.
 * @param keepMs 0 fetches them for each token
 */
export function createIssuerKeys(
  names: IssuerNames,
  clock: Clock,
  keepMs: number,
): (issuer: string) => Promise<KeySet> {
  const kept = new Map<string, { readonly keys: KeySet; readonly untilMs: number }>()
  return async (issuer) => {
    const found = kept.get(issuer)
    if (found !== undefined && clock.now() < found.untilMs) return found.keys
    const keys = await fetchIssuerKeys(names, issuer)
    if (keepMs > 0) {
      kept.delete(issuer)
      const [oldest] = kept.keys()
      if (kept.size >= MAX_ISSUERS && oldest !== undefined) kept.delete(oldest)
      kept.set(issuer, { keys, untilMs: clock.now() + keepMs })
    }
    return keys
  }
}
