import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { type CertificateAuthority, createCertificateAuthority } from '../../lib/certificates.ts'
import { type Handler, jsonResponse } from '../../lib/handler.ts'
import { type Listening, serveTls } from '../../lib/serve.ts'
import {
  call,
  type Json,
  makeCluster,
  podOf,
  PODS_PATH,
  type TestCluster,
} from './cluster.suite.ts'

const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'

let authority: CertificateAuthority
let server: Listening
let cluster: TestCluster
let answerReview: (review: Json, request: Request) => Response | Promise<Response>
let reviews: Json[] = []

beforeAll(async () => {
  authority = await createCertificateAuthority({ commonName: 'webhooks' })
  const handler: Handler = async (request) => {
    const review = await request.json()
    reviews.push(review)
    return answerReview(review, request)
  }
  const certificate = await authority.issue({ names: ['127.0.0.1', 'hook.default.svc'] })
  server = await serveTls({ hostname: '127.0.0.1', port: 0, handler, certificate })
})
afterAll(() => server.stop(0))
beforeEach(async () => {
  cluster = await makeCluster()
  reviews = []
  answerReview = (review) => respond(review, { allowed: true })
})
afterEach(() => cluster.stop())

const respond = (review: Json, response: object): Response =>
  jsonResponse({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    response: { uid: review.request.uid, ...response },
  })
const patched = (review: Json, operations: object[]): Response =>
  respond(review, {
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
  })
const addAnnotation = (review: Json, key: string): Response =>
  patched(review, [
    ...(review.request.object.metadata.annotations === undefined
      ? [{ op: 'add', path: '/metadata/annotations', value: {} }]
      : []),
    { op: 'add', path: `/metadata/annotations/${key}`, value: 'yes' },
  ])

async function configure(more: object = {}, name = 'hook'): Promise<void> {
  const caBundle = Buffer.from(authority.cert).toString('base64')
  const webhook = {
    name: `${name}.podrole.dev`,
    clientConfig: { url: `${server.url}/mutate`, caBundle },
    rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...more,
  }
  const body = { metadata: { name }, webhooks: [webhook] }
  const answer = await call(cluster, 'POST', CONFIGURATIONS, { body })
  expect([answer.status, answer.body.message]).toEqual([201, undefined])
}

const createPod = (name = 'p', spec: object = {}): ReturnType<typeof call> =>
  call(cluster, 'POST', PODS_PATH, { body: podOf(name, spec) })

