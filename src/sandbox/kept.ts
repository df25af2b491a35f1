/** What a sandbox keeps besides AWS's records and clusters' objects, so that it comes back the same. */
import { randomBytes, X509Certificate } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname } from 'node:path'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  loadCertificateAuthority,
} from '../lib/certificates.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import type { ServingCertificate } from '../lib/serve.ts'
import type { State, Table } from './state.ts'

/** A cluster as it was started; its issuer never changes. */
export interface KeptCluster {
  readonly name: string
  readonly region: string
  readonly accountId: string
  readonly kind: 'eks' | 'self-managed'
  readonly issuer: string
  readonly nodes: number
}

export interface Kept {
  readonly clusters: Table<KeptCluster>
  readonly secrets: Table<string>
  readonly ports: Table<number>
  /** Where a sandbox that was killed had its nodes. */
  readonly folders: Table<string>
}

/** Names of the folders that a sandbox makes in the system's temporary one. */
export const FOLDER_PREFIX = 'podrole-sandbox-'

export const openKept = (state: State): Kept => ({
  clusters: state.table(CLUSTERS_TABLE),
  secrets: state.table('sandbox.secrets'),
  ports: state.table('sandbox.ports'),
  folders: state.table('sandbox.folders'),
})

/**
 * The CA of every certificate here; made at the first start. What it issues to servers is kept too,
 * one for the same names: making them is a good part of a start.
 */
export async function keepAuthority(kept: Kept, clock: Clock): Promise<CertificateAuthority> {
  const authority = await findAuthority(kept, clock)
  return {
    ...authority,
    issue: async (request) => {
      const name = `certificate ${JSON.stringify(request)}`
      const known = readCertificate(kept.secrets.get(name))
      if (known !== undefined && isGood(known, authority, clock)) return known
      const issued = await authority.issue(request)
      kept.secrets.set(name, JSON.stringify(issued))
      return issued
    },
  }
}

async function findAuthority({ secrets }: Kept, clock: Clock): Promise<CertificateAuthority> {
  const [cert, key] = [secrets.get('ca-certificate'), secrets.get('ca-key')]
  if (cert !== undefined && key !== undefined) return loadCertificateAuthority(cert, key)
  const made = await createCertificateAuthority({ commonName: 'podrole sandbox', clock })
  secrets.set('ca-key', made.key)
  secrets.set('ca-certificate', made.cert)
  return made
}

/** Longer than anybody lets a sandbox run. */
const CERTIFICATE_LEFT_MS = 90 * 86_400_000

const readCertificate = (text: string | undefined): ServingCertificate | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as ServingCertificate)

/** Clients look at the machine's own clock, whatever the sandbox's says. */
function isGood(
  { cert }: ServingCertificate,
  authority: CertificateAuthority,
  clock: Clock,
): boolean {
  const certificate = new X509Certificate(cert)
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
  const isNow = [clock, systemClock].every((one) => {
    const now = one.now()
    return from <= now && to > now + CERTIFICATE_LEFT_MS
  })
  return isNow && certificate.verify(new X509Certificate(authority.cert).publicKey)
}

/** What opens the sandbox's own endpoints under `/_podrole/`. */
export function keepToken(kept: Kept): Secret {
  const token = kept.secrets.get('token') ?? randomBytes(24).toString('base64url')
  kept.secrets.set('token', token)
  return new Secret(token)
}

/** The port of 127.0.0.1 that this had before, where it is free; else one that is, or 0 (`any`). */
export async function keepPort(kept: Kept, name: string, any: 'any' | 'one'): Promise<number> {
  const before = kept.ports.get(name)
  if (before !== undefined && (await probePort(before)) !== undefined) return before
  if (any === 'any') return 0
  // Somebody else may have been given it just now, or have had it before.
  const isTaken = (port: number): boolean => [...kept.ports.values()].includes(port)
  let port = await probePort(0)
  for (let tries = 1; port !== undefined && isTaken(port) && tries < 20; tries += 1) {
    port = await probePort(0)
  }
  if (port === undefined) throw new PodroleError('NoFreePort', 'no free port on 127.0.0.1')
  kept.ports.set(name, port)
  return port
}

/** Removes what sandboxes on this state left behind when they were killed, and notes the new one. */
export function replaceFolder(kept: Kept, folder: string): void {
  for (const old of kept.folders.values()) {
    const isOurs = dirname(old) === tmpdir() && basename(old).startsWith(FOLDER_PREFIX)
    if (isOurs && old !== folder) rmSync(old, { recursive: true, force: true })
    kept.folders.delete(old)
  }
  kept.folders.set(folder, folder)
}

/** Where the kept clusters are. */
export const CLUSTERS_TABLE = 'sandbox.clusters'

/** Whether a cluster is the same one, and not another of its name. */
export const isSameCluster = (one: KeptCluster, other: KeptCluster): boolean =>
  (['name', 'region', 'accountId', 'kind', 'issuer', 'nodes'] as const).every(
    (member) => one[member] === other[member],
  )

/** Whether a table of the state belongs to that cluster. */
export const isTableOf = (cluster: string, table: string): boolean =>
  table.startsWith(`cluster/${cluster}/`) ||
  table === `cluster-keys/${cluster}` ||
  table === `cluster-revision/${cluster}`

/** The port, where it is free just now. */
async function probePort(port: number): Promise<number | undefined> {
  const server = createServer()
  const isFree = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => resolve(true))
  })
  const address = server.address()
  if (isFree) await new Promise((resolve) => server.close(resolve))
  return isFree && address !== null && typeof address !== 'string' ? address.port : undefined
}
