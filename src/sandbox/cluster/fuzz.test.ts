import { afterAll, beforeAll, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { call, makeCluster, podOf, PODS_PATH, send, type TestCluster } from './cluster.suite.ts'

const RUNS = Math.ceil(300 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

let cluster: TestCluster
beforeAll(async () => {
  cluster = await makeCluster({ historyMax: 200 })
})
afterAll(() => cluster.stop())

/** What kube-apiserver itself answers with 500: errors of its own that are no Status. */
const PLAIN_ERRORS =
  /"message":"(?:resourceVersion should not be set|resourceVersion: Invalid value|target\.(?:kind|name): |unknown patch type: )/

/** Never a crash, never a 500: a good answer, or a Status that says what is wrong. */
async function check(
  method: string,
  path: string,
  options: Parameters<typeof call>[3] = {},
): Promise<void> {
  const response = await send(cluster, method, path, options)
  expect(response.status).toBeGreaterThanOrEqual(200)
  if (response.status === 500) {
    expect(await response.text()).toMatch(PLAIN_ERRORS)
    return
  }
  if (response.headers.get('content-type')?.includes('stream=watch') === true) {
    await response.body?.cancel()
    return
  }
  const text = await response.text()
  if (response.status >= 400 && text.startsWith('{')) {
    expect(JSON.parse(text)).toMatchObject({
      kind: 'Status',
      status: 'Failure',
      code: response.status,
    })
  }
}

const METHODS = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS')
const SEGMENT = fc.oneof(
  fc.constantFrom(
    'api',
    'apis',
    'v1',
    'apps',
    'namespaces',
    'default',
    'pods',
    'p',
    'status',
    'log',
  ),
  fc.constantFrom(
    'exec',
    'token',
    'serviceaccounts',
    'deployments',
    'nodes',
    '',
    '..',
    '%2e',
    '%zz',
    '%00',
  ),
  fc.string({ maxLength: 12 }).map((text) => encodeURIComponent(text)),
)
const PREFIX = fc.constantFrom(
  '',
  '/api/v1',
  '/api/v1/namespaces/default',
  '/api/v1/namespaces/default/pods/p',
  '/apis/apps/v1/namespaces/default',
)
const QUERY = fc.dictionary(
  fc.constantFrom(
    'watch',
    'limit',
    'continue',
    'labelSelector',
    'fieldSelector',
    'resourceVersion',
    'dryRun',
    'timeoutSeconds',
    'gracePeriodSeconds',
    'propagationPolicy',
    'fieldValidation',
    'container',
    'resourceVersionMatch',
  ),
  fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom('true', '1', '-1', '0', 'All', 'Exact', 'a in (b', 'spec.nodeName='),
  ),
  { maxKeys: 4 },
)
const queryOf = (query: Record<string, string>): string => new URLSearchParams(query).toString()

test('any path, method and query', async () => {
  await fc.assert(
    fc.asyncProperty(
      METHODS,
      fc.tuple(PREFIX, fc.array(SEGMENT, { maxLength: 4 })),
      QUERY,
      async (method, [prefix, segments], query) => {
        // An exec or a log of a pod on a node is answered by the node, so none has one here.
        await check(method, `${prefix}/${segments.join('/')}?${queryOf(query)}`)
      },
    ),
    { numRuns: RUNS * 2 },
  )
})

const VALUE = fc.anything({ maxDepth: 4, withNullPrototype: false }).map((value) => {
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null') as unknown
  } catch {
    return null
  }
})
const POD_PART = fc.constantFrom(
  'containers',
  'initContainers',
  'volumes',
  'tolerations',
  'nodeSelector',
  'securityContext',
  'serviceAccountName',
  'nodeName',
  'restartPolicy',
  'terminationGracePeriodSeconds',
  'imagePullSecrets',
)
const BODY = fc.oneof(
  VALUE,
  fc.record(
    { metadata: VALUE, spec: VALUE, data: VALUE, webhooks: VALUE, status: VALUE },
    { requiredKeys: [] },
  ),
  fc.record({
    metadata: fc.record(
      { name: fc.constantFrom('p', 'q', 'A', ''), labels: VALUE },
      { requiredKeys: ['name'] },
    ),
    spec: fc
      .tuple(POD_PART, VALUE)
      .map(([part, value]) => ({ containers: [{ name: 'a', image: 'i' }], [part]: value })),
  }),
  fc.record({
    metadata: fc.constant({ name: 'h' }),
    webhooks: fc.array(
      fc.dictionary(
        fc.constantFrom('name', 'rules', 'clientConfig', 'namespaceSelector', 'timeoutSeconds'),
        VALUE,
      ),
    ),
  }),
)
const COLLECTIONS = fc.constantFrom(
  PODS_PATH,
  '/api/v1/namespaces',
  '/api/v1/nodes',
  '/api/v1/namespaces/default/configmaps',
  '/api/v1/namespaces/default/secrets',
  '/api/v1/namespaces/default/services',
  '/api/v1/namespaces/default/events',
  '/api/v1/namespaces/default/serviceaccounts',
  '/api/v1/namespaces/default/serviceaccounts/default/token',
  `${PODS_PATH}/p/binding`,
  '/apis/apps/v1/namespaces/default/deployments',
  '/apis/apps/v1/namespaces/default/replicasets',
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
  '/apis/coordination.k8s.io/v1/namespaces/default/leases',
  '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
  '/apis/authentication.k8s.io/v1/tokenreviews',
  '/apis/authentication.k8s.io/v1/selfsubjectreviews',
  '/apis/authorization.k8s.io/v1/subjectaccessreviews',
  '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
)

