import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf, type PodroleError } from './errors.ts'
import { silentLog } from './log.ts'
import { openPeerUids } from './peer-credentials.ts'
import { listenPrivately, type PrivateSocket, type PrivateSocketOptions } from './private-socket.ts'

let folder = ''
const open: PrivateSocket[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-socket-'))
})
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close()
  rmSync(folder, { recursive: true, force: true })
})

const at = (name: string): string => join(folder, 'run', name)

async function start(
  path: string = at('a.sock'),
  more: Partial<PrivateSocketOptions> = {},
): Promise<PrivateSocket> {
  const socket = await listenPrivately({
    path,
    onConnection: (connection) => void connection.end('hello'),
    maxConnections: 4,
    log: silentLog,
    ...more,
  })
  open.push(socket)
  return socket
}

const refusal = (starting: Promise<unknown>): Promise<unknown> =>
  starting.then(
    () => 'started',
    (error: unknown) => codeOf(error),
  )

/** What the other end sends until it closes; the error's code where there is none. */
const hear = (path: string): Promise<string> =>
  new Promise((heard) => {
    let text = ''
    connect(path)
      .on('data', (chunk) => (text += chunk.toString()))
      .on('error', (error) => heard(codeOf(error) ?? ''))
      .on('close', () => heard(text))
  })

test('folder and socket are for their owner alone', async () => {
  const { path } = await start()
  expect(statSync(join(folder, 'run')).mode & 0o777).toBe(0o700)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(await hear(path)).toBe('hello')
})

test('a folder that others may enter is refused with what to run', async () => {
  mkdirSync(join(folder, 'run'))
  chmodSync(join(folder, 'run'), 0o750)
  const error: unknown = await start().catch((thrown: unknown) => thrown)
  expect(codeOf(error)).toBe('OpenToOthers')
  expect((error as PodroleError).message).toContain('has mode 0750: wanted 0700')
  expect((error as PodroleError).hint).toContain(`chmod 700 ${join(folder, 'run')}`)
})

test('a folder that is a file, or whose parent is missing, is refused', async () => {
  writeFileSync(join(folder, 'file'), '')
  expect(await refusal(start(join(folder, 'file', 'a.sock')))).toBe('UnreadableFile')
  expect(await refusal(start(join(folder, 'none', 'here', 'a.sock')))).toBe('UnusableFolder')
})

test('an abstract name and a path that the kernel would cut are refused', async () => {
  expect(await refusal(start('@podrole'))).toBe('InvalidSocketPath')
  expect(await refusal(start(''))).toBe('InvalidSocketPath')
  expect(await refusal(start(at('a'.repeat(100))))).toBe('InvalidSocketPath')
})

test('a socket is replaced when nobody answers there, and only then', async () => {
  const { path } = await start()
  expect(await refusal(start(path))).toBe('SocketInUse')
  expect(await hear(path)).toBe('hello')
  const stale = at('stale.sock')
  const child = Bun.spawnSync([
    process.execPath,
    '-e',
    `require('node:net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ])
  expect([child.signalCode, existsSync(stale)]).toEqual(['SIGKILL', true])
  await start(stale)
  expect(await hear(stale)).toBe('hello')
})

test('a file that is no socket is not touched', async () => {
  mkdirSync(join(folder, 'run'), { mode: 0o700 })
  writeFileSync(at('a.sock'), 'mine')
  expect(await refusal(start())).toBe('SocketInUse')
  expect(await Bun.file(at('a.sock')).text()).toBe('mine')
})

test('the socket is gone at the end, but not one that came in its place', async () => {
  const first = await start()
  await first.close()
  expect(existsSync(first.path)).toBe(false)
  const second = await start()
  rmSync(second.path)
  const other = createServer((socket) => void socket.end('other')).listen(second.path)
  await Bun.sleep(20)
  await second.close()
  expect(await hear(second.path)).toBe('other')
  other.close()
})

test('the kernel tells whose a connection is', async () => {
  const read = await openPeerUids()
  const uids: (number | undefined)[] = []
  const onConnection = (socket: Socket): void => {
    uids.push(read?.(socket))
    socket.end('hello')
  }
  const { path } = await start(at('a.sock'), { onConnection })
  expect(await hear(path)).toBe('hello')
  expect(uids).toEqual([process.platform === 'linux' ? process.geteuid?.() : undefined])
})

test('another user is turned away, root and the own one are not', async () => {
  let uid: number | undefined = 65_534
  const { path } = await start(at('a.sock'), { peerUid: () => uid })
  expect(['', 'ECONNRESET', 'EPIPE']).toContain(await hear(path))
  for (uid of [0, process.geteuid?.()]) expect(await hear(path)).toBe('hello')
})
