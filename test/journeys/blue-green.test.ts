/**
 * A fleet's role and provider are made before any cluster is there; clusters come, go and come back,
 * and nothing is written in IAM for it.
 */
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type PodOutcome, runPod } from '../../src/cli/demo/pods.ts'
import { callEks, createAssociation, deleteAssociation } from '../../src/cli/parts/associations.ts'
import type { BrokerPart } from '../../src/cli/parts/broker-part.ts'
import type { WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'
import { generateSigningKey } from '../../src/issuer/keys.ts'
import {
  ChangingSource,
  keySet,
  type SignerFixture,
  startSignerFixture,
} from '../../src/issuer/signer/signer.suite.ts'
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { RunningCluster } from '../../src/sandbox/sandbox.ts'
import { type Desk, openDesk } from '../support/podrole.ts'
import { startQuietSandbox } from '../support/quiet-sandbox.ts'

const ACCOUNT = '111122223333'
const REGION = 'eu-west-1'
const [BUCKET, KEY] = ['shop-orders', 'today.txt']
const ROLE_ARN = `arn:aws:iam::${ACCOUNT}:role/orders`
const STEP_MS = 120_000
const [FIRST_KEY, SECOND_KEY] = [await generateSigningKey(), await generateSigningKey()]
const SETTLE = { settleSeconds: 2 }
const signedBy = new ChangingSource({ ...keySet(FIRST_KEY), ...SETTLE })

let wired: WiredSandbox
let broker: BrokerPart
let desk: Desk
let signer: SignerFixture
const iamWrites: string[] = []

beforeAll(async () => {
  signer = await startSignerFixture(signedBy, { clock: systemClock })
  wired = await startQuietSandbox({
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: [],
    signingEndpoints: new Map([['prod-signed', signer.socket]]),
  })
  const { sandbox } = wired
  sandbox.aws.decisions.listen(({ action }) => {
    if (/^iam:(?!Get|List)/.test(action)) iamWrites.push(action)
  })
  broker = await wired.broker()
  desk = openDesk(
    { sandbox, brokers: [broker] },
    { profiles: { shop: ACCOUNT }, issuers: [broker.issuer] },
  )
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  const endpoint = { region: REGION, endpoint: sandbox.endpoint, credentials }
  const s3 = new S3Client({ ...endpoint, forcePathStyle: true })
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }))
  await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body: 'tea' }))
}, STEP_MS)

afterAll(async () => {
  desk.remove()
  await wired.stop()
  await signer.stop()
}, STEP_MS)

/** A cluster comes up with its namespace, its service account and its association. */
async function bringUp(name: string, issuer: string): Promise<RunningCluster> {
  const cluster = await wired.sandbox.startCluster({
    name,
    region: REGION,
    kind: 'self-managed',
    issuer,
  })
  await cluster.client.create(NAMESPACES, { metadata: { name: 'shop' } })
  await cluster.client.create(SERVICE_ACCOUNTS, { metadata: { namespace: 'shop', name: 'orders' } })
  const subject = { clusterName: name, namespace: 'shop', serviceAccount: 'orders' }
  await createAssociation(broker.endpoint, { ...subject, roleArn: ROLE_ARN })
  return cluster
}

let pods = 0
const readAs = (cluster: RunningCluster): Promise<PodOutcome> => {
  pods += 1
  const args = ['check', BUCKET, KEY]
  return runPod(cluster.client, {
    name: `reader-${pods}`,
    namespace: 'shop',
    serviceAccount: 'orders',
    args,
  })
}

const step = (name: string, run: () => Promise<void>): void => test(name, run, STEP_MS)
let blue: RunningCluster
let green: RunningCluster

step('the provider and the role are there before the first cluster', async () => {
  expect(wired.sandbox.clusters.size).toBe(0)
  const read = { Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::${BUCKET}/*` }
  desk.write('orders.json', JSON.stringify({ Version: '2012-10-17', Statement: [read] }))
  expect((await desk.run(`issuer provider create --issuer ${broker.issuer}`)).code).toBe(0)
  const create =
    'role create --name orders --service-account shop/orders --fleet --clusters prod-* --policy-file orders.json --ca-file ca.pem'
  expect(await desk.run(create)).toMatchObject({ code: 0, out: `${ROLE_ARN}\n` })
  expect(iamWrites).toContain('iam:CreateRole')
  iamWrites.length = 0
})

step('two clusters come up inside the pattern: their pods have the role', async () => {
  blue = await bringUp('prod-blue', 'https://blue.issuer.sandbox/a')
  green = await bringUp('prod-green', 'https://green.issuer.sandbox/a')
  expect(await readAs(blue)).toMatchObject({ ok: true, content: 'tea' })
  expect(await readAs(green)).toMatchObject({ ok: true, content: 'tea' })
})

step('one outside of it has not, though it has an association', async () => {
  const test = await bringUp('test-blue', 'https://test.issuer.sandbox/a')
  expect(await readAs(test)).toMatchObject({ ok: false })
  const refused = wired.sandbox.aws.decisions.recent().filter(({ allowed }) => !allowed)
  expect(refused.at(-1)).toMatchObject({
    action: 'sts:AssumeRoleWithWebIdentity',
    resource: ROLE_ARN,
    reason: 'trust-policy-does-not-allow',
  })
})

step('one is deleted and made again, with other keys and another issuer', async () => {
  const before = green.cluster.jwks()
  const subject = { clusterName: 'prod-green', namespace: 'shop', serviceAccount: 'orders' }
  await wired.sandbox.discardCluster('prod-green')
  const early = await desk.run('cluster remove prod-green --ca-file ca.pem')
  expect(early.err).toContain('cluster prod-green still has associations')
  await deleteAssociation(broker.endpoint, subject)
  expect(await desk.run('cluster remove prod-green --ca-file ca.pem')).toMatchObject({ code: 0 })
  green = await bringUp('prod-green', 'https://green.issuer.sandbox/b')
  expect(green.cluster.jwks()).not.toEqual(before)
  expect(await readAs(green)).toMatchObject({ ok: true, content: 'tea' })
  expect(await readAs(blue)).toMatchObject({ ok: true, content: 'tea' })
})

step('one’s keys are rotated by its signer: the broker follows, and pods go on', async () => {
  const signed = await bringUp('prod-signed', 'https://signed.issuer.sandbox/a')
  const kidsAtBroker = async (): Promise<readonly string[]> => {
    const path = '/podrole/v1/clusters/prod-signed'
    const { jwks } = await callEks(broker.endpoint, 'GET', path)
    return (jwks as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
  }
  expect(await readAs(signed)).toMatchObject({ ok: true, content: 'tea' })
  signedBy.keys = { ...keySet(FIRST_KEY, SECOND_KEY), ...SETTLE }
  const settledAtMs = Date.now() + 1000 * SETTLE.settleSeconds
  while (!(await kidsAtBroker()).includes(SECOND_KEY.kid)) await Bun.sleep(50)
  await Bun.sleep(Math.max(0, settledAtMs - Date.now()))
  signedBy.keys = { ...keySet(SECOND_KEY, FIRST_KEY), ...SETTLE }
  await Bun.sleep(100)
  expect(await readAs(signed)).toMatchObject({ ok: true, content: 'tea' })
  signedBy.keys = { ...keySet(SECOND_KEY), ...SETTLE }
  while ((await kidsAtBroker()).includes(FIRST_KEY.kid)) await Bun.sleep(50)
  expect(await kidsAtBroker()).toEqual([SECOND_KEY.kid])
})

step('and nothing was written in IAM since', async () => {
  expect(iamWrites).toEqual([])
})
