import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { applyJsonPatch } from '../kube/json-patch.ts'
import type { ServiceAccount } from '../kube/objects.ts'
import { createLog, type Log, silentLog } from '../lib/log.ts'
import { type AdmissionDependencies, admissionApp } from './admission.ts'
import { parseWebhookConfig } from './config.ts'
import { hostilePods, plausiblePods } from './pod-view.suite.ts'

const RUNS = Math.ceil(300 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const CLIENT = { address: '127.0.0.1', port: 1 }

const ACCOUNT: ServiceAccount = {
  metadata: {
    name: 'app',
    namespace: 'team',
    annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/app' },
  },
}
const BARE: ServiceAccount = { metadata: { name: 'app', namespace: 'team' } }

function app(more: Partial<AdmissionDependencies> = {}): (request: Request) => Promise<Response> {
  const handler = admissionApp({
    serviceAccounts: { peek: () => ACCOUNT, ask: () => Promise.resolve(ACCOUNT) },
    identities: { has: () => false },
    config: parseWebhookConfig(),
    log: silentLog,
    isReady: () => true,
    random: () => 0,
    ...more,
  })
  return async (request) => handler(request, CLIENT)
}

const POD = {
  metadata: { generateName: 'app-' },
  spec: {
    serviceAccountName: 'app',
    containers: [{ name: 'app', env: [{ name: 'PASSWORD', value: 'hunter2' }] }],
  },
}

const review = (request: object = {}, version = 'v1'): object => ({
  apiVersion: `admission.k8s.io/${version}`,
  kind: 'AdmissionReview',
  request: {
    uid: 'u-1',
    operation: 'CREATE',
    resource: { group: '', version: 'v1', resource: 'pods' },
    namespace: 'team',
    object: POD,
    ...request,
  },
})

const post = (body: unknown, contentType = 'application/json'): Request =>
  new Request('https://webhook/mutate?timeout=10s', {
    method: 'POST',
    headers: { 'content-type': contentType },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  })

interface Answer {
  apiVersion: string
  response: {
    uid: string
    allowed: boolean
    patch?: string
    patchType?: string
    warnings?: string[]
    auditAnnotations?: Record<string, string>
  }
}

async function ask(body: unknown, more?: Partial<AdmissionDependencies>): Promise<Answer> {
  const response = await app(more)(post(body))
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/json')
  return (await response.json()) as Answer
}

const patchOf = ({ response }: Answer): { op: string; path: string }[] =>
  response.patch === undefined ? [] : JSON.parse(atob(response.patch))

test.each(['v1', 'v1beta1'])('a review of %s is answered in its version', async (version) => {
  const answer = await ask(review({}, version))
  expect(answer).toEqual({
    apiVersion: `admission.k8s.io/${version}`,
    kind: 'AdmissionReview',
    response: {
      uid: 'u-1',
      allowed: true,
      patchType: 'JSONPatch',
      patch: expect.any(String),
      auditAnnotations: {
        reason: 'Mutated',
        method: 'irsa',
        'role-arn': 'arn:aws:iam::111122223333:role/app',
      },
    },
  } as never)
  expect(patchOf(answer).map(({ path }) => path)).toEqual([
    '/spec/volumes',
    '/spec/containers/0/env/-',
    '/spec/containers/0/env/-',
    '/spec/containers/0/volumeMounts',
  ])
})

test('an association goes before the role of the annotation', async () => {
  const answer = await ask(review(), { identities: { has: () => Promise.resolve(true) } })
  expect(answer.response.auditAnnotations).toMatchObject({ method: 'container-credentials' })
})

test('a role that the watch does not know yet is asked for', async () => {
  for (const known of [undefined, BARE]) {
    const answer = await ask(review(), {
      serviceAccounts: { peek: () => known, ask: () => Promise.resolve(ACCOUNT) },
    })
    expect(answer.response.auditAnnotations?.['reason']).toBe('Mutated')
  }
})

test('nothing to do: no patch and no patchType', async () => {
  const cases: [Partial<AdmissionDependencies>, object, string][] = [
    [
      { serviceAccounts: { peek: () => undefined, ask: () => Promise.resolve(undefined) } },
      {},
      'ServiceAccountNotFound',
    ],
    [{ serviceAccounts: { peek: () => BARE, ask: () => Promise.resolve(BARE) } }, {}, 'NoRole'],
    [
      { serviceAccounts: { peek: () => BARE, ask: () => Promise.reject(new Error('down')) } },
      {},
      'NoRole',
    ],
    [{}, { operation: 'UPDATE' }, 'NotAPodCreation'],
    [{}, { subResource: 'ephemeralcontainers' }, 'NotAPodCreation'],
    [{}, { resource: { group: 'apps', resource: 'deployments' } }, 'NotAPodCreation'],
    [{}, { namespace: '../..' }, 'InvalidPod'],
    [{}, { object: 'pod' }, 'InvalidPod'],
    [{}, { object: undefined }, 'InvalidPod'],
  ]
  for (const [more, request, reason] of cases) {
    const { response } = await ask(review(request), more)
    expect(response.auditAnnotations?.['reason']).toBe(reason)
    expect(response).toEqual({
      uid: 'u-1',
      allowed: true,
      auditAnnotations: expect.anything(),
    })
  }
})

test("podrole's own faults allow the pod and say so", async () => {
  const { response } = await ask(review(), {
    serviceAccounts: { peek: () => undefined, ask: () => Promise.reject(new Error('secret')) },
  })
  expect(response).toEqual({
    uid: 'u-1',
    allowed: true,
    warnings: ['podrole could not decide (unknown): the pod gets no AWS credentials'],
    auditAnnotations: { reason: 'InternalFault' },
  })
})

test('warnings reach the person who created the pod', async () => {
  const metadata = { annotations: { 'eks.amazonaws.com/skip-containers': 'x' } }
  const { response } = await ask(review({ object: { ...POD, metadata } }))
  expect(response.warnings).toHaveLength(1)
})

test('content types, methods, bodies and paths', async () => {
  const handler = app()
  const status = async (request: Request): Promise<number> => (await handler(request)).status
  expect(await status(post(review(), 'application/json; charset=utf-8'))).toBe(200)
  expect(await status(post(review(), 'text/plain'))).toBe(415)
  expect(await status(post(review(), ''))).toBe(415)
  expect(await status(new Request('https://webhook/mutate'))).toBe(405)
  expect(await status(post('{"kind":'))).toBe(400)
  expect(await status(post(''))).toBe(400)
  expect(await status(post({}))).toBe(400)
  expect(await status(post({ ...review(), request: {} }))).toBe(400)
  expect(await status(post({ ...review(), kind: 'Pod' }))).toBe(400)
  expect(await status(post({ ...review(), apiVersion: 'admission.k8s.io/v2' }))).toBe(400)
  expect(await status(post('['.repeat(1_000_000)))).toBe(400)
  expect(await status(post(new Uint8Array(9 << 20)))).toBe(413)
  expect(await status(new Request('https://webhook/other'))).toBe(404)
  expect(await status(new Request('https://webhook/healthz'))).toBe(200)
  expect(await status(new Request('https://webhook/healthz', { method: 'DELETE' }))).toBe(405)
  expect(await status(new Request('https://webhook/readyz'))).toBe(200)
  const unready = await app({ isReady: () => false })(new Request('https://webhook/readyz'))
  expect(unready.status).toBe(503)
})

function recordingLog(): { log: Log; lines: string[] } {
  const lines: string[] = []
  return { lines, log: createLog('debug', { write: (line) => void lines.push(line) }) }
}

test('one line a decision, without values of the environment', async () => {
  const { log, lines } = recordingLog()
  await ask(review(), { log })
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'info',
    message: 'admission',
    reason: 'Mutated',
    method: 'irsa',
    namespace: 'team',
    pod: 'app-',
    serviceAccount: 'app',
  })
  expect(lines.join()).not.toContain('hunter2')
})

