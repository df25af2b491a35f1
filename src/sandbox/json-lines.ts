/** Files of JSON lines: records that are written or deleted, after a first line of their own. */
import { closeSync, fsyncSync, openSync, readSync, renameSync, writeSync } from 'node:fs'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import type { Change } from './state.ts'

const BLOCK_BYTES = 1 << 20

/** One line has an end or has not, so that changes that belong together are all there or none. */
export function lineOf(changes: readonly Change[]): string {
  const rows = changes.map(({ table, key, value }) =>
    value === undefined ? [table, key] : [table, key, value],
  )
  return JSON.stringify(rows.length === 1 ? rows[0] : rows)
}

/**
 * The changes of a line of `lineOf`.
 * @throws PodroleError `StateDamaged`
 */
export function readLine(file: string, number: number, line: string): readonly Change[] {
  const parsed = parseArray(line)
  const rows: readonly unknown[] =
    parsed.length > 0 && parsed.every(Array.isArray) ? parsed : [parsed]
  return rows.map((row) => {
    const [table, key, value, ...rest] = row as readonly unknown[]
    if (typeof table === 'string' && typeof key === 'string' && rest.length === 0) {
      return { table, key, value }
    }
    // The line itself may hold a key: it is not quoted.
    throw new PodroleError(
      'StateDamaged',
      `line ${number} of ${file} is not a change: wanted [TABLE, KEY, VALUE], [TABLE, KEY] or a list of these`,
      { hint: 'delete the folder to start anew, or put back a copy of it' },
    )
  })
}

function parseArray(line: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(line)
    return Array.isArray(parsed) ? parsed : []
  } catch {
    return []
  }
}

/**
 * Puts a whole file in the place of one of that name, mode 0600: whoever is killed leaves the one or
 * the other. The descriptor is open for further writes.
 * @throws PodroleError `StateUnusable`
 */
export function replaceFile(
  file: string,
  first: string,
  records: Iterable<Change>,
): { readonly descriptor: number; readonly size: number } {
  let descriptor: number | undefined
  let size = 0
  try {
    descriptor = openSync(`${file}.next`, 'w', 0o600)
    for (const block of blocksOf(first, records)) {
      writeAll(descriptor, block, size)
      size += block.length
    }
    fsyncSync(descriptor)
    renameSync(`${file}.next`, file)
    return { descriptor, size }
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor)
    throw unusable(file, messageOf(error), error)
  }
}

function* blocksOf(first: string, records: Iterable<Change>): Generator<Buffer> {
  let lines = [first]
  let length = 0
  for (const record of records) {
    const line = lineOf([record])
    lines.push(line)
    length += line.length
    if (length < BLOCK_BYTES) continue
    yield Buffer.from(`${lines.join('\n')}\n`)
    lines = []
    length = 0
  }
  if (lines.length > 0) yield Buffer.from(`${lines.join('\n')}\n`)
}

/** Writes every byte at a position of a file. */
export function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  let done = 0
  while (done < bytes.length) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done)
  }
}

/**
 * The lines that have an end, each with the place in the file behind it, a block at a time: the file
 * may be large. None where it is missing.
 */
export function* linesOf(file: string): Generator<readonly [line: string, end: number]> {
  const descriptor = openToRead(file)
  if (descriptor === undefined) return
  let size = 0
  try {
    const block = Buffer.alloc(BLOCK_BYTES)
    let open: Buffer[] = []
    for (;;) {
      const count = readSync(descriptor, block, 0, block.length, null)
      if (count === 0) return
      let start = 0
      for (;;) {
        const end = block.subarray(0, count).indexOf(10, start)
        if (end < 0) break
        const line =
          open.length === 0
            ? block.subarray(start, end)
            : Buffer.concat([...open, block.subarray(start, end)])
        size += line.length + 1
        yield [line.toString('utf8'), size]
        open = []
        start = end + 1
      }
      if (start < count) open.push(Buffer.from(block.subarray(start, count)))
    }
  } finally {
    closeSync(descriptor)
  }
}

function openToRead(file: string): number | undefined {
  try {
    return openSync(file, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw unusable(file, messageOf(error), error)
  }
}

export const unusable = (path: string, why: string, cause?: unknown): PodroleError =>
  new PodroleError('StateUnusable', `the state in ${path} cannot be kept: ${why}`, {
    ...(cause !== undefined && { cause }),
  })
