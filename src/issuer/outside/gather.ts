/** Looks at an issuer as STS does: by name, over TLS, with nothing but its URL. */
import { lookup } from 'node:dns/promises'
import { connect as connectTcp, isIP } from 'node:net'
import { connect as connectTls, type PeerCertificate } from 'node:tls'
import { boundedText } from '../../lib/bounded-text.ts'
import type { Clock } from '../../lib/clock.ts'
import { codeOf, messageOf } from '../../lib/errors.ts'
import { hostInUrl } from '../../lib/serve.ts'
import { DISCOVERY_PATH } from '../documents.ts'
import type { DocumentAnswer, DocumentFacts, HostFacts, OutsideFacts } from './facts.ts'
import type { IssuerNames } from './issuer-names.ts'

export interface Looking {
  readonly names: IssuerNames
  readonly clock: Clock
  /** Milliseconds that one document, or one connection, may take; STS waits 5 seconds. */
  readonly timeoutMs?: number
}

/** What STS waits for (AWS re:Post, "iam-sts-invalididentitytoken"). */
export const STS_TIMEOUT_MS = 5000
const MAX_DOCUMENT_BYTES = 1_000_000
/** Certificates of one chain that are looked at. */
const MAX_CHAIN = 20

/** The issuer's host, its chain and both documents. It throws nothing of what it meets. */
export async function gatherOutside(issuer: string, looking: Looking): Promise<OutsideFacts> {
  const url = issuer.replace(/\/$/, '') + DISCOVERY_PATH
  const [host, discovery] = await Promise.all([
    gatherHost(url, looking),
    gatherDocument(url, looking),
  ])
  const jwksUrl = jwksUriOf(discovery)
  if (jwksUrl === undefined) {
    return { issuer, atMs: looking.clock.now(), hosts: [host], discovery, jwks: undefined }
  }
  const jwks = await gatherDocument(jwksUrl, looking)
  const isElsewhere = new URL(jwksUrl).host !== new URL(url).host
  const hosts = isElsewhere ? [host, await gatherHost(jwksUrl, looking)] : [host]
  return { issuer, atMs: looking.clock.now(), hosts, discovery, jwks }
}

function jwksUriOf({ answer }: DocumentFacts): string | undefined {
  if (answer.kind !== 'answer') return undefined
  try {
    const document: unknown = JSON.parse(answer.text)
    const uri: unknown = Reflect.get(Object(document), 'jwks_uri')
    const isGood = typeof uri === 'string' && uri.length <= 2048 && URL.canParse(uri)
    return isGood && new URL(uri).protocol === 'https:' ? uri : undefined
  } catch {
    return undefined
  }
}

async function addressesOf(
  host: string,
  port: string,
  names: IssuerNames,
): Promise<{ readonly addresses: readonly string[]; readonly port: number }> {
  const target = names.resolve(host)
  if (target !== undefined) return { addresses: [target.address], port: target.port }
  const found = await lookup(host.replace(/^\[|\]$/g, ''), { all: true }).catch(() => [])
  return { addresses: found.map(({ address }) => address), port: Number(port || 443) }
}

async function gatherHost(url: string, looking: Looking): Promise<HostFacts> {
  const { hostname: host, port: ownPort } = new URL(url)
  const { addresses, port } = await addressesOf(host, ownPort, looking.names)
  const timeoutMs = looking.timeoutMs ?? STS_TIMEOUT_MS
  const reach = await Promise.all(addresses.map((address) => reachable(address, port, timeoutMs)))
  const at = reach.indexOf(undefined)
  const address = addresses[at]
  if (address === undefined) {
    const unreachable = reach[0] ?? 'the name has no address'
    return { host, addresses, unreachable, ...NO_HANDSHAKE }
  }
  // A name for SNI is never an address (RFC 6066 section 3).
  const name = isIP(host.replace(/^\[|\]$/g, '')) === 0 ? { servername: host } : {}
  const to = { host: address, port, timeoutMs, ...name }
  const older = await handshake({ ...to, maxVersion: 'TLSv1.2' })
  const any = older.fault === undefined ? older : await handshake(to)
  return {
    host,
    addresses,
    unreachable: undefined,
    handshakeFault: any.fault,
    tls12Fault: any.fault === undefined ? older.fault : undefined,
    chain: any.chain,
  }
}

const NO_HANDSHAKE = { handshakeFault: undefined, tls12Fault: undefined, chain: [] }

