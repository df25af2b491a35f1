/** Files that are there whole after a power failure, or not at all. */
import { randomBytes } from 'node:crypto'
import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Creates a file that must not be there yet (a link in its place counts too); nothing is left where
 * that fails half way.
 * @throws what `open` and `write` throw: `EEXIST`, `ENOENT`, `ENOSPC`, …
 */
export async function createFile(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } catch (error) {
    await unlink(path)
    throw error
  } finally {
    await file.close()
  }
  await syncFolder(dirname(path))
}

/** Puts a file in place of what is there; who reads meanwhile reads the old text or the new one. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const next = `${path}.${randomBytes(6).toString('hex')}.next`
  const file = await open(next, 'wx', mode)
  try {
    await file.writeFile(text)
    // The mode of `open` is cut by the umask, and these are for a web server to read.
    await file.chmod(mode)
    await file.sync()
    await rename(next, path)
  } catch (error) {
    await unlink(next).catch(() => undefined)
    throw error
  } finally {
    await file.close()
  }
  await syncFolder(dirname(path))
}

/** A name in a folder is on disk when the folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
