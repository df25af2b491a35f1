import { afterAll, beforeAll, expect, test } from 'bun:test'
import { systemClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { eksToken } from './eks-token.suite.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'

const ACCOUNT = '111122223333'
const REGION = 'eu-central-1'

let sandbox: Sandbox

beforeAll(async () => {
  sandbox = await startSandbox({
    port: 0,
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: [
      { name: 'blue', region: REGION, kind: 'eks', nodes: 0 },
      {
        name: 'green',
        region: REGION,
        kind: 'self-managed',
        issuer: 'https://green.issuer.sandbox/one',
        nodes: 0,
      },
    ],
    resolve: [],
    trustCas: [],
    images: { find: () => ({ missing: 'no pod runs here' }) },
    network: 'loopback',
    clock: systemClock,
    log: silentLog,
  })
})
afterAll(() => sandbox.stop())

function adminToken(cluster: string): Promise<string> {
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  return eksToken(sandbox.endpoint, { region: REGION, cluster, credentials })
}

async function statusOf(cluster: string, token: string): Promise<number> {
  const running = sandbox.clusters.get(cluster)
  const response = await fetch(`${running?.cluster.server ?? ''}/api/v1/namespaces`, {
    headers: { authorization: `Bearer ${token}` },
    tls: { ca: running?.cluster.certificateAuthority ?? '' },
    proxy: false,
    redirect: 'error',
    signal: AbortSignal.timeout(10_000),
  })
  await response.text()
  return response.status
}

test('who made an EKS cluster comes in with an EKS token of that cluster, and of no other', async () => {
  expect(await statusOf('blue', await adminToken('blue'))).toBe(200)
  expect(await statusOf('blue', await adminToken('green'))).toBe(401)
  expect(await statusOf('green', await adminToken('green'))).toBe(401)
})
