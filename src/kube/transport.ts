import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { proxyOption, shownProxy } from '../lib/proxy.ts'
import type { Secret } from '../lib/secret.ts'
import type {
  KubeClient,
  ListOptions,
  ObjectRef,
  RawInit,
  ResourceType,
  TokenRequestSpec,
  WatchOptions,
} from './client.ts'
import type { KubeList, KubeObject, Status, WatchEvent } from './objects.ts'

export interface ClientCertificate {
  /** PEM text, leaf first. */
  readonly cert: string
  readonly key: Secret
}

type Supplied<T> = T | (() => Promise<T> | T)

/** How to reach and convince one API server. */
export interface KubeAccess {
  /** `https://HOST:PORT`, a path allowed. */
  readonly server: string
  /** PEM text of the CAs that the server's certificate must come from; the system's otherwise. */
  readonly ca?: string
  /** The name that the server's certificate must hold, where it is not the URL's. */
  readonly serverName?: string
  /** The URL of the proxy that leads there, which may hold a password; none by default. */
  readonly proxy?: string
  /** Takes any certificate: whoever is in between reads the token. */
  readonly insecureSkipTlsVerify?: boolean
  /** Asked before each request: it caches what is worth caching. */
  readonly token?: () => Promise<Secret | undefined> | Secret | undefined
  readonly clientCertificate?: Supplied<ClientCertificate | undefined>
  /** Its first part is the manager of what the client writes; `podrole` by default. */
  readonly userAgent?: string
}

export interface KubeClientOptions {
  /** Milliseconds for one request with its answer; 30,000 by default. Watches have none. */
  readonly timeoutMs?: number
}

/** An API server sends a bookmark about every two minutes on a quiet watch. */
const WATCH_IDLE_MS = 180_000
const MAX_ANSWER_BYTES = 64 << 20
const MAX_EVENT_CHARACTERS = 16 << 20
const MAX_FAULT_BYTES = 1 << 20
const PAGE_SIZE = 5000
const MAX_PAGES = 1000

/**
 * The path of a resource: `/api/v1/namespaces/NAMESPACE/pods/NAME/SUBRESOURCE`. Without a name it
 * is the collection; of a namespaced type without a namespace, the collection of all namespaces.
 * @throws PodroleError `InvalidName` for a part that could leave its place in the path
 */
export function apiPath(
  type: ResourceType,
  ref: { readonly namespace?: string; readonly name?: string } = {},
  subresource?: string,
): string {
  const root = type.apiVersion.includes('/')
    ? `/apis/${type.apiVersion}`
    : `/api/${type.apiVersion}`
  if (type.namespaced && ref.name !== undefined && ref.namespace === undefined) {
    throw new PodroleError('InvalidName', `${type.kind} ${quote(ref.name)} has no namespace`)
  }
  return [
    root,
    ...(type.namespaced && ref.namespace !== undefined
      ? ['namespaces', segment(ref.namespace)]
      : []),
    type.plural,
    ...(ref.name === undefined ? [] : [segment(ref.name)]),
    ...(subresource === undefined ? [] : [segment(subresource)]),
  ].join('/')
}

/**
 * A client of one API server over `fetch`, past any proxy but the one that the access names. Answers that are not 2xx are thrown as
 * PodroleError with the Status' reason as code (`NotFound`, `Conflict`, `AlreadyExists`,
 * `Forbidden`, `Invalid`, `Expired`, …) and the HTTP status; a server that cannot be reached as
 * `KubeUnreachable`, one that does not answer in time as `KubeTimeout`.
 */
export function createKubeClient(access: KubeAccess, options: KubeClientOptions = {}): KubeClient {
  const timeoutMs = options.timeoutMs ?? 30_000
  const send = (method: string, path: string, init: SendInit): Promise<Response> =>
    sendRequest(access, `${method} ${path}`, init)
  const call = async <T>(method: string, path: string, init: RawInit = {}): Promise<T> => {
    const what = `${method} ${path}`
    const signal = limitTime(timeoutMs, init.signal)
    const response = await send(method, path, { ...init, signal })
    return readJson<T>(response, what)
  }
  return {
    server: access.server,
    get: (type, ref) => call('GET', apiPath(type, ref)),
    list: (type, list) => listPages(call, type, list),
    create: (type, object) =>
      call('POST', apiPath(type, namespaceOf(type, object)), { body: object }),
    replace: (type, object) => call('PUT', apiPath(type, refOf(type, object)), { body: object }),
    jsonPatch: (type, ref, patch) =>
      call('PATCH', apiPath(type, ref), {
        body: patch,
        contentType: 'application/json-patch+json',
      }),
    mergePatch: (type, ref, patch) =>
      call('PATCH', apiPath(type, ref, ref.subresource), {
        body: patch,
        contentType: 'application/merge-patch+json',
      }),
    delete: async (type, ref) => {
      await call<unknown>('DELETE', apiPath(type, ref))
    },
    watch: <T extends KubeObject>(type: ResourceType, watch: WatchOptions) =>
      readWatch<T>(send, type, watch),
    createToken: (serviceAccount, request) => requestToken(call, serviceAccount, request),
    raw: (method, path, init = {}) =>
      send(method, path, { ...init, signal: init.signal ?? AbortSignal.timeout(timeoutMs) }),
  }
}

