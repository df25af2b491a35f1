/**
 * A sandbox is ready before its agents run: each starts with the first pod on its node. Whatever
 * comes between, a pod that is made gets its credentials at the first time of asking.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAssociation } from '../../src/cli/parts/associations.ts'
import type { WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'
import { podIdentityTrust } from '../../src/iam/trust.ts'
import { PODS, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { Pod } from '../../src/kube/objects.ts'
import type { RunningCluster } from '../../src/sandbox/sandbox.ts'
import { ASK_MANY } from '../support/ask-many-pod.ts'
import { startQuietSandbox } from '../support/quiet-sandbox.ts'

const ACCOUNT = '111122223333'
const REGION = 'us-east-1'
const CLUSTERS = ['east', 'west']
const SERVICE_ACCOUNT = { namespace: 'default', name: 'app' }
/** What a pod prints that asked its agent once. */
const ONE_KEY = { answers: 1, keys: [expect.stringMatching(/^ASIA/)] }

const folder = mkdtempSync(join(tmpdir(), 'podrole-first-pod-'))
let wired: WiredSandbox

beforeAll(async () => {
  wired = await start()
  for (const cluster of clusters()) await allow(cluster)
})
afterAll(async () => {
  await wired.stop()
  rmSync(folder, { recursive: true, force: true })
})

const start = (): Promise<WiredSandbox> =>
  startQuietSandbox({
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: CLUSTERS.map((name) => ({ name, region: REGION, kind: 'eks' })),
    stateFolder: join(folder, 'state'),
    images: { 'ask-many': ASK_MANY },
  })

const clusters = (): RunningCluster[] => [...wired.sandbox.clusters.values()]

/** A role for the cluster's service account `default/app`. */
async function allow({ name, client }: RunningCluster): Promise<void> {
  const { sandbox } = wired
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const iam = new IAMClient({
    region: REGION,
    endpoint: sandbox.endpoint,
    credentials: { accessKeyId, secretAccessKey: secretAccessKey.reveal() },
  })
  const clusterArn = `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/${name}`
  const trust = podIdentityTrust({
    clusterArn,
    accountId: ACCOUNT,
    serviceAccount: SERVICE_ACCOUNT,
  })
  await iam.send(
    new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: JSON.stringify(trust) }),
  )
  const credentials = { accessKeyId, secretAccessKey }
  await createAssociation(
    { url: sandbox.endpoint, region: REGION, credentials },
    {
      clusterName: name,
      namespace: SERVICE_ACCOUNT.namespace,
      serviceAccount: SERVICE_ACCOUNT.name,
      roleArn: `arn:aws:iam::${ACCOUNT}:role/${name}`,
    },
  )
  await client.create(SERVICE_ACCOUNTS, { metadata: SERVICE_ACCOUNT })
}

const ASK_ONCE = [process.execPath, '--no-env-file', ASK_MANY, '1']

/** Makes a pod that asks its agent once, as soon as it runs, and then does what it is told to. */
async function makePod({ client }: RunningCluster, name: string, then = 'exit'): Promise<void> {
  await client.create<Pod>(PODS, {
    metadata: { namespace: 'default', name },
    spec: {
      serviceAccountName: SERVICE_ACCOUNT.name,
      restartPolicy: 'Never',
      containers: [
        {
          name: 'main',
          image: 'ask-many',
          command: ['sh', '-c', `"$@" && ${then}`, 'sh', ...ASK_ONCE],
        },
      ],
    },
  })
}

/** What a pod printed last, when it has printed as often as that. */
async function lastPrinted({ client }: RunningCluster, name: string, times = 1): Promise<unknown> {
  const path = `/api/v1/namespaces/default/pods/${name}/log`
  for (let tries = 0; tries < 1000; tries += 1) {
    const text = await client.raw('GET', path).then(
      (response) => response.text(),
      () => '',
    )
    const lines = text.trim().split('\n')
    if (text.endsWith('\n') && lines.length >= times)
      return JSON.parse(lines.at(-1) ?? '') as unknown
    const { status } = await client.get<Pod>(PODS, { namespace: 'default', name })
    if (status?.phase === 'Failed') return `pod failed: ${text}`
    await Bun.sleep(20)
  }
  return 'nothing in time'
}

/** Makes the same pod on every cluster at once; what they print. */
async function askOnAll(name: string, then?: string): Promise<unknown[]> {
  await Promise.all(clusters().map((cluster) => makePod(cluster, name, then)))
  return Promise.all(clusters().map((cluster) => lastPrinted(cluster, name)))
}

const agentsOf = async ({ client }: RunningCluster): Promise<readonly Pod[]> =>
  (await client.list<Pod>(PODS, { namespace: 'podrole-system' })).items

const ofAll = <T>(value: T): T[] => CLUSTERS.map(() => value)

test('an agent is started with the first pod on its node, which waits for it', async () => {
  expect(await Promise.all(clusters().map(agentsOf))).toEqual(ofAll([]))
  expect(await askOnAll('first', 'sleep 600')).toEqual(ofAll(ONE_KEY))
  for (const cluster of clusters()) {
    const agents = await agentsOf(cluster)
    expect(agents).toHaveLength(1)
    expect(agents[0]?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Ready', status: 'True' }),
    )
  }
})

test('so do pods of an earlier start, and those that are made at once after it', async () => {
  await wired.stop()
  wired = await start()
  expect(clusters().map(({ name }) => name)).toEqual(CLUSTERS)
  expect(await askOnAll('second')).toEqual(ofAll(ONE_KEY))
  for (const cluster of clusters()) expect(await lastPrinted(cluster, 'first')).toEqual(ONE_KEY)
})

test('a pod has an agent also after somebody deleted it', async () => {
  for (const { client, nodes } of clusters()) {
    await client.delete(PODS, {
      namespace: 'podrole-system',
      name: `podrole-agent-${nodes[0]?.name}`,
    })
  }
  expect(await askOnAll('third')).toEqual(ofAll(ONE_KEY))
})

test('a restore that takes the agent away leaves the pods that run with another', async () => {
  const { snapshots } = wired.sandbox
  const [east] = clusters()
  const node = east?.nodes[0]
  if (east === undefined || node === undefined) throw new Error('no node')
  const agent = { namespace: 'podrole-system', name: `podrole-agent-${node.name}` }
  const isGone = async (): Promise<boolean> => (await agentsOf(east)).length === 0
  await east.client.delete(PODS, agent)
  for (let tries = 0; tries < 500 && !(await isGone()); tries += 1) await Bun.sleep(20)
  snapshots.take('without-agent')
  await makePod(east, 'fourth')
  expect(await lastPrinted(east, 'fourth')).toEqual(ONE_KEY)
  await snapshots.restore('without-agent')
  const asked = await node.exec({ namespace: 'default', pod: 'first', command: ASK_ONCE })
  expect(JSON.parse(asked.stdout)).toEqual(ONE_KEY)
  await makePod(east, 'fifth')
  expect(await lastPrinted(east, 'fifth')).toEqual(ONE_KEY)
})
