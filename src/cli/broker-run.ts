import { readFileSync, writeFileSync } from 'node:fs'
import { parse } from 'yaml'
import { readBrokerConfig } from '../broker/config.ts'
import { startBroker } from '../broker/start-broker.ts'
import { gatherOutside } from '../issuer/outside/gather.ts'
import { readOutsideNames } from '../issuer/outside/issuer-names.ts'
import { judgeOutside } from '../issuer/outside/judge.ts'
import { readPublishedKeys } from '../issuer/published-keys.ts'
import { waitForOutside } from '../issuer/outside/wait.ts'
import { systemClock } from '../lib/clock.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import { createLog, type LogLevel } from '../lib/log.ts'
import { stopSignal } from './stop-signal.ts'
import { VERSION } from './version.ts'

/** Other brokers of the same database publish a new key within this time. */
const OTHER_BROKERS_MS = 10_000

/** Runs until it is told to stop. */
export async function runBroker(flags: {
  readonly config?: string
  readonly readyFile?: string
  readonly logLevel: LogLevel
}): Promise<number> {
  const stopped = stopSignal()
  const config = readBrokerConfig(readSettings(flags.config))
  const { issuer } = config
  const looking = { names: readOutsideNames(process.env), clock: systemClock }
  const log = createLog(flags.logLevel)
  const broker = await startBroker(config, {
    clock: systemClock,
    log,
    version: VERSION,
    readIssuerKeys: (ofCluster) => readPublishedKeys(ofCluster, looking.names),
    look: (keys) =>
      waitForOutside(
        async () => judgeOutside(await gatherOutside(issuer, looking), { issuer, keys }),
        {
          waitMs: OTHER_BROKERS_MS,
          clock: systemClock,
          note: (text) => log.debug(text),
        },
      ),
  })
  if (flags.readyFile !== undefined) {
    const { url, port, metricsUrl } = broker
    writeFileSync(flags.readyFile, JSON.stringify({ url, port, metricsUrl }))
  }
  await stopped
  await broker.stop()
  return 0
}

function readSettings(file: string | undefined): unknown {
  if (file === undefined) {
    throw new PodroleError('NoSettings', 'the broker has no settings: wanted --config FILE', {
      hint: "see 'podrole broker --help'",
    })
  }
  try {
    return parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new PodroleError('UnreadableFile', `cannot read ${file}: ${messageOf(error)}`)
  }
}
