import { credentials, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js'
import { PodroleError } from '../../lib/errors.ts'
import {
  definitionOf,
  type FetchKeysResponse,
  type MetadataResponse,
  type SignerVersion,
  type SignResponse,
} from './external-jwt.ts'

/** What an API server asks of a signer. */
export interface SignerClient {
  /** @param claims a token's second segment */
  sign(claims: string): Promise<SignResponse>
  fetchKeys(): Promise<FetchKeysResponse>
  metadata(): Promise<MetadataResponse>
  close(): void
}

type UnaryCall = (
  request: object,
  options: { readonly deadline: number },
  answer: (error: ServiceError | null, response: unknown) => void,
) => void

const DEADLINE_MS = 10_000

/**
 * Calls the signer at a Unix socket as kube-apiserver does; while nobody answers there, calls wait.
 * A fault is a PodroleError `SignerFailed`, its message the signer's own.
 */
export function createSignerClient(
  socket: string,
  options: { readonly version?: SignerVersion; readonly deadlineMs?: number } = {},
): SignerClient {
  const { version = 'v1', deadlineMs = DEADLINE_MS } = options
  const Client = makeGenericClientConstructor(definitionOf(version), 'ExternalJWTSigner')
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
    // A connection of its own: grpc-js shares them within a process.
    'grpc.use_local_subchannel_pool': 1,
    // A signer that was started anew is found again soon.
    'grpc.max_reconnect_backoff_ms': 2000,
  })
  const call = <T>(method: string, request: object): Promise<T> =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + deadlineMs
      const act = client[method] as unknown as UnaryCall
      client.waitForReady(deadline, (unready) => {
        if (unready !== undefined) {
          reject(fault(socket, `nobody answers at ${socket}`, unready))
          return
        }
        act.call(client, request, { deadline }, (error, response) => {
          if (error === null) resolve(response as T)
          else reject(fault(socket, error.details, error))
        })
      })
    })
  return {
    sign: (claims) => call('Sign', { claims }),
    fetchKeys: () => call('FetchKeys', {}),
    metadata: () => call('Metadata', {}),
    close: () => client.close(),
  }
}

const fault = (socket: string, message: string, cause: Error): PodroleError =>
  new PodroleError('SignerFailed', `the signer at ${socket} failed: ${message}`, { cause })
