import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { boundedText } from '../../lib/bounded-text.ts'
import { replaceFile } from '../../lib/durable-files.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { documentChanged, documentTooLarge } from './faults.ts'
import {
  type DocumentPath,
  type DocumentStore,
  MAX_DOCUMENT_BYTES,
  type StoredDocument,
} from './store.ts'

/**
 * A folder that a web server serves, or that is copied to where one does. Files are put in place
 * whole, for everybody to read; content type and cache headers are the server's affair. Between the
 * look at what is there and the rename another writer is not noticed: a folder has no such check.
 */
export function createFolderStore(folder: string): DocumentStore {
  const read = async (path: DocumentPath): Promise<StoredDocument | undefined> => {
    let text: string | undefined
    try {
      text = await boundedText(createReadStream(join(folder, path)), MAX_DOCUMENT_BYTES)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw unusable(join(folder, path), 'read', error)
    }
    if (text === undefined) throw documentTooLarge(join(folder, path))
    return { text, version: versionOf(text) }
  }
  return {
    place: folder,
    read,
    write: async (path, { text }, replaces) => {
      const file = join(folder, path)
      const current = await read(path)
      if (current?.version !== replaces) throw documentChanged(file)
      try {
        await mkdir(dirname(file), { recursive: true, mode: 0o755 })
        await replaceFile(file, text, 0o644)
      } catch (error) {
        throw unusable(file, 'written', error)
      }
      return versionOf(text)
    },
  }
}

const versionOf = (text: string): string => createHash('sha256').update(text).digest('base64url')

const unusable = (file: string, what: string, error: unknown): PodroleError =>
  new PodroleError(
    'UnusableFolder',
    `${file} cannot be ${what}: ${codeOf(error) ?? messageOf(error)}`,
  )
