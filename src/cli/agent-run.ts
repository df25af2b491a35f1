import { createAgentLink } from '../agent/addresses.ts'
import { readAgentConfig } from '../agent/config.ts'
import { startAgent } from '../agent/start-agent.ts'
import { nodeCredentials } from '../aws/credentials.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog, type LogLevel } from '../lib/log.ts'
import type { AgentFlags } from './commands/agent.ts'
import { stopSignal } from './stop-signal.ts'
import { VERSION } from './version.ts'

/** Runs until it is told to stop. */
export async function runAgent(flags: AgentFlags): Promise<number> {
  const log = createLog(flags.logLevel)
  const { region, endpoint, bindHosts, brokerTokenFile, caFile, unsafeBindHosts } = flags
  const { metricsAddress, unsafeMetricsAddress } = flags
  const config = readAgentConfig({
    clusterName: flags.clusterName,
    region,
    port: Number(flags.port),
    probePort: Number(flags.probePort),
    metricsPort: Number(flags.metricsPort),
    maxCacheEntries: Number(flags.maxCacheSize),
    ...(endpoint !== undefined && { endpoint }),
    ...(bindHosts !== undefined && { bindHosts }),
    ...(brokerTokenFile !== undefined && { brokerTokenFile }),
    ...(caFile !== undefined && { caFile }),
    ...(unsafeBindHosts !== undefined && { unsafeBindHosts }),
    ...(metricsAddress !== undefined && { metricsAddress }),
    ...(unsafeMetricsAddress !== undefined && { unsafeMetricsAddress }),
  })
  const credentials = nodeCredentials({ environment: process.env, clock: systemClock, log })
  const stopped = stopSignal()
  const agent = await startAgent(config, {
    clock: systemClock,
    log,
    version: VERSION,
    credentials,
    environment: process.env,
  })
  await stopped
  await agent.stop()
  return 0
}

/** Makes the addresses that pods ask; needs NET_ADMIN. */
export async function initAgent(level: LogLevel): Promise<number> {
  await createAgentLink({ log: createLog(level) })
  return 0
}
