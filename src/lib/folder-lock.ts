import { Database } from 'bun:sqlite'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from './errors.ts'

/** A folder that this process alone writes to, or who else does. */
export type FolderLock =
  | { readonly kind: 'held'; release(): void }
  /** `by` is empty where the other process cannot be named, else ` (process 42)`. */
  | { readonly kind: 'taken'; readonly by: string }

/** A database that nobody can reach any more is closed by the garbage collector, and its lock ends. */
const heldLocks = new Set<Database>()

/**
 * SQLite's own lock on a file `lock` of the folder: the system ends it with the process, however
 * that ends, so nothing stale is ever left. Source: https://www.sqlite.org/lockingv3.html
 * @throws what the file system and SQLite throw where no lock can be had at all
 */
export function lockFolder(folder: string): FolderLock {
  const owner = join(folder, 'owner')
  let lock: Database | undefined
  try {
    // The database makes its file with the mask's mode; this one comes first.
    closeSync(openSync(join(folder, 'lock'), 'a', 0o600))
    lock = new Database(join(folder, 'lock'))
    lock.run('PRAGMA journal_mode = MEMORY')
    lock.run('BEGIN EXCLUSIVE')
    writeFileSync(owner, `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    lock?.close()
    if (codeOf(error)?.startsWith('SQLITE_BUSY') !== true) throw error
    return { kind: 'taken', by: nameOf(owner) }
  }
  const held = lock
  heldLocks.add(held)
  return {
    kind: 'held',
    release: () => {
      heldLocks.delete(held)
      held.close()
    },
  }
}

function nameOf(owner: string): string {
  try {
    return ` (process ${Number.parseInt(readFileSync(owner, 'utf8'), 10)})`
  } catch {
    return ''
  }
}
