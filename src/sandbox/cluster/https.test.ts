import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  type KubeClient,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NODES,
  PODS,
  SERVICE_ACCOUNTS,
} from '../../kube/client.ts'
import type { KubeObject, Pod } from '../../kube/objects.ts'
import { createKubeClient } from '../../kube/transport.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../lib/certificates.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import { Secret } from '../../lib/secret.ts'
import { type Listening, serveHttp } from '../../lib/serve.ts'
import { State } from '../state.ts'
import { type SandboxCluster, startCluster } from './cluster.ts'
import { ISSUER, podOf } from './cluster.suite.ts'

let authority: CertificateAuthority
let cluster: SandboxCluster
let client: KubeClient
let kubelet: Listening
const kubeletRequests: { url: string; authorization: string | null; body: string }[] = []

beforeAll(async () => {
  authority = await createCertificateAuthority({ commonName: 'sandbox' })
  cluster = await startCluster({
    name: 'https',
    issuer: ISSUER,
    state: new State(),
    clock: systemClock,
    log: silentLog,
    authority,
  })
  client = createKubeClient({
    server: cluster.server,
    ca: cluster.certificateAuthority,
    token: () => cluster.adminToken,
  })
  kubelet = serveHttp({
    hostname: '127.0.0.1',
    port: 0,
    handler: async (request) => {
      const { pathname, search } = new URL(request.url)
      const isExec = pathname.startsWith('/exec/')
      const body = isExec ? await request.text() : ''
      const authorization = request.headers.get('authorization')
      kubeletRequests.push({ url: pathname + search, authorization, body })
      return new Response(isExec ? `ran with ${body}` : 'line 1\nline 2\n')
    },
  })
  await client.create(NODES, { metadata: { name: 'node-1' } })
  const status = {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: kubelet.port } },
    conditions: [{ type: 'Ready', status: 'True' }],
  }
  await client.mergePatch(NODES, { name: 'node-1', subresource: 'status' }, { status })
  await client.create(PODS, { ...podOf('p'), metadata: { name: 'p', namespace: 'default' } })
})

afterAll(async () => {
  await cluster.stop()
  await kubelet.stop()
})

const codeOfFailure = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (thrown: unknown) => codeOf(thrown),
  )

describe('the kube client over HTTPS', () => {
  test('creates, reads, changes and deletes', async () => {
    const ref = { namespace: 'default', name: 'map' }
    const made = await client.create<KubeObject & { data?: object }>(CONFIG_MAPS, {
      metadata: ref,
      data: { a: '1' },
    })
    expect(made.metadata.uid).toBeDefined()
    const replaced = await client.replace(CONFIG_MAPS, { ...made, data: { a: '2' } })
    expect(await codeOfFailure(client.replace(CONFIG_MAPS, made))).toBe('Conflict')
    expect(replaced.data).toEqual({ a: '2' })
    const patched = await client.jsonPatch(CONFIG_MAPS, ref, [
      { op: 'replace', path: '/data/a', value: '3' },
    ])
    expect(patched).toMatchObject({ data: { a: '3' } })
    expect(await client.get(CONFIG_MAPS, ref)).toEqual(patched)
    await client.delete(CONFIG_MAPS, ref)
    expect(await codeOfFailure(client.get(CONFIG_MAPS, ref))).toBe('NotFound')
  })

  test('lists and watches', async () => {
    const controller = new AbortController()
    const { metadata } = await client.list(SERVICE_ACCOUNTS, { namespace: 'default' })
    const watch = client.watch(SERVICE_ACCOUNTS, {
      namespace: 'default',
      resourceVersion: metadata.resourceVersion!,
      signal: controller.signal,
    })
    const events = watch[Symbol.asyncIterator]()
    const first = events.next()
    await client.create(SERVICE_ACCOUNTS, { metadata: { name: 'seen', namespace: 'default' } })
    const { value } = await first
    expect(value).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'seen' } } })
    controller.abort()
    await events.next().catch(() => undefined)
  })

  test('a deployment, a webhook configuration, a token', async () => {
    await client.create(DEPLOYMENTS, {
      metadata: { name: 'd', namespace: 'default' },
      spec: {
        replicas: 0,
        selector: { matchLabels: { a: 'b' } },
        template: {
          metadata: { labels: { a: 'b' } },
          spec: { containers: [{ name: 'c', image: 'i' }] },
        },
      },
    } as KubeObject)
    await client.create(MUTATING_WEBHOOK_CONFIGURATIONS, { metadata: { name: 'none' } })
    const token = await client.createToken(
      { namespace: 'default', name: 'default' },
      { audiences: ['sts.amazonaws.com'], expirationSeconds: 600 },
    )
    expect(token.split('.')).toHaveLength(3)
  })

  test('a wrong token, and a server that another authority signed', async () => {
    const access = { server: cluster.server, ca: cluster.certificateAuthority }
    const stranger = createKubeClient({ ...access, token: () => new Secret('wrong') })
    expect(await codeOfFailure(stranger.list(PODS))).toBe('Unauthorized')
    const other = await createCertificateAuthority({ commonName: 'other' })
    const distrusting = createKubeClient({
      ...access,
      ca: other.cert,
      token: () => cluster.adminToken,
    })
    expect(await codeOfFailure(distrusting.list(PODS))).toBeDefined()
  })

  test('the kubeconfig names the server, its authority and the administrator', () => {
    const config = JSON.parse(cluster.kubeconfig())
    expect(config.clusters[0].cluster.server).toBe(cluster.server)
    const ca = Buffer.from(config.clusters[0].cluster['certificate-authority-data'], 'base64')
    expect(ca.toString()).toBe(authority.cert)
    // Files of several clusters can be merged: no two have the same name for different things.
    expect(config.users[0].name).toBe(`${cluster.name}-admin`)
    expect(config.contexts[0]).toMatchObject({ name: cluster.name })
    expect(config.users[0].user.token).toBe(cluster.adminToken.reveal())
  })
})

