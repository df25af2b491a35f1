/** What the methods of ExternalJWTSigner do, apart from gRPC. */
import { createPublicKey } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { PodroleError } from '../../lib/errors.ts'
import { faultFields, type Log } from '../../lib/log.ts'
import type { PublicSigningKey } from '../keys.ts'
import { decideClaims } from './claims.ts'
import type {
  ExternalKey,
  FetchKeysResponse,
  MetadataResponse,
  SignRequest,
  SignResponse,
} from './external-jwt.ts'
import type { AgedKeys, KeptKeys } from './kept-keys.ts'

export interface Signing {
  /** @throws PodroleError `InvalidClaims`, `StaleSigningKeys`, `SigningFailed` */
  sign(request: SignRequest): Promise<SignResponse>
  fetchKeys(): Promise<FetchKeysResponse>
  metadata(): MetadataResponse
}

export interface SigningOptions {
  readonly kept: KeptKeys
  /** Of tokens that were signed elsewhere: told to the API server, to nobody outside. */
  readonly verifyOnly: readonly PublicSigningKey[]
  readonly clock: Clock
  readonly log: Log
}

/** Seconds; a new key is in the API server's own documents at the latest then. */
const MAX_REFRESH_SECONDS = 60

export function createSigning(options: SigningOptions): Signing {
  const { kept, clock, log } = options
  return {
    sign: ({ claims }) => signClaims(claims, options),
    fetchKeys: async () => {
      const found = await kept.refreshed()
      log.debug('keys told', { kids: found.keys.published.map(({ kid }) => kid) })
      return keysResponse(found, options.verifyOnly)
    },
    metadata: () => {
      const { maxTokenSeconds } = kept.current().keys
      log.info('API server started on this signer', { maxTokenSeconds, atMs: clock.now() })
      return { maxTokenExpirationSeconds: maxTokenSeconds }
    },
  }
}

async function signClaims(
  segment: string,
  { kept, clock, log }: SigningOptions,
): Promise<SignResponse> {
  const { keys, readAtMs } = kept.current()
  const nowMs = clock.now()
  const ageSeconds = Math.floor((nowMs - readAtMs) / 1000)
  if (ageSeconds > kept.source.maxStaleSeconds) {
    throw new PodroleError(
      'StaleSigningKeys',
      `${kept.source.name} was last read ${ageSeconds} seconds ago: wanted ${kept.source.maxStaleSeconds} at most`,
      { hint: 'the log says why it cannot be read' },
    )
  }
  const verdict = decideClaims(segment, { nowMs, maxTokenSeconds: keys.maxTokenSeconds })
  if ('refusal' in verdict) {
    log.warn('claims refused', { reason: verdict.refusal })
    throw new PodroleError('InvalidClaims', verdict.refusal)
  }
  const { sub, aud, exp, jti } = verdict.claims
  const { header } = keys.active
  try {
    const signature = await keys.active.sign(Buffer.from(`${header}.${segment}`))
    log.debug('token signed', { kid: keys.active.kid, sub, aud, exp, jti })
    return { header, signature: signature.toString('base64url') }
  } catch (error) {
    log.error('token not signed', { kid: keys.active.kid, sub, ...faultFields(error) })
    throw new PodroleError('SigningFailed', `key ${keys.active.kid} cannot sign now`, {
      cause: error,
    })
  }
}

function keysResponse(
  { keys, readAtMs }: AgedKeys,
  verifyOnly: readonly PublicSigningKey[],
): FetchKeysResponse {
  // An API server takes no key without a kid, and then none at all.
  const published = keys.published.filter(({ kid }) => kid !== '')
  const kids = new Set(['', ...published.map(({ kid }) => kid)])
  const others = verifyOnly.filter(({ kid }) => !kids.has(kid))
  const settle = keys.settleSeconds ?? Number.POSITIVE_INFINITY
  return {
    keys: [
      ...published.map((key) => externalKey(key, false)),
      ...others.map((key) => externalKey(key, true)),
    ],
    dataTimestamp: { seconds: Math.floor(readAtMs / 1000), nanos: (readAtMs % 1000) * 1_000_000 },
    // Half of the time to settle: a prepared key is in the API server's own documents before it signs.
    refreshHintSeconds: Math.max(1, Math.min(MAX_REFRESH_SECONDS, Math.floor(settle / 2))),
  }
}

const externalKey = (
  { kid, publicJwk }: PublicSigningKey,
  excludeFromOidcDiscovery: boolean,
): ExternalKey => ({
  keyId: kid,
  key: createPublicKey({ key: { ...publicJwk }, format: 'jwk' }).export({
    format: 'der',
    type: 'spki',
  }),
  excludeFromOidcDiscovery,
})
