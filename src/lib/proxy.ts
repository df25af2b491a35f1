/**
 * Which proxy leads to a server, by the variables that kubectl reads (Go's golang.org/x/net/http/httpproxy):
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in either case. Pure.
 */
import { BlockList, isIP } from 'node:net'
import { PodroleError } from './errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Whether any is named. */
export const hasProxy = (environment: Environment): boolean =>
  variable(environment, 'HTTPS_PROXY') !== '' || variable(environment, 'HTTP_PROXY') !== ''

/**
 * The proxy's URL; undefined where the server is reached without one. Loopback never has one.
 * @throws PodroleError `UnsupportedProxy`
 */
export function proxyFor(server: string, environment: Environment): string | undefined {
  const { hostname, port, protocol } = new URL(server)
  const named = variable(environment, protocol === 'http:' ? 'HTTP_PROXY' : 'HTTPS_PROXY')
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  if (named === '' || isLoopback(host)) return undefined
  const at = port === '' ? (protocol === 'http:' ? '80' : '443') : port
  if (isExempt(host, at, variable(environment, 'NO_PROXY'))) return undefined
  return readProxy(named, protocol === 'http:' ? 'HTTP_PROXY' : 'HTTPS_PROXY')
}

/**
 * A proxy's URL as it is written: a bare `HOST:PORT` is HTTP.
 * @param where it is named, for the fault; the URL may hold a password and is never told
 * @throws PodroleError `UnsupportedProxy`
 */
export function readProxy(text: string, where: string): string {
  const url = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.hostname !== '')
    return url
  const scheme = parsed?.protocol.replace(':', '') ?? ''
  const isSocks = scheme.startsWith('socks')
  throw new PodroleError(
    'UnsupportedProxy',
    isSocks
      ? `${where} names a ${scheme.toUpperCase()} proxy: wanted one that speaks HTTP (CONNECT)`
      : `${where} names no proxy: wanted http://HOST:PORT`,
    isSocks
      ? { hint: 'Put an HTTP proxy in front of it, or forward the port and set tls-server-name.' }
      : {},
  )
}

/** The proxy without what may be secret in its URL, to be told. */
export const shownProxy = (proxy: string): string => new URL(proxy).host

function variable(environment: Environment, name: string): string {
  return environment[name] || environment[name.toLowerCase()] || ''
}

/** A name below `localhost` too, RFC 6761 section 6.3. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' ||
  host.endsWith('.localhost') ||
  host === '::1' ||
  (isIP(host) === 4 && host.startsWith('127.'))

function isExempt(host: string, port: string, list: string): boolean {
  return list.split(',').some((entry) => {
    const text = entry.trim().toLowerCase()
    return text === '*' || (text !== '' && matches(text, host, port))
  })
}

function matches(entry: string, host: string, port: string): boolean {
  const [, address = '', prefix] = /^([\da-f.:]+)\/(\d+)$/.exec(entry) ?? []
  if (prefix !== undefined) return isWithin(host, address, Number(prefix))
  const { name, port: wanted } = partsOf(entry)
  if (wanted !== undefined && wanted !== port) return false
  if (isIP(name) !== 0) return host === name
  // `foo.com` is itself and all below it; `.foo.com` and `*.foo.com` are those below it alone.
  const bare = name.replace(/^\*?\./, '')
  return host.endsWith(`.${bare}`) || (bare === name && host === bare)
}

function partsOf(entry: string): { readonly name: string; readonly port?: string } {
  const [, bracketed, after] = /^\[([^\]]+)\](?::(\d+))?$/.exec(entry) ?? []
  if (bracketed !== undefined)
    return { name: bracketed, ...(after !== undefined && { port: after }) }
  if (isIP(entry) === 6) return { name: entry }
  const [, name = entry, port] = /^(.*):(\d+)$/.exec(entry) ?? []
  return { name, ...(port !== undefined && { port }) }
}

function isWithin(host: string, address: string, prefix: number): boolean {
  const [of, net] = [isIP(host), isIP(address)]
  if (of === 0 || of !== net || prefix > (net === 4 ? 32 : 128)) return false
  const family = net === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(address, prefix, family)
  return list.check(host, family)
}

/** For `fetch`, which by itself asks NO_PROXY again: what was decided stands. */
export const proxyOption = (proxy: string | undefined): Pick<BunFetchRequestInit, 'proxy'> => ({
  proxy: proxy === undefined ? false : { url: proxy, respectNoProxy: false },
})
