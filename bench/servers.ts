/** podrole's servers, each beside fixed bytes behind the same front. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allowedHostsOf } from '../src/agent/addresses.ts'
import { createCredentialCache } from '../src/agent/credential-cache.ts'
import { credentialsApp } from '../src/agent/credentials-app.ts'
import { createAgentMetrics } from '../src/agent/metrics.ts'
import { createEksAuthClient } from '../src/aws/eks-auth.ts'
import { signRequest } from '../src/aws/sign.ts'
import { readBrokerConfig } from '../src/broker/config.ts'
import { readAdminKeyFile, startBroker } from '../src/broker/start-broker.ts'
import type { StsPort, StsSession } from '../src/broker/sts.ts'
import { generateSigningKey } from '../src/issuer/keys.ts'
import { createKubeClient } from '../src/kube/transport.ts'
import { systemClock } from '../src/lib/clock.ts'
import { measured } from '../src/lib/metrics/measured.ts'
import { Secret } from '../src/lib/secret.ts'
import { serveHttp } from '../src/lib/serve.ts'
import { createAws } from '../src/sandbox/aws/aws.ts'
import { createIssuerNames } from '../src/issuer/outside/issuer-names.ts'
import { State } from '../src/sandbox/state.ts'
import { parseWebhookConfig } from '../src/webhook/config.ts'
import { noIdentities } from '../src/webhook/identities.ts'
import { startWebhook } from '../src/webhook/webhook-app.ts'
import {
  ACCOUNT,
  CLUSTER,
  credentialRequests,
  exchangeRequests,
  filler,
  inOneHour,
  REGION,
  registerCluster,
  reviewRequests,
  startEksAuth,
  startKubeApi,
} from './fixtures.ts'
import { type Bench, compareServers, type Comparison, droppingLog } from './measure.ts'

const PODS = 50
const hostname = '127.0.0.1'
const clock = systemClock
const log = droppingLog

/** Admission of pods whose service accounts have a role. */
export async function measureWebhook(bench: Bench): Promise<Comparison[]> {
  const api = await startKubeApi(bench, PODS)
  const webhook = await startWebhook({
    client: createKubeClient({ server: api.url, ca: bench.authority.cert }),
    identities: noIdentities,
    config: parseWebhookConfig({ 'aws-default-region': REGION }),
    certificate: await bench.authority.issue({ names: [hostname] }),
    hostname,
    port: 0,
    log,
    clock,
  })
  await webhook.ready()
  const comparison = await compareServers(bench, {
    name: 'webhook: admission review, IRSA',
    url: webhook.url,
    requests: reviewRequests(PODS),
    expected: '"patchType":"JSONPatch"',
  })
  await webhook.stop()
  await api.stop(0)
  return [comparison]
}

/** Credentials that are in the agent's cache. */
export async function measureAgent(bench: Bench): Promise<Comparison[]> {
  const upstream = startEksAuth()
  const credentials = {
    accessKeyId: 'AKIAEXAMPLEEXAMPLE00',
    secretAccessKey: new Secret(filler(40)),
  }
  const client = createEksAuthClient({
    endpoint: upstream.url,
    region: REGION,
    authorization: { kind: 'sigv4', credentials: async () => credentials },
    clock,
  })
  const metrics = createAgentMetrics(clock)
  const cache = createCredentialCache({ client, clusterName: CLUSTER, clock, log, metrics })
  const app = credentialsApp({ cache, allowedHosts: allowedHostsOf([hostname]), log, clock })
  const server = serveHttp({ hostname, port: 0, handler: measured(app, metrics.answered) })
  const comparison = await compareServers(bench, {
    name: 'agent: cached credentials',
    url: server.url,
    requests: await credentialRequests(await generateSigningKey('RS256'), PODS),
    expected: '"AccessKeyId":"ASIA',
  })
  await server.stop(0)
  await upstream.stop(0)
  return [comparison]
}

/** Two tokens verified, one signed, the issuance on disk; STS answers at once. */
export async function measureBroker(bench: Bench): Promise<Comparison[]> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-bench-'))
  try {
    const config = await writeBrokerConfig(bench, folder)
    const broker = await startBroker(readBrokerConfig(config), { clock, log, sts: stubSts })
    const key = await generateSigningKey('RS256')
    const credentials = await readAdminKeyFile(config.adminKeyFile)
    await registerCluster(bench, { url: broker.url, credentials }, key)
    const comparison = await compareServers(bench, {
      name: 'broker: AssumeRoleForPodIdentity, RS256',
      url: broker.url,
      requests: await exchangeRequests(key, PODS),
      expected: '"accessKeyId":"ASIA',
    })
    await broker.stop()
    return [comparison]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The settings of a broker in that folder, its certificate written. */
export async function writeBrokerConfig(
  bench: Bench,
  folder: string,
): Promise<Record<'adminKeyFile' | 'databaseFile', string> & Record<string, unknown>> {
  const certificate = await bench.authority.issue({ names: [hostname] })
  const [certificateFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  writeFileSync(certificateFile, certificate.cert)
  writeFileSync(keyFile, certificate.key, { mode: 0o600 })
  return {
    hostname,
    port: 0,
    certificateFile,
    keyFile,
    databaseFile: join(folder, 'broker.sqlite'),
    adminKeyFile: join(folder, 'admin.json'),
    issuer: 'https://fleet.example',
    region: REGION,
    accountId: ACCOUNT,
  }
}

const session = async ({ sessionName }: { sessionName: string }): Promise<StsSession> => ({
  accessKeyId: 'ASIAEXAMPLEEXAMPLE00',
  secretAccessKey: new Secret(filler(40)),
  sessionToken: new Secret(filler(900)),
  expiresAtMs: inOneHour() * 1000,
  assumedRoleArn: `arn:aws:sts::${ACCOUNT}:assumed-role/worker/${sessionName}`,
  assumedRoleId: `AROAEXAMPLE:${sessionName}`,
})
const stubSts: StsPort = { assumeRoleWithWebIdentity: session, assumeTargetRole: session }

/** The signature verified, the caller's policies judged, the decision recorded. */
export async function measureSandbox(bench: Bench): Promise<Comparison[]> {
  const aws = createAws({
    state: new State(),
    clock,
    log,
    accountIds: [ACCOUNT],
    region: REGION,
    names: createIssuerNames(),
  })
  const server = serveHttp({ hostname, port: 0, handler: aws.handler })
  const body = 'Action=GetCallerIdentity&Version=2011-06-15'
  const headers = await signRequest(
    {
      method: 'POST',
      url: `http://${hostname}/`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body,
    },
    aws.adminCredentials(),
    { service: 'sts', region: REGION, clock },
  )
  const comparison = await compareServers(bench, {
    name: 'sandbox: STS GetCallerIdentity, signed',
    url: server.url,
    requests: [{ method: 'POST', path: '/', headers, body }],
    expected: '<GetCallerIdentityResult>',
  })
  await server.stop(0)
  return [comparison]
}
