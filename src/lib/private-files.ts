/** Files and folders that hold secrets: read only where nobody else can. */
import { open, stat } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { boundedText } from './bounded-text.ts'
import { codeOf, messageOf, PodroleError } from './errors.ts'

/**
 * The text of a file that belongs to this user (or to root) and that nobody else may read or
 * change. What is checked is what is read, whatever the name means a moment later.
 * @throws PodroleError `UnreadableFile`, `OpenToOthers`, `OthersOwn`
 */
export async function readPrivateFile(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(path, error)
  })
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw unreadable(path, 'it is no file')
    checkStats(path, stats, '600')
    const text = await boundedText(file.createReadStream({ autoClose: false }), maxBytes)
    if (text !== undefined) return text
    throw unreadable(path, `it has more than ${maxBytes} bytes`)
  } finally {
    await file.close()
  }
}

/**
 * The same for a folder.
 * @throws PodroleError `UnreadableFile`, `OpenToOthers`, `OthersOwn`
 */
export async function checkPrivateFolder(path: string): Promise<void> {
  const stats = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  if (!stats.isDirectory()) throw unreadable(path, 'it is no folder')
  checkStats(path, stats, '700')
}

function checkStats(path: string, { uid, mode }: Stats, wanted: '600' | '700'): void {
  const self = process.geteuid?.() ?? uid
  if (uid !== self && uid !== 0) {
    throw new PodroleError(
      'OthersOwn',
      `${path} belongs to user ${uid}: wanted it to belong to user ${self}, who reads it`,
      { hint: `chown ${self} ${path}` },
    )
  }
  // Whoever is not root reads a mounted Secret, which is root's, as a member of its group (fsGroup).
  const forbidden = uid === self ? 0o077 : 0o037
  if ((mode & forbidden) === 0) return
  throw new PodroleError(
    'OpenToOthers',
    `${path} has mode ${(mode & 0o777).toString(8).padStart(4, '0')}: wanted 0${wanted}, since others may use it`,
    { hint: `chmod ${wanted} ${path}; if others could read a private key, rotate it` },
  )
}

const unreadable = (path: string, why: unknown): PodroleError =>
  new PodroleError(
    'UnreadableFile',
    `${path} cannot be read: ${typeof why === 'string' ? why : (codeOf(why) ?? messageOf(why))}`,
  )
