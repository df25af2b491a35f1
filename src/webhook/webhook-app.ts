import type { KubeClient } from '../kube/client.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { type MetricsPlace, serveMetrics } from '../lib/metrics/page.ts'
import { type ServingCertificate, serveTls } from '../lib/serve.ts'
import { admissionApp } from './admission.ts'
import type { WebhookConfig } from './config.ts'
import type { ContainerCredentialsIdentities } from './identities.ts'
import { createWebhookMetrics } from './metrics.ts'
import { followServiceAccounts } from './service-accounts.ts'

export interface StartWebhookOptions {
  readonly client: KubeClient
  /** Stopped with the webhook, where it can be. */
  readonly identities: ContainerCredentialsIdentities
  readonly config: WebhookConfig
  readonly certificate: ServingCertificate
  readonly hostname: string
  /** 0 takes a free port. */
  readonly port: number
  /** Where `/metrics` is served, over plain HTTP; nowhere if not given. */
  readonly metrics?: MetricsPlace
  /** Of podrole, for its metrics. */
  readonly version?: string
  readonly log: Log
  readonly clock: Clock
}

export interface RunningWebhook {
  /** `https://HOST:PORT`; reviews go to its `/mutate`. */
  readonly url: string
  /** Undefined where nobody asked for it, or the port is not to be had. */
  readonly metricsUrl: string | undefined
  /** Resolves when the service accounts and the identities were read once. */
  ready(): Promise<void>
  /** @throws PodroleError `InvalidServingCertificate`, the old one stays then */
  reload(certificate: ServingCertificate): void
  /** Ends when requests under way are answered. */
  stop(): Promise<void>
}

/** The largest body that reaches the handler; it answers larger ones itself below that. */
const MAX_BODY_BYTES = 9 << 20

/** Starts the webhook; it listens before it is ready, and `/readyz` says so. */
export async function startWebhook(options: StartWebhookOptions): Promise<RunningWebhook> {
  const { client, identities, config, clock } = options
  const log = options.log.with({ part: 'webhook' })
  const serviceAccounts = followServiceAccounts({
    client,
    annotationPrefix: config.annotationPrefix,
    lookupMs: config.serviceAccountLookupMs,
    log,
    clock,
  })
  let isReady = false
  const metrics = createWebhookMetrics(options.version)
  metrics.watchReadiness(() => isReady)
  const waitForFirstReads = async (): Promise<void> => {
    await Promise.all([serviceAccounts.ready, identities.ready])
    isReady = true
  }
  const becameReady = waitForFirstReads()
  const stopFollowing = async (): Promise<void> => {
    await Promise.all([serviceAccounts.stop(), identities.stop?.()])
  }
  const server = await serveTls({
    hostname: options.hostname,
    port: options.port,
    certificate: options.certificate,
    maxBodyBytes: MAX_BODY_BYTES,
    log,
    handler: admissionApp({
      serviceAccounts,
      identities,
      config,
      log,
      isReady: () => isReady,
      metrics,
    }),
  }).catch(async (error: unknown) => {
    await stopFollowing()
    throw error
  })
  log.info('webhook listens', { url: server.url })
  const page = options.metrics && serveMetrics(metrics.registry, options.metrics, log)
  return {
    url: server.url,
    metricsUrl: page?.url,
    ready: () => becameReady,
    reload: (certificate) => server.reload(certificate),
    stop: async () => {
      isReady = false
      await server.stop()
      await Promise.all([stopFollowing(), page?.stop()])
    },
  }
}
