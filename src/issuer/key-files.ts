/** Keys in files: public ones read, a new pair made. */
import { createPublicKey } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { boundedText } from '../lib/bounded-text.ts'
import { createFile } from '../lib/durable-files.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import type { KeyKind } from './key-kinds.ts'
import { MAX_KEY_TEXT, tooLong } from './jwks-keys.ts'
import {
  exportSigningKey,
  generateSigningKey,
  type PublicSigningKey,
  type SigningKey,
} from './keys.ts'
import { readPublicKeys } from './public-keys.ts'

const EC_KINDS = { 'p-256': 'ES256', 'p-384': 'ES384', 'p-521': 'ES512' } as const

/**
 * The public keys of a file.
 * @throws PodroleError `UnreadableFile` and what `readPublicKeys` throws
 */
export async function readKeyFile(path: string): Promise<readonly PublicSigningKey[]> {
  return readKeyStream(createReadStream(path), path)
}

/** The same of a stream; `from` is its name. */
export async function readKeyStream(
  chunks: AsyncIterable<Uint8Array>,
  from: string,
): Promise<readonly PublicSigningKey[]> {
  let text: string | undefined
  try {
    text = await boundedText(chunks, MAX_KEY_TEXT)
  } catch (error) {
    throw new PodroleError(
      'UnreadableFile',
      `${from} cannot be read: ${codeOf(error) ?? messageOf(error)}`,
    )
  }
  if (text === undefined) throw tooLong(from)
  return readPublicKeys(text, from)
}

/** A new pair, in memory. */
export function makeKey(kind: KeyKind): Promise<SigningKey> {
  return kind === 'p-256' || kind === 'p-384' || kind === 'p-521'
    ? generateSigningKey(EC_KINDS[kind])
    : generateSigningKey('RS256', Number(kind.slice('rsa-'.length)))
}

/**
 * Writes a pair: the private key as PKCS#8 for its owner alone, the public key as PKIX. Files that
 * are there are never overwritten; where one cannot be made, neither is left.
 * @throws PodroleError `FileExists`, `UnwritableFile`
 */
export async function writeKeyFiles(
  key: SigningKey,
  files: { readonly privateKeyFile: string; readonly publicKeyFile?: string | undefined },
): Promise<void> {
  await createKeyFile(files.privateKeyFile, exportSigningKey(key).reveal(), 0o600)
  if (files.publicKeyFile === undefined) return
  const pem = createPublicKey(key.privateKey).export({ format: 'pem', type: 'spki' })
  try {
    await createKeyFile(files.publicKeyFile, pem, 0o644)
  } catch (error) {
    await unlink(files.privateKeyFile)
    throw error
  }
}

async function createKeyFile(path: string, text: string, mode: number): Promise<void> {
  try {
    await createFile(path, text, mode)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      throw new PodroleError('FileExists', `${path} is there already: a key is never overwritten`, {
        hint: 'name another file, or move that one away',
      })
    }
    throw new PodroleError(
      'UnwritableFile',
      `${path} cannot be written: ${codeOf(error) ?? messageOf(error)}`,
    )
  }
}
