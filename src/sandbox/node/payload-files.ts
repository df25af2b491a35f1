import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { PodroleError } from '../../lib/errors.ts'

export interface VolumeFile {
  readonly data: Uint8Array
  /** Permission bits. */
  readonly mode: number
}

/** Files by their path in the volume. */
export type Payload = Map<string, VolumeFile>

const DATA = '..data'

/**
 * Writes a volume's files so that whoever reads sees all of the old or all of the new ones: a new
 * folder, and the symbolic link `..data` renamed over the old one, as the kubelet's AtomicWriter
 * does. Nothing is touched where the content is the same.
 * @returns whether something changed
 * @throws PodroleError `FailedMount` for a path that leaves the volume
 */
export function writePayload(
  folder: string,
  payload: ReadonlyMap<string, VolumeFile>,
  owner?: { readonly uid: number; readonly gid: number },
): boolean {
  for (const path of payload.keys()) checkPath(path)
  if (isSame(folder, payload)) return false
  const old = currentFolder(folder)
  const stamp = new Date().toISOString().replace(/[-:T]/g, '_').slice(0, 19)
  const next = mkdtempSync(join(folder, `..${stamp}.`))
  chmodSync(next, 0o755)
  for (const [path, { data, mode }] of payload) {
    const file = join(next, path)
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
    writeFileSync(file, data, { mode })
    // The mask of this process must not narrow what the volume asks for.
    chmodSync(file, mode)
    if (owner !== undefined) chownSync(file, owner.uid, owner.gid)
  }
  const link = join(folder, '..data_tmp')
  rmSync(link, { force: true })
  symlinkSync(next.slice(folder.length + 1), link)
  renameSync(link, join(folder, DATA))
  linkNames(folder, payload)
  if (old !== undefined) rmSync(join(folder, old), { recursive: true, force: true })
  return true
}

function linkNames(folder: string, payload: ReadonlyMap<string, VolumeFile>): void {
  const wanted = new Set([...payload.keys()].map((path) => path.split('/')[0] ?? ''))
  for (const name of readdirSync(folder)) {
    if (name.startsWith('..')) continue
    if (!wanted.delete(name)) rmSync(join(folder, name), { recursive: true, force: true })
  }
  for (const name of wanted) symlinkSync(join(DATA, name), join(folder, name))
}

function isSame(folder: string, payload: ReadonlyMap<string, VolumeFile>): boolean {
  const current = currentFolder(folder)
  if (current === undefined) return false
  const files = readdirSync(join(folder, current), { recursive: true, withFileTypes: true })
  if (files.filter((entry) => entry.isFile()).length !== payload.size) return false
  return [...payload].every(([path, { data, mode }]) => {
    const file = join(folder, current, path)
    const stat = statSync(file, { throwIfNoEntry: false })
    return (
      stat?.isFile() === true && (stat.mode & 0o777) === mode && readFileSync(file).equals(data)
    )
  })
}

function currentFolder(folder: string): string | undefined {
  try {
    return readlinkSync(join(folder, DATA))
  } catch {
    return undefined
  }
}

function checkPath(path: string): void {
  const parts = path.split('/')
  const isBad = parts.some((part) => part === '' || part === '.' || part.startsWith('..'))
  if (!isBad && !path.includes('\0')) return
  throw new PodroleError(
    'FailedMount',
    `file path ${JSON.stringify(path)} is not one of a volume: wanted a relative path without ..`,
  )
}
