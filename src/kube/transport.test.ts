import { afterEach, expect, test } from 'bun:test'
import type { Handler } from '../lib/handler.ts'
import { jsonResponse } from '../lib/handler.ts'
import { silentLog } from '../lib/log.ts'
import { Secret } from '../lib/secret.ts'
import { type Listening, serveHttp } from '../lib/serve.ts'
import { NODES, PODS, SERVICE_ACCOUNTS } from './client.ts'
import type { KubeObject, ServiceAccount } from './objects.ts'
import { apiPath, createKubeClient } from './transport.ts'
import { followResources } from './watch.ts'

const servers: Listening[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(0)
})

function serve(handler: Handler, port = 0): Listening {
  const server = serveHttp({ hostname: '127.0.0.1', port, handler })
  servers.push(server)
  return server
}

const deployments = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
}

test('paths', () => {
  expect(apiPath(NODES, { name: 'n' })).toBe('/api/v1/nodes/n')
  expect(apiPath(PODS)).toBe('/api/v1/pods')
  expect(apiPath(deployments, { namespace: 'ns', name: 'd' }, 'status')).toBe(
    '/apis/apps/v1/namespaces/ns/deployments/d/status',
  )
  expect(apiPath(PODS, { namespace: 'a/b', name: 'x?y' })).toBe(
    '/api/v1/namespaces/a%2Fb/pods/x%3Fy',
  )
  expect(() => apiPath(PODS, { namespace: 'ns', name: '..' })).toThrow('is not a name')
  expect(() => apiPath(PODS, { name: 'p' })).toThrow('has no namespace')
})

test('each call sends its method, path, body and token', async () => {
  const seen: unknown[] = []
  const server = serve(async (request) => {
    const url = new URL(request.url)
    const body = await request.text()
    seen.push([
      `${request.method} ${url.pathname}${url.search}`,
      request.headers.get('content-type'),
      body,
    ])
    expect(request.headers.get('authorization')).toBe('Bearer t-1')
    expect(request.headers.get('user-agent')).toBe('podrole')
    return jsonResponse({ metadata: {}, items: [], status: { token: 'a.b.c' } })
  })
  const client = createKubeClient({ server: server.url, token: () => new Secret('t-1') })
  const ref = { namespace: 'ns', name: 'sa' }
  await client.get(SERVICE_ACCOUNTS, ref)
  await client.list(SERVICE_ACCOUNTS, { namespace: 'ns', labelSelector: 'a=b' })
  await client.create<ServiceAccount>(SERVICE_ACCOUNTS, { metadata: ref })
  await client.replace<ServiceAccount>(SERVICE_ACCOUNTS, { metadata: ref })
  await client.jsonPatch(SERVICE_ACCOUNTS, ref, [{ op: 'remove', path: '/x' }])
  await client.mergePatch(SERVICE_ACCOUNTS, { ...ref, subresource: 'status' }, { a: 1 })
  await client.delete(SERVICE_ACCOUNTS, ref)
  expect(await client.createToken(ref, { audiences: ['sts'] })).toBe('a.b.c')
  const path = '/api/v1/namespaces/ns/serviceaccounts'
  const json = 'application/json'
  const object = JSON.stringify({ metadata: ref })
  expect(seen).toEqual([
    [`GET ${path}/sa`, null, ''],
    [`GET ${path}?labelSelector=a%3Db&limit=5000`, null, ''],
    [`POST ${path}`, json, object],
    [`PUT ${path}/sa`, json, object],
    [`PATCH ${path}/sa`, 'application/json-patch+json', '[{"op":"remove","path":"/x"}]'],
    [`PATCH ${path}/sa/status`, 'application/merge-patch+json', '{"a":1}'],
    [`DELETE ${path}/sa`, null, ''],
    [
      `POST ${path}/sa/token`,
      json,
      '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":["sts"]}}',
    ],
  ])
})

test('faults carry the reason and the status', async () => {
  const answers = [
    jsonResponse({ kind: 'Status', reason: 'NotFound', message: 'pods "x" not found' }, 404),
    new Response('nope', { status: 403 }),
    new Response('not JSON'),
    Response.redirect('http://127.0.0.1:9/elsewhere'),
  ]
  const server = serve(() => answers.shift() ?? new Response(null, { status: 500 }))
  const client = createKubeClient({ server: server.url })
  const get = (): Promise<unknown> => client.get(PODS, { namespace: 'n', name: 'x' })
  await expect(get()).rejects.toMatchObject({ code: 'NotFound', status: 404 })
  await expect(get()).rejects.toMatchObject({ code: 'Forbidden', status: 403 })
  await expect(get()).rejects.toMatchObject({ code: 'InvalidAnswer' })
  await expect(get()).rejects.toMatchObject({ code: 'KubeUnreachable' })
  await server.stop(0)
  await expect(get()).rejects.toMatchObject({ code: 'KubeUnreachable' })
})

