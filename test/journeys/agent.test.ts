import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import { createAssociation } from '../../src/cli/parts/associations.ts'
import { startWiredSandbox, type WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'
import { podIdentityTrust } from '../../src/iam/trust.ts'
import { PODS, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { Pod } from '../../src/kube/objects.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'

const ACCOUNT = '111122223333'
const REGION = 'us-east-1'
const CLUSTER = 'storm'
const ASK_MANY = join(import.meta.dir, '..', 'support', 'ask-many.ts')

let wired: WiredSandbox | undefined

beforeAll(async () => {
  wired = await startWiredSandbox({
    port: 0,
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: [{ name: CLUSTER, region: REGION, kind: 'eks' }],
    resolve: [],
    trustCas: [],
    network: 'auto',
    clock: systemClock,
    log: createLog('error'),
    logLevel: 'error',
    images: { 'ask-many': ASK_MANY },
  })
  const { sandbox } = wired
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const serviceAccount = { namespace: 'default', name: 'app' }
  const iam = new IAMClient({
    region: REGION,
    endpoint: sandbox.endpoint,
    credentials: { accessKeyId, secretAccessKey: secretAccessKey.reveal() },
  })
  const clusterArn = `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/${CLUSTER}`
  const trust = podIdentityTrust({ clusterArn, accountId: ACCOUNT, serviceAccount })
  await iam.send(
    new CreateRoleCommand({ RoleName: 'app', AssumeRolePolicyDocument: JSON.stringify(trust) }),
  )
  const eks = {
    url: sandbox.endpoint,
    region: REGION,
    credentials: { accessKeyId, secretAccessKey },
  }
  const association = { clusterName: CLUSTER, namespace: 'default', serviceAccount: 'app' }
  await createAssociation(eks, { ...association, roleArn: `arn:aws:iam::${ACCOUNT}:role/app` })
  const client = sandbox.clusters.get(CLUSTER)?.client
  await client?.create(SERVICE_ACCOUNTS, { metadata: serviceAccount })
})

afterAll(async () => {
  await wired?.stop()
})

/** Starts a pod of the service account and asks its agent that many times at once. */
async function askMany(name: string, count: number): Promise<string> {
  const cluster = wired?.sandbox.clusters.get(CLUSTER)
  const node = cluster?.nodes[0]
  if (cluster === undefined || node === undefined) throw new Error('no cluster')
  const ref = { namespace: 'default', name }
  await cluster.client.create<Pod>(PODS, {
    metadata: ref,
    spec: {
      serviceAccountName: 'app',
      containers: [{ name: 'main', image: 'ask-many', command: ['sleep', '600'] }],
    },
  })
  for (let tries = 0; tries < 500; tries += 1) {
    if ((await cluster.client.get<Pod>(PODS, ref)).status?.phase === 'Running') break
    await Bun.sleep(20)
  }
  const ran = await node.exec({
    namespace: 'default',
    pod: name,
    command: [process.execPath, '--no-env-file', ASK_MANY, String(count)],
  })
  expect(ran.stderr).toBe('')
  return ran.stdout
}

const upstreamCalls = (): number =>
  (wired?.sandbox.aws.decisions.recent() ?? []).filter(
    ({ action }) => action === 'eks-auth:AssumeRoleForPodIdentity',
  ).length

describe('the agent in front of EKS Auth', () => {
  test('100 first requests of one pod at once: one upstream call, one key', async () => {
    const before = upstreamCalls()
    const said = JSON.parse(await askMany('storm-1', 100)) as {
      answers: number
      keys: string[]
    }
    expect(said.answers).toBe(100)
    expect(said.keys).toEqual([expect.stringMatching(/^ASIA/)])
    expect(upstreamCalls() - before).toBe(1)
    // Another pod has a token of its own: it is asked for again, which shows that calls are counted.
    await askMany('storm-2', 10)
    expect(upstreamCalls() - before).toBe(2)
  })
})
