import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { messageOf, PodroleError } from '../../lib/errors.ts'
import { type Invocation, type Launch, launchExec } from './launch.ts'
import { exitCodeOf, type OutputStream, signal as sendSignal } from './process.ts'
import type { NodeServices } from './services.ts'

/** A container that stands: what exec joins. */
export interface Standing {
  /** PID 1 of the container as the host numbers it. */
  readonly pid: number
  readonly launch: Launch
  /** Aborted when the container ends. */
  readonly ended: AbortSignal
}

export interface ExecRequest {
  readonly command: readonly string[]
  readonly stdin?: AsyncIterable<Uint8Array> | string
  readonly signal?: AbortSignal
}

export interface ExecResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Takes output as it comes; a promise holds the command's next output back until it is kept. */
export type OutputSink = (stream: OutputStream, chunk: Uint8Array) => Promise<void> | undefined

const MAX_OUTPUT_BYTES = 4 << 20

/**
 * Runs a command in a container's namespaces, with its environment and user, and answers with what
 * it wrote, at most 4 MiB of each stream.
 * @throws PodroleError `ExecFailed` where it could not be run; the signal's reason where aborted
 */
export async function runExec(
  services: NodeServices,
  target: Standing,
  request: ExecRequest,
): Promise<ExecResult> {
  const chunks = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
  const left = { stdout: MAX_OUTPUT_BYTES, stderr: MAX_OUTPUT_BYTES }
  const exitCode = await streamExec(services, target, request, (stream, chunk) => {
    const part = chunk.subarray(0, left[stream])
    left[stream] -= part.length
    if (part.length > 0) chunks[stream].push(part)
    return undefined
  })
  const text = (stream: OutputStream): string => Buffer.concat(chunks[stream]).toString()
  return { exitCode, stdout: text('stdout'), stderr: text('stderr') }
}

/** The same, with the output given out as it comes; resolves with the exit code. */
export async function streamExec(
  services: NodeServices,
  target: Standing,
  request: ExecRequest,
  onOutput: OutputSink,
): Promise<number> {
  const { argv, env } = invocationOf(services, target, request)
  const [program = '', ...args] = argv
  const child = spawn(program, args, {
    env: { ...env },
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  takeOutput(child.stdout, (chunk) => onOutput('stdout', chunk))
  takeOutput(child.stderr, (chunk) => onOutput('stderr', chunk))
  child.stdin.on('error', () => undefined)
  const abort = (): void => {
    if (child.pid !== undefined) sendSignal(-child.pid, 'SIGKILL')
  }
  const ends = AbortSignal.any([target.ended, ...(request.signal ? [request.signal] : [])])
  ends.addEventListener('abort', abort)
  void feed(child.stdin, request.stdin)
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(new PodroleError('ExecFailed', messageOf(error))))
      child.once('close', (code, name) => resolve(exitCodeOf(code, name)))
    })
    request.signal?.throwIfAborted()
    return exitCode
  } finally {
    ends.removeEventListener('abort', abort)
  }
}

/** How the command is started in the container. */
export function invocationOf(
  services: NodeServices,
  target: Standing,
  request: Pick<ExecRequest, 'command' | 'signal'>,
): Invocation {
  if (request.command.length === 0) {
    throw new PodroleError('ExecFailed', 'there is no command to run', { status: 400 })
  }
  request.signal?.throwIfAborted()
  return launchExec(
    services.isolation,
    { ...target.launch, words: request.command },
    { holder: services.network?.holder, target: target.pid, hasSetpriv: services.hasSetpriv },
  )
}

function takeOutput(
  output: Readable,
  take: (chunk: Uint8Array) => Promise<void> | undefined,
): void {
  output.on('data', (chunk: Uint8Array) => {
    const kept = take(chunk)
    if (kept === undefined) return
    output.pause()
    void kept.then(() => output.resume())
  })
}

async function feed(
  input: NodeJS.WritableStream,
  stdin: AsyncIterable<Uint8Array> | string | undefined,
): Promise<void> {
  try {
    if (typeof stdin === 'string') input.write(stdin)
    else if (stdin !== undefined) {
      for await (const chunk of stdin) {
        if (!input.write(chunk)) await new Promise((resolve) => input.once('drain', resolve))
      }
    }
  } catch {
    // A command that reads no more, or a caller that went away: the end of the input either way.
  }
  input.end()
}
