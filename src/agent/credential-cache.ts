/**
 * Credentials of the pods of one node, kept until shortly before they expire and renewed well
 * before that, so that a pod that asks hardly ever waits for EKS Auth or a broker.
 */
import { createHash } from 'node:crypto'
import type { EksAuthClient, PodIdentityCredentials } from '../aws/eks-auth.ts'
import type { Clock } from '../lib/clock.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
import { faultFields, type Log } from '../lib/log.ts'
import { secondsSince } from '../lib/metrics/measured.ts'
import type { Secret } from '../lib/secret.ts'
import type { AgentMetrics, CacheStatistics } from './metrics.ts'

/** A pod's token, and when it ends; the end is from its claims, which nobody verified here. */
export interface PodToken {
  readonly token: Secret
  readonly expiresAtMs: number
  /** Of its header. */
  readonly kid?: string
}

export interface CacheLimits {
  /** Entries kept; the one that was asked for longest ago goes first. */
  readonly maxEntries: number
  /** Calls under way at once; more first requests are refused with ThrottlingException. */
  readonly maxConcurrentCalls: number
  /** Renewals that one `renewDue` starts. */
  readonly renewalsPerSweep: number
  /** How long one upstream call may take. */
  readonly callTimeoutMs: number
  /** How long a request waits for a renewal while credentials that still work are at hand. */
  readonly renewalWaitMs: number
}

export const DEFAULT_CACHE_LIMITS: CacheLimits = {
  maxEntries: 2000,
  maxConcurrentCalls: 128,
  renewalsPerSweep: 20,
  callTimeoutMs: 10_000,
  renewalWaitMs: 500,
}

export interface CredentialCacheOptions {
  readonly client: Pick<EksAuthClient, 'assumeRoleForPodIdentity'>
  readonly clusterName: string
  readonly clock: Clock
  readonly log: Log
  readonly limits?: Partial<CacheLimits>
  readonly metrics?: Pick<AgentMetrics, 'seen' | 'upstreamAnswered'>
  /** 0 up to 1; a test's own. */
  readonly random?: () => number
}

export interface CredentialCache {
  /**
   * The credentials of a token: from the cache, or from one upstream call that all who ask at the
   * same time share, and that goes on when they hang up.
   * @throws what the upstream call threw; PodroleError `ExpiredTokenException`,
   *   `ThrottlingException`, `CredentialsExpireTooSoon`
   */
  get(podToken: PodToken): Promise<PodIdentityCredentials>
  /** Renews the entries that are due and that somebody asked for; call it every few seconds. */
  renewDue(): Promise<void>
  statistics(): CacheStatistics
}

/** Credentials are not served in the last seconds of their life: the pod has to use them too. */
const MIN_REMAINING_MS = 15_000
/** The largest time before expiry at which an SDK asks for new credentials (botocore: 15 minutes). */
const SDK_WINDOW_MS = 15 * 60_000
/** Entries are renewed between a third and half of their life: 2 to 3 h of 6 h, 5 to 7.5 of 15 min. */
const EARLIEST_RENEWAL = 1 / 3
const LATEST_RENEWAL = 1 / 2
const RETRY_MS = 30_000

interface Entry {
  readonly podToken: PodToken
  readonly credentials: PodIdentityCredentials
  renewAtMs: number
  /** Somebody asked since the credentials came. */
  wanted: boolean
}

/** The whole state of a cache. */
interface Cache {
  readonly options: CredentialCacheOptions
  readonly limits: CacheLimits
  readonly random: () => number
  /** In the order of their last use. */
  readonly entries: Map<string, Entry>
  readonly pending: Map<string, Promise<PodIdentityCredentials>>
  counts: { hits: number; misses: number; upstreamCalls: number }
  upstream: CacheStatistics['upstream']
}

/** A cache in memory: nothing of it is ever written. */
export function createCredentialCache(options: CredentialCacheOptions): CredentialCache {
  const cache: Cache = {
    options,
    limits: { ...DEFAULT_CACHE_LIMITS, ...options.limits },
    random: options.random ?? Math.random,
    entries: new Map(),
    pending: new Map(),
    counts: { hits: 0, misses: 0, upstreamCalls: 0 },
    upstream: 'not asked',
  }
  return {
    get: (podToken) => getCredentials(cache, podToken),
    renewDue: () => renewDue(cache),
    statistics: () => ({
      ...cache.counts,
      entries: cache.entries.size,
      upstream: cache.upstream,
    }),
  }
}

async function getCredentials(cache: Cache, podToken: PodToken): Promise<PodIdentityCredentials> {
  const nowMs = cache.options.clock.now()
  const key = keyOf(podToken.token)
  if (podToken.expiresAtMs <= nowMs) {
    cache.entries.delete(key)
    throw new PodroleError('ExpiredTokenException', 'Service account token is expired', {
      status: 400,
    })
  }
  const entry = cache.entries.get(key)
  if (entry === undefined || remainingMs(entry.credentials, nowMs) <= MIN_REMAINING_MS) {
    cache.entries.delete(key)
    cache.counts.misses += 1
    return fetchShared(cache, key, podToken)
  }
  cache.counts.hits += 1
  entry.wanted = true
  cache.entries.delete(key)
  cache.entries.set(key, entry)
  if (nowMs < entry.renewAtMs) return entry.credentials
  const renewal = renew(cache, key, entry)
  renewal.catch(() => undefined)
  // With plenty of time left nobody waits; inside an SDK's own window it would only ask again.
  if (remainingMs(entry.credentials, nowMs) > SDK_WINDOW_MS) return entry.credentials
  const given = await within(renewal, cache.limits.renewalWaitMs, entry.credentials)
  if (remainingMs(given, cache.options.clock.now()) > MIN_REMAINING_MS) return given
  // They ended meanwhile: a node that slept, or a clock that was put right.
  return fetchShared(cache, key, podToken)
}

