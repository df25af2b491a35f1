/** What a broker counts; docs/reference/metrics.md lists it. */
import type { Clock } from '../lib/clock.ts'
import { ANSWER_BUCKETS, secondsSince } from '../lib/metrics/measured.ts'
import { addProcessMetrics } from '../lib/metrics/process.ts'
import { Registry } from '../lib/metrics/registry.ts'
import { SeenTokens } from '../token/seen-tokens.ts'
import type { EksErrorName } from './eks-wire.ts'
import { readStsRefusal, type StsPort } from './sts.ts'

/** What a request asks for. */
export type BrokerOperation =
  | 'AssumeRoleForPodIdentity'
  | 'documents'
  | 'management'
  | 'probe'
  | 'unknown'

export interface BrokerMetrics {
  readonly registry: Registry
  /** Tokens of pods and agents whose signature, issuer, audience and times were good. */
  readonly seen: SeenTokens
  answered(operation: BrokerOperation, status: number, seconds: number): void
  /** A pod's token was exchanged, or why not. */
  exchanged(outcome: 'issued' | EksErrorName, seconds: number): void
  /** The same STS, whose calls are counted. */
  watchSts(sts: StsPort): StsPort
  watchExchanges(inProgress: () => number): void
  watchIssuers(counts: () => { readonly read: number; readonly failed: number }): void
}

/** @param version of podrole, for its build info */
export function createBrokerMetrics(clock: Clock, version = ''): BrokerMetrics {
  const registry = new Registry()
  addProcessMetrics(registry, { part: 'broker', version })
  const answers = registry.counter({
    name: 'podrole_broker_requests_total',
    help: 'Requests, by what they asked for and the HTTP status that they were answered with.',
    labels: ['operation', 'code'],
  })
  const answerTimes = registry.histogram({
    name: 'podrole_broker_request_duration_seconds',
    help: 'How long a request waited for its answer.',
    labels: ['operation'],
    buckets: ANSWER_BUCKETS,
  })
  const exchanges = registry.counter({
    name: 'podrole_broker_exchanges_total',
    help: "Exchanges of a pod's token for credentials: issued, or the error of EKS Auth.",
    labels: ['outcome'],
  })
  exchanges.of('issued')
  const exchangeTimes = registry
    .histogram({
      name: 'podrole_broker_exchange_duration_seconds',
      help: "How long an exchange of a pod's token took, STS included.",
      buckets: ANSWER_BUCKETS,
    })
    .of()
  const watchSts = stsWatcher(registry)
  const seen = new SeenTokens(clock)
  seen.addTo(registry)
  return {
    registry,
    seen,
    watchSts,
    answered: (operation, status, seconds) => {
      answers.of(operation, String(status)).inc()
      answerTimes.of(operation).observe(seconds)
    },
    exchanged: (outcome, seconds) => {
      exchanges.of(outcome).inc()
      exchangeTimes.observe(seconds)
    },
    watchExchanges: (inProgress) =>
      registry.gauge(
        {
          name: 'podrole_broker_exchanges_in_progress',
          help: 'Exchanges that are under way.',
        },
        () => [{ value: inProgress() }],
      ),
    watchIssuers: (counts) =>
      registry.gauge(
        {
          name: 'podrole_broker_followed_issuers',
          help: "Clusters that follow their issuer's keys, by whether the last look read them.",
          labels: ['outcome'],
        },
        () => Object.entries(counts()).map(([outcome, value]) => ({ labels: { outcome }, value })),
      ),
  }
}

function stsWatcher(registry: Registry): BrokerMetrics['watchSts'] {
  const calls = registry.counter({
    name: 'podrole_broker_sts_requests_total',
    help: 'Calls to STS: ok, refused by it, or failed.',
    labels: ['action', 'outcome'],
  })
  const times = registry.histogram({
    name: 'podrole_broker_sts_request_duration_seconds',
    help: 'How long STS took.',
    labels: ['action'],
    buckets: ANSWER_BUCKETS,
  })
  const counted = async <T>(action: string, call: Promise<T>): Promise<T> => {
    const since = performance.now()
    let outcome = 'ok'
    try {
      return await call
    } catch (error) {
      const { status } = readStsRefusal(error)
      outcome = status !== undefined && status < 500 ? 'refused' : 'failed'
      throw error
    } finally {
      calls.of(action, outcome).inc()
      times.of(action).observe(secondsSince(since))
    }
  }
  return (sts) => ({
    assumeRoleWithWebIdentity: (request) =>
      counted('AssumeRoleWithWebIdentity', sts.assumeRoleWithWebIdentity(request)),
    assumeTargetRole: (request) => counted('AssumeRole', sts.assumeTargetRole(request)),
  })
}
