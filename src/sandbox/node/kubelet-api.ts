/** What the API server asks of a node: the logs of its containers, and commands in them. */
import { timingSafeEqual } from 'node:crypto'
import type { Status } from '../../kube/objects.ts'
import { messageOf, PodroleError } from '../../lib/errors.ts'
import { type Handler, textResponse } from '../../lib/handler.ts'
import type { Secret } from '../../lib/secret.ts'
import type { ContainerRunner } from './container-runner.ts'
import { type OutputSink, type Standing, streamExec } from './exec.ts'
import {
  decodeFrames,
  encodeFrame,
  type ExecFrame,
  exitStatus,
  INPUT_CHANNELS,
  RESIZE_CHANNEL,
  STDIN_CHANNEL,
  STATUS_CHANNEL,
  STDERR_CHANNEL,
  STDOUT_CHANNEL,
} from './frames.ts'
import type { ProcessInput } from './process.ts'
import type { NodeServices } from './services.ts'
import { readSize, terminalExec } from './terminal-exec.ts'

export interface KubeletApiOptions {
  readonly services: NodeServices
  readonly secret: Secret
  /** @throws PodroleError `NotFound` */
  readonly find: (namespace: string, pod: string, container: string) => ContainerRunner
}

const MAX_TAIL_LINES = 10_000_000
const QUEUED_BYTES_MAX = 1 << 20

/**
 * - `GET /containerLogs/NAMESPACE/POD/CONTAINER?tailLines=N&follow=true&previous=true`
 * - `POST /exec/NAMESPACE/POD/CONTAINER?command=a&command=b`: the body is the standard input, the
 *   answer a stream of the frames of `frames.ts`; with `framed=true` the body is frames too, with
 *   `tty=true` beside it the command has a terminal
 * - `POST /attach/NAMESPACE/POD/CONTAINER?stdin=true&stdout=true&stderr=true`: frames both ways; what
 *   the container writes from now on, until it ends
 * - `GET /healthz`
 *
 * All but the last want `Authorization: Bearer` with the secret that the API server has.
 */
export function createKubeletApi(options: KubeletApiOptions): Handler {
  return (request) => {
    const url = new URL(request.url)
    if (url.pathname === '/healthz') return textResponse('ok')
    if (!isAuthorized(request, options.secret)) return textResponse('Unauthorized\n', 401)
    const parts = url.pathname.split('/').slice(1).map(decodePart)
    const [verb, namespace = '', pod = '', container = '', ...rest] = parts
    if (rest.length > 0 || container === '') return textResponse('404 page not found\n', 404)
    const wanted = { containerLogs: 'GET', exec: 'POST', attach: 'POST' }[verb ?? '']
    if (wanted === undefined) return textResponse('404 page not found\n', 404)
    if (request.method !== wanted) return textResponse('method not allowed\n', 405)
    const runner = options.find(namespace, pod, container)
    const query = url.searchParams
    if (verb === 'containerLogs') return answerLog(runner, query)
    return verb === 'exec'
      ? answerExec(options.services, runner, { request, query })
      : answerAttach(runner, { request, query })
  }
}

function answerLog(runner: ContainerRunner, query: URLSearchParams): Response {
  const tail = query.get('tailLines')
  if (tail !== null && (!/^\d{1,9}$/.test(tail) || Number(tail) > MAX_TAIL_LINES)) {
    return textResponse(`tailLines ${JSON.stringify(tail)} is not a number of lines\n`, 400)
  }
  const lines = tail === null ? undefined : Number(tail)
  const isPrevious = query.get('previous') === 'true'
  const log = runner.log(isPrevious)
  if (log === undefined) {
    const what = isPrevious ? 'previous terminated container' : 'container'
    return textResponse(
      `${what} ${JSON.stringify(runner.name)} has no log: ${waitOf(runner)}\n`,
      400,
    )
  }
  const body = query.get('follow') === 'true' ? log.follow(lines) : Uint8Array.from(log.read(lines))
  return new Response(body, { headers: { 'content-type': 'text/plain; charset=utf-8' } })
}

function answerExec(
  services: NodeServices,
  runner: ContainerRunner,
  at: { readonly request: Request; readonly query: URLSearchParams },
): Response {
  const command = at.query.getAll('command')
  const { standing } = runner
  if (command.length === 0) return textResponse('you must specify at least 1 command\n', 400)
  if (standing === undefined) {
    return textResponse(`container ${runner.name} is not running: ${waitOf(runner)}\n`, 400)
  }
  return answerFrames(at.request, (send, signal) =>
    runCommand(services, standing, { ...at, command, signal }, (stream, chunk) =>
      send(CHANNELS[stream], chunk),
    ).then(exitStatus),
  )
}

const CHANNELS = { stdout: STDOUT_CHANNEL, stderr: STDERR_CHANNEL } as const

/** Sends a frame; a promise asks to wait until the client has read. */
type SendFrame = (channel: number, data: Uint8Array) => Promise<void> | undefined

