import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import type { Invocation } from './launch.ts'

export type OutputStream = 'stdout' | 'stderr'

/** What a container reads. */
export interface ProcessInput {
  /** A promise asks to wait until it has been read. */
  write(chunk: Uint8Array): Promise<void> | undefined
  /** Nothing more comes: of a terminal, which goes on, nothing. */
  end(): void
  /** Of a terminal. */
  resize?(columns: number, rows: number): void
}

/** A container's process with everything that it starts. */
export interface ContainerProcess {
  /** Where the container has an input. */
  readonly input?: ProcessInput
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

/** Takes what a container writes. */
type TakeOutput = (stream: OutputStream, chunk: Uint8Array) => void

/**
 * Starts a container, with pipes or on a terminal.
 * @param onOutput gets what it writes; nothing before the container stands
 */
export function startContainerProcess(
  invocation: Invocation,
  onOutput: TakeOutput,
): ContainerProcess {
  let standing: number | undefined
  let complaint = ''
  const take: TakeOutput = (stream, chunk) => {
    if (standing !== undefined) return onOutput(stream, chunk)
    if (complaint.length < MAX_COMPLAINT) complaint += new TextDecoder().decode(chunk)
  }
  const child =
    invocation.input === 'terminal' ? onTerminal(invocation, take) : onPipes(invocation, take)
  const kill = (): void => {
    signal(standing, 'SIGKILL')
    if (child.pid !== undefined) signal(-child.pid, 'SIGKILL')
  }
  const exited = child.exited(kill)
  const fault = async (): Promise<never> => {
    await exited
    const why = complaint.trim().split('\n').at(-1) ?? ''
    throw new PodroleError(
      'CreateContainerError',
      `the container could not be made: ${why.slice(0, 500) || 'its first process ended'}`,
    )
  }
  const ready = child.readyPid.then((pid) => {
    if (pid === undefined) return fault()
    standing = pid
    if (complaint !== '') onOutput('stderr', new TextEncoder().encode(complaint))
    return pid
  })
  ready.catch(() => undefined)
  const { input } = child
  const terminate = (): void => signal(standing, 'SIGTERM')
  return { ready, exited, terminate, kill, ...(input !== undefined && { input }) }
}

/** A process that is to become a container. */
interface Spawned {
  readonly pid: number | undefined
  readonly input: ProcessInput | undefined
  /** What the container's script says of itself; undefined where it ends without a word. */
  readonly readyPid: Promise<number | undefined>
  /** The exit code; `killRest` ends what the process leaves behind. */
  exited(killRest: () => void): Promise<number>
}

function onPipes({ argv, env, input }: Invocation, take: TakeOutput): Spawned {
  const [program = '', ...args] = argv
  const child = spawn(program, args, {
    env: { ...env },
    cwd: '/',
    // A group of its own: a signal to it reaches all, and Ctrl-C at the terminal does not.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'ignore', input === 'pipe' ? 'pipe' : 'ignore'],
  })
  child.stdout?.on('data', (chunk: Uint8Array) => take('stdout', chunk))
  child.stderr?.on('data', (chunk: Uint8Array) => take('stderr', chunk))
  child.stdin?.on('error', () => undefined)
  const [, , , , , inputEnd] = child.stdio as readonly unknown[]
  const pipe = input === 'pipe' ? (inputEnd as Writable) : undefined
  pipe?.on('error', () => undefined)
  return {
    pid: child.pid,
    input: pipe && {
      write: (chunk) =>
        pipe.writable && !pipe.write(chunk)
          ? new Promise((resolve) => {
              pipe.once('drain', resolve)
              pipe.once('close', resolve)
            })
          : undefined,
      end: () => pipe.end(),
    },
    readyPid: readyLine(child.stdio[3] as Readable | undefined),
    exited: (killRest) => exitOf(child, killRest),
  }
}

function onTerminal({ argv, env }: Invocation, take: TakeOutput): Spawned {
  const closed = Promise.withResolvers<void>()
  const child = Bun.spawn([...argv], {
    env: { TERM: 'xterm', ...env },
    cwd: '/',
    // Of these the last two are pipes; the terminal takes the place of the first three.
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    terminal: {
      data: (_terminal, data) => take('stdout', Uint8Array.from(data)),
      exit: () => closed.resolve(),
    },
  })
  const { terminal } = child
  const [, , , readyEnd, lifeEnd] = child.stdio as unknown as readonly number[]
  const readyPid = readyOf(readyEnd)
  return {
    pid: child.pid,
    input: {
      write: (chunk) => {
        if (terminal?.closed === false) terminal.write(chunk)
        return undefined
      },
      end: () => undefined,
      resize: (columns, rows) => {
        if (terminal?.closed === false) terminal.resize(columns, rows)
      },
    },
    readyPid,
    exited: async (killRest) => {
      await child.exited
      killRest()
      await Promise.race([closed.promise, Bun.sleep(LAST_OUTPUT_MS)])
      terminal?.close()
      await readyPid
      if (lifeEnd !== undefined) closeSync(lifeEnd)
      return exitCodeOf(child.exitCode, child.signalCode === null ? null : String(child.signalCode))
    },
  }
}

/** Reads the end of a pipe that `Bun.spawn` leaves to its caller, and closes it. */
async function readyOf(descriptor: number | undefined): Promise<number | undefined> {
  if (descriptor === undefined) return undefined
  let text = ''
  try {
    for await (const chunk of Bun.file(descriptor).stream()) {
      text += new TextDecoder().decode(chunk)
      if (text.includes('\n')) break
    }
  } finally {
    closeSync(descriptor)
  }
  return pidIn(text)
}

function pidIn(text: string): number | undefined {
  const pid = /^ready (\d+)$/m.exec(text)?.[1]
  return pid === undefined ? undefined : Number(pid)
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
    const decide = (): void => resolve(pidIn(text))
    stream.on('data', (chunk: Uint8Array) => {
      text += new TextDecoder().decode(chunk)
      if (text.includes('\n')) decide()
    })
    stream.on('end', decide)
    stream.on('error', decide)
    stream.on('close', decide)
  })
}
