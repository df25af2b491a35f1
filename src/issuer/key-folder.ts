import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { readKeyFile } from './key-files.ts'
import { mergeKeys } from './key-lists.ts'
import type { PublicSigningKey } from './keys.ts'
import { ISSUER_FILE, readIssuerFolder } from './rotation/issuer-folder.ts'
import { publishedKeysOf } from './rotation/state.ts'

/** What a folder's files of public keys are called. */
const KEY_FILE = /^[^.].*\.(?:pem|pub|json)$/
const MAX_FILES = 500

/**
 * The public keys of a file, or of a folder's `.pem`, `.pub` and `.json` files in the order of
 * their names; a Secret that is mounted is such a folder. Of an issuer's own folder they are those
 * that it publishes.
 * @throws PodroleError `UnreadableFile`, `NoKeyFound`, `TooManyKeys` and what `readPublicKeys` and
 *   `readIssuerFolder` throw
 */
export async function readKeyPath(path: string): Promise<readonly PublicSigningKey[]> {
  const names = await listFolder(path)
  if (names === undefined) return mergeKeys([await readKeyFile(path)])
  if (names.includes(ISSUER_FILE)) {
    return mergeKeys([publishedKeysOf((await readIssuerFolder(path)).state)])
  }
  const files = names.filter((name) => KEY_FILE.test(name)).sort()
  if (files.length === 0) {
    throw new PodroleError('NoKeyFound', `${path} has no file of keys: wanted .pem, .pub or .json`)
  }
  if (files.length > MAX_FILES) {
    throw new PodroleError(
      'TooManyKeys',
      `${path} has ${files.length} files of keys: wanted at most ${MAX_FILES}`,
    )
  }
  return mergeKeys(await Promise.all(files.map((name) => readKeyFile(join(path, name)))))
}

/** The names in a folder; undefined where the path is none. */
async function listFolder(path: string): Promise<readonly string[] | undefined> {
  try {
    return (await stat(path)).isDirectory() ? await readdir(path) : undefined
  } catch (error) {
    throw new PodroleError(
      'UnreadableFile',
      `${path} cannot be read: ${codeOf(error) ?? messageOf(error)}`,
    )
  }
}
