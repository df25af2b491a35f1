import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import type { Invocation } from './launch.ts'

export type OutputStream = 'stdout' | 'stderr'

/** A container's process with everything that it starts. */
export interface ContainerProcess {
  /** PID 1 of the container as the host numbers it, once the container stands. */
  readonly ready: Promise<number>
  /** The exit code, 128 and the signal's number for a killed one, after all output was read. */
  readonly exited: Promise<number>
  /** SIGTERM to the container's command. */
  terminate(): void
  /** SIGKILL to all of it. */
  kill(): void
}

const MAX_COMPLAINT = 2048
/** What a process leaves behind may hold its pipes open: output is awaited no longer than this. */
const LAST_OUTPUT_MS = 1000

/**
 * Starts a container.
 * @param onOutput gets what it writes; nothing before the container stands
 */
export function startContainerProcess(
  invocation: Invocation,
  onOutput: (stream: OutputStream, chunk: Uint8Array) => void,
): ContainerProcess {
  const [program = '', ...args] = invocation.argv
  const child = spawn(program, args, {
    env: { ...invocation.env },
    cwd: '/',
    // A group of its own: a signal to it reaches all, and Ctrl-C at the terminal does not.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  })
  let standing: number | undefined
  let complaint = ''
  const take = (stream: OutputStream, chunk: Uint8Array): void => {
    if (standing !== undefined) return onOutput(stream, chunk)
    if (complaint.length < MAX_COMPLAINT) complaint += new TextDecoder().decode(chunk)
  }
  child.stdout?.on('data', (chunk: Uint8Array) => take('stdout', chunk))
  child.stderr?.on('data', (chunk: Uint8Array) => take('stderr', chunk))
  child.stdin?.on('error', () => undefined)
  const kill = (): void => {
    signal(standing, 'SIGKILL')
    if (child.pid !== undefined) signal(-child.pid, 'SIGKILL')
  }
  const exited = exitOf(child, kill)
  const fault = async (): Promise<never> => {
    await exited
    const why = complaint.trim().split('\n').at(-1) ?? ''
    throw new PodroleError(
      'CreateContainerError',
      `the container could not be made: ${why.slice(0, 500) || 'its first process ended'}`,
    )
  }
  const ready = readyLine(child.stdio[3] as Readable | undefined).then((pid) => {
    if (pid === undefined) return fault()
    standing = pid
    if (complaint !== '') onOutput('stderr', new TextEncoder().encode(complaint))
    return pid
  })
  ready.catch(() => undefined)
  return { ready, exited, terminate: () => signal(standing, 'SIGTERM'), kill }
}

/** Sends a signal; a process that is gone is no fault. */
export function signal(pid: number | undefined, name: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined || pid === 0 || pid === 1) return
  try {
    process.kill(pid, name)
  } catch (error) {
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error
  }
}

/** The exit code of a process, or 128 and the number of the signal that ended it. */
export function exitCodeOf(code: number | null, signalName: string | null): number {
  if (code !== null) return code
  const number = constants.signals[(signalName ?? 'SIGKILL') as keyof typeof constants.signals]
  return 128 + (number ?? 9)
}

function exitOf(child: ChildProcess, killRest: () => void): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      child.stderr?.emit('data', Buffer.from(messageOf(error)))
      resolve(128)
    })
    child.once('exit', (code, signalName) => {
      killRest()
      const done = (): void => resolve(exitCodeOf(code, signalName))
      child.once('close', done)
      setTimeout(done, LAST_OUTPUT_MS).unref()
    })
  })
}

function readyLine(stream: Readable | undefined): Promise<number | undefined> {
  return new Promise((resolve) => {
    if (stream === undefined) return resolve(undefined)
    let text = ''
    const decide = (): void => {
      const pid = /^ready (\d+)$/m.exec(text)?.[1]
      resolve(pid === undefined ? undefined : Number(pid))
    }
    stream.on('data', (chunk: Uint8Array) => {
      text += new TextDecoder().decode(chunk)
      if (text.includes('\n')) decide()
    })
    stream.on('end', decide)
    stream.on('error', decide)
    stream.on('close', decide)
  })
}
