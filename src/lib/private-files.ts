/** Files of keys: read only where nobody else may read or write them. */
import { open } from 'node:fs/promises'
import { codeOf, messageOf, PodroleError } from './errors.ts'

/** Others may do nothing, and the group may not write: a mounted Secret belongs to root and fsGroup. */
const FORBIDDEN_BITS = 0o027

/**
 * The text of a file that this user or root owns and that others can neither read nor write.
 * @param maxBytes a longer file is refused
 * @throws PodroleError `UnreadableFile`, `FileNotPrivate`, `FileTooLarge`
 */
export async function readPrivateFile(path: string, maxBytes: number): Promise<string> {
  try {
    const file = await open(path, 'r')
    try {
      const { mode, uid, size } = await file.stat()
      checkPrivate(path, { mode, uid })
      if (size > maxBytes) {
        throw new PodroleError(
          'FileTooLarge',
          `${path} has ${size} bytes: wanted at most ${maxBytes}`,
        )
      }
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof PodroleError) throw error
    throw new PodroleError(
      'UnreadableFile',
      `${path} cannot be read: ${codeOf(error) ?? messageOf(error)}`,
    )
  }
}

function checkPrivate(
  path: string,
  { mode, uid }: { readonly mode: number; readonly uid: number },
): void {
  const octal = (mode & 0o777).toString(8).padStart(4, '0')
  if ((mode & FORBIDDEN_BITS) !== 0) {
    throw new PodroleError(
      'FileNotPrivate',
      `${path} has mode ${octal}: others could read or change it`,
      { hint: `chmod 0600 ${path}; a mounted Secret is private with defaultMode: 0440` },
    )
  }
  const own = process.getuid?.()
  if (own === undefined || uid === own || uid === 0) return
  throw new PodroleError(
    'FileNotPrivate',
    `${path} belongs to user ${uid}: wanted user ${own}, or root`,
    { hint: `chown ${own} ${path}` },
  )
}
