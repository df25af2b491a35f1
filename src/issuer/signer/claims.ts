import { readClaims, type TokenClaims } from '../../token/claims.ts'

/** Characters of a token's second segment; STS takes 20,000 of a whole token. */
export const MAX_CLAIMS_LENGTH = 65_536
/** Seconds that the API server's clock may be ahead. */
const LEEWAY_SECONDS = 60
const BASE64URL = /^[A-Za-z0-9_-]+$/

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
  const bytes = Buffer.from(segment, 'base64url')
  // Node skips what it does not know, and takes bits that belong to no byte.
  if (!BASE64URL.test(segment) || bytes.toString('base64url') !== segment) {
    return { refusal: 'claims are not base64url without padding' }
  }
  const raw = parseObject(bytes)
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
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? { ...value } : undefined
  } catch {
    return undefined
  }
}
