import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  call,
  type Json,
  makeCluster,
  readEvents,
  send,
  type TestCluster,
} from './cluster.suite.ts'

const MAPS = '/api/v1/namespaces/default/configmaps'
const MERGE = { 'content-type': 'application/merge-patch+json' }

let cluster: TestCluster
beforeEach(async () => {
  cluster = await makeCluster({ historyMax: 20 })
})
afterEach(() => cluster.stop())

const make = (name: string, labels = {}): ReturnType<typeof call> =>
  call(cluster, 'POST', MAPS, { body: { metadata: { name, labels } } })
const relabel = (name: string, labels: object): ReturnType<typeof call> =>
  call(cluster, 'PATCH', `${MAPS}/${name}`, { headers: MERGE, body: { metadata: { labels } } })
const watch = async (query: string): Promise<ReturnType<typeof readEvents>> =>
  readEvents(await send(cluster, 'GET', `${MAPS}?watch=true&${query}`))
const brief = (event: Json): string => `${event.type} ${event.object.metadata.name}`

describe('watch', () => {
  test('what is there first, then every change', async () => {
    const events = await watch('')
    expect(brief(await events.next())).toBe('ADDED kube-root-ca.crt')
    await make('a')
    await relabel('a', { x: 'y' })
    const removed = await call(cluster, 'DELETE', `${MAPS}/a`)
    expect(removed.status).toBe(200)
    const added = await events.next()
    const modified = await events.next()
    const deleted = await events.next()
    expect([added, modified, deleted].map(brief)).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a'])
    const versions = [added, modified, deleted].map((event) =>
      Number(event.object.metadata.resourceVersion),
    )
    expect(versions).toEqual(versions.toSorted((left, right) => left - right))
    expect(new Set(versions).size).toBe(3)
    expect(added.object).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' })
    await events.cancel()
  })

  test('resumes after a resourceVersion without missing or repeating', async () => {
    const { body: list } = await call(cluster, 'GET', MAPS)
    await make('a')
    const { body: b } = await make('b')
    const events = await watch(`resourceVersion=${list.metadata.resourceVersion}`)
    await make('c')
    expect([await events.next(), await events.next(), await events.next()].map(brief)).toEqual([
      'ADDED a',
      'ADDED b',
      'ADDED c',
    ])
    await events.cancel()
    const later = await watch(`resourceVersion=${b.metadata.resourceVersion}`)
    expect(brief(await later.next())).toBe('ADDED c')
    await later.cancel()
  })

  test('a version that the history has forgotten is 410 Expired, and so is a list page', async () => {
    const { body: list } = await call(cluster, 'GET', `${MAPS}?limit=1`)
    await make('page')
    const page = await call(cluster, 'GET', `${MAPS}?limit=1`)
    for (let round = 0; round < 30; round += 1) await relabel('page', { round: `${round}` })
    const events = await watch(`resourceVersion=${list.metadata.resourceVersion}`)
    const event = await events.next()
    expect(event).toMatchObject({
      type: 'ERROR',
      object: { kind: 'Status', code: 410, reason: 'Expired', status: 'Failure' },
    })
    expect(event.object.message).toContain('too old resource version')
    expect(await events.next()).toBeUndefined()
    const next = await call(cluster, 'GET', `${MAPS}?continue=${page.body.metadata.continue}`)
    expect([next.status, next.body.reason]).toEqual([410, 'Expired'])
  })

  test('an object that comes into a selection is ADDED, one that leaves it DELETED', async () => {
    const events = await watch('labelSelector=on%3Dyes')
    await make('a')
    await relabel('a', { on: 'yes' })
    await relabel('a', { on: 'yes', more: 'x' })
    await relabel('a', { on: 'no' })
    expect([await events.next(), await events.next(), await events.next()].map(brief)).toEqual([
      'ADDED a',
      'MODIFIED a',
      'DELETED a',
    ])
    await events.cancel()
  })

  test('one object by its name, other namespaces left out', async () => {
    const events = readEvents(
      await send(
        cluster,
        'GET',
        `${MAPS}/b?watch=true&resourceVersion=${cluster.core.store.revision}`,
      ),
    )
    await make('a')
    await call(cluster, 'POST', '/api/v1/namespaces/kube-public/configmaps', {
      body: { metadata: { name: 'b' } },
    })
    await make('b')
    const event = await events.next()
    expect([brief(event), event.object.metadata.namespace]).toEqual(['ADDED b', 'default'])
    await events.cancel()
  })

  test('sendInitialEvents ends the first part with a bookmark', async () => {
    const events = await watch(
      'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
    )
    expect(brief(await events.next())).toBe('ADDED kube-root-ca.crt')
    const bookmark = await events.next()
    expect(bookmark).toEqual({
      type: 'BOOKMARK',
      object: {
        kind: 'ConfigMap',
        apiVersion: 'v1',
        metadata: {
          resourceVersion: String(cluster.core.store.revision),
          annotations: { 'k8s.io/initial-events-end': 'true' },
        },
      },
    })
    await events.cancel()
    const refused = await call(cluster, 'GET', `${MAPS}?watch=true&sendInitialEvents=true`)
    expect(refused.status).toBe(422)
  })

  test('timeoutSeconds ends it, with a last bookmark', async () => {
    const events = await watch(
      `timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion=${cluster.core.store.revision}`,
    )
    expect((await events.next()).type).toBe('BOOKMARK')
    expect(await events.next()).toBeUndefined()
  })

  test('the end of the cluster ends it', async () => {
    const events = await watch(`resourceVersion=${cluster.core.store.revision}`)
    await cluster.stop()
    expect(await events.next()).toBeUndefined()
  })

  test('events as tables', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const events = readEvents(
      await send(cluster, 'GET', `${MAPS}?watch=true`, { headers: { accept } }),
    )
    expect(await events.next()).toMatchObject({
      type: 'ADDED',
      object: { kind: 'Table', rows: [{ cells: ['kube-root-ca.crt', 1, '0s'] }] },
    })
    await events.cancel()
  })
})
