/** `podrole sandbox snapshot`: what a sandbox was, kept and brought back. */
import { PodroleError } from '../lib/errors.ts'
import type { SnapshotInfo } from '../sandbox/snapshots.ts'
import type { SnapshotFlags } from './commands/sandbox-snapshot.ts'
import { printData } from './output.ts'
import { askSandbox, sandboxAccess } from './sandbox-access.ts'

/** Clusters that are started again take their time. */
const ANSWER_MS = 300_000

export async function takeSnapshot(id: string | undefined, flags: SnapshotFlags): Promise<void> {
  const body = id === undefined ? '' : JSON.stringify({ id })
  const taken = (await ask(flags, 'POST', 'snapshots', body)) as SnapshotInfo
  printSnapshots(flags, taken, [taken])
}

export async function listSnapshots(flags: SnapshotFlags): Promise<void> {
  const answer = await ask(flags, 'GET', 'snapshots')
  const { snapshots } = answer as { readonly snapshots: readonly SnapshotInfo[] }
  printSnapshots(flags, snapshots, snapshots)
}

export async function restoreSnapshot(id: string, flags: SnapshotFlags): Promise<void> {
  const restored = (await ask(flags, 'PUT', pathOf(id))) as SnapshotInfo
  printSnapshots(flags, restored, [restored])
}

export async function deleteSnapshot(id: string, flags: SnapshotFlags): Promise<void> {
  const deleted = (await ask(flags, 'DELETE', pathOf(id))) as SnapshotInfo
  printSnapshots(flags, deleted, [deleted])
}

const pathOf = (id: string): string => `snapshots/${encodeURIComponent(id)}`

function printSnapshots(
  flags: SnapshotFlags,
  value: unknown,
  snapshots: readonly SnapshotInfo[],
): void {
  printData(flags.output, value, {
    columns: ['name', 'taken', 'records', 'clusters'],
    rows: snapshots.map(({ id, takenAt, records, clusters }) => [
      id,
      takenAt,
      String(records),
      clusters.join(','),
    ]),
  })
}

async function ask(
  flags: SnapshotFlags,
  method: string,
  path: string,
  body?: string,
): Promise<unknown> {
  const access = sandboxAccess(flags.readyFile)
  const signal = AbortSignal.timeout(ANSWER_MS)
  const response = await askSandbox(access, path, {
    method,
    signal,
    ...(body !== undefined && { body }),
  })
  const text = await response.text()
  if (response.ok) return JSON.parse(text)
  throw refusalOf(access.endpoint, response.status, text)
}

/** The sandbox's own words, where it has some. */
function refusalOf(endpoint: string, status: number, text: string): PodroleError {
  try {
    const { code, message, hint } = JSON.parse(text) as Readonly<Record<string, string>>
    if (code !== undefined && message !== undefined) {
      return new PodroleError(code, message, { status, ...(hint !== undefined && { hint }) })
    }
  } catch {
    // It is something else that answers there.
  }
  return new PodroleError('SandboxRefused', `${endpoint} answered with HTTP ${status}`, {
    status,
    hint: 'the token must be of the sandbox that runs there: see its ready file',
  })
}
