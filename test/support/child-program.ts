/** Programs that a test starts and must not outlive it. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'

export interface ChildProgram {
  /** Undefined while it runs. */
  exitCode(): number | undefined
  /** The end of what it wrote. */
  lastLines(): string
  /** SIGTERM, SIGKILL after five seconds; returns when it is gone. */
  stop(): Promise<void>
  /** SIGKILL; returns when it is gone. */
  kill(): Promise<void>
}

const KILL_AFTER_MS = 5000

/** Starts a program whose output goes to a file. */
export function startProgram(
  command: string,
  args: readonly string[],
  at: {
    readonly logFile: string
    readonly cwd: string
    /** Beside PATH and HOME. */
    readonly environment?: Readonly<Record<string, string>>
  },
): ChildProgram {
  const output = openSync(at.logFile, 'a', 0o600)
  const child = spawn(command, [...args], {
    cwd: at.cwd,
    stdio: ['ignore', output, output],
    env: { PATH: process.env['PATH'] ?? '', HOME: at.cwd, ...at.environment },
  })
  closeSync(output)
  const end = (): boolean => child.kill('SIGKILL')
  process.once('exit', end)
  let code: number | undefined
  const gone = new Promise<void>((resolve) => {
    const settle = (exit: number | null): void => {
      code ??= exit ?? -1
      process.off('exit', end)
      resolve()
    }
    child.once('exit', settle)
    child.once('error', () => settle(-1))
  })
  return {
    exitCode: () => code,
    lastLines: () => readFileSync(at.logFile, 'utf8').trim().split('\n').slice(-5).join('\n'),
    stop: async () => {
      if (code !== undefined) return
      child.kill('SIGTERM')
      const timer = setTimeout(end, KILL_AFTER_MS)
      await gone
      clearTimeout(timer)
    },
    kill: async () => {
      end()
      await gone
    },
  }
}

/** Ports of 127.0.0.1 that were free just now, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
  )
  return ports
}
