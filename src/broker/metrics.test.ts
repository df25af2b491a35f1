import { beforeEach, expect, test } from 'bun:test'
import {
  agentToken,
  ask,
  associate,
  clock,
  edgeKey,
  manage,
  nowSeconds,
  otherKey,
  podToken,
  resetBroker,
  send,
  sts,
  stsFault,
  useOptions,
} from './broker.suite.ts'
import { type BrokerMetrics, createBrokerMetrics } from './metrics.ts'

let metrics: BrokerMetrics
beforeEach(async () => {
  await resetBroker()
  metrics = createBrokerMetrics(clock)
  useOptions({ metrics, sts: metrics.watchSts(sts) })
})

const linesOf = (pattern: RegExp): string[] =>
  metrics.registry
    .page('openmetrics')
    .split('\n')
    .filter((line) => pattern.test(line))
const expiries = (): string[] => linesOf(/^podrole_token_expiry_timestamp_seconds\{/)

test('the page has the type of the census before any token was seen', () => {
  expect(expiries()).toEqual([])
  expect(linesOf(/^# TYPE podrole_token_expiry/)).toEqual([
    '# TYPE podrole_token_expiry_timestamp_seconds gauge',
    '# TYPE podrole_token_expiry_dropped counter',
  ])
})

test('what was asked, and what came of it', async () => {
  await associate()
  expect((await ask(await podToken())).status).toBe(200)
  sts.faults = [stsFault('AccessDenied', 403)]
  await ask(await podToken())
  sts.faults = [stsFault('Unavailable', 503)]
  await ask(await podToken())
  await ask('not.a.token')
  await manage('GET', '/clusters')
  await send('GET', '/x/openid')
  await send('GET', '/healthz')
  await send('GET', '/x/keys.json')
  await send('DELETE', `/clusters/${'x'.repeat(1000)}/assume-role-for-pod-identity`)
  expect(
    linesOf(/^podrole_broker_.*_total|in_progress/).filter((line) => !line.startsWith('#')),
  ).toEqual([
    'podrole_broker_requests_total{operation="management",code="200"} 2',
    'podrole_broker_requests_total{operation="AssumeRoleForPodIdentity",code="200"} 1',
    'podrole_broker_requests_total{operation="AssumeRoleForPodIdentity",code="400"} 2',
    'podrole_broker_requests_total{operation="AssumeRoleForPodIdentity",code="503"} 1',
    'podrole_broker_requests_total{operation="unknown",code="404"} 2',
    'podrole_broker_requests_total{operation="probe",code="200"} 1',
    'podrole_broker_requests_total{operation="documents",code="200"} 1',
    'podrole_broker_exchanges_total{outcome="issued"} 1',
    'podrole_broker_exchanges_total{outcome="AccessDeniedException"} 1',
    'podrole_broker_exchanges_total{outcome="ServiceUnavailableException"} 1',
    'podrole_broker_exchanges_total{outcome="InvalidTokenException"} 1',
    'podrole_broker_sts_requests_total{action="AssumeRoleWithWebIdentity",outcome="ok"} 1',
    'podrole_broker_sts_requests_total{action="AssumeRoleWithWebIdentity",outcome="refused"} 1',
    'podrole_broker_sts_requests_total{action="AssumeRoleWithWebIdentity",outcome="failed"} 1',
    'podrole_broker_exchanges_in_progress 0',
  ])
})

test("pods' and agents' tokens are told of, also where no credentials came of it", async () => {
  const last = nowSeconds() + 90_000
  await ask(
    await podToken({ claims: { exp: nowSeconds() + 600 } }),
    await agentToken('n1', { claims: { exp: last } }),
  )
  expect(expiries()).toEqual([
    `podrole_token_expiry_timestamp_seconds{kid="${edgeKey.kid}"} ${last}`,
  ])
  const later = last + 86_400
  await associate()
  await ask(await podToken({ claims: { exp: later } }))
  expect(expiries()).toEqual([
    `podrole_token_expiry_timestamp_seconds{kid="${edgeKey.kid}"} ${later}`,
  ])
})

test('nobody can make up a token to be told of', async () => {
  await associate()
  const exp = nowSeconds() + 1_000_000
  const [header, payload] = (await podToken({ claims: { exp } })).split('.')
  const [, , signature] = (await podToken()).split('.')
  const made = [
    [header, payload, signature].join('.'),
    await podToken({ key: otherKey, claims: { exp } }),
    await podToken({ claims: { exp, iss: 'https://other.example' } }),
    await podToken({ claims: { exp, aud: ['vault'] } }),
    await podToken({ claims: { exp: nowSeconds() } }),
  ]
  const agent = await agentToken('n1', { claims: { exp: nowSeconds() + 60 } })
  for (const token of made) expect((await ask(token, agent)).status).toBe(400)
  // As a proof of the agent either.
  for (const token of made) expect((await ask(await podToken(), token)).status).toBe(403)
  expect(expiries()).toEqual([
    `podrole_token_expiry_timestamp_seconds{kid="${edgeKey.kid}"} ${nowSeconds() + 60}`,
  ])
})

test('no token is on the page', async () => {
  await associate()
  const [token, agent] = [await podToken(), await agentToken()]
  await ask(token, agent)
  const page = metrics.registry.page('text')
  for (const part of [...token.split('.'), ...agent.split('.')]) expect(page).not.toContain(part)
})
