import { connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { messageOf, PodroleError } from './errors.ts'
import { textResponse, type Client, type Handler } from './handler.ts'
import { faultFields, type Log, silentLog } from './log.ts'

/** Where and how a handler is served. */
export interface ServeOptions {
  readonly hostname: string
  /** 0 takes a free port. */
  readonly port: number
  readonly handler: Handler
  readonly log?: Log
  /** Largest request body in bytes; more is answered with 413 before the handler runs. */
  readonly maxBodyBytes?: number
  /** Seconds that an idle connection is kept; 120 outlives kube-apiserver's own 90. */
  readonly idleTimeoutSeconds?: number
}

/** PEM texts of a serving certificate with its chain, leaf first, and its key. */
export interface ServingCertificate {
  readonly cert: string
  readonly key: string
}

/** A server that runs. */
export interface Listening {
  readonly hostname: string
  readonly port: number
  /** `http://HOST:PORT` or `https://HOST:PORT`, IPv6 addresses in brackets. */
  readonly url: string
  /** Ends when requests under way are answered, at most `graceMs` (5,000) later. */
  stop(graceMs?: number): Promise<void>
}

export interface TlsListening extends Listening {
  /** Serves new connections with another certificate; connections under way go on. */
  reload(certificate: ServingCertificate): void
}

const MIN_VERSION = 'TLSv1.2'
const HANDSHAKE_MS = 5000

/** Serves a handler over HTTP/1.1. */
export function serveHttp(options: ServeOptions): Listening {
  const server = start(options, (_request, client) => client, false)
  const port = server.port ?? 0
  return {
    hostname: options.hostname,
    port,
    url: `http://${hostInUrl(options.hostname)}:${port}`,
    stop: (graceMs) => drain(server, graceMs),
  }
}

/**
 * Serves a handler over TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2, with a certificate that can be
 * replaced while connections are open: `Bun.serve` cannot do that, so a `node:tls` front pipes to
 * an inner server that takes connections from the front alone.
 */
export async function serveTls(
  options: ServeOptions & { readonly certificate: ServingCertificate },
): Promise<TlsListening> {
  const peers = new Map<number, Client>()
  const inner = start(
    { ...options, hostname: '127.0.0.1', port: 0 },
    (_request, client) => peers.get(client.port),
    true,
  )
  const front = createTlsServer({
    ...secureContext(options.certificate),
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  const open = new Map<Socket, ReturnType<typeof setTimeout>>()
  front.on('secureConnection', (socket) => {
    clearTimeout(open.get(socket))
    pipeTo(inner.port ?? 0, socket, peers)
  })
  front.on('connection', (socket) => guardHandshake(socket, open))
  front.on('tlsClientError', () => undefined)
  await listen(front, options)
  const { port } = front.address() as AddressInfo
  return {
    hostname: options.hostname,
    port,
    url: `https://${hostInUrl(options.hostname)}:${port}`,
    reload: (certificate) => front.setSecureContext(secureContext(certificate)),
    stop: async (graceMs) => {
      front.close()
      await drain(inner, graceMs)
      for (const socket of open.keys()) socket.destroy()
    },
  }
}

function start(
  options: ServeOptions,
  clientOf: (request: Request, client: Client) => Client | undefined,
  http2: boolean,
): Bun.Server<undefined> {
  const log = options.log ?? silentLog
  const onError = (error: unknown): Response => {
    log.error('request failed', faultFields(error))
    const status = error instanceof PodroleError ? error.status : undefined
    return status === undefined
      ? textResponse('Internal Server Error\n', 500)
      : textResponse(`${messageOf(error)}\n`, status)
  }
  return Bun.serve({
    hostname: options.hostname,
    port: options.port,
    http2,
    development: false,
    idleTimeout: options.idleTimeoutSeconds ?? 120,
    maxRequestBodySize: options.maxBodyBytes ?? 4 << 20,
    error: onError,
    fetch: async (request, server) => {
      const from = server.requestIP(request)
      const client = clientOf(request, { address: from?.address ?? '', port: from?.port ?? -1 })
      if (client === undefined) return new Response(null, { status: 421 })
      return options.handler(request, client)
    },
  })
}

function pipeTo(port: number, socket: TLSSocket, peers: Map<number, Client>): void {
  const { remoteAddress, remotePort } = socket
  const upstream = connect(port, '127.0.0.1')
  let localPort: number | undefined
  upstream.on('connect', () => {
    localPort = upstream.localPort
    if (localPort !== undefined) {
      peers.set(localPort, { address: remoteAddress ?? '', port: remotePort ?? -1 })
    }
    socket.pipe(upstream)
    upstream.pipe(socket)
  })
  const end = (): void => {
    if (localPort !== undefined) peers.delete(localPort)
    socket.destroy()
    upstream.destroy()
  }
  socket.on('error', end)
  upstream.on('error', end)
  socket.on('close', end)
  upstream.on('close', () => {
    if (localPort !== undefined) peers.delete(localPort)
    socket.end()
  })
}

/**
 * A connection that never finishes its handshake would stay for ever. Bun hands the same object
 * to `connection` and `secureConnection`, which is where the timer ends.
 */
function guardHandshake(socket: Socket, open: Map<Socket, ReturnType<typeof setTimeout>>): void {
  const timer = setTimeout(() => socket.destroy(), HANDSHAKE_MS)
  open.set(socket, timer)
  socket.on('close', () => {
    clearTimeout(timer)
    open.delete(socket)
  })
  socket.on('error', () => undefined)
}

function secureContext(certificate: ServingCertificate): {
  cert: string
  key: string
  minVersion: typeof MIN_VERSION
} {
  // `setSecureContext` accepts an empty object and then serves nothing.
  if (!certificate.cert.includes('BEGIN CERTIFICATE') || !certificate.key.includes('PRIVATE KEY')) {
    throw new PodroleError(
      'InvalidServingCertificate',
      'the serving certificate is not a pair of PEM texts: wanted CERTIFICATE and PRIVATE KEY blocks',
    )
  }
  return { cert: certificate.cert, key: certificate.key, minVersion: MIN_VERSION }
}

async function listen(
  server: Server,
  options: Pick<ServeOptions, 'hostname' | 'port'>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.hostname, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/**
 * Bun's own `stop()` also waits for connections that are merely kept alive, up to their idle
 * timeout: what is under way is waited for, what is idle is closed.
 */
async function drain(server: Bun.Server<undefined>, graceMs = 5000): Promise<void> {
  void server.stop()
  const until = performance.now() + graceMs
  while (server.pendingRequests > 0 && performance.now() < until) await Bun.sleep(5)
  await server.stop(true)
}

const hostInUrl = (hostname: string): string =>
  hostname.includes(':') ? `[${hostname}]` : hostname