type Call = <T>(method: string, path: string, init?: RawInit) => Promise<T>

interface SendInit extends RawInit {
  readonly signal: AbortSignal
  readonly idleMs?: number
}

type Send = (method: string, path: string, init: SendInit) => Promise<Response>

async function sendRequest(access: KubeAccess, what: string, init: SendInit): Promise<Response> {
  const at = what.indexOf(' ')
  const method = what.slice(0, at)
  const url = urlOf(access.server, what.slice(at + 1), init.query)
  const headers = new Headers({
    accept: init.accept ?? 'application/json',
    'user-agent': access.userAgent ?? 'podrole',
  })
  const token = await access.token?.()
  if (token !== undefined) headers.set('authorization', `Bearer ${token.reveal()}`)
  if (init.body !== undefined) headers.set('content-type', init.contentType ?? 'application/json')
  const response = await fetch(url, {
    method,
    headers,
    ...(init.body !== undefined && {
      body: typeof init.body === 'string' ? init.body : JSON.stringify(init.body),
    }),
    signal: init.signal,
    redirect: 'error',
    ...proxyOption(access.proxy),
    tls: await tlsOf(access),
    ...(init.idleMs !== undefined && { timeout: init.idleMs }),
  }).catch((error: unknown) => {
    throw unreachable(error, placeOf(access), what)
  })
  if (response.ok) return response
  throw await statusError(response, what)
}

/** For people: the server, and by which way it is asked. */
const placeOf = ({ proxy, server }: KubeAccess): string =>
  proxy === undefined ? server : `${server} (through the proxy ${shownProxy(proxy)})`

async function tlsOf(access: KubeAccess): Promise<Bun.TLSOptions> {
  const supplied = access.clientCertificate
  const certificate = typeof supplied === 'function' ? await supplied() : supplied
  return {
    ...(access.ca !== undefined && { ca: access.ca }),
    ...(access.serverName !== undefined && { serverName: access.serverName }),
    ...(access.insecureSkipTlsVerify === true && { rejectUnauthorized: false }),
    ...(certificate && { cert: certificate.cert, key: certificate.key.reveal() }),
  }
}

function urlOf(server: string, path: string, query: RawInit['query']): string {
  if (!path.startsWith('/')) {
    throw new PodroleError('InvalidPath', `path ${quote(path)} does not start with a slash`)
  }
  const search = new URLSearchParams(query).toString()
  const mark = path.includes('?') ? '&' : '?'
  return `${server.replace(/\/+$/, '')}${path}${search && mark + search}`
}

async function listPages<T extends KubeObject>(
  call: Call,
  type: ResourceType,
  options: ListOptions = {},
): Promise<KubeList<T>> {
  const path = apiPath(type, namespaceRef(options))
  const query = { ...selectors(options), limit: String(PAGE_SIZE) }
  let page = await call<KubeList<T>>('GET', path, { query })
  const first = page
  const items = itemsOf(page)
  for (let pages = 1; page.metadata?.continue; pages += 1) {
    if (pages >= MAX_PAGES) {
      throw new PodroleError('AnswerTooLarge', `GET ${path} has more than ${MAX_PAGES} pages`)
    }
    page = await call('GET', path, { query: { ...query, continue: page.metadata.continue } })
    for (const item of itemsOf(page)) items.push(item)
  }
  // Every page tells the resourceVersion that the first one was read at.
  const { resourceVersion } = first.metadata ?? {}
  return {
    ...first,
    metadata: { ...(resourceVersion !== undefined && { resourceVersion }) },
    items,
  }
}

const itemsOf = <T extends KubeObject>(page: KubeList<T>): T[] =>
  Array.isArray(page.items) ? page.items : []

