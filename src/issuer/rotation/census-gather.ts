import { boundedText } from '../../lib/bounded-text.ts'
import { checkAll } from '../../lib/collect-faults.ts'
import { messageOf, PodroleError } from '../../lib/errors.ts'
import { mapLimited } from '../../lib/map-limited.ts'
import { mergeCensuses, readCensus } from './census.ts'
import type { Census } from './decide.ts'

const MAX_TARGETS = 1000
const AT_ONCE = 16
const MAX_BYTES = 8 << 20
const TIMEOUT_MS = 10_000

interface GatherOptions {
  readonly timeoutMs?: number
  readonly ca?: string
}

/**
 * The census over the metrics of all these brokers and agents. One that does not answer, or not
 * with a whole page, is a fault: what it saw is unknown, which is not the same as nothing.
 * @param urls of `/metrics`, HTTP or HTTPS
 * @param options `timeoutMs` for each of them, its page included, 10 s by default; `ca`: PEM of the
 *   authorities behind their certificates
 * @throws PodroleError `InvalidMetricsUrl`, `CensusUnusable`, `CensusIncomplete` (several faults)
 */
export async function gatherCensus(
  urls: readonly string[],
  options: GatherOptions = {},
): Promise<Census> {
  if (urls.length > MAX_TARGETS) {
    throw new PodroleError(
      'InvalidMetricsUrl',
      `${urls.length} URLs of metrics are more than ${MAX_TARGETS}`,
    )
  }
  checkAll(
    'InvalidMetricsUrl',
    urls.map((url) => () => checkUrl(url)),
  )
  const pages = await mapLimited(urls, AT_ONCE, async (url) => {
    try {
      return { census: readCensus(await fetchPage(url, options), url) }
    } catch (error) {
      if (!(error instanceof PodroleError)) throw error
      return { fault: error }
    }
  })
  checkAll(
    'CensusIncomplete',
    pages.map(({ fault }) => () => {
      if (fault !== undefined) throw fault
    }),
  )
  return mergeCensuses(pages.flatMap(({ census }) => (census === undefined ? [] : [census])))
}

function checkUrl(text: string): void {
  const url = URL.parse(text)
  const isPlain = url !== null && url.username === '' && url.password === ''
  if (isPlain && (url.protocol === 'http:' || url.protocol === 'https:')) return
  // A URL with a password in it is not quoted.
  const quoted = isPlain || url === null ? JSON.stringify(text.slice(0, 200)) : 'one of the URLs'
  throw new PodroleError(
    'InvalidMetricsUrl',
    `${quoted} is no URL of metrics: wanted http:// or https://, without user or password`,
  )
}

async function fetchPage(
  url: string,
  { timeoutMs = TIMEOUT_MS, ca }: GatherOptions,
): Promise<string> {
  let text: string | undefined
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/openmetrics-text; version=1.0.0' },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      // Nodes and pods are inside the network.
      proxy: false,
      ...(ca !== undefined && { tls: { ca } }),
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`it answers with HTTP ${response.status}`)
    }
    text = await boundedText(response.body, MAX_BYTES)
  } catch (error) {
    throw unread(url, messageOf(error).slice(0, 300), error)
  }
  if (text === undefined) throw unread(url, `it has more than ${MAX_BYTES} bytes`)
  return text
}

const unread = (url: string, why: string, cause?: unknown): PodroleError =>
  new PodroleError('CensusUnusable', `the metrics of ${url} cannot be read: ${why}`, {
    hint: 'what it saw is unknown; ask again, or leave it out if it is gone for good',
    cause,
  })
