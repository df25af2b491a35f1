import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { objectsOf, tableRows, takeSnapshot } from '../snapshot.ts'
import {
  addNode,
  call,
  type Json,
  makeCluster,
  podOf,
  PODS_PATH,
  readEvents,
  send,
  settle,
  type TestCluster,
} from './cluster.suite.ts'
import { CRDS, define, thing, THINGS } from './custom/custom.suite.ts'
import type { ApiObject } from './objects.ts'
import { type Collections, restoreSteps } from './restoring.ts'

const RUNS = Math.ceil(200 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const MAPS = '/api/v1/namespaces/default/configmaps'
const MERGE = { 'content-type': 'application/merge-patch+json' }

const objectOf = (name: string, more: object = {}, content: object = {}): ApiObject => ({
  metadata: { name, namespace: 'default', uid: `uid-${name}`, resourceVersion: '5', ...more },
  ...content,
})
const collections = (collection: string, ...objects: readonly ApiObject[]): Collections =>
  new Map([[collection, new Map(objects.map((one) => [`default/${one.metadata.name}`, one]))]])

const pod = (status: object, more: object = {}): ApiObject =>
  objectOf('app', more, { spec: { nodeName: 'live' }, status })
const RUNNING = { phase: 'Running', qosClass: 'Burstable', podIP: '127.1.0.2' }
const SCHEDULED = { type: 'PodScheduled', status: 'True' }
const READY = { ...RUNNING, conditions: [SCHEDULED, { type: 'Ready', status: 'True' }] }
const BOUND = { phase: 'Pending', qosClass: 'Burstable', conditions: [SCHEDULED] }
const MARKED = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 }
const OVER = { ...RUNNING, phase: 'Succeeded' }

describe('one object comes back', () => {
  const cases: readonly (readonly [
    what: string,
    collection: string,
    now: ApiObject | undefined,
    then: ApiObject | undefined,
    steps: readonly (readonly [type: string, status?: object])[],
  ])[] = [
    [
      'it is there as it was, under a later version',
      'pods',
      pod(READY),
      pod(READY, { resourceVersion: '3' }),
      [],
    ],
    ['it was deleted since', 'configmaps', undefined, objectOf('a'), [['ADDED']]],
    ['it was made since', 'configmaps', objectOf('a'), undefined, [['DELETED']]],
    [
      'it was changed since',
      'configmaps',
      objectOf('a', { labels: { x: 'y' } }),
      objectOf('a'),
      [['MODIFIED']],
    ],
    [
      'it was made again since',
      'configmaps',
      objectOf('a', { uid: 'other' }),
      objectOf('a'),
      [['DELETED'], ['ADDED']],
    ],
    [
      'it is being deleted',
      'configmaps',
      objectOf('a', MARKED),
      objectOf('a'),
      [['DELETED'], ['ADDED']],
    ],
    [
      'it was being deleted then',
      'configmaps',
      objectOf('a'),
      objectOf('a', MARKED),
      [['MODIFIED']],
    ],
    ["a pod that runs keeps its node's report", 'pods', pod(READY), pod(RUNNING), []],
    [
      "a pod that runs and was changed keeps its node's report",
      'pods',
      pod(READY, { labels: { x: 'y' } }),
      pod(RUNNING),
      [['MODIFIED', READY]],
    ],
    ['a pod that is gone has not started yet', 'pods', undefined, pod(READY), [['ADDED', BOUND]]],
    [
      'a pod that ended has not started yet',
      'pods',
      pod(OVER),
      pod(READY),
      [
        ['DELETED', OVER],
        ['ADDED', BOUND],
      ],
    ],
    [
      'a pod that is being deleted has not started yet',
      'pods',
      pod(READY, MARKED),
      pod(READY),
      [
        ['DELETED', READY],
        ['ADDED', BOUND],
      ],
    ],
    ['a pod that had ended has ended', 'pods', undefined, pod(OVER), [['ADDED', OVER]]],
    [
      'a pod that had ended and runs again has ended',
      'pods',
      pod(READY),
      pod(OVER),
      [
        ['DELETED', READY],
        ['ADDED', OVER],
      ],
    ],
    [
      'a pod of a node that nothing runs is what it was',
      'pods',
      undefined,
      objectOf('app', {}, { spec: { nodeName: 'fake' }, status: READY }),
      [['ADDED', READY]],
    ],
    [
      'a pod that was not bound yet',
      'pods',
      pod(READY),
      objectOf('app', {}, { spec: {}, status: { phase: 'Pending' } }),
      [['MODIFIED', { phase: 'Pending' }]],
    ],
    [
      'a node that runs keeps its report',
      'nodes',
      objectOf('live', { labels: { a: 'b' } }, { status: { port: 2 } }),
      objectOf('live', {}, { status: { port: 1 } }),
      [['MODIFIED', { port: 2 }]],
    ],
    ['a node that runs stays', 'nodes', objectOf('live'), undefined, []],
    ['a node that nothing runs goes', 'nodes', objectOf('fake'), undefined, [['DELETED']]],
  ]
  for (const [what, collection, now, then, steps] of cases) {
    test(what, () => {
      const found = restoreSteps(collections(collection, ...(then ? [then] : [])), {
        now: collections(collection, ...(now ? [now] : [])),
        liveNodes: new Set(['live']),
        revision: 70,
      })
      expect(found.map(({ type }) => type as string)).toEqual(steps.map(([type]) => type))
      for (const [index, [, status]] of steps.entries()) {
        const { revision, object } = found[index]!
        expect([revision, object.metadata.resourceVersion]).toEqual([71 + index, `${71 + index}`])
        if (status !== undefined) expect(object['status']).toEqual(status)
      }
    })
  }
})