test('fuzz: any bytes get an HTTP answer', async () => {
  const handler = app()
  const bodies = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json(),
    fc.jsonValue().map((request) => JSON.stringify({ ...review(), request })),
    fc
      .tuple(fc.string(), fc.jsonValue())
      .map(([key, value]) => JSON.stringify(review({ [key]: value }))),
  )
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      const response = await handler(post(body))
      expect([200, 400]).toContain(response.status)
    }),
    { numRuns: RUNS },
  )
})

test('fuzz: any pod is allowed, and its patch applies and adds only what is ours', async () => {
  const ours =
    /^\/(?:metadata\/labels(?:\/eks\.amazonaws\.com~1pod-identity)?|spec\/volumes(?:\/0)?|spec\/(?:initC|c)ontainers\/\d+\/(?:env|volumeMounts)(?:\/-)?)$/
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(plausiblePods, hostilePods),
      fc.boolean(),
      async (object, association) => {
        const answer = await ask(review({ object }), { identities: { has: () => association } })
        expect(answer.response).toMatchObject({ uid: 'u-1', allowed: true })
        const patch = patchOf(answer)
        for (const { op, path } of patch) {
          expect(op).toBe('add')
          expect(path).toMatch(ours)
        }
        applyJsonPatch(object, patch as never)
      },
    ),
    { numRuns: RUNS },
  )
})
