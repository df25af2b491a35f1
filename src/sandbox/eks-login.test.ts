import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Sha256 } from '@aws-crypto/sha256-js'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import { systemClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
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

/** What `aws eks get-token` gives under AWS_ENDPOINT_URL: presigned for the sandbox's endpoint. */
async function adminToken(cluster: string): Promise<string> {
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  const { host, hostname, port } = new URL(sandbox.endpoint)
  const signer = new SignatureV4({ service: 'sts', region: REGION, sha256: Sha256, credentials })
  const request = new HttpRequest({
    method: 'GET',
    protocol: 'http:',
    hostname,
    port: Number(port),
    path: '/',
    query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
    headers: { host, 'x-k8s-aws-id': cluster },
  })
  const { query } = await signer.presign(request, {
    expiresIn: 60,
    unhoistableHeaders: new Set(['x-k8s-aws-id']),
  })
  const text = new URLSearchParams(query as Record<string, string>).toString()
  return `k8s-aws-v1.${Buffer.from(`http://${host}/?${text}`).toString('base64url')}`
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
