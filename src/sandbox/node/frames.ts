/**
 * How a node's exec answers: a stream of frames, each one byte of channel, four bytes of length
 * (big-endian) and that many bytes. The channels are those of Kubernetes' own exec protocol
 * (v4.channel.k8s.io): 1 standard output, 2 standard error, 3 a `Status` that ends it.
 */
import type { Status } from '../../kube/objects.ts'
import { PodroleError } from '../../lib/errors.ts'

/** Of a request whose body is frames: standard input, and a terminal's size. */
export const STDIN_CHANNEL = 0
export const RESIZE_CHANNEL = 4
export const STDOUT_CHANNEL = 1
export const STDERR_CHANNEL = 2
export const STATUS_CHANNEL = 3

export interface ExecFrame {
  readonly channel: number
  readonly data: Uint8Array
}

const OUTPUT_CHANNELS = [STDOUT_CHANNEL, STDERR_CHANNEL, STATUS_CHANNEL]
export const INPUT_CHANNELS = [STDIN_CHANNEL, RESIZE_CHANNEL]
const HEADER_BYTES = 5
const MAX_FRAME_BYTES = 1 << 20

/** One or, for data over 1 MiB, several frames in one piece. */
export function encodeFrame(channel: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const count = Math.max(1, Math.ceil(data.length / MAX_FRAME_BYTES))
  const out = new Uint8Array(data.length + count * HEADER_BYTES)
  const view = new DataView(out.buffer)
  let at = 0
  for (let frame = 0; frame < count; frame += 1) {
    const part = data.subarray(frame * MAX_FRAME_BYTES, (frame + 1) * MAX_FRAME_BYTES)
    view.setUint8(at, channel)
    view.setUint32(at + 1, part.length)
    out.set(part, at + HEADER_BYTES)
    at += HEADER_BYTES + part.length
  }
  return out
}

/**
 * The frames of a stream, however it is cut into chunks.
 * @throws PodroleError `InvalidExecFrame` for a frame over 1 MiB, an unknown channel or a cut end
 */
export async function* decodeFrames(
  stream: AsyncIterable<Uint8Array>,
  channels: readonly number[] = OUTPUT_CHANNELS,
): AsyncGenerator<ExecFrame, void, undefined> {
  let pending: Uint8Array = new Uint8Array()
  for await (const chunk of stream) {
    pending = pending.length === 0 ? chunk : joinBytes(pending, chunk)
    for (;;) {
      if (pending.length < HEADER_BYTES) break
      const view = new DataView(pending.buffer, pending.byteOffset, pending.byteLength)
      const channel = view.getUint8(0)
      const length = view.getUint32(1)
      if (length > MAX_FRAME_BYTES || !channels.includes(channel)) {
        throw new PodroleError(
          'InvalidExecFrame',
          `exec frame of channel ${channel} and ${length} bytes: wanted channel ${channels.join(', ')} and at most ${MAX_FRAME_BYTES} bytes`,
        )
      }
      if (pending.length < HEADER_BYTES + length) break
      yield { channel, data: pending.slice(HEADER_BYTES, HEADER_BYTES + length) }
      pending = pending.subarray(HEADER_BYTES + length)
    }
  }
  if (pending.length > 0) {
    throw new PodroleError('InvalidExecFrame', 'the exec stream ended in the middle of a frame')
  }
}

/** The `Status` that ends an exec, in the form that Kubernetes' own kubelet gives it. */
export function exitStatus(exitCode: number): Status {
  if (exitCode === 0) return { metadata: {}, status: 'Success' }
  return {
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  }
}

/**
 * The exit code that the data of a status frame tells.
 * @throws PodroleError `ExecFailed` where the command never ran
 */
export function readExitCode(data: Uint8Array): number {
  const status = parseStatus(data)
  if (status.status === 'Success') return 0
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode')
  if (cause !== undefined && /^\d{1,3}$/.test(cause.message ?? '')) return Number(cause.message)
  throw new PodroleError('ExecFailed', status.message ?? 'the command could not be run')
}

function parseStatus(data: Uint8Array): Status {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(data))
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Falls through to the answer for everything that is no Status.
  }
  return { status: 'Failure', message: 'the node ended the exec without a status' }
}

function joinBytes(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length)
  joined.set(first)
  joined.set(second, first.length)
  return joined
}
