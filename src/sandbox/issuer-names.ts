import { isIP } from 'node:net'
import { messageOf, PodroleError } from '../lib/errors.ts'

/** Where an issuer's host really is. */
export interface IssuerTarget {
  readonly address: string
  readonly port: number
  /** PEM texts of the CAs that its certificate may come from. */
  readonly ca?: string
}

/** Issuer hosts are names without a port; this says where each one is served. */
export interface IssuerNames {
  resolve(host: string): IssuerTarget | undefined
}

/** The table of the sandbox's STS, which the sandbox and the command line fill. */
export interface IssuerNameTable extends IssuerNames {
  /** Where `*.issuer.sandbox`, S3's and EKS's own issuer hosts are. */
  setBuiltIn(target: IssuerTarget): void
  /**
   * `HOST=127.0.0.1:PORT`.
   * @throws PodroleError `InvalidIssuerName`
   */
  add(entry: string): void
  /**
   * Certificates of that CA are good for every name.
   * @throws PodroleError `InvalidCertificateAuthority`
   */
  trust(caPem: string): void
}

const HOST = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/
const BUILT_IN =
  /^(?:[a-z0-9-]+\.issuer\.sandbox|(?:s3|oidc\.eks)\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?|oidc-eks\.[a-z0-9-]+\.api\.aws)$/

export function createIssuerNames(): IssuerNameTable {
  const entries = new Map<string, { address: string; port: number }>()
  const trusted: string[] = []
  let builtIn: IssuerTarget | undefined
  const withCa = (target: { address: string; port: number }): IssuerTarget => {
    const ca = [builtIn?.ca, ...trusted].filter((pem) => pem !== undefined).join('\n')
    return { address: target.address, port: target.port, ...(ca !== '' && { ca }) }
  }
  return {
    resolve: (host) => {
      const name = host.toLowerCase()
      const entry = entries.get(name)
      if (entry !== undefined) return withCa(entry)
      return builtIn !== undefined && BUILT_IN.test(name) ? withCa(builtIn) : undefined
    },
    setBuiltIn: (target) => {
      builtIn = target
    },
    add: (entry) => {
      const { host, address, port } = parseEntry(entry)
      entries.set(host, { address, port })
    },
    trust: (caPem) => {
      if (!caPem.includes('-----BEGIN CERTIFICATE-----')) {
        throw new PodroleError(
          'InvalidCertificateAuthority',
          'the certificate authority to trust holds no CERTIFICATE block: wanted PEM text',
        )
      }
      trusted.push(caPem.trim())
    },
  }
}

function parseEntry(entry: string): { host: string; address: string; port: number } {
  const [, host = '', target = ''] = /^([^=]*)=(.*)$/s.exec(entry) ?? []
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(target) ?? []
  const address = bracketed ?? plain ?? ''
  const port = Number(portText)
  const name = host.toLowerCase()
  if (
    !HOST.test(name) ||
    isIP(name) !== 0 ||
    isIP(address) === 0 ||
    !(port >= 1 && port < 65_536)
  ) {
    throw new PodroleError(
      'InvalidIssuerName',
      `issuer name ${JSON.stringify(entry.slice(0, 300))} is not one: wanted HOST=ADDRESS:PORT`,
      { hint: 'for example idp.example.com=127.0.0.1:8443; an issuer host has no port of its own' },
    )
  }
  return { host: name, address, port }
}

const MAX_BYTES = 1 << 20
const TIMEOUT_MS = 5000

/** A document that an issuer published. */
export interface IssuerDocument {
  readonly text: string
  readonly json: unknown
}

/**
 * A JSON document of an issuer, over HTTPS to where the table says its host is: 5 seconds in all,
 * 1 MB at most, no redirect, TLS verified for the host's own name.
 * @throws PodroleError `IssuerUnreachable`, `InvalidIssuerDocument`
 */
export async function fetchIssuerDocument(
  names: IssuerNames,
  url: string,
  signal?: AbortSignal,
): Promise<IssuerDocument> {
  const parsed = parseIssuerUrl(url)
  const target = names.resolve(parsed.hostname)
  if (target === undefined) {
    throw new PodroleError(
      'IssuerUnreachable',
      `issuer host ${JSON.stringify(parsed.hostname)} has no address: wanted a name of the sandbox's or one given with --resolve`,
    )
  }
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const response = await fetch(urlAt(target, parsed), {
      headers: { host: parsed.hostname, accept: 'application/json' },
      redirect: 'error',
      proxy: false,
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      tls: { serverName: parsed.hostname, ...(target.ca !== undefined && { ca: target.ca }) },
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw invalidDocument(url, `it answered with HTTP ${response.status}`)
    }
    const text = await readBounded(url, response)
    return { text, json: parseJson(url, text) }
  } catch (error) {
    if (error instanceof PodroleError) throw error
    throw new PodroleError(
      'IssuerUnreachable',
      `issuer document ${JSON.stringify(url)} could not be fetched: ${messageOf(error)}`,
      { cause: error },
    )
  }
}

function parseIssuerUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (
    parsed === undefined ||
    parsed.protocol !== 'https:' ||
    parsed.port !== '' ||
    parsed.username
  ) {
    throw invalidDocument(url, 'its address is not https:// and a host without a port')
  }
  return parsed
}

function urlAt(target: IssuerTarget, parsed: URL): string {
  const host = target.address.includes(':') ? `[${target.address}]` : target.address
  return `https://${host}:${target.port}${parsed.pathname}${parsed.search}`
}

async function readBounded(url: string, response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_BYTES) throw invalidDocument(url, 'it is longer than 1 MB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(url: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalidDocument(url, 'it is not JSON')
  }
}

const invalidDocument = (url: string, why: string): PodroleError =>
  new PodroleError(
    'InvalidIssuerDocument',
    `issuer document ${JSON.stringify(url.slice(0, 300))} is of no use: ${why}`,
  )
