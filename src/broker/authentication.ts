/** Who calls the broker: SigV4 with a broker key, or an agent's own token. */
import { readSignature, verifySignature, type WireRequest } from '../aws/sigv4-verify.ts'
import type { Clock } from '../lib/clock.ts'
import { Secret } from '../lib/secret.ts'
import { type EksErrorName, EksFault } from './eks-wire.ts'
import type { AgentProof } from './issuing.ts'
import type { BrokerKey, BrokerStore } from './store.ts'

export interface AuthenticationOptions {
  readonly store: Pick<BrokerStore, 'getKey'>
  readonly clock: Clock
  readonly region: string
}

/** A request whose body has been read: it is verified over, and parsed again afterwards. */
export interface ReadRequest {
  readonly request: Request
  readonly body: Uint8Array
}

/** Answers a request of the management's, or undefined where it is another's. */
export type ManagementRoutes = (
  request: Request,
  caller: BrokerKey,
) => Promise<Response | undefined>

const MAX_TOKEN_CHARACTERS = 20_000

/** Reads the body; the server has bounded its size. */
export async function readWhole(request: Request): Promise<ReadRequest> {
  const body = new Uint8Array(await request.arrayBuffer())
  const again = new Request(request.url, {
    method: request.method,
    headers: request.headers,
    ...(body.byteLength > 0 && { body }),
  })
  return { request: again, body }
}

/**
 * The broker key that signed a request, for the given SigV4 service (`eks`, `eks-auth`).
 * @throws EksFault `MissingAuthenticationTokenException`, `UnrecognizedClientException`,
 *   `InvalidSignatureException`, `IncompleteSignatureException`
 */
export async function authenticateKey(
  options: AuthenticationOptions,
  read: ReadRequest,
  service: 'eks' | 'eks-auth',
): Promise<BrokerKey> {
  const wire = wireRequestOf(read.request)
  const claims = readSignature(wire)
  // A presigned URL would open the broker to whoever sees it in a log.
  if (claims === undefined || ('presigned' in claims && claims.presigned)) {
    throw new EksFault('MissingAuthenticationTokenException', 'Missing Authentication Token')
  }
  if ('ok' in claims) throw signatureFault(claims.ok ? undefined : claims)
  const key = await options.store.getKey(claims.accessKeyId)
  // A key of AWS's is as unknown here as a broker key is to AWS.
  if (key === undefined || claims.sessionToken !== undefined) {
    throw new EksFault(
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
    )
  }
  const verdict = verifySignature(wire, read.body, claims, {
    secretAccessKey: key.secretAccessKey,
    nowMs: options.clock.now(),
    expectedService: service,
    expectedRegion: options.region,
  })
  if (!verdict.ok) throw signatureFault(verdict)
  return key
}

/**
 * How an agent proves itself on AssumeRoleForPodIdentity: `Authorization: Bearer TOKEN`, verified
 * later with its cluster's keys, or SigV4.
 * @throws EksFault as `authenticateKey`
 */
export async function readAgentProof(
  options: AuthenticationOptions,
  read: ReadRequest,
): Promise<AgentProof> {
  const header = read.request.headers.get('authorization') ?? ''
  const bearer = /^Bearer +(\S+)$/i.exec(header.trim())?.[1]
  if (bearer === undefined) {
    return { kind: 'key', key: await authenticateKey(options, read, 'eks-auth') }
  }
  if (bearer.length > MAX_TOKEN_CHARACTERS) {
    throw new EksFault('UnrecognizedClientException', "the agent's own token is too long")
  }
  return { kind: 'token', token: new Secret(bearer) }
}

function wireRequestOf(request: Request): WireRequest {
  const { pathname, search } = new URL(request.url)
  return {
    method: request.method,
    path: pathname,
    query: search.replace(/^\?/, ''),
    headers: request.headers,
  }
}

/** AWS's JSON services end the names of these faults in `Exception`. */
function signatureFault(
  refusal: { readonly code: string; readonly message: string } | undefined,
): EksFault {
  const known: Readonly<Record<string, EksErrorName>> = {
    SignatureDoesNotMatch: 'InvalidSignatureException',
    RequestExpired: 'InvalidSignatureException',
    IncompleteSignature: 'IncompleteSignatureException',
    MissingAuthenticationToken: 'MissingAuthenticationTokenException',
    InvalidClientTokenId: 'UnrecognizedClientException',
  }
  const code = known[refusal?.code ?? ''] ?? 'InvalidSignatureException'
  return new EksFault(code, refusal?.message ?? 'The signature cannot be read.')
}
