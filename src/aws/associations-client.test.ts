import { afterAll, beforeEach, expect, test } from 'bun:test'
import { systemClock } from '../lib/clock.ts'
import { Secret } from '../lib/secret.ts'
import { serveHttp } from '../lib/serve.ts'
import { createAssociationsClient } from './associations-client.ts'
import { readSignature, verifySignature } from './sigv4-verify.ts'

const secretAccessKey = new Secret('secret')
const asked: string[] = []
const verdicts: unknown[] = []
let answer: (query: URLSearchParams) => Response

const server = serveHttp({
  hostname: '127.0.0.1',
  port: 0,
  handler: async (request) => {
    const url = new URL(request.url)
    asked.push(url.pathname + url.search)
    const wire = {
      method: request.method,
      path: url.pathname,
      query: url.search.slice(1),
      headers: request.headers,
    }
    const claims = readSignature(wire)
    if (claims !== undefined && !('ok' in claims)) {
      const options = { secretAccessKey, nowMs: Date.now(), expectedService: 'eks' }
      verdicts.push(verifySignature(wire, await request.bytes(), claims, options))
    }
    return answer(url.searchParams)
  },
})
afterAll(() => server.stop(100))
beforeEach(() => {
  asked.length = 0
  verdicts.length = 0
})

const client = createAssociationsClient({
  endpoint: server.url,
  region: 'eu-central-1',
  credentials: () => Promise.resolve({ accessKeyId: 'AKIA', secretAccessKey }),
  clock: systemClock,
})

const row = (namespace: string, serviceAccount: string): object => ({
  clusterName: 'c1',
  namespace,
  serviceAccount,
  associationId: 'a-1',
})

test('all pages are read, each request signed', async () => {
  const pages: Record<string, object> = {
    '': { associations: [row('a', 'x')], nextToken: 'n+/=1' },
    'n+/=1': { associations: [], nextToken: 'n2' },
    n2: { associations: [row('b', 'y'), row('b', 'z')] },
  }
  answer = (query) => Response.json(pages[query.get('nextToken') ?? ''])
  expect(await client.list('c1')).toEqual([
    { namespace: 'a', serviceAccount: 'x' },
    { namespace: 'b', serviceAccount: 'y' },
    { namespace: 'b', serviceAccount: 'z' },
  ])
  expect(asked).toEqual([
    '/clusters/c1/pod-identity-associations?maxResults=100',
    '/clusters/c1/pod-identity-associations?maxResults=100&nextToken=n%2B%2F%3D1',
    '/clusters/c1/pod-identity-associations?maxResults=100&nextToken=n2',
  ])
  expect(verdicts).toEqual([{ ok: true }, { ok: true }, { ok: true }])
})

test('exists asks for one service account and trusts no filter that was ignored', async () => {
  answer = () => Response.json({ associations: [row('a', 'x')], nextToken: null })
  expect(await client.exists('c1', { namespace: 'a', name: 'x' })).toBe(true)
  expect(asked).toEqual([
    '/clusters/c1/pod-identity-associations?namespace=a&serviceAccount=x&maxResults=100',
  ])
  expect(await client.exists('c1', { namespace: 'a', name: 'other' })).toBe(false)
  answer = () => Response.json({ associations: [] })
  expect(await client.exists('c1', { namespace: 'a', name: 'x' })).toBe(false)
})

test('a missing cluster is the fault that the service names', async () => {
  const headers = { 'x-amzn-errortype': 'ResourceNotFoundException' }
  answer = () =>
    Response.json({ message: 'No cluster found for name: c1.' }, { status: 404, headers })
  await expect(client.list('c1')).rejects.toMatchObject({
    code: 'ResourceNotFoundException',
    status: 404,
    message: 'No cluster found for name: c1.',
  })
})

test.each([
  ['no list', {}],
  ['a row that is none', { associations: [null] }],
  ['a row without a namespace', { associations: [{ serviceAccount: 'x' }] }],
  ['pages without an end', { associations: [], nextToken: 'same' }],
])('%s is no answer', async (_name, body) => {
  answer = () => Response.json(body)
  await expect(client.list('c1')).rejects.toMatchObject({ code: 'InvalidServiceAnswer' })
  expect(asked.length).toBeLessThan(4)
})
