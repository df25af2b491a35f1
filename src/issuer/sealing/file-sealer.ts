/** Sealing with a key out of a file, such as a Secret that is mounted. */
import { createHash } from 'node:crypto'
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose'
import { PodroleError } from '../../lib/errors.ts'
import { readPrivateFile } from '../../lib/private-files.ts'
import { Secret } from '../../lib/secret.ts'
import { type KeySealer, type SealedFor, unreadable } from './sealer.ts'

const KEY_BYTES = 32
const MAX_KEYS = 20
const MAX_FILE_BYTES = 16_384
const JWE = /^eyJ[\w-]*\.\.[\w-]+\.[\w-]+\.[\w-]+$/

/** A sealing key as it is used; `id` names it in what it sealed, and tells nothing of it. */
interface SealingKey {
  readonly id: string
  readonly bytes: Uint8Array
}

/**
 * Reads a file of sealing keys: one a line, 32 random bytes in base64 (`openssl rand -base64 32`),
 * `#` begins a comment. The first seals; all of them open, so a new one is put on top. A sealed key
 * is a JWE (RFC 7516) in compact form: `dir`, A256GCM, with issuer and kid in the header that is
 * authenticated.
 * @throws PodroleError `UnreadableFile`, `OpenToOthers`, `OthersOwn`, `InvalidSealingKey`
 */
export async function openFileSealer(path: string): Promise<KeySealer> {
  const keys = readSealingKeys(await readPrivateFile(path, MAX_FILE_BYTES), path)
  const [first] = keys
  return {
    name: path,
    seals: (text) => JWE.test(text),
    seal: (key, { issuer, kid }) =>
      new CompactEncrypt(Buffer.from(key.reveal()))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: first.id, iss: issuer, sub: kid })
        .encrypt(first.bytes),
    open: (text, of) => open(keys, text, { of, path }),
  }
}

function readSealingKeys(text: string, path: string): readonly [SealingKey, ...SealingKey[]] {
  const lines = text.split(/\r?\n/).map((line) => line.replace(/#.*/, '').trim())
  const keys = lines.flatMap((line, at): SealingKey[] => {
    if (line === '') return []
    const bytes = Buffer.from(line, 'base64')
    if (!/^[\w+/-]+={0,2}$/.test(line) || bytes.length !== KEY_BYTES) {
      throw invalid(`line ${at + 1} of ${path} is not ${KEY_BYTES} bytes in base64`)
    }
    const id = createHash('sha256').update('podrole sealing key\0').update(bytes).digest('hex')
    return [{ id: id.slice(0, 16), bytes: new Uint8Array(bytes) }]
  })
  const [first, ...others] = keys
  if (first === undefined) throw invalid(`${path} has no sealing key`)
  if (keys.length > MAX_KEYS) {
    throw invalid(`${path} has ${keys.length} sealing keys: wanted at most ${MAX_KEYS}`)
  }
  return [first, ...others]
}

const invalid = (message: string): PodroleError =>
  new PodroleError('InvalidSealingKey', message, {
    hint: 'make one with: openssl rand -base64 32',
  })

async function open(
  keys: readonly SealingKey[],
  text: string,
  { of, path }: { readonly of: SealedFor; readonly path: string },
): Promise<Secret> {
  const id = sealingKeyIdOf(text)
  const key = keys.find((one) => one.id === id)
  if (key === undefined) {
    const asked = id === undefined ? 'what is stored is no sealed key' : `sealing key ${id} is not`
    throw unreadable(
      of,
      id === undefined
        ? asked
        : `${asked} in ${path}, which has ${keys.map((one) => one.id).join(', ')}`,
      'put the sealing key that it was sealed with back into the file, below the newest one',
    )
  }
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(text, key.bytes, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    })
    if (protectedHeader['iss'] !== of.issuer || protectedHeader['sub'] !== of.kid) {
      throw new Error('it was sealed for another key')
    }
    return new Secret(Buffer.from(plaintext).toString())
  } catch (cause) {
    throw unreadable(of, 'it was changed, or sealed for another key', RESTORE, cause)
  }
}

const RESTORE = 'restore the database from before the change, or rotate to a new key'

function sealingKeyIdOf(text: string): string | undefined {
  try {
    const { kid } = decodeProtectedHeader(text)
    return typeof kid === 'string' ? kid.slice(0, 64) : undefined
  } catch {
    return undefined
  }
}
