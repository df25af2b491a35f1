import { describe, expect, test } from 'bun:test'
import { ManualClock } from '../lib/clock.ts'
import { textResponse } from '../lib/handler.ts'
import { Secret } from '../lib/secret.ts'
import { withAdminApp } from './admin-app.ts'
import { awsEvent, clusterEvent, createEventLog, type SandboxEvent } from './events.ts'
import { Snapshots } from './snapshots.ts'
import { type Change, State } from './state.ts'

const CLIENT = { address: '127.0.0.1', port: 1 }

interface Fixture {
  readonly events: ReturnType<typeof createEventLog>
  readonly state: State
  readonly restored: (readonly Change[])[]
  readonly get: (path: string, token?: string) => Promise<Response>
  readonly ask: (
    method: string,
    path: string,
    body?: string,
  ) => Promise<[status: number, body: unknown]>
}

function fixture(): Fixture {
  const events = createEventLog(3)
  const state = new State()
  const restored: (readonly Change[])[] = []
  const snapshots = new Snapshots({
    state,
    clock: new ManualClock(),
    folder: undefined,
    restore: async (records) => void restored.push(records),
  })
  const around = { token: new Secret('open-sesame'), events, snapshots }
  const app = withAdminApp(around, () => textResponse('aws'))
  const send = async (path: string, init: RequestInit, token = 'open-sesame'): Promise<Response> =>
    app(
      new Request(`http://127.0.0.1${path}`, {
        ...init,
        headers: { authorization: `Bearer ${token}` },
      }),
      CLIENT,
    )
  return {
    events,
    state,
    restored,
    get: (path, token) => send(path, {}, token),
    ask: async (method, path, body) => {
      const response = await send(path, { method, ...(body !== undefined && { body }) })
      return [response.status, await response.json()]
    },
  }
}

const refused = awsEvent({
  atMs: 0,
  requestId: 'r-1',
  service: 's3',
  operation: 'GetObject',
  caller: 'arn:aws:sts::111122223333:assumed-role/app/x',
  action: 's3:GetObject',
  resource: 'arn:aws:s3:::b/k',
  allowed: false,
  reason: 'no-identity-policy-allows',
  text: 'no statement allows it',
  statements: [{ policy: 'app', sid: 'Read' }],
})
const inCluster = (subject: string): SandboxEvent =>
  clusterEvent('one', {
    atMs: 1000,
    kind: 'authorization',
    outcome: 'denied',
    user: 'jane',
    subject,
    reason: 'no rule',
  })

/** The action of the first event that comes after what was there. */
async function firstOf(response: Response): Promise<string> {
  const reader = response.body!.getReader()
  await reader.read()
  const { value } = await reader.read()
  await reader.cancel()
  return (JSON.parse(new TextDecoder().decode(value)) as SandboxEvent).action
}

describe('/_podrole/events', () => {
  test('tells the last decisions, oldest first, one a line', async () => {
    const { events, get } = fixture()
    for (let index = 0; index < 20; index += 1) events.record(inCluster(`get pods ${index}`))
    events.record(refused)
    const answer = await get('/_podrole/events')
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = (await answer.text()).trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as SandboxEvent).action)).toEqual([
      'get pods 17',
      'get pods 18',
      'get pods 19',
      's3:GetObject',
    ])
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
      time: '1970-01-01T00:00:00.000Z',
      source: 'aws',
      outcome: 'denied',
      caller: 'arn:aws:sts::111122223333:assumed-role/app/x',
      action: 's3:GetObject',
      resource: 'arn:aws:s3:::b/k',
      reason: 'no-identity-policy-allows',
      text: 'no statement allows it',
      statements: [{ policy: 'app', sid: 'Read' }],
      requestId: 'r-1',
    })
  })

  test('follows, and stops listening when its reader goes', async () => {
    const { events, get } = fixture()
    events.record(refused)
    const reader = (await get('/_podrole/events?follow=true')).body?.getReader()
    const next = async (): Promise<string> =>
      new TextDecoder().decode((await reader?.read())?.value)
    expect(await next()).toContain('s3:GetObject')
    events.record(inCluster('create pods default/app'))
    expect(JSON.parse(await next())).toMatchObject({
      source: 'cluster one',
      caller: 'jane',
      action: 'create pods default/app',
      reason: 'authorization',
    })
    await reader?.cancel()
    expect(() => events.record(refused)).not.toThrow()
  })

  test('tells routine to who asks for all, and it drowns nothing', async () => {
    const { events, get } = fixture()
    const routine = { ...inCluster('get nodes'), routine: true } as const
    events.record(inCluster('create pods a/b'))
    events.record(refused)
    const follow = (query: string): Promise<string> =>
      get(`/_podrole/events?${query}`).then(firstOf)
    const [following, all] = [follow('follow=true'), follow('follow=true&all=true')]
    for (let index = 0; index < 50; index += 1) events.record(routine)
    events.record(inCluster('create pods c/d'))
    const actions = async (query: string): Promise<string[]> =>
      (await (await get(`/_podrole/events${query}`)).text())
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as SandboxEvent).action)
    const users = ['create pods a/b', 's3:GetObject', 'create pods c/d']
    expect(await actions('')).toEqual(users)
    expect(await actions('?all=true')).toEqual([
      ...users.slice(0, 2),
      ...Array.from({ length: 3 }, () => 'get nodes'),
      ...users.slice(2),
    ])
    expect([await following, await all]).toEqual(['create pods c/d', 'get nodes'])
  })

  test('forgets sources that were quiet longest', () => {
    const { events } = fixture()
    events.record(refused)
    for (let index = 0; index < 40; index += 1) {
      events.record({ ...refused, source: `cluster ${index}` })
      events.record({ ...refused, source: 'cluster 0' })
    }
    const sources = new Set(events.recent().map(({ source }) => source))
    expect([sources.size, sources.has('aws'), sources.has('cluster 0')]).toEqual([32, false, true])
  })

  test('lets a reader go that does not read', async () => {
    const { events, get } = fixture()
    const { body } = await get('/_podrole/events?follow=true')
    for (let index = 0; index < 10_050; index += 1) events.record(refused)
    const lines = (await new Response(body).text()).trim().split('\n')
    expect(lines.length).toBeLessThan(10_050)
  })

  for (const token of ['', 'open-sesam', 'open-sesame2', 'OPEN-SESAME']) {
    test(`is closed to ${JSON.stringify(token)}`, async () => {
      const { events, get } = fixture()
      events.record(refused)
      const answer = await get('/_podrole/events', token)
      expect(answer.status).toBe(401)
      expect(await answer.text()).not.toContain('s3:GetObject')
    })
  }

  test('stands beside AWS', async () => {
    const { get } = fixture()
    expect(await (await get('/_podrole', '')).text()).toBe('aws')
    expect(await (await get('/bucket/_podrole/events', '')).text()).toBe('aws')
    expect((await get('/_podrole/nothing')).status).toBe(404)
  })
})

