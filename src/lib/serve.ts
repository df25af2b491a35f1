import { connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { messageOf, PodroleError } from './errors.ts'
import { textResponse, type Client, type Handler, type PeerCertificate } from './handler.ts'
import { faultFields, type Log, silentLog } from './log.ts'
import { sessionOf, type SocketSession } from './upgrade.ts'

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

export interface ServeTlsOptions extends ServeOptions {
  readonly certificate: ServingCertificate
  /**
   * PEM texts of the authorities whose client certificates (extended key usage clientAuth) say who
   * the client is: `Client.certificate`. Nobody needs one; a wrong one is reported, not refused.
   */
  readonly clientAuthorities?: readonly string[]
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
/** How long the client of a connection that ended may take to close its side. */
const LINGER_MS = 5000

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
export async function serveTls(options: ServeTlsOptions): Promise<TlsListening> {
  const peers = new Map<number, Client>()
  const front = createTlsServer({
    ...secureContext(options.certificate),
    ...clientVerification(options),
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  const inner = start(
    { ...options, hostname: '127.0.0.1', port: 0 },
    (_request, client) => peers.get(client.port),
    true,
  )
  const open = new Map<Socket, ReturnType<typeof setTimeout>>()
  front.on('secureConnection', (socket) => {
    clearTimeout(open.get(socket))
    pipeTo(inner.port ?? 0, socket, peers)
  })
  front.on('connection', (socket) => guardHandshake(socket, open))
  front.on('tlsClientError', () => undefined)
  try {
    await listen(front, options)
  } catch (error) {
    await inner.stop(true)
    throw error
  }
  const { port } = front.address() as AddressInfo
  return {
    hostname: options.hostname,
    port,
    url: `https://${hostInUrl(options.hostname)}:${port}`,
    reload: (certificate) =>
      front.setSecureContext({ ...secureContext(certificate), ...clientVerification(options) }),
    stop: async (graceMs) => {
      front.close()
      await drain(inner, graceMs)
      for (const socket of open.keys()) socket.destroy()
    },
  }
}

const SOCKETS: Bun.WebSocketHandler<SocketSession> = {
  idleTimeout: 0,
  sendPings: true,
  maxPayloadLength: 1 << 20,
  backpressureLimit: 64 << 20,
  closeOnBackpressureLimit: true,
  open: (socket) =>
    socket.data.open({
      send: (message) => void socket.sendBinary(message),
      bufferedBytes: () => socket.getBufferedAmount(),
      close: (code = 1000) => socket.close(code),
    }),
  message: (socket, message) =>
    socket.data.message(typeof message === 'string' ? Buffer.from(message) : message),
  drain: (socket) => socket.data.drained(),
  close: (socket) => socket.data.closed(),
}

function start(
  options: ServeOptions,
  clientOf: (request: Request, client: Client) => Client | undefined,
  http2: boolean,
): Bun.Server<SocketSession> {
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
    // Bun's default lets another process of the same user share the port, and take half of what comes.
    reusePort: false,
    development: false,
    idleTimeout: options.idleTimeoutSeconds ?? 120,
    maxRequestBodySize: options.maxBodyBytes ?? 4 << 20,
    error: onError,
    fetch: async (request, server) => {
      // The URL is made of the Host header, which may hold anything.
      if (!URL.canParse(request.url)) return textResponse('Bad Request\n', 400)
      const from = server.requestIP(request)
      const client = clientOf(request, { address: from?.address ?? '', port: from?.port ?? -1 })
      if (client === undefined) return new Response(null, { status: 421 })
      const response = await options.handler(request, client)
      const session = sessionOf(response)
      if (session === undefined) return response
      const headers = { 'sec-websocket-protocol': session.protocol }
      // Bun wants no answer for a connection that it upgraded.
      return server.upgrade(request, { data: session, headers }) ? undefined : response
    },
    websocket: SOCKETS,
  })
}

function pipeTo(port: number, socket: TLSSocket, peers: Map<number, Client>): void {
  const { remoteAddress, remotePort } = socket
  const upstream = connect(port, '127.0.0.1')
  let localPort: number | undefined
  upstream.on('connect', () => {
    localPort = upstream.localPort
    if (localPort !== undefined) {
      const certificate = peerCertificate(socket)
      peers.set(localPort, {
        address: remoteAddress ?? '',
        port: remotePort ?? -1,
        ...(certificate !== undefined && { certificate }),
      })
    }
    socket.pipe(upstream)
    upstream.pipe(socket)
  })
  // Once: the port may be another connection's by the time that a slow client closes its side.
  const forget = (): void => {
    if (localPort !== undefined) peers.delete(localPort)
    localPort = undefined
  }
  let lingering: ReturnType<typeof setTimeout> | undefined
  const end = (): void => {
    clearTimeout(lingering)
    forget()
    socket.destroy()
    upstream.destroy()
  }
  socket.on('error', end)
  upstream.on('error', end)
  socket.on('close', end)
  upstream.on('close', () => {
    forget()
    socket.end()
    if (!socket.destroyed) lingering = setTimeout(() => socket.destroy(), LINGER_MS)
  })
}

function clientVerification({ clientAuthorities: authorities }: ServeTlsOptions): {
  ca?: string[]
  requestCert?: boolean
  rejectUnauthorized?: boolean
} {
  return authorities === undefined
    ? {}
    : { ca: [...authorities], requestCert: true, rejectUnauthorized: false }
}

/** Whom the client's certificate names; undefined where it showed none, or was not asked. */
function peerCertificate(socket: TLSSocket): PeerCertificate | undefined {
  // The types promise an object; Bun gives none where there is no certificate.
  const subject: unknown = socket.getPeerCertificate()?.subject
  if (typeof subject !== 'object' || subject === null) return undefined
  if (!socket.authorized) return { fault: String(socket.authorizationError ?? 'not verified') }
  const valuesOf = (name: string): string[] => {
    const value: unknown = Reflect.get(subject, name)
    return [value].flat().filter((item) => typeof item === 'string')
  }
  return { commonName: valuesOf('CN').at(-1) ?? '', organizations: valuesOf('O') }
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
async function drain(server: Bun.Server<SocketSession>, graceMs = 5000): Promise<void> {
  void server.stop()
  const until = performance.now() + graceMs
  while (server.pendingRequests > 0 && performance.now() < until) await Bun.sleep(5)
  await server.stop(true)
}

/** A host as URLs have it: IPv6 addresses in brackets. */
export const hostInUrl = (hostname: string): string =>
  hostname.includes(':') ? `[${hostname}]` : hostname
