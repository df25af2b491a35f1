/** What the tests of a cluster share: a cluster without a socket, and calls of its handler. */
import { ManualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { State } from '../state.ts'
import { type ClusterSettings, prepareCluster, type PreparedCluster } from './cluster.ts'

export const ISSUER = 'https://cluster.issuer.sandbox/one'
export const CLIENT = { address: '127.0.0.1', port: 1 }

export interface TestCluster extends PreparedCluster {
  readonly clock: ManualClock
  readonly state: State
}

/** A cluster whose first namespaces are complete. */
export async function makeCluster(settings: Partial<ClusterSettings> = {}): Promise<TestCluster> {
  const clock = new ManualClock()
  const state = settings.state ?? new State()
  const cluster = await prepareCluster({
    name: 'one',
    issuer: ISSUER,
    clock,
    log: silentLog,
    certificateAuthority: 'PEM',
    ...settings,
    state,
  })
  await settle()
  return { ...cluster, clock, state }
}

/** Lets controllers do what they have to: they run on microtasks and do no I/O without webhooks. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Bun.sleep(0)
}

/** Waits for a condition that something else brings about; the test's own timeout ends it. */
export async function until<T>(read: () => T | undefined | false): Promise<T> {
  for (;;) {
    const value = read()
    if (value !== undefined && value !== false) return value
    await Bun.sleep(2)
  }
}

export interface CallOptions {
  readonly body?: unknown
  readonly token?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

// eslint-disable-next-line typescript/no-explicit-any -- tests read answers of every shape
export type Json = any

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Json
}

/** One request to the cluster's handler, by the administrator unless told otherwise. */
export async function call(
  cluster: PreparedCluster,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  const response = await send(cluster, method, path, options)
  const text = await response.text()
  const isJson = (response.headers.get('content-type') ?? '').includes('json')
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text !== '' ? JSON.parse(text) : text,
  }
}

export async function send(
  cluster: PreparedCluster,
  method: string,
  path: string,
  { body, token = cluster.adminToken.reveal(), headers }: CallOptions = {},
): Promise<Response> {
  const request = new Request(`https://127.0.0.1${path}`, {
    method,
    headers: {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return cluster.app(request, CLIENT)
}

/** Reads a watch's events one at a time. */
export function readEvents(response: Response): {
  next(): Promise<Json>
  cancel(): Promise<void>
} {
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  const lines: string[] = []
  let rest = ''
  return {
    next: async () => {
      while (lines.length === 0) {
        const { value, done } = await reader.read()
        if (done) return undefined
        const parts = (rest + decoder.decode(value, { stream: true })).split('\n')
        rest = parts.pop() ?? ''
        lines.push(...parts.filter((line) => line !== ''))
      }
      return JSON.parse(lines.shift()!)
    },
    cancel: () => reader.cancel(),
  }
}

export const podOf = (name: string, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'app', image: 'app:1' }], ...spec },
})

/** A node that reports Ready, made and reported by the administrator. */
export async function addNode(cluster: PreparedCluster, name: string, labels = {}): Promise<void> {
  await call(cluster, 'POST', '/api/v1/nodes', { body: { metadata: { name, labels } } })
  await reportReady(cluster, name, 'True')
}

export async function reportReady(
  cluster: PreparedCluster,
  name: string,
  status: 'True' | 'False',
): Promise<void> {
  await call(cluster, 'PATCH', `/api/v1/nodes/${name}/status`, {
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { status: { conditions: [{ type: 'Ready', status }] } },
  })
  await settle()
}

export const PODS_PATH = '/api/v1/namespaces/default/pods'
