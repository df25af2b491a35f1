import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  call,
  type CallOptions,
  type Json,
  makeCluster,
  readEvents,
  send,
  settle,
  type TestCluster,
} from '../cluster.suite.ts'
import { bodyOf, CRDS, define, MERGE, thing, THINGS } from './custom.suite.ts'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await makeCluster()
  await define(cluster, thing())
})
afterAll(() => cluster.stop())

const make = (name: string, spec: object, options: CallOptions = {}): Promise<Json> =>
  call(cluster, 'POST', THINGS, { body: bodyOf({ metadata: { name }, spec }), ...options })

describe('objects', () => {
  test('are defaulted and pruned, with warnings or refusals for what is unknown', async () => {
    const spec = {
      size: 2,
      unknown: 1,
      list: [{ name: 'a' }],
      open: { any: { thing: 1 } },
      labels: { a: 'b' },
    }
    const answer = await make('one', spec)
    expect(answer.body.spec).toEqual({
      size: 2,
      mode: 'slow',
      list: [{ name: 'a', weight: 1 }],
      open: { any: { thing: 1 } },
      labels: { a: 'b' },
    })
    expect([answer.status, answer.body.metadata.generation]).toEqual([201, 1])
    expect(answer.headers.get('warning')).toContain('unknown field \\"spec.unknown\\"')
    const strict = await call(cluster, 'POST', `${THINGS}?fieldValidation=Strict`, {
      body: bodyOf({ metadata: { name: 'two' }, spec }),
    })
    expect([strict.status, strict.body.message]).toEqual([
      400,
      expect.stringContaining('strict decoding error: unknown field "spec.unknown"'),
    ])
  })

  const refusals: readonly (readonly [object, string])[] = [
    [{}, 'spec.size: Required value'],
    [{ size: '2' }, 'spec.size in body must be of type integer: "string"'],
    [{ size: 1.5 }, 'spec.size in body must be of type integer: "number"'],
    [{ size: 0 }, 'spec.size in body should be greater than or equal to 1'],
    [{ size: 10 }, 'spec.size in body should be less than or equal to 9'],
    [{ size: 1, mode: 'x' }, 'spec.mode: Unsupported value: "x": supported values: "fast", "slow"'],
    [{ size: 1, code: 'abc' }, "spec.code in body should match '^[a-z]{2}$'"],
    [{ size: 1, port: true }, 'spec.port in body must be of type integer,string'],
    [{ size: 1, note: '123456' }, 'spec.note: Too long: may not be more than 5 bytes'],
    [{ size: 1, labels: { a: 1 } }, 'spec.labels.a in body must be of type string: "integer"'],
    [{ size: 1, at: 'now' }, 'spec.at in body must be of type date-time'],
    [{ size: 1, list: [{ name: 'a' }, { name: 'a' }] }, 'spec.list[1]: Duplicate value'],
    [{ size: 1, list: [1, 2, 3, 4] }, 'spec.list: Too many: 4: must have at most 3 items'],
    [{ size: 1, either: {} }, 'must validate one and only one schema (oneOf). Found none valid'],
    [{ size: 1, either: { a: '1', b: '2' } }, 'Found 2 valid alternatives'],
  ]
  for (const [spec, says] of refusals) {
    test(`refused: ${says}`, async () => {
      const answer = await make('bad', spec)
      expect([answer.status, answer.body.reason]).toEqual([422, 'Invalid'])
      expect(answer.body.message).toContain(says)
      expect(answer.body.message).toStartWith('Thing.example.com "bad" is invalid: ')
    })
  }

  test('null is kept where it is nullable, and goes where not', async () => {
    const answer = await make('null', { size: 1, note: null, mode: null, code: null })
    expect(answer.body.spec).toEqual({ size: 1, note: null, mode: 'slow' })
  })

  test('patches: merge and JSON, no strategic merge', async () => {
    await make('patched', { size: 1 })
    const path = `${THINGS}/patched`
    const merged = await call(cluster, 'PATCH', path, {
      headers: MERGE,
      body: { spec: { size: 3 } },
    })
    expect([merged.status, merged.body.spec.size, merged.body.metadata.generation]).toEqual([
      200, 3, 2,
    ])
    const json = await call(cluster, 'PATCH', path, {
      headers: { 'content-type': 'application/json-patch+json' },
      body: [{ op: 'replace', path: '/spec/size', value: 50 }],
    })
    expect(json.status).toBe(422)
    const strategic = await call(cluster, 'PATCH', path, {
      headers: { 'content-type': 'application/strategic-merge-patch+json' },
      body: {},
    })
    expect(strategic.status).toBe(415)
  })

  test('an update needs the resourceVersion and meets conflicts', async () => {
    const { body } = await make('versioned', { size: 1 })
    const path = `${THINGS}/versioned`
    const blind = { ...body, metadata: { name: 'versioned' } }
    expect((await call(cluster, 'PUT', path, { body: blind })).status).toBe(422)
    const next = { ...body, spec: { size: 2 } }
    expect((await call(cluster, 'PUT', path, { body: next })).status).toBe(200)
    expect((await call(cluster, 'PUT', path, { body: next })).status).toBe(409)
  })

  test('the status is a subresource of its own', async () => {
    const created = await call(cluster, 'POST', THINGS, {
      body: bodyOf({ metadata: { name: 'stated' }, spec: { size: 1 }, status: { size: 9 } }),
    })
    expect(created.body.status).toBeUndefined()
    const path = `${THINGS}/stated/status`
    const body = { spec: { size: 5 }, status: { size: 2, unknown: 1 } }
    const patched = await call(cluster, 'PATCH', path, { headers: MERGE, body })
    expect([patched.body.spec.size, patched.body.status, patched.body.metadata.generation]).toEqual(
      [1, { size: 2 }, 1],
    )
    const bad = await call(cluster, 'PATCH', path, {
      headers: MERGE,
      body: { status: { size: 'x' } },
    })
    expect([bad.status, bad.body.message]).toEqual([
      422,
      expect.stringContaining('status.size: Invalid value'),
    ])
    const main = await call(cluster, 'PATCH', `${THINGS}/stated`, {
      headers: MERGE,
      body: { status: { size: 7 } },
    })
    expect(main.body.status).toEqual({ size: 2 })
  })

  test('the scale reads and writes the paths of the definition', async () => {
    await make('scaled', { size: 2 })
    const path = `${THINGS}/scaled/scale`
    const read = await call(cluster, 'GET', path)
    expect([read.body.kind, read.body.spec.replicas]).toEqual(['Scale', 2])
    const scaled = await call(cluster, 'PATCH', path, {
      headers: MERGE,
      body: { spec: { replicas: 4 } },
    })
    expect(scaled.body.spec.replicas).toBe(4)
    expect((await call(cluster, 'GET', `${THINGS}/scaled`)).body.spec.size).toBe(4)
    const over = await call(cluster, 'PATCH', path, {
      headers: MERGE,
      body: { spec: { replicas: 40 } },
    })
    expect(over.status).toBe(422)
  })

  test('every version shows the same objects; a deprecated one warns', async () => {
    await make('shared', { size: 1 })
    const old = THINGS.replace('/v1/', '/v1beta1/')
    const read = await call(cluster, 'GET', `${old}/shared`)
    expect(read.body.apiVersion).toBe('example.com/v1beta1')
    expect(read.headers.get('warning')).toContain('example.com/v1beta1 Thing is deprecated')
    const body = bodyOf({ metadata: { name: 'older' }, spec: { size: 1 } }, 'Thing', 'v1beta1')
    expect((await call(cluster, 'POST', old, { body })).status).toBe(201)
    const list = await call(cluster, 'GET', THINGS)
    const found = list.body.items.find((item: Json) => item.metadata.name === 'older')
    expect([list.body.kind, found.apiVersion]).toEqual(['ThingList', 'example.com/v1'])
  })

  test('watches of one version see writes of another', async () => {
    const { resourceVersion } = (await call(cluster, 'GET', THINGS)).body.metadata
    const events = readEvents(
      await send(cluster, 'GET', `${THINGS}?watch=true&resourceVersion=${resourceVersion}`),
    )
    const old = THINGS.replace('/v1/', '/v1beta1/')
    await call(cluster, 'POST', old, {
      body: bodyOf({ metadata: { name: 'seen' }, spec: { size: 1 } }, 'Thing', 'v1beta1'),
    })
    await call(cluster, 'DELETE', `${old}/seen`)
    const seen = [await events.next(), await events.next()]
    expect(seen.map(({ type, object }) => [type, object.apiVersion, object.metadata.name])).toEqual(
      [
        ['ADDED', 'example.com/v1', 'seen'],
        ['DELETED', 'example.com/v1', 'seen'],
      ],
    )
    await events.cancel()
  })

  test('tables show the definition’s columns; selectable fields select', async () => {
    await make('shown', { size: 7, mode: 'fast' })
    await call(cluster, 'PATCH', `${THINGS}/shown/status`, {
      headers: MERGE,
      body: { status: { conditions: [{ type: 'Ready', status: 'True' }] } },
    })
    const table = await call(cluster, 'GET', `${THINGS}?fieldSelector=spec.mode%3Dfast`, {
      headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
    })
    expect(table.body.columnDefinitions.map((one: Json) => [one.name, one.type])).toEqual([
      ['Name', 'string'],
      ['Size', 'integer'],
      ['Ready', 'string'],
      ['Age', 'date'],
    ])
    expect(table.body.rows.map((row: Json) => row.cells)).toEqual([['shown', 7, 'True', '0s']])
  })

  test('are collected with their owner, and go with their namespace', async () => {
    const owner = await call(cluster, 'POST', '/api/v1/namespaces/default/configmaps', {
      body: { metadata: { name: 'owner' } },
    })
    const { uid } = owner.body.metadata
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }]
    await call(cluster, 'POST', THINGS, {
      body: bodyOf({ metadata: { name: 'owned', ownerReferences }, spec: { size: 1 } }),
    })
    await call(cluster, 'DELETE', '/api/v1/namespaces/default/configmaps/owner')
    await settle()
    expect((await call(cluster, 'GET', `${THINGS}/owned`)).status).toBe(404)
    await call(cluster, 'POST', '/api/v1/namespaces', { body: { metadata: { name: 'gone' } } })
    await settle()
    const inGone = THINGS.replace('default', 'gone')
    expect(
      (
        await call(cluster, 'POST', inGone, {
          body: bodyOf({ metadata: { name: 'x' }, spec: { size: 1 } }),
        })
      ).status,
    ).toBe(201)
    await call(cluster, 'DELETE', '/api/v1/namespaces/gone')
    await settle()
    expect((await call(cluster, 'GET', `${inGone}/x`)).status).toBe(404)
    expect((await call(cluster, 'GET', '/api/v1/namespaces/gone')).status).toBe(404)
  })

  test('are governed by RBAC as any other', async () => {
    const token = cluster.tokenFor('nobody', []).reveal()
    const answer = await call(cluster, 'GET', THINGS, { token })
    expect(answer.body.message).toBe(
      'things.example.com is forbidden: User "nobody" cannot list resource "things" in API group "example.com" in the namespace "default"',
    )
  })
})

