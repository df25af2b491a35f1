import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PodIdentityCredentials } from '../aws/eks-auth.ts'
import { ManualClock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { Secret } from '../lib/secret.ts'
import { serveHttp } from '../lib/serve.ts'
import { type AgentConfigInput, readAgentConfig } from './config.ts'
import { type AgentDependencies, type RunningAgent, startAgent } from './start-agent.ts'

const clock = new ManualClock()
const least = { clusterName: 'prod', region: 'eu-west-1' }

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const token = [
  encode({ alg: 'ES256', kid: 'k' }),
  encode({ iss: 'i', sub: 's', aud: 'a', exp: clock.now() / 1000 + 3600 }),
  'c2ln',
].join('.')

const credentials: PodIdentityCredentials = {
  accessKeyId: 'ASIAEXAMPLE',
  secretAccessKey: new Secret('s'),
  sessionToken: new Secret('t'),
  expirationMs: clock.now() + 3_600_000,
  assumedRoleArn: 'arn:aws:sts::111122223333:assumed-role/r/s',
  associationId: 'a-1',
  associationArn: 'arn:x',
}

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function start(
  config: Partial<AgentConfigInput>,
  dependencies: Partial<AgentDependencies>,
): Promise<RunningAgent> {
  const full = readAgentConfig({
    ...least,
    bindHosts: ['127.0.0.1'],
    port: 0,
    probePort: 0,
    metricsPort: 0,
    ...config,
  })
  const agent = await startAgent(full, { clock, log: silentLog, ...dependencies })
  ends.push(() => agent.stop())
  return agent
}

const ask = (agent: RunningAgent, headers: Record<string, string> = {}, signal?: AbortSignal) =>
  fetch(`${agent.urls[0]}/v1/credentials`, {
    headers: { authorization: token, ...headers },
    proxy: false,
    redirect: 'error',
    signal: signal ?? AbortSignal.timeout(10_000),
  })

const get = (url: string): Promise<Response> =>
  fetch(url, { proxy: false, signal: AbortSignal.timeout(10_000) })

describe('a running agent', () => {
  test('serves credentials, and probes that tell what it does', async () => {
    const agent = await start(
      {},
      { client: { assumeRoleForPodIdentity: () => Promise.resolve(credentials) } },
    )
    const ready = await get(`${agent.probeUrl}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toMatchObject({ ready: true, cache: { upstream: 'not asked' } })
    const answer = await ask(agent)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ AccessKeyId: 'ASIAEXAMPLE' })
    expect((await ask(agent, { host: 'evil.example' })).status).toBe(403)
    expect((await get(`${agent.probeUrl}/healthz`)).status).toBe(200)
    expect(await (await get(`${agent.probeUrl}/readyz`)).json()).toMatchObject({
      cache: { upstream: 'answers', entries: 1 },
    })
    expect((await get(`${agent.probeUrl}/metrics`)).status).toBe(404)
  })

  test('tells of pods that were answered, and of tokens that upstream took and no others', async () => {
    const agent = await start(
      {},
      {
        client: {
          assumeRoleForPodIdentity: async ({ token: given }) => {
            if (given.reveal() === token) return credentials
            throw new PodroleError('InvalidTokenException', 'its signature is wrong', {
              status: 400,
            })
          },
        },
      },
    )
    const exp = clock.now() / 1000 + 3600
    const claims = { iss: 'i', sub: 's', aud: 'a' }
    const forged = [
      encode({ alg: 'ES256', kid: 'k' }),
      encode({ ...claims, exp: exp + 1_000_000 }),
      'c2ln',
    ].join('.')
    const other = [encode({ alg: 'ES256', kid: 'other' }), encode({ ...claims, exp }), 'c2ln'].join(
      '.',
    )
    expect((await ask(agent)).status).toBe(200)
    expect((await ask(agent)).status).toBe(200)
    for (const authorization of [forged, other]) {
      expect((await ask(agent, { authorization })).status).toBe(400)
    }
    // Not on the listener that pods reach.
    expect((await get(`${agent.urls[0]}/metrics`)).status).toBe(404)
    const page = await (await get(`${agent.metricsUrl}/metrics`)).text()
    expect(page.split('\n').filter((line) => /^podrole_(?!build|.*seconds_)/.test(line))).toEqual([
      'podrole_agent_requests_total{code="200"} 2',
      'podrole_agent_requests_total{code="400"} 2',
      'podrole_agent_requests_total{code="404"} 1',
      'podrole_agent_upstream_requests_total{outcome="issued"} 1',
      'podrole_agent_upstream_requests_total{outcome="refused"} 2',
      'podrole_agent_upstream_requests_total{outcome="failed"} 0',
      `podrole_token_expiry_timestamp_seconds{kid="k"} ${exp}`,
      'podrole_token_expiry_dropped_total 0',
      'podrole_agent_cache_entries 1',
      'podrole_agent_cache_requests_total{result="hit"} 1',
      'podrole_agent_cache_requests_total{result="miss"} 3',
    ])
    expect(page).toContain('podrole_agent_request_duration_seconds_count 5')
    expect(page).toContain('podrole_agent_upstream_request_duration_seconds_count 3')
  })

  test('serves pods where the port of its metrics is taken', async () => {
    const first = await start({}, { client: { assumeRoleForPodIdentity: async () => credentials } })
    const metricsPort = Number(new URL(first.metricsUrl ?? '').port)
    const second = await start(
      { metricsPort },
      { client: { assumeRoleForPodIdentity: async () => credentials } },
    )
    expect(second.metricsUrl).toBeUndefined()
    expect((await ask(second)).status).toBe(200)
  })

  test('a client that hangs up does not cancel the call that others wait for', async () => {
    const gate = Promise.withResolvers<PodIdentityCredentials>()
    const asked = Promise.withResolvers<AbortSignal | undefined>()
    let calls = 0
    const agent = await start(
      { answerWithinMs: 60_000 },
      {
        client: {
          assumeRoleForPodIdentity: ({ signal }) => {
            calls += 1
            asked.resolve(signal)
            return gate.promise
          },
        },
      },
    )
    const hangUp = new AbortController()
    const first = ask(agent, {}, hangUp.signal).catch((error: Error) => error.name)
    const signal = await asked.promise
    const second = ask(agent)
    hangUp.abort()
    expect(await first).toBe('AbortError')
    expect(signal?.aborted).toBe(false)
    gate.resolve(credentials)
    expect((await second).status).toBe(200)
    expect(calls).toBe(1)
  })

  test('an address that is not on the machine does not stop the others', async () => {
    const agent = await start(
      { bindHosts: ['127.0.0.1', '203.0.113.7'], unsafeBindHosts: true },
      { client: { assumeRoleForPodIdentity: () => Promise.resolve(credentials) } },
    )
    expect(agent.urls).toHaveLength(1)
    expect(await (await get(`${agent.probeUrl}/readyz`)).json()).toMatchObject({
      failed: [expect.stringContaining('203.0.113.7')],
    })
  })

  test('shows a broker its own token, read at each call', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'podrole-agent-'))
    ends.push(() => rm(folder, { recursive: true }))
    const brokerTokenFile = join(folder, 'token')
    const seen: { authorization: string | null; path: string; body: string }[] = []
    const broker = serveHttp({
      hostname: '127.0.0.1',
      port: 0,
      handler: async (request) => {
        seen.push({
          authorization: request.headers.get('authorization'),
          path: new URL(request.url).pathname,
          body: await request.text(),
        })
        const message = 'the token of pod shop/a is for node n1: an agent on node n2 presented it'
        return Response.json(
          { message },
          { status: 400, headers: { 'x-amzn-errortype': 'AccessDeniedException' } },
        )
      },
    })
    ends.push(() => broker.stop())
    const agent = await start({ endpoint: broker.url, brokerTokenFile }, {})
    await writeFile(brokerTokenFile, 'first\n')
    const answer = await ask(agent)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      Code: 'AccessDeniedException',
      Message: expect.stringContaining('node n1'),
    })
    await writeFile(brokerTokenFile, 'second\n')
    await ask(agent)
    expect(seen).toEqual(
      ['first', 'second'].map((own) => ({
        authorization: `Bearer ${own}`,
        path: '/clusters/prod/assume-role-for-pod-identity',
        body: JSON.stringify({ token }),
      })),
    )
  })

  test('without any credentials it does not start', async () => {
    expect(start({}, {})).rejects.toMatchObject({ code: 'NoAgentCredentials' })
  })
})

describe('settings', () => {
  test('have defaults', () => {
    expect(readAgentConfig(least)).toMatchObject({
      bindHosts: ['169.254.170.23', 'fd00:ec2::23'],
      port: 80,
      probePort: 2703,
      metricsAddress: '127.0.0.1',
      metricsPort: 2705,
    })
    expect(readAgentConfig({ ...least, bindHosts: ['[FD00:EC2::23]'] }).bindHosts).toEqual([
      'fd00:ec2::23',
    ])
  })

  const wrong: [string, object, RegExp][] = [
    ['an unknown name', { clustername: 'x' }, /clustername/],
    [
      'every fault at once',
      { clusterName: 'a/b', region: 'X', port: 70_000 },
      /clusterName.*region.*port/,
    ],
    ['all addresses', { bindHosts: ['0.0.0.0'] }, /bindHosts\.0.*from outside/],
    ['metrics that pods can reach', { metricsAddress: '10.0.0.1' }, /metricsAddress.*by pods/],
    [
      'metrics at the address of the credentials',
      { metricsAddress: '[fd00:ec2::23]', unsafeMetricsAddress: true },
      /metricsAddress.*every pod/,
    ],
    ['a name for an address', { bindHosts: ['localhost'] }, /not an IP address/],
    ['a broker token without a broker', { brokerTokenFile: '/t' }, /endpoint.*broker/],
    [
      'a broker token over plain HTTP',
      { brokerTokenFile: '/t', endpoint: 'http://broker.example' },
      /https alone/,
    ],
    ["pods' tokens over plain HTTP", { endpoint: 'http://10.0.0.1:8080' }, /https alone/],
    ['an endpoint with a password', { endpoint: 'https://a:b@c' }, /endpoint/],
  ]
  for (const [name, change, words] of wrong) {
    test(`refuse ${name}`, () => {
      expect(() => readAgentConfig({ ...least, ...change })).toThrow(words)
    })
  }
})