test('a request that is not answered in time fails', async () => {
  const server = serve(() => new Promise<Response>(() => undefined))
  const client = createKubeClient({ server: server.url }, { timeoutMs: 50 })
  await expect(client.get(PODS, { namespace: 'n', name: 'x' })).rejects.toMatchObject({
    code: 'KubeTimeout',
  })
})

test('a list is read page by page', async () => {
  const server = serve((request) => {
    const after = new URL(request.url).searchParams.get('continue')
    return after === null
      ? jsonResponse({ metadata: { resourceVersion: '7', continue: 'c' }, items: [{ n: 1 }] })
      : jsonResponse({ metadata: { resourceVersion: '7' }, items: [{ n: 2 }] })
  })
  const list = await createKubeClient({ server: server.url }).list(PODS)
  expect(list).toEqual({ metadata: { resourceVersion: '7' }, items: [{ n: 1 }, { n: 2 }] } as never)
})

const object = (name: string, resourceVersion: string): KubeObject => ({
  metadata: { name, namespace: 'ns', resourceVersion },
})

/** An API server whose watches answer what the test lines up. */
function scriptedCluster(watches: (unknown[] | number)[]): { handler: Handler; asked: string[] } {
  const asked: string[] = []
  const handler: Handler = (request) => {
    const { searchParams } = new URL(request.url)
    if (!searchParams.has('watch')) {
      asked.push('list')
      return jsonResponse({ metadata: { resourceVersion: '10' }, items: [object('a', '5')] })
    }
    asked.push(`watch ${searchParams.get('resourceVersion')}`)
    const next = watches.shift()
    if (typeof next === 'number') return jsonResponse({ kind: 'Status' }, next)
    const lines = (next ?? []).map((event) => `${JSON.stringify(event)}\n`).join('')
    return new Response(
      new ReadableStream({
        start: (controller) => {
          // In two pieces, so that an event is split.
          const bytes = new TextEncoder().encode(lines)
          if (bytes.length > 3) controller.enqueue(bytes.slice(0, 3))
          controller.enqueue(bytes.length > 3 ? bytes.slice(3) : new TextEncoder().encode('\n'))
          if (next !== undefined) controller.close()
        },
      }),
    )
  }
  return { handler, asked }
}

test('resources are followed over bookmarks, ends, faults and 410', async () => {
  const { handler, asked } = scriptedCluster([
    [
      { type: 'ADDED', object: object('b', '11') },
      { type: 'BOOKMARK', object: { metadata: { resourceVersion: '20' } } },
    ],
    503,
    [{ type: 'DELETED', object: object('b', '21') }],
    [{ type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } }],
    410,
    [{ type: 'MODIFIED', object: object('a', '30') }],
  ])
  const server = serve(handler)
  const stop = new AbortController()
  const told: string[] = []
  await followResources(createKubeClient({ server: server.url }), PODS, {
    signal: stop.signal,
    retryMs: { first: 1, most: 5 },
    log: silentLog,
    onSync: (items) => told.push(`sync ${items.map(({ metadata }) => metadata.name).join()}`),
    onEvent: ({ type, object: { metadata } }) => {
      told.push(`${type} ${metadata.name}`)
      if (type === 'MODIFIED') stop.abort()
    },
  })
  expect(told).toEqual(['sync a', 'ADDED b', 'DELETED b', 'sync a', 'sync a', 'MODIFIED a'])
  expect(asked.join(', ')).toBe(
    'list, watch 10, watch 20, watch 20, watch 21, list, watch 10, list, watch 10',
  )
})

test('following survives a restart of the API server', async () => {
  const first = scriptedCluster([])
  const server = serve(first.handler)
  const stop = new AbortController()
  const synced = Promise.withResolvers<void>()
  const events = Promise.withResolvers<string>()
  const following = followResources(createKubeClient({ server: server.url }), PODS, {
    signal: stop.signal,
    retryMs: { first: 5, most: 20 },
    log: silentLog,
    onSync: () => synced.resolve(),
    onEvent: ({ object: { metadata } }) => events.resolve(metadata.name ?? ''),
  })
  await synced.promise
  while (first.asked.length < 2) await Bun.sleep(1)
  await server.stop(0)
  const second = scriptedCluster([[{ type: 'ADDED', object: object('c', '12') }]])
  serve(second.handler, server.port)
  expect(await events.promise).toBe('c')
  expect(second.asked[0]).toBe('watch 10')
  stop.abort()
  await following
})

test("a callback's fault ends the following", async () => {
  const server = serve(scriptedCluster([]).handler)
  const following = followResources(createKubeClient({ server: server.url }), PODS, {
    signal: new AbortController().signal,
    log: silentLog,
    onSync: () => {
      throw new RangeError('mine')
    },
    onEvent: () => undefined,
  })
  await expect(following).rejects.toThrow('mine')
})
