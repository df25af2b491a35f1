import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { messageOf, PodroleError } from '../lib/errors.ts'

/** Where issuers are looked at from: the public network, or the names of a sandbox. */
export interface OutsideView {
  /** Where a host is served; undefined for DNS and port 443. */
  placeOf(host: string): Place | undefined
  /** PEM of the authorities that are good there, in place of the public ones. */
  readonly ca?: string
}

export interface Place {
  readonly address: string
  readonly port: number
}

/**
 * PODROLE_RESOLVE (`HOST=ADDRESS:PORT`, comma-separated; `*.DOMAIN` for one more label) and
 * PODROLE_CA_FILE: a sandbox's issuers have names without a port that no DNS knows. Whoever sets
 * them decides what podrole sees, so both are refused unless AWS itself is on loopback.
 * @throws PodroleError `UnsafeOutsideView`, `InvalidIssuerName`, `UnreadableFile`
 */
export function readOutsideView(
  environment: Readonly<Record<string, string | undefined>>,
): OutsideView {
  const { PODROLE_RESOLVE: table = '', PODROLE_CA_FILE: caFile = '' } = environment
  if (table === '' && caFile === '') return { placeOf: () => undefined }
  if (!isLoopback(environment['AWS_ENDPOINT_URL'])) {
    throw new PodroleError(
      'UnsafeOutsideView',
      'PODROLE_RESOLVE and PODROLE_CA_FILE are for a sandbox alone, and AWS_ENDPOINT_URL is not on loopback',
      { hint: 'Unset them to look at the real network.' },
    )
  }
  const places = new Map(
    table.split(',').flatMap((entry) => (entry === '' ? [] : [readEntry(entry)])),
  )
  return {
    placeOf: (host) => {
      const name = host.toLowerCase()
      return places.get(name) ?? places.get(name.replace(/^[^.]+/, '*'))
    },
    ...(caFile !== '' && { ca: readCa(caFile) }),
  }
}

function isLoopback(endpoint: string | undefined): boolean {
  if (endpoint === undefined || !URL.canParse(endpoint)) return false
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(new URL(endpoint).hostname)
}

function readEntry(entry: string): readonly [string, Place] {
  const [, host = '', bracketed, plain, portText] =
    /^([^=]+)=(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(entry.trim()) ?? []
  const address = bracketed ?? plain ?? ''
  const port = Number(portText)
  if (/^[a-z0-9*][a-z0-9.-]*$/i.test(host) && isIP(address) !== 0 && port > 0 && port < 65_536) {
    return [host.toLowerCase(), { address, port }]
  }
  throw new PodroleError(
    'InvalidIssuerName',
    `PODROLE_RESOLVE holds ${JSON.stringify(entry.slice(0, 200))}: wanted HOST=ADDRESS:PORT`,
  )
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new PodroleError('UnreadableFile', `cannot read PODROLE_CA_FILE: ${messageOf(error)}`)
  }
}

const TIMEOUT_MS = 5000
const MAX_BYTES = 1 << 20

/**
 * The JSON that a public URL answers with, as STS would read it: HTTPS, no redirect, 5 seconds.
 * @param options `isVerified` false reads over a certificate that nobody vouches for
 * @throws PodroleError `IssuerUnreachable`, `InvalidIssuerDocument`
 */
export async function fetchOutside(
  view: OutsideView,
  url: string,
  options: { readonly isVerified: boolean },
): Promise<unknown> {
  const target = new URL(url)
  const place = view.placeOf(target.hostname)
  const response = await sendOutside(view, target, { ...options, place })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw unusable(url, `it answers with HTTP ${response.status}`)
  }
  const text = await readBounded(url, response)
  try {
    return JSON.parse(text)
  } catch {
    throw unusable(url, 'it is not JSON')
  }
}

async function sendOutside(
  view: OutsideView,
  target: URL,
  options: { readonly isVerified: boolean; readonly place: Place | undefined },
): Promise<Response> {
  const { place, isVerified } = options
  const at = new URL(target)
  if (place !== undefined) {
    at.hostname = place.address.includes(':') ? `[${place.address}]` : place.address
    at.port = String(place.port)
  }
  try {
    return await fetch(at, {
      headers: { host: target.hostname, accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      tls: {
        serverName: target.hostname,
        rejectUnauthorized: isVerified,
        ...(view.ca !== undefined && { ca: view.ca }),
      },
      // A sandbox is on loopback.
      ...(place !== undefined && { proxy: false as const }),
    })
  } catch (error) {
    throw new PodroleError(
      'IssuerUnreachable',
      `${target.href} cannot be read: ${messageOf(error).slice(0, 300)}`,
      { cause: error },
    )
  }
}

async function readBounded(url: string, response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_BYTES) throw unusable(url, 'it is longer than 1 MB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const unusable = (url: string, why: string): PodroleError =>
  new PodroleError('InvalidIssuerDocument', `${url} is of no use: ${why}`)
