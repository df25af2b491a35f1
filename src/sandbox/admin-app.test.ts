import { describe, expect, test } from 'bun:test'
import { textResponse } from '../lib/handler.ts'
import { Secret } from '../lib/secret.ts'
import { withAdminApp } from './admin-app.ts'
import { awsEvent, clusterEvent, createEventLog, type SandboxEvent } from './events.ts'

const CLIENT = { address: '127.0.0.1', port: 1 }

function fixture(): {
  events: ReturnType<typeof createEventLog>
  get: (path: string, token?: string) => Promise<Response>
} {
  const events = createEventLog(3)
  const app = withAdminApp({ token: new Secret('open-sesame'), events }, () => textResponse('aws'))
  return {
    events,
    get: async (path, token = 'open-sesame') =>
      app(
        new Request(`http://127.0.0.1${path}`, { headers: { authorization: `Bearer ${token}` } }),
        CLIENT,
      ),
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

describe('/_podrole/events', () => {
  test('tells the last decisions, oldest first, one a line', async () => {
    const { events, get } = fixture()
    for (let index = 0; index < 20; index += 1) events.record(inCluster(`get pods ${index}`))
    events.record(refused)
    const answer = await get('/_podrole/events')
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = (await answer.text()).trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as SandboxEvent).action)).toEqual([
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
