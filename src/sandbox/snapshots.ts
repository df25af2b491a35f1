/** Snapshots by their ids: a few, in memory, and in the state's folder where there is one. */
import { closeSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { linesOf, readLine, replaceFile } from './json-lines.ts'
import { clustersOf, tableRows, takeSnapshot } from './snapshot.ts'
import type { Change, State } from './state.ts'

/** A snapshot as lists show it. */
export interface SnapshotInfo {
  readonly id: string
  /** ISO 8601. */
  readonly takenAt: string
  readonly records: number
  readonly clusters: readonly string[]
}

export interface SnapshotsOptions {
  readonly state: State
  readonly clock: Clock
  /** The state's; without it snapshots end with the process. */
  readonly folder: string | undefined
  readonly restore: (records: readonly Change[]) => Promise<void>
}

/** Each holds on to every record that was there. */
const MAX_SNAPSHOTS = 20
const ID = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const FORMAT = 'sandbox snapshot'
const FILE_ENDING = '.jsonl'

export class Snapshots {
  readonly #options: SnapshotsOptions
  readonly #folder: string | undefined
  readonly #infos = new Map<string, SnapshotInfo>()
  /** Of those that were taken or restored in this process; the others are in their files. */
  readonly #records = new Map<string, readonly Change[]>()
  #restoring: Promise<void> = Promise.resolve()

  /** @throws PodroleError `SnapshotDamaged` where the folder holds something else */
  constructor(options: SnapshotsOptions) {
    this.#options = options
    if (options.folder === undefined) return
    this.#folder = join(options.folder, 'snapshots')
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const infos = readdirSync(this.#folder)
      .filter((name) => name.endsWith(FILE_ENDING))
      .map((name) => readInfo(this.#fileOf(name.slice(0, -FILE_ENDING.length)), name))
    infos.sort((one, other) => (one.takenAt < other.takenAt ? -1 : 1))
    for (const info of infos) this.#infos.set(info.id, info)
  }

  /**
   * Keeps everything as it is now.
   * @param id one that is free by default: `snapshot-1`
   * @throws PodroleError `InvalidSnapshotId`, `SnapshotExists`, `TooManySnapshots`, `StateUnusable`
   */
  take(id: string = this.#freeId()): SnapshotInfo {
    if (!ID.test(id)) {
      throw new PodroleError(
        'InvalidSnapshotId',
        `snapshot id ${JSON.stringify(id.slice(0, 100))} is not one: wanted 1 to 63 of a-z, 0-9 and -, neither first nor last a -`,
        { status: 400 },
      )
    }
    if (this.#infos.has(id)) {
      throw new PodroleError(
        'SnapshotExists',
        `there is a snapshot ${JSON.stringify(id)} already`,
        {
          status: 409,
          hint: 'delete it first, or choose another id',
        },
      )
    }
    if (this.#infos.size >= MAX_SNAPSHOTS) {
      throw new PodroleError(
        'TooManySnapshots',
        `there are ${this.#infos.size} snapshots: wanted at most ${MAX_SNAPSHOTS}`,
        { status: 409, hint: 'delete one that is not needed any more' },
      )
    }
    const { state, clock } = this.#options
    const records = takeSnapshot(state)
    const info: SnapshotInfo = {
      id,
      takenAt: new Date(clock.now()).toISOString(),
      records: records.length,
      clusters: clustersOf(tableRows(records)).map(({ name }) => name),
    }
    if (this.#folder !== undefined) {
      const first = JSON.stringify({ podrole: FORMAT, version: 1, ...info })
      closeSync(replaceFile(this.#fileOf(id), first, records).descriptor)
    }
    this.#infos.set(id, info)
    this.#records.set(id, records)
    return info
  }

  /** The oldest first. */
  list(): readonly SnapshotInfo[] {
    return [...this.#infos.values()]
  }

  /**
   * Makes everything what it was; one restore after another.
   * @throws PodroleError `SnapshotNotFound`, `SnapshotDamaged`; what starting a cluster throws
   */
  async restore(id: string): Promise<SnapshotInfo> {
    const before = this.#restoring
    const info = this.#find(id)
    const restored = before.then(() => this.#options.restore(this.#recordsOf(id)))
    this.#restoring = restored.catch(() => undefined)
    await restored
    return info
  }

  /** @throws PodroleError `SnapshotNotFound` */
  delete(id: string): SnapshotInfo {
    const info = this.#find(id)
    if (this.#folder !== undefined) rmSync(this.#fileOf(id), { force: true })
    this.#infos.delete(id)
    this.#records.delete(id)
    return info
  }

  #find(id: string): SnapshotInfo {
    const info = this.#infos.get(id)
    if (info !== undefined) return info
    const ids = [...this.#infos.keys()]
    throw new PodroleError(
      'SnapshotNotFound',
      `there is no snapshot ${JSON.stringify(id.slice(0, 100))}: wanted one of ${ids.length === 0 ? 'none' : ids.join(', ')}`,
      { status: 404 },
    )
  }

  #recordsOf(id: string): readonly Change[] {
    // It may have been deleted while another one was restored.
    const info = this.#find(id)
    const known = this.#records.get(id)
    if (known !== undefined) return known
    const file = this.#fileOf(id)
    const lines = [...linesOf(file)]
    const records = lines.flatMap(([line], index) =>
      index === 0 ? [] : readLine(file, index + 1, line),
    )
    if (lines.length === 0 || records.length !== info.records) throw damaged(file)
    this.#records.set(id, records)
    return records
  }

  #freeId(): string {
    let number = 1
    while (this.#infos.has(`snapshot-${number}`)) number += 1
    return `snapshot-${number}`
  }

  #fileOf(id: string): string {
    return join(this.#folder ?? '', id + FILE_ENDING)
  }
}

function readInfo(file: string, name: string): SnapshotInfo {
  const [[first] = ['']] = linesOf(file)
  try {
    const { podrole, version, ...info } = JSON.parse(first) as SnapshotInfo &
      Readonly<Record<'podrole' | 'version', unknown>>
    if (podrole === FORMAT && version === 1 && info.id + FILE_ENDING === name) return info
  } catch {
    // Told below.
  }
  throw damaged(file)
}

const damaged = (file: string): PodroleError =>
  new PodroleError('SnapshotDamaged', `${file} is not a whole snapshot of this version`, {
    hint: 'the folder holds something else, or a snapshot of another version: move it away',
  })
