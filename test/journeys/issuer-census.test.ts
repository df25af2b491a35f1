/**
 * A token that an agent and a broker really saw holds its key back, until it has ended. The sandbox,
 * the broker and the agent live nearly five minutes in the past, which is how long STS takes a token
 * after its end: so that end is some seconds away for the rotation, and not five minutes.
 */
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  IAMClient,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readAgentConfig } from '../../src/agent/config.ts'
import { type RunningAgent, startAgent } from '../../src/agent/start-agent.ts'
import { readBrokerConfig } from '../../src/broker/config.ts'
import { readAdminKeyFile, type RunningBroker, startBroker } from '../../src/broker/start-broker.ts'
import { callEks, createAssociation } from '../../src/cli/parts/associations.ts'
import { fleetTrust } from '../../src/iam/trust.ts'
import { signToken } from '../../src/issuer/sign.ts'
import { createCertificateAuthority } from '../../src/lib/certificates.ts'
import { shiftedClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { serveHttp } from '../../src/lib/serve.ts'
import { type IssuerJourney, startIssuerJourney } from '../support/issuer-journey.ts'
import { type RotatedIssuer, rotatedIssuer } from '../support/rotated-issuer.ts'

const ACCOUNT = '111122223333'
const REGION = 'us-east-1'
const FLEET = 'https://fleet.example.com'
const ROLE = `arn:aws:iam::${ACCOUNT}:role/till`
const STS_GRACE_SECONDS = 300
const PAST_SECONDS = 285
/** From now on, by the clock of those who take it; long enough for a busy machine. */
const TOKEN_SECONDS = 12
const DAY_MS = 86_400_000
const STEP_MS = 90_000

const clock = shiftedClock(-PAST_SECONDS * 1000)
const folder = mkdtempSync(join(tmpdir(), 'podrole-census-'))
const at = (name: string): string => join(folder, name)
let journey: IssuerJourney
let issuer: RotatedIssuer
let broker: RunningBroker
let agent: RunningAgent

beforeAll(async () => {
  const authority = await createCertificateAuthority({ commonName: 'test' })
  writeFileSync(at('ca.crt'), authority.cert)
  const { cert, key } = await authority.issue({ names: ['127.0.0.1', new URL(FLEET).hostname] })
  writeFileSync(at('tls.crt'), cert)
  writeFileSync(at('tls.key'), key, { mode: 0o600 })
  const port = await freePort()
  journey = await startIssuerJourney([
    '--clock-offset',
    `-${PAST_SECONDS}s`,
    '--resolve',
    `${new URL(FLEET).hostname}=127.0.0.1:${port}`,
    '--trust-ca',
    at('ca.crt'),
  ])
  issuer = rotatedIssuer('edge-keys', journey)
  await succeed(issuer.init('--longest-token', '10m'))
  broker = await startOwnBroker(port)
  await makeRole()
  writeFileSync(at('agent-token'), '')
  agent = await startOwnAgent()
}, STEP_MS)

afterAll(async () => {
  await agent?.stop()
  await broker?.stop()
  await journey?.stop()
  rmSync(folder, { recursive: true, force: true })
}, STEP_MS)

async function freePort(): Promise<number> {
  const any = serveHttp({ hostname: '127.0.0.1', port: 0, handler: () => new Response() })
  await any.stop(0)
  return any.port
}

async function succeed(ran: ReturnType<RotatedIssuer['rotate']>): Promise<void> {
  const { code, err } = await ran
  expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' })
}

/** A broker that knows the cluster by the keys of the issuer's folder. */
async function startOwnBroker(port: number): Promise<RunningBroker> {
  const config = readBrokerConfig({
    hostname: '127.0.0.1',
    port,
    certificateFile: at('tls.crt'),
    keyFile: at('tls.key'),
    databaseFile: at('broker.sqlite'),
    issuer: FLEET,
    region: REGION,
    accountId: ACCOUNT,
    stsEndpoint: journey.awsConfig().endpoint,
    adminKeyFile: at('admin.json'),
    metrics: { hostname: '127.0.0.1', port: 0 },
  })
  return startBroker(config, { clock, log: silentLog })
}

async function makeRole(): Promise<void> {
  const iam = new IAMClient(journey.awsConfig(REGION))
  const trust = fleetTrust({
    partition: 'aws',
    accountId: ACCOUNT,
    issuer: FLEET,
    clusters: ['edge'],
    serviceAccount: { namespace: 'shop', name: 'till' },
  })
  const AssumeRolePolicyDocument = JSON.stringify(trust)
  await iam.send(
    new CreateOpenIDConnectProviderCommand({ Url: FLEET, ClientIDList: ['sts.amazonaws.com'] }),
  )
  await iam.send(new CreateRoleCommand({ RoleName: 'till', AssumeRolePolicyDocument }))
  const credentials = await readAdminKeyFile(at('admin.json'))
  const ca = await Bun.file(at('ca.crt')).text()
  const endpoint = { url: broker.url, region: REGION, credentials, ca }
  await callEks(endpoint, 'PUT', '/podrole/v1/clusters/edge', {
    issuer: issuer.url,
    jwks: JSON.parse((await journey.objectText('edge-keys', 'keys.json')) ?? '{}') as object,
  })
  const subject = { clusterName: 'edge', namespace: 'shop', serviceAccount: 'till' }
  await createAssociation(endpoint, { ...subject, roleArn: ROLE })
}

const startOwnAgent = (): Promise<RunningAgent> =>
  startAgent(
    readAgentConfig({
      clusterName: 'edge',
      region: REGION,
      endpoint: broker.url,
      bindHosts: ['127.0.0.1'],
      port: 0,
      probePort: 0,
      metricsPort: 0,
      brokerTokenFile: at('agent-token'),
      caFile: at('ca.crt'),
    }),
    { clock, log: silentLog },
  )

/** A token of that key, as the kubelet would project it; ends in `TOKEN_SECONDS`. */
async function tokenOf(
  kid: string,
  audience: string,
  namespace: string,
  name: string,
): Promise<string> {
  const now = Math.floor(clock.now() / 1000)
  const token = await signToken(issuer.keyOf(kid), {
    iss: issuer.url,
    sub: `system:serviceaccount:${namespace}:${name}`,
    aud: [audience],
    iat: now,
    exp: now + TOKEN_SECONDS,
    'kubernetes.io': {
      namespace,
      serviceaccount: { name, uid: `${name}-1` },
      pod: { name: `${name}-x`, uid: `${name}-2` },
      node: { name: 'n1', uid: 'n-1' },
    },
  })
  return token.reveal()
}

/** A pod asks its agent with a token of that key; the status, and what it says of the credentials. */
async function askWith(kid: string): Promise<string> {
  writeFileSync(
    at('agent-token'),
    await tokenOf(kid, 'podrole-broker', 'podrole-system', 'podrole-agent'),
  )
  const response = await fetch(`${agent.urls[0]}/v1/credentials`, {
    headers: { authorization: await tokenOf(kid, 'pods.eks.amazonaws.com', 'shop', 'till') },
    proxy: false,
    signal: AbortSignal.timeout(10_000),
  })
  return `${response.status} ${await response.text()}`
}

test(
  'a key is not retired while a token of it that agent or broker saw lives, and is after that',
  async () => {
    const metrics = {
      agent: `${agent.metricsUrl}/metrics`,
      broker: `${broker.metricsUrl}/metrics`,
    }
    const old = issuer.kid('active')
    await succeed(issuer.rotate('prepare'))
    issuer.pass(DAY_MS)
    await succeed(issuer.rotate('activate'))
    issuer.pass(DAY_MS)
    // By time, and by all that was seen so far, it may go.
    const all = ['--metrics', `${metrics.agent},${metrics.broker}`]
    expect((await issuer.rotate('status', ...all)).out).toMatch(/retiring .* retire$/m)

    // Some signer goes on with the old key.
    expect(await askWith(old)).toStartWith('200 ')
    const fromMs = Date.now()
    for (const url of [metrics.agent, metrics.broker]) {
      const refused = await issuer.rotate('retire', '--metrics', url)
      expect(refused).toMatchObject({ code: 1, out: '' })
      expect(refused.err).toContain(`a token of it was seen by ${url} that STS takes until`)
    }
    const status = JSON.parse((await issuer.rotate('status', ...all, '-o', 'json')).out) as {
      keys: { kid: string; until?: string; waitsFor?: string }[]
    }
    const waiting = status.keys.find(({ kid }) => kid === old)
    expect(waiting).toMatchObject({ waitsFor: 'a token that was seen to end' })
    const untilMs = Date.parse(waiting?.until ?? '')
    expect(untilMs).toBeWithin(
      fromMs + (TOKEN_SECONDS + STS_GRACE_SECONDS - PAST_SECONDS) * 1000 - 20_000,
      fromMs + (TOKEN_SECONDS + STS_GRACE_SECONDS - PAST_SECONDS) * 1000 + 1000,
    )
    expect(await issuer.published()).toContain(old)

    await Bun.sleep(Math.max(0, untilMs - Date.now()) + 100)
    await succeed(issuer.rotate('retire', ...all))
    expect(await issuer.published()).toEqual([issuer.kid('active')])
  },
  STEP_MS,
)