/** An answer of frames, as long as some work sends them; the `Status` that it comes to is the last. */
function answerFrames(
  request: Request,
  work: (send: SendFrame, signal: AbortSignal) => Promise<Status>,
): Response {
  const gone = new AbortController()
  const signal = AbortSignal.any([gone.signal, request.signal])
  const waiting = new Set<() => void>()
  const release = (): void => {
    for (const resolve of waiting) resolve()
    waiting.clear()
  }
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        const send: SendFrame = (channel, data) => {
          if (signal.aborted) return undefined
          controller.enqueue(encodeFrame(channel, data))
          if ((controller.desiredSize ?? 1) > 0) return undefined
          return new Promise((resolve) => waiting.add(resolve))
        }
        const told = work(send, signal).catch((error: unknown) => ({
          metadata: {},
          status: 'Failure',
          reason: 'InternalError',
          message: messageOf(error),
        }))
        // Not awaited: a stream is not pulled before its start is over.
        void told.then((status) => {
          void send(STATUS_CHANNEL, new TextEncoder().encode(JSON.stringify(status)))
          if (!signal.aborted) controller.close()
          return status
        })
      },
      pull: release,
      cancel: () => {
        gone.abort()
        release()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: QUEUED_BYTES_MAX }),
  )
  return new Response(body, { headers: { 'content-type': 'application/octet-stream' } })
}

/** What waits for a client that does not read: more of it, and the client is cut off. */
const UNREAD_BYTES_MAX = 16 << 20

function answerAttach(
  runner: ContainerRunner,
  { request, query }: { readonly request: Request; readonly query: URLSearchParams },
): Response {
  if (runner.standing === undefined) {
    return textResponse(`container ${runner.name} is not running: ${waitOf(runner)}\n`, 400)
  }
  return answerFrames(request, async (send, signal) => {
    const over = Promise.withResolvers<void>()
    let unread = 0
    const attachment = runner.attach((stream, chunk) => {
      if (query.get(stream) !== 'true') return
      const waits = send(CHANNELS[stream], chunk)
      if (waits === undefined) return
      unread += chunk.length
      if (unread > UNREAD_BYTES_MAX) {
        attachment?.detach()
        over.reject(new Error('the client does not read'))
      }
      void waits.then(() => (unread -= chunk.length))
    })
    if (attachment === undefined) throw new Error(`container ${runner.name} is not running`)
    const { input, ended } = attachment
    const whole = AbortSignal.any([ended, signal])
    whole.addEventListener('abort', () => over.resolve())
    if (whole.aborted) over.resolve()
    const isRead = query.get('stdin') === 'true' && input !== undefined
    if (isRead) void passInput(request, input).then(() => runner.readsOnce && input.end())
    try {
      await over.promise
    } finally {
      attachment.detach()
    }
    return exitStatus(0)
  })
}

/** Until the client ends its input, or goes. */
async function passInput(request: Request, input: ProcessInput): Promise<void> {
  try {
    for await (const { channel, data } of decodeFrames(request.body ?? noBytes(), INPUT_CHANNELS)) {
      const size = channel === RESIZE_CHANNEL ? readSize(data) : undefined
      if (size !== undefined) input.resize?.(size.columns, size.rows)
      else if (channel === STDIN_CHANNEL) await input.write(data)
    }
  } catch {
    // A client that went away: the end of its input too.
  }
}

function runCommand(
  services: NodeServices,
  standing: Standing,
  asked: {
    readonly request: Request
    readonly query: URLSearchParams
    readonly command: readonly string[]
    readonly signal: AbortSignal
  },
  onOutput: OutputSink,
): Promise<number> {
  const { request, query, command, signal } = asked
  const { body } = request
  if (query.get('framed') !== 'true') {
    return streamExec(
      services,
      standing,
      { command, signal, ...(body !== null && { stdin: body }) },
      onOutput,
    )
  }
  const input = decodeFrames(body ?? noBytes(), INPUT_CHANNELS)
  if (query.get('tty') === 'true') {
    return terminalExec(services, standing, { command, signal, input }, onOutput)
  }
  return streamExec(services, standing, { command, signal, stdin: stdinOf(input) }, onOutput)
}

async function* noBytes(): AsyncGenerator<Uint8Array> {
  // Nothing to read.
}

async function* stdinOf(input: AsyncIterable<ExecFrame>): AsyncGenerator<Uint8Array> {
  for await (const { channel, data } of input) if (channel === STDIN_CHANNEL) yield data
}

function waitOf(runner: ContainerRunner): string {
  const { waiting, terminated } = runner.view().state
  if (waiting !== undefined) return `${waiting.reason ?? 'waiting'} ${waiting.message ?? ''}`.trim()
  return terminated === undefined ? 'it has not started' : `it ended with ${terminated.exitCode}`
}

/** Compared by digest, so that neither length nor content show in the time that it takes. */
function isAuthorized(request: Request, secret: Secret): boolean {
  const header = request.headers.get('authorization') ?? ''
  const digest = (text: string): Uint8Array => new Bun.CryptoHasher('sha256').update(text).digest()
  return timingSafeEqual(digest(header), digest(`Bearer ${secret.reveal()}`))
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** For `find`: there is no such container here. */
export const notFound = (what: string): PodroleError =>
  new PodroleError('NotFound', `${what} not found on this node`, { status: 404 })
