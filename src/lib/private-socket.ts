import { chmod, lstat, mkdir, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname, resolve } from 'node:path'
import { codeOf, messageOf, PodroleError } from './errors.ts'
import type { Log } from './log.ts'
import { openPeerUids } from './peer-credentials.ts'
import { checkPrivateFolder } from './private-files.ts'

export interface PrivateSocketOptions {
  /** Of the socket; the folder is made where it is missing, its parent is not. */
  readonly path: string
  /** Takes a connection of this user or of root. */
  readonly onConnection: (socket: Socket) => void
  /** Connections at once; further ones are closed. */
  readonly maxConnections: number
  readonly log: Log
  /** The user id behind a connection; the kernel's word by default. */
  readonly peerUid?: (socket: Socket) => number | undefined
}

export interface PrivateSocket {
  readonly path: string
  /**
   * Takes no new connections and removes the socket, unless another process has put its own there;
   * ends those that are left once `drain` is done.
   */
  close(drain?: () => Promise<void>): Promise<void>
}

/** `sun_path` with its zero byte: 104 bytes on macOS, 108 on Linux (unix(7)). */
const MAX_PATH_BYTES = 103
const SOCKET_MODE = 0o600
const ANSWER_MS = 2000

/**
 * Listens on a Unix socket that only this user and root reach: its folder is this user's alone
 * (0700), so that nobody gets in before the socket's own mode (0600) is set, and who connects is
 * asked of the kernel. A socket that nobody answers at is replaced.
 * @throws PodroleError `InvalidSocketPath`, `UnusableFolder`, `UnreadableFile`, `OpenToOthers`,
 *   `OthersOwn`, `SocketInUse`, `SocketFailed`
 */
export async function listenPrivately(options: PrivateSocketOptions): Promise<PrivateSocket> {
  const path = checkPath(options.path)
  await makeFolder(dirname(path))
  await checkPrivateFolder(dirname(path))
  await removeStale(path)
  const server = createServer()
  server.maxConnections = options.maxConnections
  const peerUid = options.peerUid ?? (await openPeerUids())
  if (peerUid === undefined) {
    options.log.warn('who connects cannot be asked here: the modes of folder and socket guard it')
  }
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    admit(socket, options, peerUid)
  })
  await listen(server, path)
  await chmod(path, SOCKET_MODE)
  const { ino } = await lstat(path)
  return {
    path,
    close: async (drain) => {
      const now = await lstat(path).catch(() => undefined)
      const isOurs = now === undefined || now.ino === ino
      // Closing a server removes whatever is at its path: where that is another's, it ends with the
      // process.
      const closed = isOurs
        ? new Promise<void>((done) => server.close(() => done()))
        : Promise.resolve(void server.unref())
      if (isOurs) await unlink(path).catch(() => undefined)
      await drain?.()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function admit(
  socket: Socket,
  { log, onConnection }: PrivateSocketOptions,
  peerUid: PrivateSocketOptions['peerUid'],
): void {
  socket.on('error', () => socket.destroy())
  const uid = peerUid?.(socket)
  if (uid === undefined || uid === 0 || uid === ownUid()) return onConnection(socket)
  log.warn('connection refused: it is of another user', { uid })
  socket.destroy()
}

const ownUid = (): number | undefined => process.geteuid?.()

function checkPath(given: string): string {
  const invalid = (why: string, hint: string): PodroleError =>
    new PodroleError('InvalidSocketPath', `socket ${JSON.stringify(given.slice(0, 300))} ${why}`, {
      hint,
    })
  if (given.startsWith('@')) {
    throw invalid(
      'is an abstract name, which every program of the host may connect to: wanted a path',
      'name a file in a folder of its own: /run/podrole/signer.sock',
    )
  }
  const path = resolve(given)
  const bytes = Buffer.byteLength(path)
  if (given === '' || given.includes('\0') || bytes > MAX_PATH_BYTES) {
    throw invalid(
      `has a path of ${bytes} bytes: wanted 1 to ${MAX_PATH_BYTES}`,
      'the kernel takes no longer ones: name a shorter path',
    )
  }
  return path
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    throw new PodroleError(
      'UnusableFolder',
      `${folder} cannot be made: ${codeOf(error) ?? messageOf(error)}`,
      { hint: 'make its parent first' },
    )
  }
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new PodroleError('SocketInUse', `${path} is there and is no socket`, {
      hint: 'it is not touched: name another path, or move it away',
    })
  }
  if (await isAnswered(path)) {
    throw new PodroleError('SocketInUse', `another process answers at ${path}`, {
      hint: 'stop it first: one signer has a socket',
    })
  }
  await unlink(path)
}

/** A process that is there but slow counts: its socket is not taken from it. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(path)
    const timer = setTimeout(() => settle(true), ANSWER_MS)
    const settle = (isThere: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      answer(isThere)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', (error) => settle(codeOf(error) !== 'ECONNREFUSED'))
  })
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((listening, failed) => {
    server.once('error', (error) =>
      failed(
        new PodroleError(
          codeOf(error) === 'EADDRINUSE' ? 'SocketInUse' : 'SocketFailed',
          `cannot listen at ${path}: ${codeOf(error) ?? messageOf(error)}`,
        ),
      ),
    )
    server.listen(path, () => listening())
  })
}