async function renewDue(cache: Cache): Promise<void> {
  const nowMs = cache.options.clock.now()
  const due: [string, Entry][] = []
  for (const [key, entry] of cache.entries) {
    const ended =
      entry.podToken.expiresAtMs <= nowMs ||
      remainingMs(entry.credentials, nowMs) <= MIN_REMAINING_MS
    if (ended) cache.entries.delete(key)
    else if (entry.wanted && entry.renewAtMs <= nowMs) due.push([key, entry])
  }
  // The soonest to expire first: under a long queue the others still have time.
  due.sort(([, a], [, b]) => a.credentials.expirationMs - b.credentials.expirationMs)
  const now = due.slice(0, cache.limits.renewalsPerSweep)
  await Promise.allSettled(now.map(([key, entry]) => renew(cache, key, entry)))
}

/** New credentials for an entry; what it has where upstream has a fault that may pass. */
async function renew(cache: Cache, key: string, entry: Entry): Promise<PodIdentityCredentials> {
  try {
    return await fetchShared(cache, key, entry.podToken)
  } catch (error) {
    const nowMs = cache.options.clock.now()
    const usable = remainingMs(entry.credentials, nowMs) > MIN_REMAINING_MS
    if (isRefusal(error) || !usable || entry.podToken.expiresAtMs <= nowMs) throw error
    entry.renewAtMs = nowMs + RETRY_MS * (1 + cache.random())
    return entry.credentials
  }
}

function fetchShared(
  cache: Cache,
  key: string,
  podToken: PodToken,
): Promise<PodIdentityCredentials> {
  const running = cache.pending.get(key)
  if (running !== undefined) return running
  if (cache.pending.size >= cache.limits.maxConcurrentCalls) {
    const most = cache.limits.maxConcurrentCalls
    const message = `${most} requests for credentials are under way already: try again`
    return Promise.reject(new PodroleError('ThrottlingException', message, { status: 429 }))
  }
  const call = fetchCredentials(cache, key, podToken).finally(() => cache.pending.delete(key))
  cache.pending.set(key, call)
  return call
}

async function fetchCredentials(
  cache: Cache,
  key: string,
  podToken: PodToken,
): Promise<PodIdentityCredentials> {
  const { client, clusterName, clock, log, metrics } = cache.options
  cache.counts.upstreamCalls += 1
  const since = performance.now()
  let credentials: PodIdentityCredentials
  try {
    credentials = await client.assumeRoleForPodIdentity({
      clusterName,
      token: podToken.token,
      signal: AbortSignal.timeout(cache.limits.callTimeoutMs),
    })
    cache.upstream = 'answers'
    metrics?.upstreamAnswered('issued', secondsSince(since))
    // Upstream has verified it: from here on what its header says is the issuer's word.
    metrics?.seen.see(podToken.kid, podToken.expiresAtMs / 1000)
  } catch (error) {
    cache.upstream = isAnswer(error) ? 'answers' : 'does not answer'
    metrics?.upstreamAnswered(isRefusal(error) ? 'refused' : 'failed', secondsSince(since))
    if (isRefusal(error)) cache.entries.delete(key)
    log.warn('credentials refused or not had', { ...faultFields(error), clusterName })
    throw error
  }
  const nowMs = clock.now()
  const lifeMs = remainingMs(credentials, nowMs)
  if (!(lifeMs > MIN_REMAINING_MS)) {
    throw new PodroleError(
      'CredentialsExpireTooSoon',
      `fetched credentials are expired or will expire within ${Math.max(0, lifeMs / 1000)} seconds`,
      { status: 500, hint: "Compare the node's clock with the time at AWS or at the broker." },
    )
  }
  const share = EARLIEST_RENEWAL + (LATEST_RENEWAL - EARLIEST_RENEWAL) * cache.random()
  keep(cache, key, {
    podToken,
    credentials,
    renewAtMs: nowMs + lifeMs * share,
    wanted: !cache.entries.has(key),
  })
  return credentials
}

function keep(cache: Cache, key: string, entry: Entry): void {
  // A renewal leaves the order of last use as it is.
  cache.entries.set(key, entry)
  for (const oldest of cache.entries.keys()) {
    if (cache.entries.size <= cache.limits.maxEntries) break
    cache.entries.delete(oldest)
  }
}

const keyOf = (token: Secret): string =>
  createHash('sha256').update(token.reveal()).digest('base64')

const remainingMs = (credentials: PodIdentityCredentials, nowMs: number): number =>
  credentials.expirationMs - nowMs

const REFUSALS = new Set([
  'AccessDeniedException',
  'ExpiredTokenException',
  'InvalidTokenException',
  'ResourceNotFoundException',
])

/** A fault that no repetition will heal: the token or its association is not good any more. */
function isRefusal(thrown: unknown): boolean {
  return REFUSALS.has(codeOf(thrown) ?? '')
}

function isAnswer(thrown: unknown): boolean {
  return thrown instanceof PodroleError && thrown.status !== undefined
}

/** The promise's value, or `fallback` where it takes longer. */
async function within<T>(promise: Promise<T>, ms: number, fallback: T): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(fallback), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
