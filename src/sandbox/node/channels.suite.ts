/** What tests of exec and attach share: their WebSocket, as kubectl opens it. */
import { NAMESPACE, type TestNode } from './node.suite.ts'

export interface Streamed {
  readonly out: Buffer
  readonly err: string
  readonly status: {
    readonly status?: string
    readonly details?: unknown
    readonly message?: string
  }
}

export interface StreamOptions {
  readonly input?: readonly Uint8Array[]
  /** Called with all that was written so far; what it gives is sent, `close` ends the connection. */
  readonly answer?: (out: string) => Uint8Array | 'close' | undefined
}

/** Opens `pods/NAME/SUBRESOURCE?…` and reads to the end. */
export async function streamChannels(
  { cluster }: TestNode,
  path: string,
  { input = [], answer }: StreamOptions = {},
): Promise<Streamed> {
  const server = cluster.server.replace(/^https/, 'wss')
  const socket = new WebSocket(`${server}/api/v1/namespaces/${NAMESPACE}/pods/${path}`, {
    protocols: ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
    headers: { authorization: `Bearer ${cluster.adminToken.reveal()}` },
    tls: { ca: cluster.certificateAuthority },
  })
  socket.binaryType = 'nodebuffer'
  const parts: Buffer[][] = [[], [], [], []]
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => {
      for (const message of input) socket.send(message)
    })
    socket.addEventListener('message', ({ data }) => {
      const bytes = data as unknown as Buffer
      parts[bytes[0] ?? 0]?.push(bytes.subarray(1))
      if (bytes[0] !== 1) return
      const next = answer?.(Buffer.concat(parts[1] ?? []).toString())
      if (next === 'close') socket.close()
      else if (next !== undefined) socket.send(next)
    })
    socket.addEventListener('error', () => reject(new Error('the socket was refused')))
    socket.addEventListener('close', () => resolve())
  })
  const [, out = [], err = [], status = []] = parts
  return {
    out: Buffer.concat(out),
    err: Buffer.concat(err).toString(),
    status: JSON.parse(Buffer.concat(status).toString() || '{}'),
  }
}

/** A message of standard input. */
export const typed = (text: string): Uint8Array =>
  Uint8Array.of(0, ...new TextEncoder().encode(text))

/** The message that ends standard input. */
export const INPUT_ENDS = Uint8Array.of(255, 0)

/** The message that tells a terminal's size. */
export const sized = (width: number, height: number): Uint8Array =>
  Uint8Array.of(4, ...new TextEncoder().encode(JSON.stringify({ Width: width, Height: height })))
