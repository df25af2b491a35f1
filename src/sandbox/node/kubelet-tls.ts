import { type Handler, textResponse } from '../../lib/handler.ts'
import type { Log } from '../../lib/log.ts'
import type { Secret } from '../../lib/secret.ts'
import { type Listening, serveHttp, type ServingCertificate, serveTls } from '../../lib/serve.ts'

/** How a node's kubelet port is served to an API server that speaks HTTPS to it. */
export interface KubeletTls {
  readonly certificate: ServingCertificate
  /** PEM of the authority that signed the API server's client certificate, and nobody else's. */
  readonly clientAuthority: string
}

const MAX_EXEC_BODY = 64 << 20

/**
 * Serves a kubelet's API on a free port of 127.0.0.1: over HTTP to whoever has the secret, or over
 * TLS to whoever shows a client certificate of the authority, which is how kube-apiserver comes
 * (`--kubelet-client-certificate`).
 */
export async function serveKubelet(options: {
  readonly handler: Handler
  readonly secret: Secret
  readonly tls: KubeletTls | undefined
  readonly log: Log
}): Promise<Listening> {
  const { handler, secret, tls, log } = options
  const common = {
    hostname: '127.0.0.1',
    port: 0,
    log,
    maxBodyBytes: MAX_EXEC_BODY,
    // A command may be silent for as long as it likes; whoever asks is known.
    idleTimeoutSeconds: 0,
  }
  if (tls === undefined) return serveHttp({ ...common, handler })
  return serveTls({
    ...common,
    handler: certified(handler, secret),
    certificate: tls.certificate,
    clientAuthorities: [tls.clientAuthority],
  })
}

/** A verified certificate stands for the secret. */
function certified(handler: Handler, secret: Secret): Handler {
  return (request, client) => {
    const { certificate } = client
    if (certificate === undefined || 'fault' in certificate) {
      return textResponse('Unauthorized\n', 401)
    }
    const headers = new Headers(request.headers)
    headers.set('authorization', `Bearer ${secret.reveal()}`)
    return handler(new Request(request, { headers }), client)
  }
}
