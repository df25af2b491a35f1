/** Where documents come from: files, folders, standard input. */
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { boundedText } from '../../lib/bounded-text.ts'
import { messageOf, PodroleError } from '../../lib/errors.ts'
import { DOCUMENT_LIMITS, type SourceText } from './documents.ts'

const EXTENSIONS = /\.(?:ya?ml|json)$/i
const MAX_FILES = 1000
/** A character is four bytes of UTF-8 at most. */
const MAX_BYTES = DOCUMENT_LIMITS.characters * 4

/**
 * The texts of files, of the YAML and JSON files of folders (by name, without those of folders
 * inside), and of standard input for `-`.
 * @throws PodroleError `NoSource`, `SourceTooLarge`
 */
export async function readSources(
  paths: readonly string[],
  stdin: AsyncIterable<Uint8Array>,
): Promise<readonly SourceText[]> {
  const sources: SourceText[] = []
  for (const path of paths) {
    if (path === '-') sources.push({ name: 'standard input', text: await readStdin(stdin) })
    else sources.push(...filesOf(path).map((file) => ({ name: file, text: readText(file) })))
  }
  return sources
}

async function readStdin(stdin: AsyncIterable<Uint8Array>): Promise<string> {
  const text = await boundedText(stdin, MAX_BYTES)
  if (text === undefined) throw tooLarge('standard input')
  return text
}

function filesOf(path: string): readonly string[] {
  const isFolder = attempt(path, () => statSync(path).isDirectory())
  if (!isFolder) return [path]
  const entries = attempt<Dirent[]>(path, () => readdirSync(path, { withFileTypes: true }))
  const files = entries
    .filter((entry) => !entry.isDirectory() && EXTENSIONS.test(entry.name))
    .map(({ name }) => join(path, name))
    .sort()
  if (files.length > 0 && files.length <= MAX_FILES) return files
  throw new PodroleError(
    'NoSource',
    `folder ${path} has ${files.length} files: wanted 1 to ${MAX_FILES} named .yaml, .yml or .json`,
  )
}

function readText(file: string): string {
  const bytes = attempt(file, () => statSync(file).size)
  if (bytes > MAX_BYTES) throw tooLarge(file)
  return attempt(file, () => readFileSync(file, 'utf8'))
}

function attempt<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const message = `${path} cannot be read: ${messageOf(error)}`
    throw new PodroleError('NoSource', message, { cause: error })
  }
}

const tooLarge = (name: string): PodroleError =>
  new PodroleError('SourceTooLarge', `${name} has more than ${MAX_BYTES} bytes`)