describe('the end of a definition', () => {
  test('takes its objects along', async () => {
    await define(cluster, thing({ scope: 'Cluster' }, 'brief', 'Brief'))
    const path = '/apis/example.com/v1/brief'
    await call(cluster, 'POST', path, {
      body: bodyOf(
        { metadata: { name: 'a', finalizers: ['example.com/hold'] }, spec: { size: 1 } },
        'Brief',
      ),
    })
    await call(cluster, 'DELETE', `${CRDS}/brief.example.com`)
    await settle()
    expect((await call(cluster, 'GET', `${path}/a`)).body.metadata.deletionTimestamp).toBeDefined()
    expect(
      (
        await call(cluster, 'POST', path, {
          body: bodyOf({ metadata: { name: 'b' }, spec: { size: 1 } }, 'Brief'),
        })
      ).status,
    ).toBe(403)
    await call(cluster, 'PATCH', `${path}/a`, {
      headers: MERGE,
      body: { metadata: { finalizers: null } },
    })
    await settle()
    expect((await call(cluster, 'GET', `${CRDS}/brief.example.com`)).status).toBe(404)
    expect((await call(cluster, 'GET', path)).status).toBe(404)
  })

  test('a cluster that starts again with the same state serves it still', async () => {
    await make('kept', { size: 1 })
    const again = await makeCluster({ state: cluster.state })
    const read = await call(again, 'GET', `${THINGS}/kept`)
    expect([read.status, read.body.spec.mode]).toEqual([200, 'slow'])
    await again.stop()
  })
})
