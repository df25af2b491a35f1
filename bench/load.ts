/**
 * The load generator: a process of its own that is sent jobs and answers each with what it saw.
 * Requests are bytes made beforehand, written over raw keep-alive connections (HTTP/1.1), so that
 * the server is what is measured. One request is under way on each connection.
 */
import type { Socket } from 'bun'

export interface LoadJob {
  readonly port: number
  /** PEM; with it the connections are TLS. */
  readonly ca?: string
  /** Whole HTTP/1.1 requests, ASCII; the connections go through them in turn. */
  readonly requests: readonly string[]
  readonly connections: number
  readonly seconds: number
}

export interface LoadResult {
  readonly requests: number
  readonly perSecond: number
  readonly p50Us: number
  /** Anything but whole answers with status 200. */
  readonly failure?: string
}

interface Connection {
  sentAt: number
  /** What has come of an answer so far. */
  partial: Buffer
}

/** Whatever a server does, a job ends. */
const MAX_REQUESTS = 2_000_000
const OVERTIME_MS = 10_000

async function run(job: LoadJob): Promise<LoadResult> {
  const requests = job.requests.map((text) => Buffer.from(text, 'latin1'))
  const times: number[] = []
  const ended = Promise.withResolvers<string | undefined>()
  const startedAt = performance.now()
  const endAt = startedAt + job.seconds * 1000
  let next = 0
  const send = (socket: Socket<Connection>): void => {
    const request = requests[next++ % requests.length] ?? Buffer.alloc(0)
    socket.data.sentAt = performance.now()
    if (socket.write(request) !== request.length) ended.resolve('a request was not written whole')
  }
  const receive = (socket: Socket<Connection>, chunk: Buffer): void => {
    const { partial } = socket.data
    const answer = partial.length === 0 ? chunk : Buffer.concat([partial, chunk])
    const whole = readAnswer(answer)
    socket.data.partial = whole === false ? Buffer.from(answer) : Buffer.alloc(0)
    if (whole === false) return
    if (whole !== true) return ended.resolve(whole)
    const now = performance.now()
    times.push(now - socket.data.sentAt)
    if (now >= endAt || next >= MAX_REQUESTS) ended.resolve(undefined)
    else send(socket)
  }
  const sockets = await Promise.all(
    Array.from({ length: job.connections }, () =>
      Bun.connect<Connection>({
        hostname: '127.0.0.1',
        port: job.port,
        ...(job.ca !== undefined && { tls: { ca: job.ca } }),
        data: { sentAt: 0, partial: Buffer.alloc(0) },
        socket: {
          open: (socket) => void (job.ca === undefined && send(socket)),
          handshake: (socket, success, error) => {
            if (success) send(socket)
            else ended.resolve(`TLS handshake: ${String(error)}`)
          },
          data: receive,
          close: () => ended.resolve('a connection was closed'),
          error: (_socket, error) => ended.resolve(error.message),
        },
      }),
    ),
  )
  const overtime = setTimeout(
    () => ended.resolve('no end in time'),
    job.seconds * 1000 + OVERTIME_MS,
  )
  const failure = await ended.promise
  const seconds = (performance.now() - startedAt) / 1000
  clearTimeout(overtime)
  for (const socket of sockets) socket.terminate()
  times.sort((a, b) => a - b)
  return {
    requests: times.length,
    perSecond: times.length / seconds,
    p50Us: (times[times.length >> 1] ?? 0) * 1000,
    ...(failure !== undefined && { failure }),
  }
}

/** True for a whole answer, false where more is to come, else what is wrong. */
function readAnswer(answer: Buffer): boolean | string {
  const end = answer.indexOf('\r\n\r\n')
  if (end < 0) return false
  const head = answer.toString('latin1', 0, end)
  if (!head.startsWith('HTTP/1.1 200')) return answer.toString('latin1', 0, 500)
  const length = /\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length === undefined) return `no content-length: ${head}`
  const wanted = end + 4 + Number(length)
  return answer.length > wanted ? 'more than one answer' : answer.length === wanted
}

if (process.send !== undefined) {
  process.on('message', (job: LoadJob) => {
    run(job).then(
      (result) => process.send?.(result),
      (error: unknown) =>
        process.send?.({ requests: 0, perSecond: 0, p50Us: 0, failure: String(error) }),
    )
  })
}
