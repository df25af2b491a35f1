/** What an agent counts; docs/reference/metrics.md lists it. */
import type { Clock } from '../lib/clock.ts'
import { ANSWER_BUCKETS } from '../lib/metrics/measured.ts'
import { addProcessMetrics } from '../lib/metrics/process.ts'
import { Registry } from '../lib/metrics/registry.ts'
import { SeenTokens } from '../token/seen-tokens.ts'

/** `issued`: with credentials; `refused`: not for this token; `failed`: it may do better next time. */
export type UpstreamOutcome = 'issued' | 'refused' | 'failed'

/** What the cache did since it was made. */
export interface CacheStatistics {
  readonly entries: number
  readonly hits: number
  readonly misses: number
  readonly upstreamCalls: number
  /** Upstream answered last: with credentials or with a refusal. */
  readonly upstream: 'not asked' | 'answers' | 'does not answer'
}

export interface AgentMetrics {
  readonly registry: Registry
  /** Pods' tokens that upstream took: the agent itself verifies no signature. */
  readonly seen: SeenTokens
  /** A pod was answered with that HTTP status. */
  readonly answered: (status: number, seconds: number) => void
  /** EKS Auth or the broker answered, or did not. */
  upstreamAnswered(outcome: UpstreamOutcome, seconds: number): void
  /** Where the cache's numbers are read. */
  watchCache(statistics: () => CacheStatistics): void
}

/** @param version of podrole, for its build info */
export function createAgentMetrics(clock: Clock, version = ''): AgentMetrics {
  const registry = new Registry()
  addProcessMetrics(registry, { part: 'agent', version })
  const answers = registry.counter({
    name: 'podrole_agent_requests_total',
    help: 'Requests of pods, by the HTTP status that they were answered with.',
    labels: ['code'],
  })
  const answerTimes = registry
    .histogram({
      name: 'podrole_agent_request_duration_seconds',
      help: 'How long pods waited for their answer.',
      buckets: ANSWER_BUCKETS,
    })
    .of()
  const calls = registry.counter({
    name: 'podrole_agent_upstream_requests_total',
    help: 'Calls to EKS Auth or the broker, by what came of them.',
    labels: ['outcome'],
  })
  for (const outcome of ['issued', 'refused', 'failed']) calls.of(outcome)
  const callTimes = registry
    .histogram({
      name: 'podrole_agent_upstream_request_duration_seconds',
      help: 'How long EKS Auth or the broker took.',
      buckets: ANSWER_BUCKETS,
    })
    .of()
  const seen = new SeenTokens(clock)
  seen.addTo(registry)
  return {
    registry,
    seen,
    answered: (status, seconds) => {
      answers.of(String(status)).inc()
      answerTimes.observe(seconds)
    },
    upstreamAnswered: (outcome, seconds) => {
      calls.of(outcome).inc()
      callTimes.observe(seconds)
    },
    watchCache: (statistics) => addCacheMetrics(registry, statistics),
  }
}

function addCacheMetrics(registry: Registry, statistics: () => CacheStatistics): void {
  registry.gauge(
    {
      name: 'podrole_agent_cache_entries',
      help: 'Tokens whose credentials are in the cache.',
    },
    () => [{ value: statistics().entries }],
  )
  registry.readCounter(
    {
      name: 'podrole_agent_cache_requests_total',
      help: 'Requests that found credentials in the cache (hit) or had to wait for them (miss).',
      labels: ['result'],
    },
    () => {
      const { hits, misses } = statistics()
      return [
        { labels: { result: 'hit' }, value: hits },
        { labels: { result: 'miss' }, value: misses },
      ]
    },
  )
}
