import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'

/** What a container wrote, in a file and the one before it: the oldest is dropped. */
export class ContainerLog {
  readonly #file: string
  readonly #maxBytes: number
  readonly #followers = new Set<(chunk: Uint8Array | undefined) => void>()
  #descriptor: number | undefined
  #size = 0

  constructor(file: string, maxBytes = 8 << 20) {
    this.#file = file
    this.#maxBytes = maxBytes
    rmSync(this.#older, { force: true })
    this.#descriptor = openSync(file, 'w', 0o600)
  }

  get isClosed(): boolean {
    return this.#descriptor === undefined
  }

  write(chunk: Uint8Array): void {
    if (this.#descriptor === undefined) return
    writeAll(this.#descriptor, chunk)
    this.#size += chunk.length
    for (const tell of this.#followers) tell(chunk)
    if (this.#size >= this.#maxBytes) this.#rotate(this.#descriptor)
  }

  /** No more will be written; whoever follows is told. */
  close(): void {
    if (this.#descriptor === undefined) return
    closeSync(this.#descriptor)
    this.#descriptor = undefined
    for (const tell of this.#followers) tell(undefined)
    this.#followers.clear()
  }

  /** All that is kept, or its last lines. */
  read(tailLines?: number): Uint8Array {
    const older = existsSync(this.#older) ? readFileSync(this.#older) : Buffer.alloc(0)
    const newer = existsSync(this.#file) ? readFileSync(this.#file) : Buffer.alloc(0)
    const all = Buffer.concat([older, newer])
    return tailLines === undefined ? all : lastLines(all, tailLines)
  }

  /** What is there and then what comes, until the log is closed or the reader goes. */
  follow(tailLines?: number): ReadableStream<Uint8Array> {
    let tell: ((chunk: Uint8Array | undefined) => void) | undefined
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const before = this.read(tailLines)
          if (before.length > 0) controller.enqueue(before)
          if (this.isClosed) return controller.close()
          tell = (chunk) => {
            const isTooSlow = (controller.desiredSize ?? 0) < -this.#maxBytes
            if (chunk !== undefined && !isTooSlow) return controller.enqueue(chunk)
            if (tell !== undefined) this.#followers.delete(tell)
            controller.close()
          }
          this.#followers.add(tell)
        },
        cancel: () => {
          if (tell !== undefined) this.#followers.delete(tell)
        },
      },
      { highWaterMark: 64 << 10, size: (chunk) => chunk?.length ?? 0 },
    )
  }

  get #older(): string {
    return `${this.#file}.1`
  }

  #rotate(descriptor: number): void {
    closeSync(descriptor)
    renameSync(this.#file, this.#older)
    this.#descriptor = openSync(this.#file, 'w', 0o600)
    this.#size = 0
  }
}

const MAX_LINE_BYTES = 16 << 10

/**
 * Puts the chunks of one stream together to whole lines, so that standard output and standard
 * error do not mix within a line; a line over 16 KiB goes in parts.
 */
export class LineBuffer {
  readonly #write: (lines: Uint8Array) => void
  #pending: Uint8Array = new Uint8Array()

  constructor(write: (lines: Uint8Array) => void) {
    this.#write = write
  }

  add(chunk: Uint8Array): void {
    const end = chunk.lastIndexOf(10) + 1
    if (end > 0) {
      this.#write(Buffer.concat([this.#pending, chunk.subarray(0, end)]))
      this.#pending = new Uint8Array()
    }
    this.#pending = Buffer.concat([this.#pending, chunk.subarray(end)])
    if (this.#pending.length > MAX_LINE_BYTES) this.flush()
  }

  flush(): void {
    if (this.#pending.length > 0) this.#write(this.#pending)
    this.#pending = new Uint8Array()
  }
}

/** The last lines of a text; a last one without a line end counts. */
export function lastLines(text: Uint8Array, count: number): Uint8Array {
  if (count <= 0) return new Uint8Array()
  let at = text.length
  if (text.at(-1) === 10) at -= 1
  for (let left = count; left > 0; left -= 1) {
    const end = at === 0 ? -1 : text.lastIndexOf(10, at - 1)
    if (end < 0) return text
    at = end
  }
  return text.subarray(at + 1)
}

function writeAll(descriptor: number, chunk: Uint8Array): void {
  let done = 0
  while (done < chunk.length) done += writeSync(descriptor, chunk, done)
}
