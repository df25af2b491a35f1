/**
 * The sandbox's state on disk: one file of JSON lines, the first of them the format, each further
 * one a record that was written or deleted, or several that belong together. A change is in the file
 * (in the system's cache: it outlives the process, not a power failure) before whoever made it goes
 * on, so no answer leaves before its change is kept.
 */
import { closeSync, fchmodSync, ftruncateSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, PodroleError } from '../lib/errors.ts'
import { type FolderLock, lockFolder } from '../lib/folder-lock.ts'
import { lineOf, linesOf, readLine, replaceFile, unusable, writeAll } from './json-lines.ts'
import type { Change, State } from './state.ts'

export interface Journal {
  /** How many bytes the file has. */
  readonly size: number
  /** Writes what there is to another file and puts it in the place of the first. */
  compact(): void
  /** Lets another sandbox have the folder; later changes of the state throw. */
  close(): void
}

export interface JournalOptions {
  /** The file is compacted when it has grown by this many bytes and by its own size; 8 MiB. */
  readonly growthBytes?: number
}

const FORMAT = JSON.stringify({ podrole: 'sandbox state', version: 1 })
const FILE = 'state.jsonl'
const GROWTH_BYTES = 8 << 20

/**
 * Loads the state that a folder (made where it is missing, mode 0700) holds and keeps every later
 * change there. A last line without its end was never acknowledged and is dropped.
 * @throws PodroleError `StateInUse` where another sandbox has the folder; `StateDamaged`,
 * `StateUnusable`
 */
export function openJournal(folder: string, state: State, options: JournalOptions = {}): Journal {
  const release = lockState(folder)
  try {
    const file = join(folder, FILE)
    const loaded = loadFile(file, state)
    const writer = new JournalFile(file, state, options.growthBytes ?? GROWTH_BYTES)
    // To write everything anew takes as long as to read it.
    if (loaded.changes > 2 * state.size || loaded.size === 0) writer.compact()
    else writer.goOn(loaded.size)
    state.onChange((changes) => writer.append(changes))
    return {
      get size() {
        return writer.size
      },
      compact: () => writer.compact(),
      close: () => {
        writer.close()
        release()
      },
    }
  } catch (error) {
    release()
    throw error
  }
}

class JournalFile {
  readonly #file: string
  readonly #state: State
  readonly #growthBytes: number
  #descriptor: number | undefined
  #size = 0
  #compactAt = 0

  constructor(file: string, state: State, growthBytes: number) {
    this.#file = file
    this.#state = state
    this.#growthBytes = growthBytes
  }

  get size(): number {
    return this.#size
  }

  append(changes: readonly Change[]): void {
    // Before the changes, which are not among the state's records yet.
    if (this.#size >= this.#compactAt) this.compact()
    const descriptor = this.#descriptor
    if (descriptor === undefined) throw unusable(this.#file, 'it is closed')
    const line = Buffer.from(`${lineOf(changes)}\n`)
    try {
      writeAll(descriptor, line, this.#size)
    } catch (error) {
      this.#cutBack(descriptor)
      throw unusable(this.#file, messageOf(error), error)
    }
    this.#size += line.length
  }

  compact(): void {
    const { descriptor, size } = replaceFile(this.#file, FORMAT, this.#state.records())
    this.#write(descriptor, size)
  }

  /** Writes behind what is there, up to the end of its last whole line. @throws PodroleError `StateUnusable` */
  goOn(size: number): void {
    try {
      const descriptor = openSync(this.#file, 'r+')
      this.#write(descriptor, size)
      ftruncateSync(descriptor, size)
      fchmodSync(descriptor, 0o600)
    } catch (error) {
      this.close()
      throw unusable(this.#file, messageOf(error), error)
    }
  }

  #write(descriptor: number, size: number): void {
    this.close()
    this.#descriptor = descriptor
    this.#size = size
    this.#compactAt = size + Math.max(this.#growthBytes, size)
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  /** Half a line (the disk is full) must not stand before the next one. */
  #cutBack(descriptor: number): void {
    try {
      ftruncateSync(descriptor, this.#size)
    } catch {
      this.close()
    }
  }
}

/** How many changes there were, and where the last whole line ends. */
function loadFile(file: string, state: State): { readonly changes: number; readonly size: number } {
  let changes = 0
  let number = 0
  let size = 0
  for (const [line, end] of linesOf(file)) {
    number += 1
    size = end
    if (number > 1) {
      for (const change of readLine(file, number, line)) {
        state.load(change)
        changes += 1
      }
    } else if (line !== FORMAT) {
      throw new PodroleError(
        'StateDamaged',
        `${file} starts with ${JSON.stringify(line.slice(0, 100))}: wanted ${FORMAT}`,
        { hint: 'the folder holds something else, or the state of another version' },
      )
    }
  }
  return { changes, size }
}

/** @throws PodroleError `StateInUse`, `StateUnusable` */
function lockState(folder: string): () => void {
  let lock: FolderLock
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    lock = lockFolder(folder)
  } catch (error) {
    throw unusable(folder, messageOf(error), error)
  }
  if (lock.kind === 'held') return () => lock.release()
  throw new PodroleError(
    'StateInUse',
    `state folder ${JSON.stringify(folder)} belongs to a sandbox that runs${lock.by}: wanted a folder of its own for each sandbox`,
    { hint: 'end that sandbox, or name another folder' },
  )
}
