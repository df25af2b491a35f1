import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import { createAssociation } from '../../src/cli/parts/associations.ts'
import type { WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'
import { podIdentityTrust } from '../../src/iam/trust.ts'
import { SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import { ASK_MANY, askFromPod } from '../support/ask-many-pod.ts'
import { startQuietSandbox } from '../support/quiet-sandbox.ts'

const ACCOUNT = '111122223333'
const REGION = 'us-east-1'
const CLUSTER = 'storm'

let wired: WiredSandbox | undefined

beforeAll(async () => {
  wired = await startQuietSandbox({
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: [{ name: CLUSTER, region: REGION, kind: 'eks' }],
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

async function askMany(name: string, count: number): Promise<{ answers: number; keys: string[] }> {
  const cluster = wired?.sandbox.clusters.get(CLUSTER)
  if (cluster === undefined) throw new Error('no cluster')
  return askFromPod(cluster, name, count)
}

const upstreamCalls = (): number =>
  (wired?.sandbox.aws.decisions.recent() ?? []).filter(
    ({ action }) => action === 'eks-auth:AssumeRoleForPodIdentity',
  ).length

describe('the agent in front of EKS Auth', () => {
  test('100 first requests of one pod at once: one upstream call, one key', async () => {
    const before = upstreamCalls()
    const said = await askMany('storm-1', 100)
    expect(said.answers).toBe(100)
    expect(said.keys).toEqual([expect.stringMatching(/^ASIA/)])
    expect(upstreamCalls() - before).toBe(1)
    // Another pod has a token of its own: it is asked for again, which shows that calls are counted.
    await askMany('storm-2', 10)
    expect(upstreamCalls() - before).toBe(2)
  })
})