describe('a mutating webhook', () => {
  test('is asked with an AdmissionReview v1', async () => {
    await configure()
    expect((await createPod()).status).toBe(201)
    expect(reviews).toHaveLength(1)
    const { kind, apiVersion, request } = reviews[0]
    expect({ kind, apiVersion }).toEqual({
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1',
    })
    expect(request).toMatchObject({
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      requestKind: { group: '', version: 'v1', kind: 'Pod' },
      name: 'p',
      namespace: 'default',
      operation: 'CREATE',
      userInfo: {
        username: 'kubernetes-admin',
        groups: ['system:masters', 'system:authenticated'],
      },
      oldObject: null,
      dryRun: false,
    })
    expect(request.uid).toMatch(/^[0-9a-f-]{36}$/)
    // The ServiceAccount admission has been there before, the system fields have not.
    expect(request.object.spec.volumes[0].name).toStartWith('kube-api-access-')
    expect(request.object.metadata).not.toHaveProperty('uid')
  })

  test('changes the object by its patch, and the result is defaulted and validated', async () => {
    await configure()
    answerReview = (review) =>
      patched(review, [
        { op: 'add', path: '/spec/containers/-', value: { name: 'more', image: 'more' } },
      ])
    const { body } = await createPod()
    expect(body.spec.containers[1]).toMatchObject({ name: 'more', imagePullPolicy: 'Always' })
    answerReview = (review) =>
      patched(review, [
        {
          op: 'add',
          path: '/spec/containers/0/volumeMounts/-',
          value: { name: 'none', mountPath: '/x' },
        },
      ])
    const refused = await createPod('q')
    expect(refused.status).toBe(422)
    expect(refused.body.message).toContain('Not found: "none"')
  })

  test('refuses with its own words and code, and its warnings show', async () => {
    await configure()
    answerReview = (review) =>
      respond(review, {
        allowed: false,
        status: { code: 403, message: 'no room', reason: 'Forbidden' },
        warnings: ['look out', 'look out'],
        auditAnnotations: { why: 'full' },
      })
    const answer = await createPod()
    expect([answer.status, answer.body.message]).toEqual([
      403,
      'admission webhook "hook.podrole.dev" denied the request: no room',
    ])
    expect(answer.headers.get('warning')).toBe('299 - "look out"')
    expect(cluster.decisions().at(-1)).toMatchObject({
      kind: 'webhook',
      outcome: 'denied',
      annotations: { 'hook.podrole.dev/why': 'full' },
    })
    answerReview = (review) => respond(review, { allowed: false })
    const silent = await createPod()
    expect([silent.status, silent.body.message]).toEqual([
      400,
      'admission webhook "hook.podrole.dev" denied the request without explanation',
    ])
  })

  test.each([
    [
      'another resource',
      {
        rules: [
          { operations: ['CREATE'], apiGroups: ['apps'], apiVersions: ['*'], resources: ['*'] },
        ],
      },
    ],
    [
      'another operation',
      {
        rules: [
          { operations: ['DELETE'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] },
        ],
      },
    ],
    [
      'another scope',
      {
        rules: [
          {
            operations: ['*'],
            apiGroups: ['*'],
            apiVersions: ['*'],
            resources: ['*'],
            scope: 'Cluster',
          },
        ],
      },
    ],
    [
      'a subresource',
      {
        rules: [
          { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['pods/status'] },
        ],
      },
    ],
    [
      'another namespace',
      { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'other' } } },
    ],
    [
      'other labels',
      { objectSelector: { matchExpressions: [{ key: 'inject', operator: 'Exists' }] } },
    ],
  ])('that wants %s is not asked', async (_name, more) => {
    await configure(more)
    expect((await createPod()).status).toBe(201)
    expect(reviews).toEqual([])
  })

  test('selectors and wildcards that fit', async () => {
    await configure({
      rules: [
        {
          operations: ['*'],
          apiGroups: ['*'],
          apiVersions: ['*'],
          resources: ['*/*'],
          scope: 'Namespaced',
        },
      ],
      namespaceSelector: {
        matchExpressions: [
          { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system'] },
        ],
      },
    })
    await createPod()
    await call(cluster, 'DELETE', `${PODS_PATH}/p`)
    const asked = reviews.map(({ request }) => `${request.operation} ${request.resource.resource}`)
    expect(asked.slice(0, 1)).toEqual(['CREATE pods'])
    expect(asked).toContain('DELETE pods')
    const last = reviews.find(({ request }) => request.operation === 'DELETE')
    expect(last.request).toMatchObject({ object: null, oldObject: { metadata: { name: 'p' } } })
    const elsewhere = reviews.length
    await call(cluster, 'POST', '/api/v1/namespaces/kube-system/configmaps', {
      body: { metadata: { name: 'x' } },
    })
    expect(
      reviews.slice(elsewhere).filter(({ request }) => request.namespace === 'kube-system'),
    ).toEqual([])
  })

  test('dryRun is told, and nothing is kept', async () => {
    await configure()
    await call(cluster, 'POST', `${PODS_PATH}?dryRun=All`, { body: podOf('p') })
    expect(reviews[0].request.dryRun).toBe(true)
    expect((await call(cluster, 'GET', `${PODS_PATH}/p`)).status).toBe(404)
  })

  test('is asked again when a later one changed the object, if it wants to be', async () => {
    await configure({ reinvocationPolicy: 'IfNeeded' }, 'a')
    await configure({}, 'b')
    let turn = 0
    answerReview = (review) => {
      turn += 1
      return turn === 2 ? addAnnotation(review, 'late') : respond(review, { allowed: true })
    }
    const { body } = await createPod()
    expect(body.metadata.annotations).toEqual({ late: 'yes' })
    expect(turn).toBe(3)
    expect(reviews[2].request.object.metadata.annotations).toEqual({ late: 'yes' })
  })

  test('a container that it adds gets the API token too', async () => {
    await configure()
    answerReview = (review) =>
      patched(review, [
        { op: 'add', path: '/spec/containers/-', value: { name: 'side', image: 'i' } },
      ])
    const { body } = await createPod()
    expect(body.spec.containers[1].volumeMounts).toHaveLength(1)
  })
})