describe('/_podrole/snapshots', () => {
  const SNAPSHOTS = '/_podrole/snapshots'

  test('takes, lists, restores and deletes', async () => {
    const { ask, state, restored } = fixture()
    state.table('iam.roles').set('a', { name: 'a' })
    const [status, taken] = await ask('POST', SNAPSHOTS)
    expect(status).toBe(201)
    expect(taken).toEqual({
      id: 'snapshot-1',
      takenAt: expect.stringMatching(/^\d{4}-.*Z$/),
      records: 1,
      clusters: [],
    })
    state.table('iam.roles').delete('a')
    expect(await ask('POST', SNAPSHOTS, '{"id":"base"}')).toMatchObject([201, { id: 'base' }])
    expect(await ask('GET', SNAPSHOTS)).toMatchObject([
      200,
      { snapshots: [{ id: 'snapshot-1' }, { id: 'base', records: 0 }] },
    ])
    expect(await ask('PUT', `${SNAPSHOTS}/snapshot-1`)).toEqual([200, taken])
    expect(restored).toEqual([[{ table: 'iam.roles', key: 'a', value: { name: 'a' } }]])
    expect(await ask('DELETE', `${SNAPSHOTS}/snapshot-1`)).toEqual([200, taken])
    expect(await ask('PUT', `${SNAPSHOTS}/snapshot-1`)).toMatchObject([
      404,
      { code: 'SnapshotNotFound', message: expect.stringMatching(/wanted one of base$/) },
    ])
    expect(restored).toHaveLength(1)
  })

  const refusals: readonly (readonly [string, string, string | undefined, number, string])[] = [
    ['POST', '', '{"id":"Base"}', 400, 'InvalidSnapshotId'],
    ['POST', '', '{"id":"../x"}', 400, 'InvalidSnapshotId'],
    ['POST', '', `{"id":"${'x'.repeat(64)}"}`, 400, 'InvalidSnapshotId'],
    ['POST', '', '{"id":1}', 400, 'InvalidRequest'],
    ['POST', '', '{"name":"base"}', 400, 'InvalidRequest'],
    ['POST', '', '["base"]', 400, 'InvalidRequest'],
    ['POST', '', ' '.repeat(10_001), 400, 'InvalidRequest'],
    ['DELETE', '/none', undefined, 404, 'SnapshotNotFound'],
    ['PUT', '/..%2fbase', undefined, 404, 'SnapshotNotFound'],
    ['PUT', '', undefined, 404, 'NotFound'],
    ['PATCH', '/base', undefined, 404, 'NotFound'],
    ['PUT', '/base/more', undefined, 404, 'NotFound'],
  ]
  for (const [method, path, body, status, code] of refusals) {
    test(`refuses ${method} snapshots${path} ${body?.slice(0, 40) ?? ''}`, async () => {
      const { ask, restored } = fixture()
      expect(await ask(method, SNAPSHOTS + path, body)).toMatchObject([status, { code }])
      expect(restored).toEqual([])
    })
  }

  test('is closed to who has no token', async () => {
    const { get } = fixture()
    expect((await get(SNAPSHOTS, 'guess')).status).toBe(401)
  })
})
