/**
 * An issuer kept in a folder, mode 0700: `issuer.json` says which keys there are and how far each
 * is, `KID.pem` holds a private half (PKCS#8, mode 0600). Who reads it while it is written reads
 * what was there before or what is there after.
 */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createFile, replaceFile } from '../../lib/durable-files.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { lockFolder } from '../../lib/folder-lock.ts'
import { checkPrivateFolder, readPrivateFile } from '../../lib/private-files.ts'
import { exportSigningKey, loadSigningKey, type SigningKey } from '../keys.ts'
import { type IssuerState, parseIssuerState, type RotationKey } from './state.ts'

export const ISSUER_FILE = 'issuer.json'
const MAX_STATE_BYTES = 2_000_000
/** An RSA key of 16,384 bits has 12,000. */
const MAX_KEY_BYTES = 100_000

export interface IssuerFolder {
  readonly folder: string
  readonly state: IssuerState
}

/** A folder whose one writer this process is. */
export interface OwnIssuerFolder {
  readonly folder: string
  /** Undefined where there is no `issuer.json` yet. */
  read(): Promise<IssuerState | undefined>
  /** Durable when it is done, whole or not at all. */
  write(state: IssuerState): Promise<void>
  /** The private half of a key as `KID.pem`. @throws PodroleError `FileExists` */
  addKey(key: SigningKey): Promise<void>
  /** Deletes `KID.pem`, if it is there. */
  removeKey(kid: string): Promise<void>
  /**
   * The whole keys in files that no key of `state` names, which a command that was killed left; what
   * it left half written is deleted.
   */
  leftKeys(state: Pick<IssuerState, 'keys'>): Promise<readonly SigningKey[]>
  /** Lets another process write. */
  close(): void
}

/**
 * Reads an issuer's folder. Others must not be able to read or change it, nor `issuer.json`.
 * @throws PodroleError `NoIssuerFolder`, `UnreadableFile`, `OpenToOthers`, `OthersOwn`,
 *   `IssuerStateDamaged`
 */
export async function readIssuerFolder(folder: string): Promise<IssuerFolder> {
  await checkPrivateFolder(folder)
  const state = await readState(folder)
  if (state !== undefined) return { folder, state }
  throw new PodroleError('NoIssuerFolder', `${folder} has no ${ISSUER_FILE}`, {
    hint: `podrole issuer rotate init --dir ${folder} makes one`,
  })
}

/**
 * The private half of a key that is in a file of the folder.
 * @throws PodroleError `KeyNotInFile` for a key of KMS; `WrongKeyInFile`, `UnreadableFile`,
 *   `OpenToOthers`, `OthersOwn`, `InvalidSigningKey`
 */
export async function loadPrivateKey(
  folder: string,
  { kid, source }: Pick<RotationKey, 'kid' | 'source'>,
): Promise<SigningKey> {
  if (!('file' in source)) {
    const place = 'kms' in source ? 'AWS KMS and never leaves it' : 'the store of a broker'
    throw new PodroleError('KeyNotInFile', `key ${kid} is in ${place}`)
  }
  const path = join(folder, source.file)
  const key = loadSigningKey(await readPrivateFile(path, MAX_KEY_BYTES))
  if (key.kid === kid) return key
  throw new PodroleError('WrongKeyInFile', `${path} holds key ${key.kid}: wanted ${kid}`, {
    hint: 'put the right file back; what that one signs is refused everywhere',
  })
}

/**
 * Opens a folder for writing; it is made (mode 0700) where it is missing. The lock ends with the
 * process, however that ends.
 * @throws PodroleError `IssuerFolderInUse`, `UnusableFolder`, `OpenToOthers`, `OthersOwn`
 */
export async function openIssuerFolder(folder: string): Promise<OwnIssuerFolder> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw unusable(folder, error)
  })
  await checkPrivateFolder(folder)
  const release = lock(folder)
  try {
    await removeHalfWritten(folder)
  } catch (error) {
    release()
    throw unusable(folder, error)
  }
  const fileOf = (kid: string): string => join(folder, `${kid}.pem`)
  return {
    folder,
    read: () => readState(folder),
    write: async (state) => {
      const json = `${JSON.stringify(state, null, 2)}\n`
      // What cannot be read back must not take the place of what can.
      parseIssuerState(json, `the next ${ISSUER_FILE}`)
      await replaceFile(join(folder, ISSUER_FILE), json, 0o600).catch((error: unknown) => {
        throw unusable(folder, error)
      })
    },
    addKey: async (key) => {
      try {
        await createFile(fileOf(key.kid), exportSigningKey(key).reveal(), 0o600)
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw unusable(folder, error)
        throw new PodroleError('FileExists', `${fileOf(key.kid)} is there already`)
      }
    },
    removeKey: (kid) => rm(fileOf(kid), { force: true }),
    leftKeys: (state) => leftKeys(folder, state),
    close: release,
  }
}

async function readState(folder: string): Promise<IssuerState | undefined> {
  const path = join(folder, ISSUER_FILE)
  const names = await readdir(folder).catch((error: unknown) => {
    throw unusable(folder, error)
  })
  if (!names.includes(ISSUER_FILE)) return undefined
  return parseIssuerState(await readPrivateFile(path, MAX_STATE_BYTES), path)
}

function lock(folder: string): () => void {
  let taken: ReturnType<typeof lockFolder>
  try {
    taken = lockFolder(folder)
  } catch (error) {
    throw unusable(folder, error)
  }
  if (taken.kind === 'held') return () => taken.release()
  throw new PodroleError(
    'IssuerFolderInUse',
    `${folder} is being changed by another podrole${taken.by}`,
    { hint: 'wait for it to end, and ask again' },
  )
}

/** A process that was killed while it replaced the file left the next one beside it. */
async function removeHalfWritten(folder: string): Promise<void> {
  const names = await readdir(folder)
  const left = names.filter((name) => /^issuer\.json\.[0-9a-f]{12}\.next$/.test(name))
  for (const name of left) await rm(join(folder, name), { force: true })
}

async function leftKeys(
  folder: string,
  { keys }: Pick<IssuerState, 'keys'>,
): Promise<readonly SigningKey[]> {
  const known = new Set(keys.map(({ kid }) => `${kid}.pem`))
  const names = (await readdir(folder)).filter(
    (name) => /^[\w-]{43}\.pem$/.test(name) && !known.has(name),
  )
  const found: SigningKey[] = []
  for (const name of names.sort()) {
    const pem = await readPrivateFile(join(folder, name), MAX_KEY_BYTES)
    const key = loadedOrNothing(pem)
    if (key !== undefined && `${key.kid}.pem` === name) found.push(key)
    // A key is recorded after its file is whole: what is cut off has never been in use.
    else if (!/-----END [A-Z ]*PRIVATE KEY-----/.test(pem)) await rm(join(folder, name))
  }
  return found
}

function loadedOrNothing(pem: string): SigningKey | undefined {
  try {
    return loadSigningKey(pem)
  } catch {
    return undefined
  }
}

const unusable = (folder: string, error: unknown): PodroleError =>
  error instanceof PodroleError
    ? error
    : new PodroleError(
        'UnusableFolder',
        `${folder} cannot be used: ${codeOf(error) ?? messageOf(error)}`,
      )