const GARBAGE: [string, (review: Json) => Response | Promise<Response>][] = [
  ['a status of 500', () => new Response('broken', { status: 500 })],
  ['no JSON', () => new Response('<html>')],
  ['another kind', () => jsonResponse({ kind: 'Pod', apiVersion: 'v1' })],
  [
    'no response',
    () => jsonResponse({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' }),
  ],
  ['another uid', (review) => respond({ request: { uid: 'x', ...review } }, { allowed: true })],
  ['a patch without a type', (review) => respond(review, { allowed: true, patch: 'W10=' })],
  [
    'an unknown patch type',
    (review) => respond(review, { allowed: true, patch: 'W10=', patchType: 'Merge' }),
  ],
  ['a redirect', () => Response.redirect('https://127.0.0.1:1/', 307)],
  [
    'no answer in time',
    () => new Promise<Response>((resolve) => setTimeout(() => resolve(new Response()), 1500)),
  ],
]

describe.each(GARBAGE)('%s', (_name, garbage) => {
  test('fails the request under Fail, and is passed over under Ignore', async () => {
    await configure({ timeoutSeconds: 1, failurePolicy: 'Fail' })
    answerReview = garbage
    const failed = await createPod()
    expect([failed.status, failed.body.reason]).toEqual([500, 'InternalError'])
    expect(failed.body.message).toStartWith(
      'Internal error occurred: failed calling webhook "hook.podrole.dev": ',
    )
    await call(cluster, 'PATCH', `${CONFIGURATIONS}/hook`, {
      headers: { 'content-type': 'application/json-patch+json' },
      body: [
        {
          op: 'test',
          path: '/metadata/resourceVersion',
          value: (await call(cluster, 'GET', `${CONFIGURATIONS}/hook`)).body.metadata
            .resourceVersion,
        },
        { op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' },
      ],
    })
    expect((await createPod()).status).toBe(201)
    expect(cluster.decisions().at(-1)).toMatchObject({ kind: 'webhook', outcome: 'ignored' })
  })
})

describe('the connection', () => {
  const caBundle = (): string => Buffer.from(authority.cert).toString('base64')
  const service = (spec: object): ReturnType<typeof call> =>
    call(cluster, 'POST', '/api/v1/namespaces/default/services', {
      body: { metadata: { name: 'hook' }, spec },
    })
  const byService = (port: number): object => ({
    clientConfig: {
      service: { namespace: 'default', name: 'hook', path: '/mutate', port },
      caBundle: caBundle(),
    },
    failurePolicy: 'Fail',
  })

  test('an authority that is not the caBundle’s is not trusted', async () => {
    const other = await createCertificateAuthority({ commonName: 'other' })
    const bundle = Buffer.from(other.cert).toString('base64')
    await configure({ clientConfig: { url: `${server.url}/mutate`, caBundle: bundle } })
    expect((await createPod()).status).toBe(500)
    expect(reviews).toEqual([])
  })

  test('a service of type ExternalName is called by that name, its certificate by the service’s', async () => {
    await service({ type: 'ExternalName', externalName: '127.0.0.1' })
    await configure(byService(server.port))
    expect((await createPod()).status).toBe(201)
    expect(reviews).toHaveLength(1)
  })

  test('a service with endpoints is called at its endpoint', async () => {
    await service({ ports: [{ port: 443, targetPort: 8443 }] })
    await call(cluster, 'POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
      body: {
        metadata: { name: 'hook-1', labels: { 'kubernetes.io/service-name': 'hook' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['127.0.0.1'] }],
        ports: [{ port: server.port }],
      },
    })
    await configure(byService(443))
    const answer = await createPod()
    expect([answer.status, answer.body.message]).toEqual([201, undefined])
    expect(reviews).toHaveLength(1)
  })

  test('a service that is not there, and one without endpoints', async () => {
    await configure(byService(443))
    expect((await createPod()).body.message).toContain('service "hook" not found')
    await service({ ports: [{ port: 443 }] })
    expect((await createPod()).body.message).toContain('no endpoints available for service "hook"')
  })
})

describe('a configuration', () => {
  test.each([
    [
      'http',
      { clientConfig: { url: 'http://127.0.0.1/' } },
      "'https' is the only allowed URL scheme",
    ],
    [
      'url and service',
      { clientConfig: { url: 'https://a/', service: { namespace: 'a', name: 'b' } } },
      'exactly one of url or service',
    ],
    ['a short name', { name: 'hook' }, 'should be a domain with at least three segments'],
    [
      'side effects',
      { sideEffects: 'Some' },
      'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
    ],
    [
      'a long timeout',
      { timeoutSeconds: 31 },
      'the timeout value must be between 1 and 30 seconds',
    ],
    ['v1beta1 alone', { admissionReviewVersions: ['v1beta1'] }, 'admissionReviewVersions'],
    [
      'an operation',
      {
        rules: [{ operations: ['EAT'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
      },
      'webhooks[0].rules[0].operations',
    ],
  ])('with %s is refused', async (_name, more, message) => {
    const webhook = {
      name: 'a.b.c',
      clientConfig: { url: 'https://127.0.0.1/' },
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      ...more,
    }
    const body = { metadata: { name: 'x' }, webhooks: [webhook] }
    const answer = await call(cluster, 'POST', CONFIGURATIONS, { body })
    expect(answer.status).toBe(422)
    expect(answer.body.message).toContain(message)
  })

  test('an update needs a resourceVersion, and no webhook is asked about it', async () => {
    await configure({
      rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }],
    })
    const answer = await call(cluster, 'PUT', `${CONFIGURATIONS}/hook`, {
      body: { metadata: { name: 'hook' } },
    })
    expect(answer.body.message).toContain(
      'metadata.resourceVersion: Invalid value: 0: must be specified for an update',
    )
    expect((await call(cluster, 'DELETE', `${CONFIGURATIONS}/hook`)).status).toBe(200)
    expect(reviews).toEqual([])
  })
})
