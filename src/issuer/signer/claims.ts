import { readClaims, type TokenClaims } from '../../token/claims.ts'

/** Characters of a token's second segment; STS takes 20,000 of a whole token. */
export const MAX_CLAIMS_LENGTH = 65_536
/** Seconds that the API server's clock may be ahead. */
const LEEWAY_SECONDS = 60
/** Without padding, and without bits that belong to no byte (RFC 4648 section 3.5). */
const BASE64URL = /^(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?$/
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Claims that may be signed, or why these may not. */
export type ClaimsVerdict = { readonly claims: TokenClaims } | { readonly refusal: string }

/**
 * Decides whether a token's second segment may be signed: base64url without padding of a JSON
 * object with the claims of a token, that ends within `maxTokenSeconds`. The last is what the
 * retirement of a key counts on: a token that lives longer would outlive its key.
 */
export function decideClaims(
  segment: string,
  limits: { readonly nowMs: number; readonly maxTokenSeconds: number },
): ClaimsVerdict {
  if (segment.length > MAX_CLAIMS_LENGTH) {
    return {
      refusal: `claims have ${segment.length} characters: wanted ${MAX_CLAIMS_LENGTH} at most`,
    }
  }
  // Node itself skips what it does not know.
  if (segment === '' || !BASE64URL.test(segment)) {
    return { refusal: 'claims are not base64url without padding' }
  }
  const raw = parseObject(Buffer.from(segment, 'base64url'))
  if (raw === undefined) return { refusal: 'claims are not a JSON object in UTF-8' }
  const claims = readClaims(raw)
  if ('wanted' in claims) {
    const { claim, missing, wanted } = claims
    return { refusal: `claim ${claim} is ${missing ? 'missing' : 'wrong'}: wanted ${wanted}` }
  }
  const lastSeconds = Math.floor(limits.nowMs / 1000) + limits.maxTokenSeconds + LEEWAY_SECONDS
  if (claims.exp > lastSeconds) {
    const seconds = claims.exp - Math.floor(limits.nowMs / 1000)
    return {
      refusal: `claim exp is ${seconds} seconds away: wanted ${limits.maxTokenSeconds} at most`,
    }
  }
  return { claims }
}

function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(UTF_8.decode(bytes))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
