import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf, PodroleError } from '../../lib/errors.ts'
import { TOOL_PATH } from './launch.ts'
import type { ProbeTarget } from './probe-target.ts'

/** A node's network namespace, with ways out to chosen ports of the host's loopback. */
export interface NodeNetwork {
  /** A process inside it: what else is to live there joins that one's namespaces. */
  readonly holder: number
  /** Makes 127.0.0.1:PORT inside the host's 127.0.0.1:PORT. */
  addForward(port: number): Promise<void>
  /** Whether an address inside answers. */
  probe(target: ProbeTarget): Promise<boolean>
  stop(): Promise<void>
}

/** The addresses of the credential endpoint (EKS Pod Identity agent) are the node's own. */
const SETUP = [
  'set -eu',
  'ip link set lo up',
  'ip address add 169.254.170.23/32 dev lo',
  // A machine without IPv6 has a node without it; without nodad the address is tentative at first.
  'ip address add fd00:ec2::23/128 dev lo nodad 2>/dev/null || :',
  'exec "$@"',
].join('\n')

const START_MS = 15_000
/** A Unix socket's path is 107 bytes at most. */
const MAX_SOCKET_PATH = 100

/**
 * Opens a network namespace that lives until `stop`, or until this process ends.
 * @throws PodroleError `NetworkNamespaceUnavailable` where the machine does not allow it
 */
export async function openNetwork(options: {
  readonly folder: string
  readonly userNamespace: boolean
}): Promise<NodeNetwork> {
  const forwards = new Set<number>()
  const own = join(options.folder, 'relay.sock')
  const short = own.length <= MAX_SOCKET_PATH ? undefined : mkdtempSync(join(tmpdir(), 'podrole-'))
  const socketPath = short === undefined ? own : join(short, 'relay.sock')
  const sockets = new Set<Socket>()
  const server = await listenOutside(socketPath, forwards, sockets)
  const child = startRelay(socketPath, options.userNamespace)
  const lines = new RelayLines(child)
  const stop = async (): Promise<void> => {
    child.stdin?.end()
    child.kill('SIGKILL')
    await lines.ended
    server.close()
    for (const socket of sockets) socket.destroy()
    if (short !== undefined) rmSync(short, { recursive: true, force: true })
  }
  try {
    await lines.wait('ready')
  } catch (error) {
    await stop()
    throw error
  }
  let probes = 0
  return {
    holder: child.pid ?? 0,
    addForward: async (port) => {
      if (!Number.isInteger(port) || port < 1 || port > 65_535) {
        throw new PodroleError('InvalidPort', `port ${port} is not one: wanted 1 to 65535`)
      }
      if (forwards.has(port)) return
      forwards.add(port)
      child.stdin?.write(`forward ${port}\n`)
      const answer = await lines.wait(`forward ${port}`)
      if (!answer.endsWith(' ok')) throw unavailable(answer)
    },
    probe: async (target) => {
      probes += 1
      child.stdin?.write(`probe ${probes} ${JSON.stringify(target)}\n`)
      return (await lines.wait(`probe ${probes}`)).endsWith(' ok')
    },
    stop,
  }
}

function startRelay(socketPath: string, userNamespace: boolean): ChildProcess {
  const relay = fileURLToPath(new URL('./relay.ts', import.meta.url))
  const words = [
    '--pdeathsig',
    'KILL',
    '--',
    'unshare',
    ...(userNamespace ? ['--user', '--map-root-user'] : []),
    '--net',
    '--',
    'sh',
    '-c',
    SETUP,
    'podrole-node',
    process.execPath,
    '--no-env-file',
    '--config=/dev/null',
    relay,
    socketPath,
  ]
  return spawn('setpriv', words, {
    // A compiled podrole is Bun by this variable.
    env: { PATH: TOOL_PATH, BUN_BE_BUN: '1' },
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** What the relay says, one line after another. */
class RelayLines {
  readonly ended: Promise<void>
  readonly #waiting = new Map<string, (line: string | undefined) => void>()
  #complaint = ''
  #isOver = false

  constructor(child: ChildProcess) {
    let pending = ''
    child.stdin?.on('error', () => undefined)
    child.stdout?.on('data', (chunk: Uint8Array) => {
      pending += new TextDecoder().decode(chunk)
      const lines = pending.split('\n')
      pending = lines.pop() ?? ''
      for (const line of lines) this.#hear(line)
    })
    child.stderr?.on('data', (chunk: Uint8Array) => {
      this.#complaint = (this.#complaint + new TextDecoder().decode(chunk)).slice(-1000)
    })
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.#isOver = true
        for (const tell of this.#waiting.values()) tell(undefined)
        resolve()
      }
      child.once('error', (error) => {
        this.#complaint += messageOf(error)
        end()
      })
      child.once('close', end)
    })
  }

  /** The line that starts with these words; throws at the end of the relay and when late. */
  async wait(words: string): Promise<string> {
    const line = await new Promise<string | undefined>((resolve) => {
      if (this.#isOver) return resolve(undefined)
      const timer = setTimeout(() => resolve(undefined), START_MS)
      this.#waiting.set(words, (said) => {
        clearTimeout(timer)
        resolve(said)
      })
    })
    this.#waiting.delete(words)
    if (line !== undefined) return line
    throw unavailable(this.#complaint.trim().split('\n').at(-1) || 'no answer from inside')
  }

  #hear(line: string): void {
    const key = [...this.#waiting.keys()].find((one) => line === one || line.startsWith(`${one} `))
    if (key !== undefined) this.#waiting.get(key)?.(line)
  }
}

const unavailable = (why: string): PodroleError =>
  new PodroleError(
    'NetworkNamespaceUnavailable',
    `a network namespace of the node's own could not be used: ${why}`,
    { hint: 'it takes util-linux, iproute2 and either root or unprivileged user namespaces' },
  )

function listenOutside(
  path: string,
  forwards: ReadonlySet<number>,
  sockets: Set<Socket>,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (inside) => {
    sockets.add(inside)
    inside.on('error', () => inside.destroy())
    inside.once('close', () => sockets.delete(inside))
    let head: Uint8Array = new Uint8Array()
    const onData = (chunk: Uint8Array): void => {
      head = Buffer.concat([head, chunk])
      const [high, low] = head
      if (high === undefined || low === undefined) return
      inside.off('data', onData)
      inside.pause()
      const port = high * 256 + low
      if (forwards.has(port)) carry(inside, port, head.subarray(2))
      else inside.destroy()
    }
    inside.on('data', onData)
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}

function carry(inside: Socket, port: number, first: Uint8Array): void {
  const host = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  host.on('error', () => inside.destroy())
  host.once('close', () => inside.destroy())
  inside.once('close', () => host.destroy())
  host.once('connect', () => {
    if (first.length > 0) host.write(first)
    inside.pipe(host)
    host.pipe(inside)
  })
}