/** Why an address takes no connection, or undefined. */
async function reachable(
  host: string,
  port: number,
  timeoutMs: number,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = connectTcp({ host, port })
  const timer = setTimeout(() => resolve(`${host}: no connection in ${timeoutMs} ms`), timeoutMs)
  socket.once('connect', () => resolve(undefined))
  socket.on('error', (error) => resolve(`${host}: ${codeOf(error) ?? messageOf(error)}`))
  const fault = await promise
  clearTimeout(timer)
  socket.destroy()
  return fault
}

interface Handshake {
  readonly fault: string | undefined
  readonly chain: readonly Uint8Array[]
}

/** A handshake for the chain alone: whether it is trusted is the documents' affair. */
async function handshake(to: {
  readonly host: string
  readonly port: number
  readonly servername?: string
  readonly timeoutMs: number
  readonly maxVersion?: 'TLSv1.2'
}): Promise<Handshake> {
  const { timeoutMs, ...options } = to
  const { promise, resolve } = Promise.withResolvers<Handshake>()
  const fail = (fault: string): void => resolve({ fault, chain: [] })
  // Without an authority: with one, the root would be added to what was sent.
  const socket = connectTls({ ...options, rejectUnauthorized: false }, () =>
    resolve({ fault: undefined, chain: chainOf(socket.getPeerCertificate(true)) }),
  )
  const timer = setTimeout(() => fail(`no handshake in ${timeoutMs} ms`), timeoutMs)
  socket.on('error', (error) => fail(codeOf(error) ?? messageOf(error)))
  socket.on('close', () => fail('the connection was closed'))
  const found = await promise
  clearTimeout(timer)
  socket.destroy()
  return found
}

/** Bun links the certificates in the order in which they came, doubles too. */
function chainOf(leaf: PeerCertificate): Uint8Array[] {
  const chain: Uint8Array[] = []
  const seen = new Set<unknown>()
  let next: PeerCertificate | undefined = leaf
  while (next?.raw !== undefined && !seen.has(next) && chain.length < MAX_CHAIN) {
    seen.add(next)
    chain.push(new Uint8Array(next.raw))
    next = Reflect.get(next, 'issuerCertificate') as PeerCertificate | undefined
  }
  return chain
}

/** Codes of a certificate that was not taken; the document is then read all the same. */
const DISTRUST = /CERT|SIGNATURE|SELF_SIGNED|UNABLE_TO|HOSTNAME|INVALID_CA|INVALID_PURPOSE/

async function gatherDocument(url: string, looking: Looking): Promise<DocumentFacts> {
  const trusting = await timedAsk(url, { ...looking, verify: true })
  const { distrust } = trusting
  if (distrust === undefined) return { url, ...trusting }
  return { url, ...(await timedAsk(url, { ...looking, verify: false })), distrust }
}

async function timedAsk(
  url: string,
  looking: Looking & { readonly verify: boolean },
): Promise<Omit<DocumentFacts, 'url'>> {
  const startedAt = performance.now()
  let distrust: string | undefined
  const answer = await ask(url, looking).catch((error: unknown): DocumentAnswer => {
    const code = codeOf(error) ?? ''
    if (looking.verify && DISTRUST.test(code)) distrust = code
    return { kind: 'none', reason: code || messageOf(error) }
  })
  return { elapsedMs: Math.round(performance.now() - startedAt), distrust, answer }
}

/** @throws what `fetch` throws, but for time and size */
async function ask(
  url: string,
  looking: Looking & { readonly verify: boolean },
): Promise<DocumentAnswer> {
  const { hostname, port: ownPort, pathname, search } = new URL(url)
  const target = looking.names.resolve(hostname)
  const ca = target?.ca
  const base =
    target === undefined
      ? `https://${hostname}${ownPort === '' ? '' : `:${ownPort}`}`
      : `https://${hostInUrl(target.address)}:${target.port}`
  try {
    const response = await fetch(base + pathname + search, {
      headers: { host: hostname, accept: 'application/json' },
      redirect: 'manual',
      proxy: false,
      // A new connection each time: its handshake is a part of what STS waits for.
      keepalive: false,
      signal: AbortSignal.timeout(looking.timeoutMs ?? STS_TIMEOUT_MS),
      tls: {
        serverName: hostname,
        rejectUnauthorized: looking.verify,
        ...(ca !== undefined && { ca }),
      },
    })
    const text = await boundedText(response.body, MAX_DOCUMENT_BYTES)
    if (text === undefined) return { kind: 'too-large' }
    const location = response.headers.get('location') ?? undefined
    const dateMs = Date.parse(response.headers.get('date') ?? '')
    return {
      kind: 'answer',
      status: response.status,
      location,
      text,
      ...(!Number.isNaN(dateMs) && { dateMs }),
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError') return { kind: 'timeout' }
    throw error
  }
}
