/** Files that are there whole after a power failure, or not at all. */
import { open, unlink } from 'node:fs/promises'
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

/** A name in a folder is on disk when the folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
