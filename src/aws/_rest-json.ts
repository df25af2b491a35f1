import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Secret } from '../lib/secret.ts'
import { type BoundedAnswer, fetchBounded } from './_bounded-fetch.ts'
import type { CredentialProvider } from './credentials.ts'
import { ServiceFault } from './service-fault.ts'
import { signRequest } from './sign.ts'

/** How a client shows who it is. */
export type Authorization =
  | { readonly kind: 'sigv4'; readonly credentials: CredentialProvider }
  | { readonly kind: 'bearer'; readonly token: () => Promise<Secret> }

/** A service that speaks AWS's restJson1 protocol. */
export interface RestJsonService {
  /** For error texts: `EKS Auth`. */
  readonly name: string
  readonly endpoint: string
  readonly region: string
  /** SigV4's name of it. */
  readonly signingName: string
  readonly authorization: Authorization
  readonly clock: Clock
  readonly attemptTimeoutMs: number
  readonly attempts: number
  readonly maxAnswerBytes: number
  readonly ca?: string | undefined
  /** A proxy's URL; none by default, as for parts that run in a cluster. */
  readonly proxy?: string | undefined
  /** The runtime's own by default. */
  readonly userAgent?: string | undefined
}

export interface RestJsonCall {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** With its query, percent-encoded; starts with a slash. */
  readonly path: string
  readonly body?: unknown
  /** Further ones, in place of those of the same name. */
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 2000
const MAX_ERROR_TEXT = 1000

/**
 * Calls and parses the answer's JSON. 5xx, 429 and connection errors are tried again after a random
 * part of a delay that doubles ("full jitter", AWS Architecture Blog, "Exponential Backoff And
 * Jitter"); each attempt is signed anew.
 * @throws ServiceFault
 * @throws the signal's reason, where the caller gave up
 */
export async function callRestJson(service: RestJsonService, call: RestJsonCall): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptCall(service, call)
    } catch (error) {
      call.signal?.throwIfAborted()
      if (attempt >= service.attempts || !isTransient(error)) throw error
    }
    const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1))
    await pause(Math.random() * delay, call.signal)
  }
}

/** Faults that another attempt may not meet; a fault without a status never reached the service. */
const isTransient = (error: unknown): boolean =>
  error instanceof ServiceFault &&
  error.code !== 'InvalidServiceAnswer' &&
  (error.status === undefined || error.status === 429 || error.status >= 500)

async function attemptCall(service: RestJsonService, call: RestJsonCall): Promise<unknown> {
  const url = service.endpoint.replace(/\/+$/, '') + call.path
  const body = call.body === undefined ? undefined : JSON.stringify(call.body)
  const headers = await authorize(service, {
    method: call.method,
    url,
    body,
    headers: call.headers ?? {},
  })
  let answer: BoundedAnswer
  try {
    answer = await fetchBounded({
      url,
      method: call.method,
      headers,
      ...(body !== undefined && { body }),
      timeoutMs: service.attemptTimeoutMs,
      maxBytes: service.maxAnswerBytes,
      signal: call.signal,
      ca: service.ca,
      proxy: service.proxy,
    })
  } catch (error) {
    call.signal?.throwIfAborted()
    throw unreachable(service, error)
  }
  if (answer.status < 200 || answer.status > 299) throw faultOf(service, answer)
  const parsed = parseJson(answer.text)
  if (parsed === undefined) throw invalidAnswer(service.name, 'is not JSON', answer.status)
  return parsed
}

async function authorize(
  service: RestJsonService,
  request: {
    readonly method: string
    readonly url: string
    readonly body: string | undefined
    readonly headers: Readonly<Record<string, string>>
  },
): Promise<Record<string, string>> {
  const { method, url, body } = request
  const headers: Record<string, string> = {
    accept: 'application/json',
    ...(service.userAgent !== undefined && { 'user-agent': service.userAgent }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...request.headers,
  }
  if (service.authorization.kind === 'bearer') {
    const token = await service.authorization.token()
    return { ...headers, authorization: `Bearer ${token.reveal()}` }
  }
  const credentials = await service.authorization.credentials()
  return signRequest({ method, url, headers, ...(body !== undefined && { body }) }, credentials, {
    service: service.signingName,
    region: service.region,
    clock: service.clock,
  })
}

/** An answer that is not what the API promises. */
export function invalidAnswer(name: string, problem: string, status?: number): ServiceFault {
  return new ServiceFault('InvalidServiceAnswer', `the answer of ${name} ${problem}`, {
    fault: 'server',
    ...(status !== undefined && { status }),
  })
}

function unreachable(service: RestJsonService, error: unknown): ServiceFault {
  if (error instanceof PodroleError)
    return invalidAnswer(service.name, `is no good: ${error.message}`)
  const timedOut = error instanceof Error && error.name === 'TimeoutError'
  const problem = timedOut
    ? `did not answer within ${service.attemptTimeoutMs} ms`
    : `cannot be reached (${codeOf(error) ?? messageOf(error).slice(0, 200)})`
  return new ServiceFault(
    timedOut ? 'ServiceTimeout' : 'ServiceUnreachable',
    `${service.name} at ${service.endpoint} ${problem}`,
    { fault: 'unknown', cause: error },
  )
}

/**
 * restJson1's error form (Smithy, "AWS restJson1 protocol", operation error serialization): the
 * header x-amzn-errortype, else `code` or `__type`; what follows `:` is cut, what precedes `#` too.
 */
function faultOf(service: RestJsonService, answer: BoundedAnswer): ServiceFault {
  const body = parseJson(answer.text)
  const named =
    answer.headers.get('x-amzn-errortype') ?? member(body, 'code') ?? member(body, '__type')
  const bare = named?.split(':')[0]?.split('#').at(-1)?.trim() ?? ''
  const code = /^[A-Za-z][A-Za-z0-9.]{0,99}$/.test(bare) ? bare : `Http${answer.status}`
  const text = member(body, 'message') ?? member(body, 'Message')
  return new ServiceFault(
    code,
    text?.slice(0, MAX_ERROR_TEXT) ?? `${service.name} answered with status ${answer.status}`,
    {
      status: answer.status,
      fault: answer.status >= 500 ? 'server' : 'client',
      requestId: answer.headers.get('x-amzn-requestid')?.slice(0, 100) ?? undefined,
    },
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A string member of an object of unknown shape. */
export function member(value: unknown, name: string): string | undefined {
  const found = objectMember(value, name)
  return typeof found === 'string' ? found : undefined
}

/** Any own member of an object of unknown shape. */
export function objectMember(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return Reflect.get(value, name)
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const done = (): void => resolve(undefined)
  const timer = setTimeout(done, ms)
  signal?.addEventListener('abort', done, { once: true })
  await promise
  clearTimeout(timer)
  signal?.removeEventListener('abort', done)
  signal?.throwIfAborted()
}