describe('log and exec', () => {
  const path = '/api/v1/namespaces/default/pods/p'
  const scheduled = async (): Promise<void> => {
    for (;;) {
      const pod = await client.get<Pod>(PODS, { namespace: 'default', name: 'p' })
      if (pod.spec.nodeName !== undefined) return
      await Bun.sleep(5)
    }
  }

  test('the log comes from the node, which is shown its own secret', async () => {
    await scheduled()
    const response = await client.raw('GET', `${path}/log`, {
      query: { tailLines: '2', container: 'app' },
    })
    expect(await response.text()).toBe('line 1\nline 2\n')
    expect(kubeletRequests.at(-1)).toMatchObject({
      url: '/containerLogs/default/p/app?tailLines=2',
      authorization: `Bearer ${cluster.kubeletSecret('node-1').reveal()}`,
    })
    expect(cluster.kubeletSecret('node-2').reveal()).not.toBe(
      cluster.kubeletSecret('node-1').reveal(),
    )
  })

  test('exec passes the body on and the answer back', async () => {
    await scheduled()
    const response = await fetch(`${cluster.server}${path}/exec?command=sh&command=-c&stdin=true`, {
      method: 'POST',
      headers: { authorization: `Bearer ${cluster.adminToken.reveal()}` },
      body: 'input',
      proxy: false,
      signal: AbortSignal.timeout(10_000),
      tls: { ca: cluster.certificateAuthority },
    })
    expect(await response.text()).toBe('ran with input')
    expect(kubeletRequests.at(-1)?.url).toBe('/exec/default/p/app?command=sh&command=-c&stdin=true')
  })

  test('a container that is not there, a command that is not given', async () => {
    await scheduled()
    const log = client.raw('GET', `${path}/log`, { query: { container: 'none' } })
    expect(await codeOfFailure(log)).toBe('BadRequest')
    expect(await codeOfFailure(client.raw('POST', `${path}/exec`))).toBe('BadRequest')
  })

  test('a node whose address is not on loopback is never called', async () => {
    await client.create(NODES, { metadata: { name: 'far' } })
    const status = {
      addresses: [{ type: 'InternalIP', address: '203.0.113.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: 80 } },
    }
    await client.mergePatch(NODES, { name: 'far', subresource: 'status' }, { status })
    await client.create(PODS, {
      ...podOf('far', { nodeName: 'far' }),
      metadata: { name: 'far', namespace: 'default' },
    })
    const log = client.raw('GET', '/api/v1/namespaces/default/pods/far/log')
    expect(await codeOfFailure(log)).toBe('ServiceUnavailable')
  })
})
