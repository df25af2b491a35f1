/** `/metrics` over HTTP, in the format that the one who asks reads. */
import { type Handler, textResponse } from '../handler.ts'
import { faultFields, type Log } from '../log.ts'
import { type Listening, serveHttp } from '../serve.ts'
import type { PageFormat, Registry } from './registry.ts'

const CONTENT_TYPES: Readonly<Record<PageFormat, string>> = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  text: 'text/plain; version=0.0.4; charset=utf-8',
}
const METRICS_PATH = '/metrics'
/** Nobody sends a body. */
const MAX_BODY_BYTES = 1024

export interface MetricsPlace {
  readonly hostname: string
  /** 0 takes a free one. */
  readonly port: number
}

/**
 * Serves the page on a listener of its own. One that cannot be had is told of and nothing else:
 * nobody is to lose credentials because a port is taken.
 */
export function serveMetrics(
  registry: Registry,
  { hostname, port }: MetricsPlace,
  log: Log,
): Listening | undefined {
  try {
    const handler = metricsApp(registry)
    const listening = serveHttp({ hostname, port, handler, log, maxBodyBytes: MAX_BODY_BYTES })
    log.info('metrics are served', { metricsUrl: `${listening.url}${METRICS_PATH}` })
    return listening
  } catch (error) {
    log.warn('metrics are not served', { hostname, port, ...faultFields(error) })
    return undefined
  }
}

/** `GET /metrics`; what is not that has 404 or 405. */
export function metricsApp(registry: Registry): Handler {
  return (request) => {
    if (new URL(request.url).pathname !== METRICS_PATH) return textResponse('Not Found\n', 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response('Method Not Allowed\n', { status: 405, headers: { allow: 'GET, HEAD' } })
    }
    const format = formatOf(request.headers.get('accept') ?? '')
    return new Response(registry.page(format), {
      headers: {
        'content-type': CONTENT_TYPES[format],
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
        vary: 'accept',
      },
    })
  }
}

/** OpenMetrics where it is named and nothing is wanted more; RFC 9110 section 12.5.1. */
function formatOf(accept: string): PageFormat {
  const weightOf = (type: string): number =>
    Math.max(
      0,
      ...accept.split(',').flatMap((range) => {
        const [name = '', ...parameters] = range.split(';').map((part) => part.trim())
        if (name.toLowerCase() !== type) return []
        const quality = parameters.find((parameter) => /^q=/i.test(parameter))
        return [quality === undefined ? 1 : Number(quality.slice(2)) || 0]
      }),
    )
  const open = weightOf('application/openmetrics-text')
  return open > 0 && open >= weightOf('text/plain') ? 'openmetrics' : 'text'
}
