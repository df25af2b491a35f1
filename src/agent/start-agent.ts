/** The running agent: listeners, cache, probes. */
import { readFile } from 'node:fs/promises'
import type { CredentialProvider } from '../aws/credentials.ts'
import { createEksAuthClient, type EksAuthClient } from '../aws/eks-auth.ts'
import { type Environment, serviceEndpoint } from '../aws/endpoints.ts'
import type { Clock } from '../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { faultFields, type Log } from '../lib/log.ts'
import { measured } from '../lib/metrics/measured.ts'
import { serveMetrics } from '../lib/metrics/page.ts'
import { Secret } from '../lib/secret.ts'
import { type Listening, serveHttp } from '../lib/serve.ts'
import { allowedHostsOf, listenOnEach } from './addresses.ts'
import type { AgentConfig } from './config.ts'
import { createCredentialCache, type CredentialCache } from './credential-cache.ts'
import { credentialsApp } from './credentials-app.ts'
import { type AgentMetrics, createAgentMetrics } from './metrics.ts'
import { probesApp } from './probes-app.ts'

export interface AgentDependencies {
  readonly clock: Clock
  readonly log: Log
  /** Of podrole, for its metrics. */
  readonly version?: string
  /** The node's AWS credentials, for SigV4; not needed with `brokerTokenFile`. */
  readonly credentials?: CredentialProvider
  /** Its AWS_ENDPOINT_URL… counts where the config has no endpoint. */
  readonly environment?: Environment
  /** In place of a client made from the config. */
  readonly client?: Pick<EksAuthClient, 'assumeRoleForPodIdentity'>
  /** Milliseconds between two looks for credentials to renew; default 5,000. */
  readonly renewEveryMs?: number
}

export interface RunningAgent {
  /** `http://HOST:PORT` of each address that listens. */
  readonly urls: readonly string[]
  readonly probeUrl: string
  /** Undefined where the port is not to be had. */
  readonly metricsUrl: string | undefined
  /** Answers what is under way, at most five seconds long. */
  stop(): Promise<void>
}

const RENEW_EVERY_MS = 5000
const PROBE_HOST = '127.0.0.1'
/** Pods send headers alone. */
const MAX_BODY_BYTES = 1024
/** Nothing that a pod does lasts longer; an idle connection is one of many on a node. */
const IDLE_SECONDS = 30

/**
 * Starts the agent.
 * @throws PodroleError `NoAddressToListenOn`, `UnreadableFile`, `NoAgentCredentials`
 */
export async function startAgent(
  config: AgentConfig,
  dependencies: AgentDependencies,
): Promise<RunningAgent> {
  const { clock, log } = dependencies
  const client = dependencies.client ?? (await createClient(config, dependencies))
  const metrics = createAgentMetrics(clock, dependencies.version)
  const cache = createCredentialCache({
    client,
    metrics,
    clusterName: config.clusterName,
    clock,
    log,
    ...(config.maxCacheEntries !== undefined && { limits: { maxEntries: config.maxCacheEntries } }),
  })
  metrics.watchCache(() => cache.statistics())
  const { listening, failed } = listenOnEach(
    config.bindHosts,
    (host) => serveCredentials(config, host, { cache, clock, log, metrics }),
    log,
  )
  const urls = listening.map((one) => one.url)
  let stopping = false
  let probes: Listening
  try {
    probes = serveHttp({
      hostname: PROBE_HOST,
      port: config.probePort,
      log,
      maxBodyBytes: MAX_BODY_BYTES,
      handler: probesApp(() => ({
        listening: urls,
        failed: failed.map((one) => one.message),
        stopping,
        cache: cache.statistics(),
      })),
    })
  } catch (error) {
    await Promise.all(listening.map((one) => one.stop(0)))
    throw error
  }
  const endRenewals = keepRenewing(cache, dependencies)
  log.info('agent started', { urls, clusterName: config.clusterName })
  const page = serveMetrics(
    metrics.registry,
    { hostname: config.metricsAddress, port: config.metricsPort },
    log,
  )
  return {
    urls,
    probeUrl: probes.url,
    metricsUrl: page?.url,
    stop: async () => {
      stopping = true
      endRenewals()
      await Promise.all(listening.map((one) => one.stop()))
      await Promise.all([probes.stop(), page?.stop()])
      log.info('agent stopped')
    },
  }
}

function serveCredentials(
  config: AgentConfig,
  host: string,
  parts: {
    readonly cache: CredentialCache
    readonly clock: Clock
    readonly log: Log
    readonly metrics: AgentMetrics
  },
): Listening {
  const app = credentialsApp({
    ...parts,
    allowedHosts: allowedHostsOf(config.bindHosts),
    ...(config.answerWithinMs !== undefined && { answerWithinMs: config.answerWithinMs }),
  })
  return serveHttp({
    hostname: host,
    port: config.port,
    log: parts.log,
    maxBodyBytes: MAX_BODY_BYTES,
    idleTimeoutSeconds: IDLE_SECONDS,
    handler: measured(app, parts.metrics.answered),
  })
}

function keepRenewing(cache: CredentialCache, dependencies: AgentDependencies): () => void {
  let renewing = false
  const timer = setInterval(() => {
    if (renewing) return
    renewing = true
    void cache
      .renewDue()
      .catch((error: unknown) => dependencies.log.error('renewal failed', faultFields(error)))
      .finally(() => {
        renewing = false
      })
  }, dependencies.renewEveryMs ?? RENEW_EVERY_MS)
  return () => clearInterval(timer)
}

async function createClient(
  config: AgentConfig,
  dependencies: AgentDependencies,
): Promise<EksAuthClient> {
  const { clock, credentials } = dependencies
  const { brokerTokenFile, caFile, region } = config
  const ca = caFile === undefined ? undefined : await readTextFile(caFile)
  const common = {
    endpoint:
      config.endpoint ?? serviceEndpoint('eks-auth', region, dependencies.environment ?? {}),
    region,
    clock,
    ...(ca !== undefined && { ca }),
  }
  if (brokerTokenFile !== undefined) {
    // The kubelet renews the file: it is read at each call.
    const token = async (): Promise<Secret> =>
      new Secret((await readTextFile(brokerTokenFile)).trim())
    return createEksAuthClient({ ...common, authorization: { kind: 'bearer', token } })
  }
  if (credentials === undefined) {
    throw new PodroleError(
      'NoAgentCredentials',
      'the agent has neither AWS credentials of the node nor a token for a broker',
      { hint: 'Set brokerTokenFile for a broker; on EKS the node role gives credentials.' },
    )
  }
  return createEksAuthClient({ ...common, authorization: { kind: 'sigv4', credentials } })
}

async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const reason = codeOf(error) ?? messageOf(error)
    throw new PodroleError('UnreadableFile', `${path} cannot be read: ${reason}`)
  }
}
