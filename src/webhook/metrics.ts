/** What the webhook counts; docs/reference/metrics.md lists it. */
import { ANSWER_BUCKETS } from '../lib/metrics/measured.ts'
import { addProcessMetrics } from '../lib/metrics/process.ts'
import { Registry } from '../lib/metrics/registry.ts'

/** How a service account was found that the watch showed no role of. */
export type LookupOutcome = 'found' | 'none' | 'failed'

export interface WebhookMetrics {
  readonly registry: Registry
  /** A review was answered, with the method and the reason of the decision. */
  reviewed(method: string, reason: string, seconds: number): void
  /** A request that is no review was answered with that HTTP status. */
  rejected(status: number): void
  lookedUp(outcome: LookupOutcome): void
  /** Where it is read whether what decisions need was read once. */
  watchReadiness(isReady: () => boolean): void
}

/** @param version of podrole, for its build info */
export function createWebhookMetrics(version = ''): WebhookMetrics {
  const registry = new Registry()
  addProcessMetrics(registry, { part: 'webhook', version })
  const reviews = registry.counter({
    name: 'podrole_webhook_admission_reviews_total',
    help: 'Reviews that were answered, by the way to credentials that the pod got and why.',
    labels: ['method', 'reason'],
  })
  const times = registry
    .histogram({
      name: 'podrole_webhook_admission_review_duration_seconds',
      help: 'How long the API server waited for a review.',
      buckets: ANSWER_BUCKETS,
    })
    .of()
  const rejections = registry.counter({
    name: 'podrole_webhook_rejected_requests_total',
    help: 'Requests that are no review, by the HTTP status that they were answered with.',
    labels: ['code'],
  })
  const lookups = registry.counter({
    name: 'podrole_webhook_service_account_lookups_total',
    help: 'Service accounts that the API server was asked for, by what it said.',
    labels: ['outcome'],
  })
  for (const outcome of ['found', 'none', 'failed']) lookups.of(outcome)
  return {
    registry,
    reviewed: (method, reason, seconds) => {
      reviews.of(method, reason).inc()
      times.observe(seconds)
    },
    rejected: (status) => rejections.of(String(status)).inc(),
    lookedUp: (outcome) => lookups.of(outcome).inc(),
    watchReadiness: (isReady) =>
      registry.gauge(
        {
          name: 'podrole_webhook_ready',
          help: '1 when service accounts and identities were read once.',
        },
        () => [{ value: isReady() ? 1 : 0 }],
      ),
  }
}
