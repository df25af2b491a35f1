/** Where issuers' hosts are, for tests on one machine: names without a port are served on loopback. */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { hostInUrl } from '../../lib/serve.ts'

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

export interface IssuerNameTable extends IssuerNames {
  /**
   * `HOST=127.0.0.1:PORT`; a label of HOST may be `*`, which stands for any one. An entry without
   * one goes before those with one; a later entry takes the place of an earlier one for its host.
   * @throws PodroleError `InvalidIssuerName`
   */
  add(entry: string): void
  /**
   * Certificates of that CA are good for every name.
   * @throws PodroleError `InvalidCertificateAuthority`
   */
  trust(caPem: string): void
  /** What `add` was given, in PODROLE_RESOLVE's form. */
  entries(): string
  /** What `trust` was given, PEM texts. */
  authorities(): string
}

const LABEL = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?'
const HOST = new RegExp(`^(?=.{1,253}$)(?:\\*|${LABEL})(?:\\.(?:\\*|${LABEL}))*$`)
const MAX_ENTRIES = 1000

interface Entry {
  readonly address: string
  readonly port: number
  /** What it matches, where its host has a `*`. */
  readonly pattern: RegExp | undefined
}

export function createIssuerNames(): IssuerNameTable {
  const entries = new Map<string, Entry>()
  const trusted = new Set<string>()
  const authorities = (): string => [...trusted].join('\n')
  return {
    resolve: (host) => {
      const name = host.toLowerCase()
      const exact = name.includes('*') ? undefined : entries.get(name)
      const found = exact ?? [...entries.values()].find(({ pattern }) => pattern?.test(name))
      if (found === undefined) return undefined
      const ca = authorities()
      return { address: found.address, port: found.port, ...(ca !== '' && { ca }) }
    },
    add: (text) => {
      const { host, ...entry } = parseEntry(text)
      if (entries.size >= MAX_ENTRIES) throw invalidEntry(text)
      entries.set(host, entry)
    },
    trust: (caPem) => {
      if (!caPem.includes('-----BEGIN CERTIFICATE-----')) {
        throw new PodroleError(
          'InvalidCertificateAuthority',
          'the certificate authority to trust holds no CERTIFICATE block: wanted PEM text',
        )
      }
      trusted.add(caPem.trim())
    },
    entries: () =>
      [...entries]
        .map(([host, { address, port }]) => `${host}=${hostInUrl(address)}:${port}`)
        .join(),
    authorities,
  }
}

function parseEntry(text: string): Entry & { readonly host: string } {
  const [, host = '', target = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? []
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(target) ?? []
  const address = bracketed ?? plain ?? ''
  const port = Number(portText)
  const name = host.toLowerCase()
  const isGood =
    HOST.test(name) && isIP(name) === 0 && isIP(address) !== 0 && port >= 1 && port < 65_536
  if (!isGood) throw invalidEntry(text)
  const source = name.replaceAll('.', '\\.').replaceAll('*', '[a-z0-9-]+')
  return {
    host: name,
    address,
    port,
    pattern: name.includes('*') ? new RegExp(`^${source}$`) : undefined,
  }
}

const invalidEntry = (text: string): PodroleError =>
  new PodroleError(
    'InvalidIssuerName',
    `issuer name ${JSON.stringify(text.slice(0, 300))} is not one: wanted HOST=ADDRESS:PORT`,
    { hint: 'for example idp.example.com=127.0.0.1:8443; an issuer host has no port of its own' },
  )

/**
 * The names that PODROLE_RESOLVE (entries with commas between them) and PODROLE_CA_FILE give the
 * checks that read issuers from outside; none where neither is set. They are the sandbox's: with
 * them a check says nothing about the world, so AWS must be a sandbox too.
 * @throws PodroleError `ResolveRefused`: AWS_ENDPOINT_URL is not on loopback; `InvalidIssuerName`,
 *   `InvalidCertificateAuthority`, `UnreadableFile`
 */
export function readOutsideNames(
  environment: Readonly<Record<string, string | undefined>>,
): IssuerNames {
  const names = createIssuerNames()
  const { PODROLE_RESOLVE: resolve, PODROLE_CA_FILE: caFile } = environment
  if (!resolve && !caFile) return names
  if (!isOnLoopback(environment['AWS_ENDPOINT_URL'])) {
    throw new PodroleError(
      'ResolveRefused',
      'PODROLE_RESOLVE and PODROLE_CA_FILE are for a sandbox alone: wanted AWS_ENDPOINT_URL on loopback beside them',
      { hint: 'unset them, or run the command with podrole sandbox -- CMD' },
    )
  }
  for (const entry of resolve ? resolve.split(',') : []) names.add(entry.trim())
  if (caFile) names.trust(readAuthority(caFile))
  return names
}

function readAuthority(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new PodroleError(
      'UnreadableFile',
      `PODROLE_CA_FILE ${file} cannot be read: ${codeOf(error) ?? messageOf(error)}`,
    )
  }
}

function isOnLoopback(endpoint = ''): boolean {
  const host = URL.canParse(endpoint) ? new URL(endpoint).hostname : ''
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d+){3}$/.test(host)
}
