/** `podrole doctor --watch`. */
import { gatherDoctor } from '../doctor/facts/gather-doctor.ts'
import { createDoctorMetrics } from '../doctor/watch/metrics.ts'
import { watchDoctor } from '../doctor/watch/watch.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { PodroleError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import { metricsApp } from '../lib/metrics/page.ts'
import { serveHttp } from '../lib/serve.ts'
import type { DoctorFlags } from './commands/doctor.ts'
import { openDoctorPlaces } from './parts/doctor-places.ts'
import { stopSignal } from './stop-signal.ts'
import { VERSION } from './version.ts'

/** A look is hundreds of calls of AWS where there is much. */
const MIN_INTERVAL_MS = 30_000
const MAX_BODY_BYTES = 1024

/** Runs until it is told to stop. @throws PodroleError `InvalidListen`, `InvalidInterval` */
export async function runDoctorWatch(flags: DoctorFlags): Promise<number> {
  const { hostname, port } = readListen(flags.listen)
  const intervalMs = parseDurationMs(flags.interval)
  if (intervalMs < MIN_INTERVAL_MS) {
    const wanted = `--interval ${flags.interval} is too short: wanted 30s or more`
    throw new PodroleError('InvalidInterval', wanted, {
      hint: 'each look asks AWS for everything again',
    })
  }
  const log = createLog(flags.logLevel)
  const metrics = createDoctorMetrics(VERSION)
  const stopped = new AbortController()
  const signal = stopSignal()
  const handler = metricsApp(metrics.registry)
  const listening = serveHttp({ hostname, port, handler, log, maxBodyBytes: MAX_BODY_BYTES })
  log.info('doctor is watching', {
    metricsUrl: `${listening.url}/metrics`,
    interval: flags.interval,
  })
  const watching = watchDoctor({
    gather: async () =>
      gatherDoctor(await openDoctorPlaces(flags, (operation) => metrics.called(operation))),
    metrics,
    log,
    intervalMs,
    signal: stopped.signal,
  })
  await signal
  stopped.abort()
  await Promise.race([watching, Bun.sleep(STOP_MS)])
  await listening.stop()
  return 0
}

/** A look under way is let go after this. */
const STOP_MS = 2000

/** `ADDRESS:PORT`, an IPv6 address in brackets. */
function readListen(text: string): { readonly hostname: string; readonly port: number } {
  const [, inBrackets, plain = '', digits = ''] =
    /^(?:\[([\da-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text) ?? []
  const hostname = inBrackets ?? plain
  const port = Number(digits)
  if (hostname !== '' && port <= 65_535) return { hostname, port }
  throw new PodroleError(
    'InvalidListen',
    `--listen ${JSON.stringify(text.slice(0, 100))} is not one: wanted ADDRESS:PORT`,
    { hint: 'for example 127.0.0.1:9402 or [::1]:9402; port 0 takes a free one' },
  )
}
