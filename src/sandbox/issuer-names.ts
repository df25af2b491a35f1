import type { IssuerNames, IssuerNameTable, IssuerTarget } from '../issuer/outside/issuer-names.ts'
import { boundedText } from '../lib/bounded-text.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import { hostInUrl } from '../lib/serve.ts'

/** What the sandbox answers for itself: its issuers, S3's and EKS's own issuer hosts. */
const BUILT_IN = [
  '*.issuer.sandbox',
  ...['s3.*', 'oidc.eks.*'].flatMap((host) => [
    `${host}.amazonaws.com`,
    `${host}.amazonaws.com.cn`,
  ]),
  'oidc-eks.*.api.aws',
]

/** Says where the sandbox's own hosts are. */
export function addBuiltInNames(
  names: IssuerNameTable,
  target: { readonly port: number; readonly ca: string },
): void {
  for (const host of BUILT_IN) names.add(`${host}=127.0.0.1:${target.port}`)
  names.trust(target.ca)
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
    const text = await boundedText(response.body, MAX_BYTES)
    if (text === undefined) throw invalidDocument(url, 'it is longer than 1 MB')
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
  return `https://${hostInUrl(target.address)}:${target.port}${parsed.pathname}${parsed.search}`
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