test('any body to any collection, dry and strict or not', async () => {
  await fc.assert(
    fc.asyncProperty(
      COLLECTIONS,
      BODY,
      fc.constantFrom('?dryRun=All', '?dryRun=All&fieldValidation=Strict'),
      async (path, body, query) => {
        await check('POST', path + query, { body })
      },
    ),
    { numRuns: RUNS * 4 },
  )
})

test('any text as a body, in any language', async () => {
  const types = fc.constantFrom('application/json', 'application/yaml', 'text/plain', '', 'a;b=c')
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.constantFrom(
      '['.repeat(100_000),
      '{"a":'.repeat(50_000),
      'a: &a [*a]',
      '&a [*a,*a]',
      '!!js/function x',
      '- '.repeat(5000),
      '\u0000',
    ),
  )
  await fc.assert(
    fc.asyncProperty(COLLECTIONS, types, text, async (path, type, body) => {
      await check('POST', `${path}?dryRun=All`, { body, headers: { 'content-type': type } })
    }),
    { numRuns: RUNS },
  )
})

test('any patch of a pod, a node and a deployment', async () => {
  await call(cluster, 'POST', PODS_PATH, { body: podOf('p') })
  await call(cluster, 'POST', '/api/v1/nodes', { body: { metadata: { name: 'p' } } })
  const operation = fc.record(
    {
      op: fc.constantFrom('add', 'remove', 'replace', 'test', 'move', 'copy', 'x'),
      path: fc.constantFrom(
        '',
        '/',
        '/metadata',
        '/metadata/name',
        '/spec',
        '/spec/containers/0',
        '/spec/containers/-',
        '/__proto__/x',
        '/status',
        'x',
      ),
      from: fc.constantFrom('', '/spec', '/metadata/uid'),
      value: VALUE,
    },
    { requiredKeys: ['op'] },
  )
  const types = [
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/strategic-merge-patch+json',
  ]
  const patch = fc.oneof(
    fc.array(operation, { maxLength: 4 }),
    BODY,
    fc.record({
      spec: fc.dictionary(
        fc.constantFrom('$patch', '$retainKeys', '$setElementOrder/containers', 'containers'),
        VALUE,
      ),
    }),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(
        `${PODS_PATH}/p`,
        `${PODS_PATH}/p/status`,
        '/api/v1/nodes/p',
        '/api/v1/nodes/p/status',
        '/api/v1/namespaces/default',
      ),
      fc.constantFrom(...types),
      patch,
      async (path, type, body) => {
        await check('PATCH', `${path}?dryRun=All`, { body, headers: { 'content-type': type } })
      },
    ),
    { numRuns: RUNS * 3 },
  )
})

test('any token and any header', async () => {
  const header = fc.string({ maxLength: 60 }).map((text) => text.replace(/[^\x21-\x7e]/g, '.'))
  await fc.assert(
    fc.asyncProperty(header, header, async (token, accept) => {
      await check('GET', '/api/v1/pods', { token: `${token}.${token}.${token}` })
      await check('GET', '/api/v1/pods', { headers: { accept, 'content-type': accept } })
    }),
    { numRuns: RUNS },
  )
})