test('whoever follows the steps has what was, and no version goes back', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd')
  const uid = fc.constantFrom('1', '2')
  const content = fc.record({ data: fc.constantFrom('x', 'y') })
  const marked = fc.constantFrom({}, MARKED)
  const some = fc
    .uniqueArray(fc.record({ name, uid, content, marked }), { selector: (one) => one.name })
    .map((all) =>
      all.map((one) => objectOf(one.name, { uid: one.uid, ...one.marked }, one.content)),
    )
  fc.assert(
    fc.property(some, some, fc.nat({ max: 1000 }), (now, then, revision) => {
      const [here, wanted] = [collections('configmaps', ...now), collections('configmaps', ...then)]
      const steps = restoreSteps(wanted, { now: here, liveNodes: new Set(), revision })
      const seen = new Map(here.get('configmaps'))
      let last = revision
      for (const step of steps) {
        const key = `default/${step.object.metadata.name}`
        expect(step.revision).toBe((last += 1))
        expect(step.previous).toEqual(step.type === 'ADDED' ? undefined : seen.get(key))
        expect(seen.has(key)).toBe(step.type !== 'ADDED')
        if (step.type === 'DELETED') seen.delete(key)
        else seen.set(key, step.object)
      }
      const bare = (objects: Iterable<ApiObject>): unknown =>
        [...objects]
          .map(({ metadata, ...rest }) => ({ ...rest, ...metadata, resourceVersion: '' }))
          .toSorted((one, other) => (String(one.name) < String(other.name) ? -1 : 1))
      expect(bare(seen.values())).toEqual(bare(then))
    }),
    { numRuns: RUNS },
  )
})

