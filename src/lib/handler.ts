/** Who is at the other end of a request's connection. */
export interface Client {
  /** IP address, without brackets. */
  readonly address: string
  readonly port: number
  /** Of a server that asks for client certificates, where the client showed one. */
  readonly certificate?: PeerCertificate
}

/** A client's certificate: whom it names, where it verified, or why it did not. */
export type PeerCertificate =
  | { readonly commonName: string; readonly organizations: readonly string[] }
  | { readonly fault: string }

/** A server is a function from Request to Response; sockets, TLS and signals are `serve.ts`'s. */
export type Handler = (request: Request, client: Client) => Response | Promise<Response>

/** A JSON answer. */
export function jsonResponse(
  value: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  })
}

/** A plain text answer that no browser takes for anything else. */
export function textResponse(text: string, status = 200): Response {
  return new Response(text, {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
    },
  })
}
