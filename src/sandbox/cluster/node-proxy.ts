import { messageOf } from '../../lib/errors.ts'
import { isUpgrade } from '../../lib/upgrade.ts'
import type { ClusterCore } from './core.ts'
import { execSocket } from './exec-socket.ts'
import { badRequest, internalError, notFound, serviceUnavailable } from './faults.ts'
import { listAt, recordAt, stringAt, type ApiObject } from './objects.ts'
import { NODES } from './types/core.ts'
import { asPod, PODS } from './types/pods.ts'
import { findObject } from './updating.ts'

const LOG_PARAMETERS = [
  'follow',
  'limitBytes',
  'previous',
  'sinceSeconds',
  'sinceTime',
  'tailLines',
  'timestamps',
]
const STREAM_PARAMETERS = ['command', 'stdin', 'stdout', 'stderr', 'tty']

interface PodRef {
  readonly namespace: string
  readonly name: string
}

/**
 * A container's log, from the node that the pod runs on.
 * @throws ApiFault NotFound, BadRequest, InternalError
 */
export async function proxyLog(
  core: ClusterCore,
  ref: PodRef,
  request: Request,
  query: URLSearchParams,
): Promise<Response> {
  const { container, pod } = containerOf(core, ref, query)
  // A pod that has no node yet has no log yet, which is no fault.
  if (asPod(pod).spec.nodeName === undefined) return new Response(null, { status: 204 })
  const path = ['containerLogs', ref.namespace, ref.name, container]
  return proxy(core, pod, {
    path,
    query: passed(query, LOG_PARAMETERS),
    init: { method: 'GET', signal: AbortSignal.any([request.signal, core.stopping]) },
  })
}

/**
 * Runs a command in a container: the request's body is its standard input, the answer's body is
 * what the node answers, both as streams.
 * @throws ApiFault NotFound, BadRequest, InternalError
 */
export async function proxyExec(
  core: ClusterCore,
  ref: PodRef,
  request: Request,
  query: URLSearchParams,
): Promise<Response> {
  const { container, pod } = containerOf(core, ref, query)
  requireNode(pod)
  if (query.getAll('command').length === 0) throw badRequest('you must specify at least 1 command')
  const path = ['exec', ref.namespace, ref.name, container]
  const asked = passed(query, STREAM_PARAMETERS)
  if (isUpgrade(request)) return proxySocket(core, pod, request, { path, query: asked })
  if (request.method === 'GET') throw badRequest('Upgrade request required')
  return proxy(core, pod, {
    path,
    query: asked,
    init: {
      method: 'POST',
      body: request.body,
      signal: AbortSignal.any([request.signal, core.stopping]),
    },
  })
}

/**
 * What a container writes from now on, and what a client writes to it, over a WebSocket.
 * @throws ApiFault NotFound, BadRequest
 */
export async function proxyAttach(
  core: ClusterCore,
  ref: PodRef,
  request: Request,
  query: URLSearchParams,
): Promise<Response> {
  const { container, pod } = containerOf(core, ref, query)
  requireNode(pod)
  if (!isUpgrade(request)) throw badRequest('Upgrade request required')
  const path = ['attach', ref.namespace, ref.name, container]
  return proxySocket(core, pod, request, { path, query: passed(query, STREAM_PARAMETERS) })
}

function proxySocket(
  core: ClusterCore,
  pod: ApiObject,
  request: Request,
  { path, query }: { readonly path: readonly string[]; readonly query: URLSearchParams },
): Response {
  query.set('framed', 'true')
  const options = { hasStdin: query.get('stdin') === 'true', stopping: core.stopping }
  return execSocket(request, options, (body, signal) =>
    proxy(core, pod, { path, query, init: { method: 'POST', body, signal } }),
  )
}

/** The pod, and the container of it that is asked for. @throws ApiFault NotFound, BadRequest */
function containerOf(
  core: ClusterCore,
  ref: PodRef,
  query: URLSearchParams,
): { readonly pod: ApiObject; readonly container: string } {
  const pod = findObject(core, { type: PODS, ...ref })
  return { pod, container: chooseContainer(pod, query.get('container') ?? '') }
}

function requireNode(pod: ApiObject): void {
  const { metadata, spec } = asPod(pod)
  if (spec.nodeName !== undefined) return
  throw badRequest(`pod ${metadata.name} does not have a host assigned`)
}

function chooseContainer(pod: ApiObject, wanted: string): string {
  const { spec, metadata } = asPod(pod)
  const names = spec.containers.map(({ name }) => name)
  const inits = (spec.initContainers ?? []).map(({ name }) => name)
  if (wanted !== '') {
    if ([...names, ...inits].includes(wanted)) return wanted
    throw badRequest(`container ${wanted} is not valid for pod ${metadata.name}`)
  }
  const [only] = names
  if (only !== undefined && names.length === 1) return only
  const preferred = metadata.annotations?.['kubectl.kubernetes.io/default-container']
  if (preferred !== undefined && names.includes(preferred)) return preferred
  throw badRequest(
    `a container name must be specified for pod ${metadata.name}, choose one of: [${names.join(' ')}]`,
  )
}

function passed(query: URLSearchParams, names: readonly string[]): URLSearchParams {
  return new URLSearchParams([...query].filter(([name]) => names.includes(name)))
}

async function proxy(
  core: ClusterCore,
  pod: ApiObject,
  call: {
    readonly path: readonly string[]
    readonly query: URLSearchParams
    readonly init: RequestInit
  },
): Promise<Response> {
  const nodeName = asPod(pod).spec.nodeName ?? ''
  const path = call.path.map(encodeURIComponent).join('/')
  const url = `${kubeletOf(core, nodeName)}/${path}?${call.query.toString()}`
  let response: Response
  try {
    response = await fetch(url, {
      ...call.init,
      headers: { authorization: `Bearer ${core.kubeletSecret(nodeName).reveal()}` },
      proxy: false,
      redirect: 'error',
      timeout: false,
    })
  } catch (thrown) {
    throw internalError(`error dialing backend: node ${nodeName}: ${messageOf(thrown)}`)
  }
  const type = response.headers.get('content-type') ?? 'text/plain'
  return new Response(response.body, {
    status: response.status,
    headers: { 'content-type': type },
  })
}

/** Only loopback: the bearer secret of a node goes nowhere else, whatever its status says. */
function kubeletOf(core: ClusterCore, name: string): string {
  const node = core.store.get(NODES, undefined, name)
  if (node === undefined) throw notFound(NODES, name)
  const addresses = listAt(node['status'], 'addresses')
  const internal = addresses.find((address) => stringAt(address, 'type') === 'InternalIP')
  const address = stringAt(internal, 'address')
  const endpoints = recordAt(recordAt(node, 'status'), 'daemonEndpoints')
  const port = Number(recordAt(endpoints, 'kubeletEndpoint')['Port'] ?? 0)
  if (address === '' || !(port > 0 && port < 65536)) {
    throw serviceUnavailable(`no kubelet address or port found for node "${name}"`)
  }
  if (!/^127(?:\.\d{1,3}){3}$|^::1$/.test(address)) {
    throw serviceUnavailable(
      `the kubelet address of node "${name}" is ${address}: the sandbox calls nodes on loopback alone`,
    )
  }
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}
