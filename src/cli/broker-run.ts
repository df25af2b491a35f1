import { readFileSync, writeFileSync } from 'node:fs'
import { parse } from 'yaml'
import { readBrokerConfig } from '../broker/config.ts'
import { startBroker } from '../broker/start-broker.ts'
import { systemClock } from '../lib/clock.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import { createLog, type LogLevel } from '../lib/log.ts'
import { stopSignal } from './stop-signal.ts'

/** Runs until it is told to stop. */
export async function runBroker(flags: {
  readonly config?: string
  readonly readyFile?: string
  readonly logLevel: LogLevel
}): Promise<number> {
  const stopped = stopSignal()
  const broker = await startBroker(readBrokerConfig(readSettings(flags.config)), {
    clock: systemClock,
    log: createLog(flags.logLevel),
  })
  if (flags.readyFile !== undefined) {
    writeFileSync(flags.readyFile, JSON.stringify({ url: broker.url, port: broker.port }))
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
