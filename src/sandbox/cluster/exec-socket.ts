/**
 * Exec over WebSocket, as kubectl speaks it from 1.31 on: binary messages, each one byte of
 * channel and data (v4.channel.k8s.io; v5 adds the end of a channel, KEP-4006). What the client
 * sends becomes frames of the node's own exec, and the other way round.
 */
import { messageOf } from '../../lib/errors.ts'
import { type SocketLink, type SocketSession, upgradeResponse } from '../../lib/upgrade.ts'
import { badRequest } from './faults.ts'

const STDIN = 0
const STATUS = 3
const RESIZE = 4
/** Of v5: the second byte names the channel that ends. */
const CLOSE = 255
const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io']
const HEADER_BYTES = 5
const FRAME_BYTES_MAX = 1 << 20
/** Output waits for the client above this; input above the other ends the exec. */
const SENT_BYTES_MAX = 1 << 20
const TYPED_BYTES_MAX = 256 << 20

/** Starts the exec on the node with this body of frames, and gives what it answers. */
export type StartExec = (body: ReadableStream<Uint8Array>, signal: AbortSignal) => Promise<Response>

/**
 * The answer that turns an exec request into a socket.
 * @throws ApiFault BadRequest, for a client that speaks no known subprotocol
 */
export function execSocket(
  request: Request,
  options: { readonly hasStdin: boolean; readonly stopping: AbortSignal },
  start: StartExec,
): Response {
  const offered = (request.headers.get('sec-websocket-protocol') ?? '').split(',')
  const names = offered.map((name) => name.trim())
  const protocol = PROTOCOLS.find((known) => names.includes(known))
  if (protocol === undefined) {
    throw badRequest(
      `unable to upgrade: unable to negotiate protocol: client supports [${names.join(' ').slice(0, 200)}], server accepts [${PROTOCOLS.join(' ')}]`,
    )
  }
  return upgradeResponse(new ExecSession(protocol, options, start))
}

class ExecSession implements SocketSession {
  readonly protocol: string
  readonly #start: StartExec
  readonly #gone = new AbortController()
  readonly #signal: AbortSignal
  readonly #input: ReadableStream<Uint8Array>
  #typing: ReadableStreamDefaultController<Uint8Array> | undefined
  #drained: (() => void) | undefined

  constructor(
    protocol: string,
    options: { readonly hasStdin: boolean; readonly stopping: AbortSignal },
    start: StartExec,
  ) {
    this.protocol = protocol
    this.#start = start
    this.#signal = AbortSignal.any([this.#gone.signal, options.stopping])
    this.#input = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          if (options.hasStdin) this.#typing = controller
          else controller.close()
        },
        cancel: () => {
          this.#typing = undefined
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: TYPED_BYTES_MAX }),
    )
  }

  open(link: SocketLink): void {
    void this.#run(link)
  }

  message(data: Uint8Array): void {
    const [channel] = data
    const content = data.subarray(1)
    if (channel === CLOSE && content[0] === STDIN) this.#endInput()
    else if ((channel === STDIN || channel === RESIZE) && content.length > 0) {
      this.#typing?.enqueue(frameOf(channel, content))
      if ((this.#typing?.desiredSize ?? 1) <= 0) this.#gone.abort()
    }
  }

  drained(): void {
    this.#drained?.()
    this.#drained = undefined
  }

  closed(): void {
    this.#endInput()
    this.#gone.abort()
    this.drained()
  }

  #endInput(): void {
    this.#typing?.close()
    this.#typing = undefined
  }

  async #run(link: SocketLink): Promise<void> {
    try {
      const response = await this.#start(this.#input, this.#signal)
      if (response.ok) await this.#forward(response, link)
      else link.send(failure((await response.text()).slice(0, 4096).trim()))
    } catch (thrown) {
      if (!this.#gone.signal.aborted) link.send(failure(messageOf(thrown)))
    }
    this.#endInput()
    link.close()
  }

  /** The node's frames have the channel's byte first too; their length goes. */
  async #forward(response: Response, link: SocketLink): Promise<void> {
    let pending: Uint8Array = new Uint8Array()
    for await (const chunk of response.body ?? []) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      for (;;) {
        if (pending.length < HEADER_BYTES) break
        const size = new DataView(pending.buffer, pending.byteOffset).getUint32(1)
        if (size > FRAME_BYTES_MAX) throw new Error('the node sent a frame that is too large')
        if (pending.length < HEADER_BYTES + size) break
        const message = new Uint8Array(size + 1)
        message[0] = pending[0] ?? 0
        message.set(pending.subarray(HEADER_BYTES, HEADER_BYTES + size), 1)
        link.send(message)
        pending = pending.subarray(HEADER_BYTES + size)
        if (link.bufferedBytes() > SENT_BYTES_MAX) await this.#untilDrained()
      }
    }
  }

  #untilDrained(): Promise<void> {
    if (this.#signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.#drained = resolve
    })
  }
}

function frameOf(channel: number, content: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + content.length)
  frame[0] = channel
  new DataView(frame.buffer).setUint32(1, content.length)
  frame.set(content, HEADER_BYTES)
  return frame
}

function failure(message: string): Uint8Array {
  const status = { metadata: {}, status: 'Failure', message, reason: 'InternalError', code: 500 }
  return Uint8Array.from([STATUS, ...new TextEncoder().encode(JSON.stringify(status))])
}