async function* readWatch<T extends KubeObject>(
  send: Send,
  type: ResourceType,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const path = apiPath(type, namespaceRef(options))
  const { resourceVersion } = options
  const response = await send('GET', path, {
    query: {
      ...selectors(options),
      watch: 'true',
      allowWatchBookmarks: 'true',
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
    signal: options.signal,
    idleMs: WATCH_IDLE_MS,
  })
  for await (const line of readLines(response)) {
    yield parseJson(line, `watch ${path}`) as WatchEvent<T>
  }
}

/** The lines of an answer's body; what comes after the last newline is an unfinished event. */
async function* readLines(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_EVENT_CHARACTERS) {
      throw new PodroleError('AnswerTooLarge', 'a watch event is larger than 16 MB')
    }
    for (const line of lines) if (line.trim() !== '') yield line
  }
}

async function requestToken(
  call: Call,
  serviceAccount: Required<ObjectRef>,
  spec: TokenRequestSpec,
): Promise<string> {
  const path = apiPath(
    { apiVersion: 'v1', kind: 'ServiceAccount', plural: 'serviceaccounts', namespaced: true },
    serviceAccount,
    'token',
  )
  const answer = await call<{ status?: { token?: unknown } }>('POST', path, {
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
  })
  const token = answer.status?.token
  if (typeof token !== 'string' || token === '') {
    throw new PodroleError('InvalidAnswer', `POST ${path} answered without a token`)
  }
  return token
}

async function readJson<T>(response: Response, what: string): Promise<T> {
  const text = await readText(response, what, MAX_ANSWER_BYTES).catch((error: unknown) => {
    throw error instanceof PodroleError
      ? error
      : unreachable(error, new URL(response.url).origin, what)
  })
  return parseJson(text, what) as T
}

function parseJson(text: string, what: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (typeof value === 'object' && value !== null) return value
  throw new PodroleError('InvalidAnswer', `${what} answered something that is not a JSON object`, {
    hint: 'Check that the server is the API server of a Kubernetes cluster.',
  })
}

async function readText(response: Response, what: string, most: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > most) {
      throw new PodroleError('AnswerTooLarge', `${what} answered more than ${most} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function statusError(response: Response, what: string): Promise<PodroleError> {
  const text = await readText(response, what, MAX_FAULT_BYTES).catch(() => '')
  const status = readStatus(text)
  const message = status.message ?? response.statusText
  return new PodroleError(
    status.reason ?? REASONS[response.status] ?? 'KubeError',
    `${what} answered ${response.status}: ${message.slice(0, 2000)}`,
    { status: response.status },
  )
}

function readStatus(text: string): { reason?: string; message?: string } {
  try {
    const { reason, message } = JSON.parse(text) as Status
    return {
      ...(typeof reason === 'string' && reason !== '' && { reason }),
      ...(typeof message === 'string' && { message }),
    }
  } catch {
    return text === '' ? {} : { message: text }
  }
}

/** The reasons of answers that bring no Status, as apimachinery's `errors` package maps them. */
const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Expired',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

function unreachable(error: unknown, server: string, what: string): unknown {
  if (error instanceof DOMException && error.name === 'AbortError') return error
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new PodroleError('KubeTimeout', `${what} was not answered in time by ${server}`, {
      cause: error,
    })
  }
  const code = codeOf(error)
  return new PodroleError(
    'KubeUnreachable',
    `${what}: the API server ${server} cannot be reached: ${code ?? messageOf(error)}`,
    {
      cause: error,
      hint: code?.includes('CERT')
        ? 'The certificate is not trusted: check the certificate authority that was configured.'
        : 'Check the address, and that the API server runs.',
    },
  )
}

function limitTime(timeoutMs: number, signal: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(timeoutMs)
  return signal === undefined ? limit : AbortSignal.any([limit, signal])
}

const selectors = ({ labelSelector, fieldSelector }: ListOptions): Record<string, string> => ({
  ...(labelSelector !== undefined && { labelSelector }),
  ...(fieldSelector !== undefined && { fieldSelector }),
})

const namespaceRef = ({ namespace }: ListOptions): { namespace?: string } =>
  namespace === undefined ? {} : { namespace }

function namespaceOf(type: ResourceType, object: KubeObject): { namespace?: string } {
  if (!type.namespaced) return {}
  const namespace = object.metadata.namespace
  if (namespace === undefined) {
    throw new PodroleError('InvalidName', `a new ${type.kind} has no metadata.namespace`)
  }
  return { namespace }
}

function refOf(type: ResourceType, object: KubeObject): ObjectRef {
  const { name } = object.metadata
  if (name === undefined) {
    throw new PodroleError('InvalidName', `a ${type.kind} to replace has no metadata.name`)
  }
  return { ...namespaceOf(type, object), name }
}

function segment(text: string): string {
  if (text === '' || text === '.' || text === '..' || text.length > 1024) {
    throw new PodroleError('InvalidName', `name ${quote(text)} is not a name`)
  }
  return encodeURIComponent(text)
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 200))
