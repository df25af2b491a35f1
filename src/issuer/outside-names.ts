import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { messageOf, PodroleError } from '../lib/errors.ts'

/** Where a host is served, in place of what DNS says and port 443. */
export interface IssuerPlace {
  readonly address: string
  readonly port: number
  /** PEM of the authorities that are good there, in place of the public ones. */
  readonly ca?: string
}

/** Where issuers are looked at from: the public network, or the names of a sandbox. */
export interface OutsideNames {
  /** Undefined for the public network. */
  resolve(host: string): IssuerPlace | undefined
}

/**
 * PODROLE_RESOLVE (`HOST=ADDRESS:PORT`, comma-separated; `*.DOMAIN` for one more label) and
 * PODROLE_CA_FILE: a sandbox's issuers have names without a port that no DNS knows. Whoever sets
 * them decides what podrole sees, so both are refused unless AWS itself is on loopback.
 * @throws PodroleError `ResolveRefused`, `InvalidIssuerName`, `UnreadableFile`
 */
export function readOutsideNames(
  environment: Readonly<Record<string, string | undefined>>,
): OutsideNames {
  const { PODROLE_RESOLVE: table = '', PODROLE_CA_FILE: caFile = '' } = environment
  if (table === '' && caFile === '') return { resolve: () => undefined }
  if (!isLoopback(environment['AWS_ENDPOINT_URL'])) {
    throw new PodroleError(
      'ResolveRefused',
      'PODROLE_RESOLVE and PODROLE_CA_FILE are for a sandbox alone, and AWS_ENDPOINT_URL is not on loopback',
      { hint: 'Unset them to look at the real network.' },
    )
  }
  const ca = caFile === '' ? {} : { ca: readCa(caFile) }
  const entries = table.split(',').filter((entry) => entry !== '')
  const places = new Map(entries.map(readEntry))
  return {
    resolve: (host) => {
      const name = host.toLowerCase()
      const place = places.get(name) ?? places.get(name.replace(/^[^.]+/, '*'))
      return place === undefined ? undefined : { ...place, ...ca }
    },
  }
}

function isLoopback(endpoint: string | undefined): boolean {
  if (endpoint === undefined || !URL.canParse(endpoint)) return false
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(new URL(endpoint).hostname)
}

function readEntry(entry: string): readonly [string, IssuerPlace] {
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
