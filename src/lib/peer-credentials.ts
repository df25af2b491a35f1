import type { Socket } from 'node:net'

/** Linux' SOL_SOCKET, SO_PEERCRED (socket(7), unix(7)); the answer is pid, uid, gid. */
const SOL_SOCKET = 1
const SO_PEERCRED = 17
const CREDENTIALS = 3

type PeerUidReader = (socket: Socket) => number | undefined

/**
 * Reads who the process at the other end of a Unix socket belonged to when it connected. Neither
 * Node nor Bun has an API for that, so libc is asked; undefined where that cannot be done: not
 * Linux, another libc, or a runtime that does not tell a socket's descriptor.
 */
export async function openPeerUids(): Promise<PeerUidReader | undefined> {
  if (process.platform !== 'linux') return undefined
  try {
    const { dlopen } = await import('bun:ffi')
    const { symbols } = dlopen('libc.so.6', {
      getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' },
    })
    return (socket) => {
      const descriptor = descriptorOf(socket)
      if (descriptor === undefined) return undefined
      const credentials = new Int32Array(CREDENTIALS)
      const length = new Int32Array([credentials.byteLength])
      const failed = symbols.getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, credentials, length)
      return failed === 0 ? credentials[1] : undefined
    }
  } catch {
    return undefined
  }
}

function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null) return undefined
  const descriptor: unknown = Reflect.get(handle, 'fd')
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined
}
