/** The running signer: ExternalJWTSigner by gRPC on a Unix socket. */
import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../lib/clock.ts'
import { codeOf, messageOf } from '../../lib/errors.ts'
import { faultFields, type Log } from '../../lib/log.ts'
import { listenPrivately } from '../../lib/private-socket.ts'
import type { PublicSigningKey } from '../keys.ts'
import { MAX_CLAIMS_LENGTH } from './claims.ts'
import { definitionOf, SIGNER_VERSIONS, type SignRequest } from './external-jwt.ts'
import { keepKeys } from './kept-keys.ts'
import { createSigning, type Signing } from './signing.ts'
import { issuerKeysFields, type SigningSource } from './signing-source.ts'

export interface SignerOptions {
  /** Of the Unix socket. */
  readonly socket: string
  readonly source: SigningSource
  /** Of tokens that were signed elsewhere. */
  readonly verifyOnly?: readonly PublicSigningKey[]
  readonly clock: Clock
  readonly log: Log
  /** Milliseconds between two readings of the source. */
  readonly pollMs?: number
}

export interface RunningSigner {
  /** The socket's whole path. */
  readonly socket: string
  /** Ends when calls under way are answered, at most `graceMs` (5,000) later. */
  stop(graceMs?: number): Promise<void>
}

const GRACE_MS = 5000
const LOOK_MS = 10
/** The last answers are on their way. */
const FLUSH_MS = 100
/** An API server has one connection, and a second one while it is started anew. */
const MAX_CONNECTIONS = 32
/** Calls of one connection at once; an API server keeps further ones waiting. */
const MAX_CALLS = 100
/** Of all connections; further ones are refused. */
const MAX_ALL_CALLS = 256
/** The claims, and what protobuf puts around them. */
const MAX_MESSAGE_BYTES = MAX_CLAIMS_LENGTH + 64
const MAX_HEADER_BYTES = 16_384

/**
 * Reads the keys, then takes calls.
 * @throws what the source's first reading throws, and PodroleError of `listenPrivately`
 */
export async function startSigner(options: SignerOptions): Promise<RunningSigner> {
  const { source, clock, log, verifyOnly = [] } = options
  const kept = await keepKeys(source, options)
  const signing = createSigning({ kept, verifyOnly, clock, log })
  const serving = await serveSigning(options.socket, { signing, log }).catch(
    async (error: unknown) => {
      await kept.stop()
      throw error
    },
  )
  const { socket } = serving
  log.info('signer started', {
    socket,
    source: source.name,
    ...issuerKeysFields(kept.current().keys),
  })
  return {
    socket,
    stop: async (graceMs) => {
      await serving.stop(graceMs)
      await kept.stop()
      log.info('signer stopped')
    },
  }
}

/** Takes calls of both versions. @throws PodroleError of `listenPrivately` */
export async function serveSigning(
  path: string,
  { signing, log }: { readonly signing: Signing; readonly log: Log },
): Promise<RunningSigner> {
  const server = new Server({
    'grpc.max_concurrent_streams': MAX_CALLS,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_metadata_size': MAX_HEADER_BYTES,
    // Statistics that nobody could read: the service that tells them is not served.
    'grpc.enable_channelz': 0,
  })
  const calls = createCalls(signing, log)
  for (const version of SIGNER_VERSIONS) server.addService(definitionOf(version), calls.methods)
  // Nobody else may read what passes a socket of this user; there is nothing TLS would add.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const listening = await listenPrivately({
    path,
    onConnection: (socket) => injector.injectConnection(socket),
    maxConnections: MAX_CONNECTIONS,
    log,
  })
  return {
    socket: listening.path,
    stop: (graceMs = GRACE_MS) => listening.close(() => drain(server, calls, graceMs)),
  }
}

interface Calls {
  readonly methods: UntypedServiceImplementation
  /** Those that are not answered yet. */
  underWay(): number
}

type Unary = (
  call: ServerUnaryCall<unknown, unknown>,
  answer: sendUnaryData<unknown>,
) => Promise<void>

function createCalls(signing: Signing, log: Log): Calls {
  let underWay = 0
  let turn: Promise<void> | undefined
  const unary =
    (act: (request: unknown) => unknown): Unary =>
    async (call, answer) => {
      if (underWay >= MAX_ALL_CALLS) {
        answer({ code: status.RESOURCE_EXHAUSTED, details: `${underWay} calls are under way` })
        return
      }
      underWay += 1
      // What came together is signed together, and the answers leave one right behind the other: an
      // API server is woken once for them and not for each, which took a fifth of the time.
      turn ??= nextTurn()
      await turn
      turn = undefined
      let response: unknown
      let fault: ReturnType<typeof grpcFault> | null = null
      try {
        response = await act(call.request)
      } catch (error) {
        fault = grpcFault(error, log)
      }
      underWay -= 1
      answer(fault, response)
    }
  const methods = {
    Sign: unary((request) => signing.sign(request as SignRequest)),
    FetchKeys: unary(() => signing.fetchKeys()),
    Metadata: unary(() => signing.metadata()),
  }
  return { methods, underWay: () => underWay }
}

const STATUSES: Readonly<Record<string, status>> = {
  InvalidClaims: status.INVALID_ARGUMENT,
  StaleSigningKeys: status.UNAVAILABLE,
  SigningFailed: status.UNAVAILABLE,
}

function grpcFault(error: unknown, log: Log): { code: status; details: string } {
  const code = STATUSES[codeOf(error) ?? '']
  if (code !== undefined) return { code, details: messageOf(error) }
  log.error('call failed', faultFields(error))
  return { code: status.INTERNAL, details: 'internal error' }
}

/**
 * Tells clients to come no more (GOAWAY), and waits for what is under way. `tryShutdown` itself ends
 * at once on Bun, where closing the server marks its sessions as closed before they are.
 */
async function drain(server: Server, calls: Calls, graceMs: number): Promise<void> {
  server.tryShutdown(() => undefined)
  const end = performance.now() + graceMs
  while (calls.underWay() > 0 && performance.now() < end) await sleep(LOOK_MS)
  await sleep(Math.min(FLUSH_MS, graceMs))
  server.forceShutdown()
}
