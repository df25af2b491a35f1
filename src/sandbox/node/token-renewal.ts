/** When a projected service account token is replaced. Pure. */

const MAX_AGE_MS = 24 * 3_600_000
const DEFAULT_LIFE_SECONDS = 3600

/**
 * The time, in milliseconds since the epoch, at which a token fetched at `nowMs` is renewed: at
 * 80 % of its life or after 24 hours, whichever is first (Kubernetes, "Configure Service Accounts
 * for Pods", service account token volume projection). A token may live longer than was asked for
 * (the API server's extension of its own tokens): the shorter of the two counts.
 */
export function renewalTime(
  token: string,
  nowMs: number,
  requestedSeconds: number = DEFAULT_LIFE_SECONDS,
): number {
  const { iat, exp } = readTimes(token)
  const given = iat === undefined || exp === undefined ? requestedSeconds : exp - iat
  const lifeMs = Math.max(0, Math.min(given, requestedSeconds)) * 1000
  return nowMs + Math.min(lifeMs * 0.8, MAX_AGE_MS)
}

function readTimes(token: string): { iat?: number; exp?: number } {
  try {
    const text = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
    const claims: unknown = JSON.parse(text)
    const read = (name: string): number | undefined => {
      const value: unknown = Object(claims)[name]
      return typeof value === 'number' && Number.isFinite(value) ? value : undefined
    }
    const [iat, exp] = [read('iat'), read('exp')]
    return { ...(iat !== undefined && { iat }), ...(exp !== undefined && { exp }) }
  } catch {
    // A token that is no JWT of ours to read: the time that was asked for counts.
    return {}
  }
}
