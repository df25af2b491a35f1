import { messageOf } from '../../lib/errors.ts'
import { type ExecRequest, invocationOf, type OutputSink, type Standing } from './exec.ts'
import { type ExecFrame, RESIZE_CHANNEL } from './frames.ts'
import { exitCodeOf, signal as sendSignal } from './process.ts'
import type { NodeServices } from './services.ts'

/** What a terminal that ended may still hold is awaited no longer than this. */
const LAST_OUTPUT_MS = 500
const SIDE_MAX = 10_000

export interface TerminalRequest extends Pick<ExecRequest, 'command' | 'signal'> {
  /** What is typed, and the terminal's sizes. */
  readonly input: AsyncIterable<ExecFrame>
}

/**
 * Runs a command in a container on a terminal of its own (`kubectl exec -t`); resolves with the
 * exit code.
 * @throws PodroleError `ExecFailed`; the signal's reason where aborted
 */
export async function terminalExec(
  services: NodeServices,
  target: Standing,
  request: TerminalRequest,
  onOutput: OutputSink,
): Promise<number> {
  const { argv, env } = invocationOf(services, target, request)
  const closed = Promise.withResolvers<void>()
  const child = Bun.spawn([...argv], {
    env: { TERM: 'xterm', ...env },
    cwd: '/',
    terminal: {
      data: (_terminal, data) => void onOutput('stdout', Uint8Array.from(data)),
      exit: () => closed.resolve(),
    },
  })
  const abort = (): void => sendSignal(-child.pid, 'SIGKILL')
  const ends = AbortSignal.any([target.ended, ...(request.signal ? [request.signal] : [])])
  ends.addEventListener('abort', abort)
  void typeInto(child.terminal, request.input, (text) =>
    services.log.debug('terminal input ended', { reason: text }),
  )
  try {
    await child.exited
    await Promise.race([closed.promise, Bun.sleep(LAST_OUTPUT_MS)])
    request.signal?.throwIfAborted()
    return exitCodeOf(child.exitCode, child.signalCode === null ? null : String(child.signalCode))
  } finally {
    ends.removeEventListener('abort', abort)
    child.terminal?.close()
  }
}

async function typeInto(
  terminal: Bun.Terminal | undefined,
  input: AsyncIterable<ExecFrame>,
  onEnd: (reason: string) => void,
): Promise<void> {
  try {
    for await (const { channel, data } of input) {
      if (terminal === undefined || terminal.closed) return
      if (channel !== RESIZE_CHANNEL) terminal.write(data)
      else {
        const size = readSize(data)
        if (size !== undefined) terminal.resize(size.columns, size.rows)
      }
    }
  } catch (error) {
    onEnd(messageOf(error))
  }
}

/** A terminal's size as Kubernetes sends it: `{"Width":80,"Height":24}`. */
export function readSize(data: Uint8Array): { columns: number; rows: number } | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(data))
    if (typeof value !== 'object' || value === null) return undefined
    const [columns, rows]: unknown[] = [Reflect.get(value, 'Width'), Reflect.get(value, 'Height')]
    return isSide(columns) && isSide(rows) ? { columns, rows } : undefined
  } catch {
    return undefined
  }
}

const isSide = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= SIDE_MAX
