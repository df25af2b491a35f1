/**
 * A handler that speaks WebSocket (RFC 6455) answers with `upgradeResponse(session)`: `serve.ts`
 * then upgrades the connection and gives the session its messages. For everybody else a server
 * stays a function from Request to Response.
 */

/** The server's end of a socket that is open. */
export interface SocketLink {
  /** Sends one binary message. */
  send(message: Uint8Array): void
  /** Bytes that wait for the client to read. */
  bufferedBytes(): number
  /** Ends the connection after what was sent. */
  close(code?: number): void
}

/** What happens on one socket. Its functions must not throw. */
export interface SocketSession {
  /** The subprotocol that was chosen. */
  readonly protocol: string
  open(link: SocketLink): void
  /** A binary message, or a text message's UTF-8. */
  message(data: Uint8Array): void
  /** All that waited has been read. */
  drained(): void
  /** The connection is over, whoever ended it. */
  closed(): void
}

const sessions = new WeakMap<Response, SocketSession>()

/** The answer to a request that is to become a socket; whoever cannot upgrade it sees a 426. */
export function upgradeResponse(session: SocketSession): Response {
  const response = new Response('Upgrade Required\n', { status: 426 })
  sessions.set(response, session)
  return response
}

/** The session that an answer asks for. */
export function sessionOf(response: Response): SocketSession | undefined {
  return sessions.get(response)
}

/** Whether a request asks to become a WebSocket. */
export function isUpgrade(request: Request): boolean {
  return request.headers.get('upgrade')?.toLowerCase() === 'websocket'
}
