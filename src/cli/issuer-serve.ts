import { writeFileSync } from 'node:fs'
import { parseIssuerUrl } from '../issuer/issuer-url.ts'
import { readKeyPath } from '../issuer/key-folder.ts'
import { startIssuer } from '../issuer/start-issuer.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { createLog } from '../lib/log.ts'
import type { ServeFlags } from './commands/issuer.ts'
import { stopSignal } from './stop-signal.ts'

/** Runs until it is told to stop. */
export async function runIssuer(flags: ServeFlags): Promise<number> {
  const { issuer } = parseIssuerUrl(flags.issuer)
  const stopped = stopSignal()
  const running = await startIssuer({
    issuer,
    readKeys: () => readKeyPath(flags.keys),
    certificateFiles: { cert: flags.cert, key: flags.key },
    hostname: flags.hostname,
    port: flags.port,
    maxAgeSeconds: Math.floor(parseDurationMs(flags.maxAge) / 1000),
    log: createLog(flags.logLevel),
  })
  if (flags.readyFile !== undefined) {
    writeFileSync(flags.readyFile, JSON.stringify({ url: running.url, port: running.port }))
  }
  await stopped
  await running.stop()
  return 0
}
