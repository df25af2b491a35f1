import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  addNode,
  call,
  makeCluster,
  podOf,
  PODS_PATH,
  settle,
  type TestCluster,
} from './cluster.suite.ts'

const MERGE = { 'content-type': 'application/merge-patch+json' }
const JSON_PATCH = { 'content-type': 'application/json-patch+json' }
const STRATEGIC = { 'content-type': 'application/strategic-merge-patch+json' }
const MAPS = '/api/v1/namespaces/default/configmaps'

let cluster: TestCluster
beforeAll(async () => {
  cluster = await makeCluster()
})
afterAll(() => cluster.stop())

const makeMap = (name: string, more: object = {}): ReturnType<typeof call> =>
  call(cluster, 'POST', MAPS, { body: { metadata: { name }, ...more } })

describe('create', () => {
  test('fills uid, creationTimestamp and resourceVersion, and refuses a second one', async () => {
    const first = await makeMap('first', { data: { a: '1' } })
    expect(first.status).toBe(201)
    expect(first.body).toMatchObject({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'first', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
      data: { a: '1' },
    })
    expect(first.body.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
    expect(first.body.metadata.resourceVersion).toMatch(/^\d+$/)
    const second = await makeMap('first')
    expect(second.status).toBe(409)
    expect(second.body).toMatchObject({
      kind: 'Status',
      status: 'Failure',
      reason: 'AlreadyExists',
      message: 'configmaps "first" already exists',
      details: { name: 'first', kind: 'configmaps' },
      code: 409,
    })
  })

  test('generateName makes different names', async () => {
    const body = { metadata: { generateName: 'gen-' } }
    const names = [
      await call(cluster, 'POST', MAPS, { body }),
      await call(cluster, 'POST', MAPS, { body }),
    ]
    const [one, two] = names.map((answer) => answer.body.metadata.name)
    expect(one).toMatch(/^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
    expect(two).not.toBe(one)
  })

  test('dryRun=All answers as if, and keeps nothing', async () => {
    const answer = await call(cluster, 'POST', `${MAPS}?dryRun=All`, {
      body: { metadata: { name: 'dry' } },
    })
    expect(answer.status).toBe(201)
    expect((await call(cluster, 'GET', `${MAPS}/dry`)).status).toBe(404)
    expect((await call(cluster, 'POST', `${MAPS}?dryRun=yes`, { body: {} })).status).toBe(422)
  })

  test('YAML bodies', async () => {
    const answer = await call(cluster, 'POST', MAPS, {
      body: 'metadata:\n  name: yaml\ndata:\n  key: value\n',
      headers: { 'content-type': 'application/yaml' },
    })
    expect(answer.body.data).toEqual({ key: 'value' })
  })

  test('unknown fields are dropped with a warning, or refused by fieldValidation=Strict', async () => {
    const body = { metadata: { name: 'unknown-field' }, dat: { a: 'b' } }
    const warned = await call(cluster, 'POST', MAPS, { body })
    expect(warned.status).toBe(201)
    expect(warned.headers.get('warning')).toBe('299 - "unknown field \\"dat\\""')
    expect(warned.body).not.toHaveProperty('dat')
    const strict = await call(cluster, 'POST', `${MAPS}?fieldValidation=Strict`, { body })
    expect(strict.status).toBe(400)
    expect(strict.body.message).toContain('strict decoding error: unknown field "dat"')
  })

  test.each([
    ['a name with capitals', { metadata: { name: 'Big' } }, 422, 'Invalid value: "Big"'],
    ['no name', {}, 422, 'metadata.name: Required value: name or generateName is required'],
    ['a bad label', { metadata: { name: 'x', labels: { 'a b': 'c' } } }, 422, 'metadata.labels'],
    [
      'a bad label value',
      { metadata: { name: 'x', labels: { a: '-' } } },
      422,
      'a valid label must be',
    ],
    [
      'a bad annotation key',
      { metadata: { name: 'x', annotations: { '/a': 'b' } } },
      422,
      'prefix part must be non-empty',
    ],
    [
      'another namespace',
      { metadata: { name: 'x', namespace: 'other' } },
      400,
      'does not match the namespace sent',
    ],
    [
      'another kind',
      { kind: 'Secret', metadata: { name: 'x' } },
      400,
      'cannot be handled as a ConfigMap',
    ],
    [
      'another version',
      { apiVersion: 'v2', metadata: { name: 'x' } },
      400,
      'does not match the expected API version (v1)',
    ],
    [
      'a resourceVersion',
      { metadata: { name: 'x', resourceVersion: '1' } },
      500,
      'resourceVersion should not be set',
    ],
    ['a bad key', { metadata: { name: 'x' }, data: { 'a/b': '' } }, 422, 'a valid config key'],
    ['data that is a list', { metadata: { name: 'x' }, data: [] }, 400, 'cannot unmarshal array'],
  ])('%s is refused', async (_name, body, code, message) => {
    const answer = await call(cluster, 'POST', MAPS, { body })
    expect([answer.status, answer.body.kind]).toEqual([code, 'Status'])
    expect(answer.body.message).toContain(message)
  })

  test('bodies that are no objects', async () => {
    for (const body of ['', '[]', '"x"', '{', '1', 'null']) {
      expect((await call(cluster, 'POST', MAPS, { body })).status).toBe(400)
    }
    const protobuf = { 'content-type': 'application/vnd.kubernetes.protobuf' }
    const answer = await call(cluster, 'POST', MAPS, { body: 'k8s', headers: protobuf })
    expect([answer.status, answer.body.reason]).toEqual([400, 'BadRequest'])
    const cbor = { 'content-type': 'application/cbor' }
    const other = await call(cluster, 'POST', MAPS, { body: 'k8s', headers: cbor })
    expect([other.status, other.body.reason]).toEqual([415, 'UnsupportedMediaType'])
  })

  test('a body over 3 MiB', async () => {
    const body = { metadata: { name: 'large' }, data: { a: 'x'.repeat(3 * 1024 * 1024) } }
    const answer = await call(cluster, 'POST', MAPS, { body })
    expect([answer.status, answer.body.reason]).toEqual([413, 'RequestEntityTooLarge'])
  })

  test('a namespace that is not there', async () => {
    const answer = await call(cluster, 'POST', '/api/v1/namespaces/nowhere/configmaps', {
      body: { metadata: { name: 'x' } },
    })
    expect(answer.body).toMatchObject({ code: 404, message: 'namespaces "nowhere" not found' })
  })

  test('stringData of a secret becomes data', async () => {
    const body = { metadata: { name: 's' }, stringData: { k: 'v' } }
    const answer = await call(cluster, 'POST', '/api/v1/namespaces/default/secrets', { body })
    expect(answer.body).toMatchObject({ data: { k: 'dg==' }, type: 'Opaque' })
    expect(answer.body).not.toHaveProperty('stringData')
  })

  test('a data key named __proto__ is a key like any other', async () => {
    const body = '{"metadata":{"name":"proto"},"data":{"__proto__":"kept"}}'
    const answer = await call(cluster, 'POST', MAPS, { body })
    expect(Object.entries(answer.body.data)).toEqual([['__proto__', 'kept']])
  })
})

describe('update', () => {
  test('a stale resourceVersion is a conflict; without one the last write counts', async () => {
    const { body: made } = await makeMap('versions', { data: { a: '1' } })
    const changed = { ...made, data: { a: '2' } }
    expect((await call(cluster, 'PUT', `${MAPS}/versions`, { body: changed })).status).toBe(200)
    const stale = await call(cluster, 'PUT', `${MAPS}/versions`, { body: changed })
    expect(stale.body).toMatchObject({
      code: 409,
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on configmaps "versions": the object has been modified; please apply your changes to the latest version and try again',
    })
    const free = { metadata: { name: 'versions' }, data: { a: '3' } }
    const last = await call(cluster, 'PUT', `${MAPS}/versions`, { body: free })
    expect(last.body.data).toEqual({ a: '3' })
    expect(last.body.metadata.uid).toBe(made.metadata.uid)
  })

  test('a write that changes nothing keeps the resourceVersion', async () => {
    const { body: made } = await makeMap('same', { data: { a: '1' } })
    const { body: again } = await call(cluster, 'PUT', `${MAPS}/same`, { body: made })
    expect(again.metadata.resourceVersion).toBe(made.metadata.resourceVersion)
  })

  test('another name, another uid, an object that is not there', async () => {
    await makeMap('identity')
    const put = (path: string, body: object): ReturnType<typeof call> =>
      call(cluster, 'PUT', path, { body })
    expect((await put(`${MAPS}/identity`, { metadata: { name: 'other' } })).status).toBe(400)
    expect(
      (await put(`${MAPS}/identity`, { metadata: { name: 'identity', uid: 'x' } })).status,
    ).toBe(409)
    expect((await put(`${MAPS}/gone`, { metadata: { name: 'gone' } })).status).toBe(404)
  })

  test('the status is written through its own subresource alone', async () => {
    await call(cluster, 'POST', '/api/v1/nodes', { body: { metadata: { name: 'split' } } })
    const path = '/api/v1/nodes/split'
    const body = { status: { phase: 'x' }, spec: { unschedulable: true } }
    const main = await call(cluster, 'PATCH', path, { headers: MERGE, body })
    expect(main.body.spec.unschedulable).toBe(true)
    expect(main.body.status).toBeUndefined()
    const status = await call(cluster, 'PATCH', `${path}/status`, {
      headers: MERGE,
      body: { status: { phase: 'y' }, spec: { unschedulable: null } },
    })
    expect(status.body).toMatchObject({ status: { phase: 'y' }, spec: { unschedulable: true } })
  })

  test('a frozen config map', async () => {
    await makeMap('frozen', { data: { a: '1' }, immutable: true })
    const answer = await call(cluster, 'PATCH', `${MAPS}/frozen`, {
      headers: MERGE,
      body: { data: { a: '2' } },
    })
    expect(answer.body.message).toContain('field is immutable when `immutable` is set')
  })
})

describe('patch', () => {
  test('merge patch', async () => {
    await makeMap('merge', { data: { a: '1', b: '1' } })
    const answer = await call(cluster, 'PATCH', `${MAPS}/merge`, {
      headers: MERGE,
      body: { data: { a: null, c: '2' } },
    })
    expect(answer.body.data).toEqual({ b: '1', c: '2' })
  })

  test('JSON patch, and one whose test fails', async () => {
    await makeMap('json', { data: { a: '1' } })
    const patch = (body: unknown): ReturnType<typeof call> =>
      call(cluster, 'PATCH', `${MAPS}/json`, { headers: JSON_PATCH, body })
    const done = await patch([
      { op: 'test', path: '/data/a', value: '1' },
      { op: 'add', path: '/metadata/labels', value: { x: 'y' } },
      { op: 'replace', path: '/data/a', value: '2' },
    ])
    expect(done.body).toMatchObject({ data: { a: '2' }, metadata: { labels: { x: 'y' } } })
    const refused = await patch([{ op: 'test', path: '/data/a', value: '1' }])
    expect([refused.status, refused.body.reason]).toEqual([422, 'Invalid'])
    expect((await patch([{ op: 'remove', path: '/data/none' }])).status).toBe(422)
    expect((await patch({ op: 'remove' })).status).toBe(400)
    const many = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/data/a', value: '2' }))
    expect((await patch(many)).status).toBe(413)
  })

  test('strategic merge patch', async () => {
    await call(cluster, 'POST', PODS_PATH, { body: podOf('strategic') })
    const answer = await call(cluster, 'PATCH', `${PODS_PATH}/strategic`, {
      headers: STRATEGIC,
      body: { spec: { containers: [{ name: 'app', image: 'app:9' }] } },
    })
    expect(answer.body.spec.containers).toHaveLength(1)
    expect(answer.body.spec.containers[0]).toMatchObject({
      image: 'app:9',
      imagePullPolicy: 'IfNotPresent',
    })
  })

  test('a resourceVersion in a patch must be the current one', async () => {
    await makeMap('guarded')
    const answer = await call(cluster, 'PATCH', `${MAPS}/guarded`, {
      headers: MERGE,
      body: { metadata: { resourceVersion: '1' }, data: { a: '1' } },
    })
    expect(answer.status).toBe(409)
  })

  test('other kinds of patch are refused', async () => {
    await makeMap('kinds')
    for (const type of ['application/json', 'application/apply-patch+cbor', 'text/plain']) {
      const answer = await call(cluster, 'PATCH', `${MAPS}/kinds`, {
        headers: { 'content-type': type },
        body: {},
      })
      expect([answer.status, answer.body.reason]).toEqual([415, 'UnsupportedMediaType'])
    }
  })

  test('two patches at once are both kept', async () => {
    await makeMap('both')
    const patch = (data: object): ReturnType<typeof call> =>
      call(cluster, 'PATCH', `${MAPS}/both`, { headers: MERGE, body: { data } })
    await Promise.all([patch({ a: '1' }), patch({ b: '2' })])
    expect((await call(cluster, 'GET', `${MAPS}/both`)).body.data).toEqual({ a: '1', b: '2' })
  })
})

describe('delete', () => {
  test('answers with a Status, then NotFound', async () => {
    const { body: made } = await makeMap('doomed')
    const answer = await call(cluster, 'DELETE', `${MAPS}/doomed`)
    expect(answer.body).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: 'doomed', kind: 'configmaps', uid: made.metadata.uid },
    })
    expect((await call(cluster, 'DELETE', `${MAPS}/doomed`)).status).toBe(404)
  })

  test('preconditions, dry run and bad options', async () => {
    await makeMap('conditional')
    const remove = (body: object): ReturnType<typeof call> =>
      call(cluster, 'DELETE', `${MAPS}/conditional`, { body })
    expect((await remove({ preconditions: { uid: 'other' } })).status).toBe(409)
    expect((await remove({ preconditions: { resourceVersion: '1' } })).status).toBe(409)
    expect((await remove({ propagationPolicy: 'Sideways' })).status).toBe(422)
    expect((await remove({ dryRun: ['All'] })).status).toBe(200)
    expect((await call(cluster, 'GET', `${MAPS}/conditional`)).status).toBe(200)
    expect((await remove({ kind: 'DeleteOptions', apiVersion: 'v1' })).status).toBe(200)
  })

  test('finalizers hold an object until they are gone', async () => {
    await makeMap('held', { metadata: { name: 'held', finalizers: ['podrole.dev/hold'] } })
    const marked = await call(cluster, 'DELETE', `${MAPS}/held`)
    expect(marked.body.metadata.deletionTimestamp).toBeDefined()
    const patch = (finalizers: string[] | null): ReturnType<typeof call> =>
      call(cluster, 'PATCH', `${MAPS}/held`, { headers: MERGE, body: { metadata: { finalizers } } })
    expect((await patch(['podrole.dev/hold', 'podrole.dev/more'])).status).toBe(422)
    expect((await patch(null)).status).toBe(200)
    expect((await call(cluster, 'GET', `${MAPS}/held`)).status).toBe(404)
  })

  test('a collection by its labels', async () => {
    await makeMap('many-1', { metadata: { name: 'many-1', labels: { many: 'yes' } } })
    await makeMap('many-2', { metadata: { name: 'many-2', labels: { many: 'yes' } } })
    const answer = await call(cluster, 'DELETE', `${MAPS}?labelSelector=many%3Dyes`)
    expect(answer.body.items).toHaveLength(2)
    const left = await call(cluster, 'GET', `${MAPS}?labelSelector=many`)
    expect(left.body.items).toEqual([])
    expect((await call(cluster, 'GET', `${MAPS}/first`)).status).toBe(200)
  })
})

test('objects live in the sandbox’s tables and are found again after a restart', async () => {
  const first = await makeCluster()
  await addNode(first, 'n')
  await call(first, 'POST', PODS_PATH, { body: podOf('kept') })
  await call(first, 'DELETE', '/api/v1/nodes/n')
  await settle()
  await first.stop()
  const last = (await call(first, 'GET', '/api/v1/pods')).body.metadata.resourceVersion
  const second = await makeCluster({ state: first.state })
  expect((await call(second, 'GET', `${PODS_PATH}/kept`)).status).toBe(404)
  expect((await call(second, 'GET', '/api/v1/namespaces/default')).status).toBe(200)
  const { body } = await call(second, 'GET', '/api/v1/pods')
  expect(Number(body.metadata.resourceVersion)).toBeGreaterThanOrEqual(Number(last))
  expect(second.jwks()).toEqual(first.jwks())
  await second.stop()
})
