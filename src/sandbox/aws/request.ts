import type { WireRequest } from '../../aws/sigv4-verify.ts'
import type { Client } from '../../lib/handler.ts'
import type { SignedRequest } from './identity/authentication.ts'
import type { AwsFault } from './wire/fault.ts'
import type { Call, Identity, Protocol, World } from './world.ts'

/** A request with its body read, before it is known who sent it. */
export interface Incoming extends SignedRequest {
  readonly world: World
  readonly request: Request
  readonly url: URL
  readonly client: Client
  /** Over TLS. */
  readonly secure: boolean
  readonly requestId: string
  /** What this call is to be refused with. */
  readonly ordered?: AwsFault
}

/** Refuses a call for which a fault was ordered. @throws AwsFault */
export function raiseOrdered(incoming: Incoming): void {
  if (incoming.ordered !== undefined) throw incoming.ordered
}

/** The parts of a request that a signature covers, as they came. */
export function wireOf(request: Request, url: URL): WireRequest {
  return {
    method: request.method,
    path: url.pathname,
    query: url.search.slice(1),
    headers: request.headers,
  }
}

/** The service that a signature's scope names; undefined where there is no good signature. */
export function scopedService(signature: SignedRequest['signature']): string | undefined {
  return signature !== undefined && !('ok' in signature) ? signature.service : undefined
}

/** The call that a request turned out to be. */
export function callOf(
  incoming: Incoming,
  what: {
    readonly protocol: Protocol
    readonly service: string
    readonly operation: string
    readonly identity: Identity
  },
): Call {
  const { world, signature, request } = incoming
  const scoped = signature !== undefined && !('ok' in signature) ? signature.region : undefined
  return {
    world,
    ...what,
    region: scoped ?? world.region,
    requestId: incoming.requestId,
    nowMs: world.clock.now(),
    sourceIp: incoming.client.address,
    secure: incoming.secure,
    userAgent: (request.headers.get('user-agent') ?? '').slice(0, 1024),
  }
}

/** Puts a refusal on record that no policy decided. */
export function recordRefusal(
  incoming: Incoming,
  what: { readonly service: string; readonly operation: string },
  fault: AwsFault,
): void {
  if (fault.logged) return
  const { world, requestId } = incoming
  world.decisions.record({
    atMs: world.clock.now(),
    requestId,
    service: what.service,
    operation: what.operation,
    caller: '',
    action: `${what.service}:${what.operation}`,
    resource: '*',
    allowed: false,
    reason: fault.code,
    text: fault.message,
    statements: [],
  })
}
