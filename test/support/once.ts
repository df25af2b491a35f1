/** What tests make once and keep between runs: one process makes it, others wait. */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What a machine lacks and how to get it (for `lacks`). */
export interface Missing {
  readonly tool: string
  readonly get: string
}

const UNSIGNED_LOCK_MS = 10_000

/** `$XDG_CACHE_HOME/podrole/NAME` (`~/.cache` without it). */
export const cacheFolder = (name: string): string =>
  join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'podrole', name)

/** Whether a folder was made whole; `stamp` is the name of the file that says so. */
export const isMade = (folder: string, stamp: string): boolean => existsSync(join(folder, stamp))

/**
 * Has `make` fill the folder, unless that was done.
 * @returns what `make` lacked; nothing once the folder is whole
 */
export async function makeOnce(
  folder: string,
  stamp: string,
  make: () => Promise<Missing | undefined>,
): Promise<Missing | undefined> {
  mkdirSync(folder, { recursive: true })
  const lock = `${folder}.lock`
  while (!isMade(folder, stamp)) {
    if (!takeLock(lock)) {
      await Bun.sleep(500)
      continue
    }
    try {
      const missing = isMade(folder, stamp) ? undefined : await make()
      if (missing !== undefined) return missing
      writeFileSync(join(folder, stamp), '')
    } finally {
      rmSync(lock, { recursive: true, force: true })
    }
  }
  return undefined
}

/** A lock whose owner is gone was left by a killed one. */
function takeLock(lock: string): boolean {
  const owner = join(lock, 'pid')
  try {
    mkdirSync(lock)
    writeFileSync(owner, String(process.pid))
    return true
  } catch {
    const made = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
    const isUnsigned = !existsSync(owner) && Date.now() - made > UNSIGNED_LOCK_MS
    if (isUnsigned || (existsSync(owner) && !isRunning(readFileSync(owner, 'utf8')))) {
      rmSync(lock, { recursive: true, force: true })
    }
    return false
  }
}

function isRunning(pid: string): boolean {
  if (!/^\d+$/.test(pid)) return true
  try {
    process.kill(Number(pid), 0)
    return true
  } catch {
    return false
  }
}