describe('a cluster comes back', () => {
  let cluster: TestCluster
  beforeEach(async () => {
    cluster = await makeCluster()
  })
  afterEach(() => cluster.stop())

  const take = (): Collections => objectsOf(tableRows(takeSnapshot(cluster.state)), 'one')
  async function restore(then: Collections, liveNodes: readonly string[] = []): Promise<void> {
    const at = { now: take(), liveNodes: new Set(liveNodes) }
    const plan = cluster.planRestore!(then, at)
    cluster.state.write(plan.changes)
    plan.tell()
    await settle()
  }
  const admin = async (method: string, path: string, body?: object): Promise<Json> => {
    const headers = method === 'PATCH' ? { headers: MERGE } : {}
    const answer = await call(cluster, method, path, { ...headers, ...(body && { body }) })
    await settle()
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.body.message}`)
    return answer.body
  }
  const make = (name: string, more: object = {}): Promise<Json> =>
    admin('POST', MAPS, { metadata: { name }, ...more })
  const statusOf = async (path: string): Promise<number> =>
    (await call(cluster, 'GET', path)).status
  const watch = async (path: string): Promise<ReturnType<typeof readEvents>> => {
    const { metadata } = await admin('GET', path)
    const query = `watch=true&resourceVersion=${metadata.resourceVersion}`
    return readEvents(await send(cluster, 'GET', `${path}?${query}`))
  }
  const briefs = async (
    events: ReturnType<typeof readEvents>,
    count: number,
  ): Promise<string[]> => {
    const found: string[] = []
    for (let index = 0; index < count; index += 1) {
      const { type, object } = await events.next()
      found.push(`${type} ${object.metadata.name}`)
    }
    return found
  }

  test('watches hear every difference, and lists agree', async () => {
    await make('changed', { data: { is: 'old' } })
    await make('deleted')
    await make('same')
    const then = take()
    const before = await admin('GET', MAPS)
    await admin('PATCH', `${MAPS}/changed`, { data: { is: 'new' } })
    await admin('DELETE', `${MAPS}/deleted`)
    await make('made')
    const events = await watch(MAPS)
    const now = await admin('GET', MAPS)
    await restore(then)
    expect((await briefs(events, 3)).toSorted()).toEqual([
      'ADDED deleted',
      'DELETED made',
      'MODIFIED changed',
    ])
    const after = await admin('GET', MAPS)
    expect(Number(after.metadata.resourceVersion)).toBe(Number(now.metadata.resourceVersion) + 3)
    const bare = (list: Json): unknown =>
      list.items.map(({ metadata, ...rest }: Json) => ({
        ...rest,
        metadata: { ...metadata, resourceVersion: '' },
      }))
    expect(bare(after)).toEqual(bare(before))
    // A list of before the restore goes on as it was.
    const page = await admin(
      'GET',
      `${MAPS}?resourceVersion=${now.metadata.resourceVersion}&resourceVersionMatch=Exact&limit=500`,
    )
    expect(page.items.map(({ metadata }: Json) => metadata.name)).toContain('made')
    await events.cancel()
  })

  test('a write with a version of before the restore is refused', async () => {
    const made = await make('a')
    const then = take()
    const changed = await admin('PATCH', `${MAPS}/a`, { data: { x: 'y' } })
    await restore(then)
    for (const stale of [made, changed]) {
      const put = await call(cluster, 'PUT', `${MAPS}/a`, { body: { ...stale, data: { z: 'z' } } })
      expect([put.status, put.body.reason]).toEqual([409, 'Conflict'])
    }
  })

  test('versions go on after another start too, also past deletions', async () => {
    const then = take()
    await make('a')
    await restore(then)
    const { revision } = cluster.core.store
    const again = await makeCluster({ state: cluster.state })
    expect(again.core.store.revision).toBeGreaterThanOrEqual(revision)
    await again.stop()
  })

  test('a namespace comes back with what is in it, also while it is being deleted', async () => {
    const path = '/api/v1/namespaces/team'
    await admin('POST', '/api/v1/namespaces', { metadata: { name: 'team' } })
    await admin('POST', `${path}/configmaps`, { metadata: { name: 'kept', finalizers: ['a.b/c'] } })
    const then = take()
    await admin('DELETE', path)
    expect((await admin('GET', path)).status.phase).toBe('Terminating')
    await restore(then)
    expect((await admin('GET', path)).status.phase).toBe('Active')
    expect(
      (await admin('GET', `${path}/configmaps/kept`)).metadata.deletionTimestamp,
    ).toBeUndefined()
    expect(await statusOf(`${path}/serviceaccounts/default`)).toBe(200)
    await admin('PATCH', `${path}/configmaps/kept`, { metadata: { finalizers: null } })
    await admin('DELETE', path)
    expect(await statusOf(path)).toBe(404)
    await restore(then)
    expect(await statusOf(`${path}/configmaps/kept`)).toBe(200)
    await make('and-it-is-usable')
  })

  test('custom objects come back with their definition, and go with one that was made since', async () => {
    await define(cluster, thing())
    await admin('POST', THINGS, {
      kind: 'Thing',
      apiVersion: 'example.com/v1',
      metadata: { name: 'one' },
      spec: { size: 1 },
    })
    const then = take()
    await admin('DELETE', `${CRDS}/things.example.com`)
    expect(await statusOf(THINGS)).toBe(404)
    await define(cluster, thing({}, 'others', 'Other'))
    const others = THINGS.replace('things', 'others')
    await admin('POST', others, {
      kind: 'Other',
      apiVersion: 'example.com/v1',
      metadata: { name: 'two' },
      spec: { size: 1 },
    })
    const events = await watch(others)
    const told: string[] = []
    const quiet = cluster.core.store.subscribe(({ type, resource, object }) => {
      if (resource.custom !== undefined) told.push(`${type} ${object.metadata.name}`)
    })
    await restore(then)
    quiet()
    expect(told).toEqual(['DELETED two', 'ADDED one'])
    expect(await briefs(events, 1)).toEqual(['DELETED two'])
    expect(await statusOf(others)).toBe(404)
    expect((await admin('GET', `${THINGS}/one`)).spec).toMatchObject({ size: 1, mode: 'slow' })
    const changes = await watch(THINGS)
    await admin('PATCH', `${THINGS}/one`, { spec: { size: 2 } })
    expect(await briefs(changes, 1)).toEqual(['MODIFIED one'])
    await Promise.all([events.cancel(), changes.cancel()])
  })

  test('rights are what they were', async () => {
    const rbac = '/apis/rbac.authorization.k8s.io/v1'
    const token = cluster.tokenFor('jane', []).reveal()
    const may = async (): Promise<number> => (await call(cluster, 'GET', MAPS, { token })).status
    await admin('POST', `${rbac}/clusterrolebindings`, {
      metadata: { name: 'jane' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'jane' }],
    })
    const then = take()
    expect(await may()).toBe(200)
    await admin('DELETE', `${rbac}/clusterrolebindings/jane`)
    expect(await may()).toBe(403)
    await restore(then)
    expect(await may()).toBe(200)
  })

  test('a token of a service account that was deleted since is good again', async () => {
    const accounts = '/api/v1/namespaces/default/serviceaccounts'
    await admin('POST', accounts, { metadata: { name: 'app' } })
    const { status } = await admin('POST', `${accounts}/app/token`, { spec: {} })
    const then = take()
    const who = async (): Promise<number> =>
      (await call(cluster, 'GET', '/version', { token: status.token })).status
    expect(await who()).toBe(200)
    await admin('DELETE', `${accounts}/app`)
    expect(await who()).toBe(401)
    await restore(then)
    expect(await who()).toBe(200)
  })

  test('controllers bring about what the objects of then ask for', async () => {
    await addNode(cluster, 'live')
    await admin('POST', '/apis/apps/v1/namespaces/default/deployments', {
      metadata: { name: 'web' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [{ name: 'app', image: 'app:1' }] },
        },
      },
    })
    await settle()
    const names = async (): Promise<string[]> =>
      (await admin('GET', PODS_PATH)).items.map(({ metadata }: Json) => metadata.name).toSorted()
    const before = await names()
    expect(before).toHaveLength(2)
    const then = take()
    await admin('PATCH', '/apis/apps/v1/namespaces/default/deployments/web', {
      spec: { replicas: 3 },
    })
    await call(cluster, 'DELETE', `${PODS_PATH}/${before[0]}?gracePeriodSeconds=0`)
    await settle()
    expect(await names()).not.toEqual(before)
    await restore(then)
    await settle()
    expect(await names()).toEqual(before)
    await admin('DELETE', '/apis/apps/v1/namespaces/default/deployments/web')
    await restore(then)
    await settle()
    expect(await names()).toEqual(before)
    // What has an owner that is there is not taken for an orphan later.
    await make('later')
    await settle()
    expect(await names()).toEqual(before)
  })

  test('a pod whose owner is gone with it does not stay', async () => {
    const then = take()
    const owner = await make('owner')
    const reference = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: 'owner',
      uid: owner.metadata.uid,
    }
    const owned = podOf('owned') as Json
    owned.metadata.ownerReferences = [reference]
    await admin('POST', PODS_PATH, owned)
    await restore(then)
    expect((await admin('GET', PODS_PATH)).items).toEqual([])
  })
})
