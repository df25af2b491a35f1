import { connect, rootCertificates, type DetailedPeerCertificate } from 'node:tls'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import type { IssuerNames } from './outside/issuer-names.ts'

/** The certificates that a host serves. */
export interface ServedChain {
  /** Whether an authority that everybody knows vouches for them. */
  readonly isPublic: boolean
  /** Why not: OpenSSL's code, such as `SELF_SIGNED_CERT_IN_CHAIN`. */
  readonly fault?: string
  /**
   * SHA-1 of the last one, 40 hexadecimal digits, as IAM wants a thumbprint: the last that is sent,
   * or the authority's own where that is public.
   */
  readonly lastThumbprint: string
}

const HTTPS = 443
const TIMEOUT_MS = 5000

/**
 * Reads a host's certificates, also such that nobody vouches for. The public authorities are those
 * that the runtime brings, not what this machine trusts besides.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc_verify-thumbprint.html
 * @throws PodroleError `IssuerUnreachable`
 */
export async function readServedChain(names: IssuerNames, host: string): Promise<ServedChain> {
  const { address, ca, port } = names.resolve(host) ?? { address: host, port: HTTPS }
  const { promise, resolve, reject } = Promise.withResolvers<ServedChain>()
  const socket = connect({
    host: address,
    port,
    servername: host,
    ca: ca ?? [...rootCertificates],
    rejectUnauthorized: false,
  })
  const timer = setTimeout(() => {
    socket.destroy(new Error(`no TLS handshake within ${TIMEOUT_MS / 1000} s`))
  }, TIMEOUT_MS)
  socket.once('error', reject)
  socket.once('secureConnect', () => {
    const fault = socket.authorized
      ? undefined
      : (codeOf(socket.authorizationError) ?? String(socket.authorizationError))
    const last = lastOf(socket.getPeerCertificate(true))
    if (last === undefined) reject(new Error('it serves no certificate'))
    else {
      resolve({
        isPublic: fault === undefined,
        ...(fault !== undefined && { fault }),
        lastThumbprint: last.fingerprint.replaceAll(':', '').toLowerCase(),
      })
    }
  })
  try {
    return await promise
  } catch (error) {
    throw new PodroleError(
      'IssuerUnreachable',
      `${host} cannot be reached: ${messageOf(error).slice(0, 300)}`,
      { cause: error },
    )
  } finally {
    clearTimeout(timer)
    // Closing may fail as well: what was wanted has been read by then.
    socket.on('error', () => undefined)
    socket.destroy()
  }
}

const MAX_CHAIN = 20

/** The end of the chain: a self-signed certificate is its own issuer. */
function lastOf(leaf: DetailedPeerCertificate): DetailedPeerCertificate | undefined {
  let last: DetailedPeerCertificate | undefined
  let next: DetailedPeerCertificate | undefined = leaf
  for (let depth = 0; depth < MAX_CHAIN && next?.fingerprint !== undefined; depth += 1) {
    if (next.fingerprint === last?.fingerprint) break
    last = next
    next = next.issuerCertificate
  }
  return last
}
