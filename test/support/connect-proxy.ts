/** A proxy that speaks CONNECT, for names that exist nowhere else, and TLS in front of a local port. */
import net from 'node:net'
import tls from 'node:tls'

export interface ConnectProxy {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** `HOST:PORT` of each tunnel, in order. */
  readonly tunnels: readonly string[]
  /** What came as Proxy-Authorization. */
  readonly authorizations: readonly string[]
  stop(): void
}

/** @param places where `HOST:PORT` is: a local port; any other is answered 502 */
export async function startConnectProxy(
  places: Readonly<Record<string, number>>,
): Promise<ConnectProxy> {
  const tunnels: string[] = []
  const authorizations: string[] = []
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    sockets.add(client)
    client.on('error', () => client.destroy())
    client.once('data', (head: Buffer) => {
      const text = head.toString('latin1')
      const [, place = ''] = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(text) ?? []
      tunnels.push(place)
      authorizations.push(/^proxy-authorization: (.*)\r$/im.exec(text)?.[1] ?? '')
      const port = places[place]
      if (port === undefined) {
        client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
        return
      }
      joinTo(client, port, () => client.write('HTTP/1.1 200 OK\r\n\r\n'))
    })
  })
  return {
    url: `http://127.0.0.1:${await listen(server)}`,
    tunnels,
    authorizations,
    stop: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** A server with that certificate whose clear text goes to a local port. */
export async function startTlsFront(
  certificate: { readonly cert: string; readonly key: string },
  port: number,
): Promise<{ readonly port: number; stop(): void }> {
  const server = tls.createServer({ ...certificate, minVersion: 'TLSv1.2' }, (client) => {
    client.on('error', () => client.destroy())
    joinTo(client, port, () => undefined)
  })
  return { port: await listen(server), stop: () => server.close() }
}

function joinTo(client: net.Socket, port: number, onConnect: () => void): void {
  const upstream = net.connect(port, '127.0.0.1', () => {
    onConnect()
    client.pipe(upstream)
    upstream.pipe(client)
  })
  upstream.on('error', () => client.destroy())
  client.on('close', () => upstream.destroy())
}

function listen(server: net.Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}
