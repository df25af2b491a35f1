import {
  CreateRoleCommand,
  GetRoleCommand,
  IAMClient,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type PodOutcome, runPod } from '../../src/cli/demo/pods.ts'
import { createAssociation } from '../../src/cli/parts/associations.ts'
import type { WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'
import { issuerApp } from '../../src/issuer/issuer-app.ts'
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ServiceAccount } from '../../src/kube/objects.ts'
import type { RunningCluster } from '../../src/sandbox/sandbox.ts'
import { type Desk, openDesk } from '../support/podrole.ts'
import { startQuietSandbox } from '../support/quiet-sandbox.ts'

const ACCOUNT = '111122223333'
const OTHER = '444455556666'
const REGION = 'us-east-1'
const HOST_PATH = 'edge.issuer.sandbox/clusters/edge'
const ISSUER = `https://${HOST_PATH}`
const PROVIDER = `arn:aws:iam::${ACCOUNT}:oidc-provider/${HOST_PATH}`
const ROLES = `arn:aws:iam::${ACCOUNT}:role`
const BUCKET = 'shop-orders'
const KEY = 'today.txt'
const ROOT = join(import.meta.dir, '..', '..')
const STEP_MS = 120_000

let wired: WiredSandbox
let eks: RunningCluster
let edge: RunningCluster
let desk: Desk
let iam: IAMClient
let iamWrites = 0

beforeAll(async () => {
  wired = await startQuietSandbox({
    accountIds: [ACCOUNT, OTHER],
    region: REGION,
    clusters: [
      { name: 'shop-eks', region: REGION, kind: 'eks' },
      { name: 'shop-edge', region: REGION, kind: 'self-managed', issuer: ISSUER },
    ],
  })
  const { sandbox } = wired
  const [first, second] = [sandbox.clusters.get('shop-eks'), sandbox.clusters.get('shop-edge')]
  if (first === undefined || second === undefined) throw new Error('no clusters')
  eks = first
  edge = second
  sandbox.aws.decisions.listen(({ action }) => {
    if (/^iam:(?!Get|List)/.test(action)) iamWrites += 1
  })
  sandbox.aws.addIssuer('edge', issuerApp({ issuer: ISSUER, jwks: () => edge.cluster.jwks() }))
  for (const { client } of [eks, edge]) {
    await client.create(NAMESPACES, { metadata: { name: 'shop' } })
  }
  desk = openDesk(wired, {
    profiles: { shop: ACCOUNT, other: OTHER },
    cluster: edge,
    issuers: [ISSUER, wired.brokers[0]?.issuer ?? ISSUER],
  })
  const read = { Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::${BUCKET}/*` }
  desk.write('orders.json', JSON.stringify({ Version: '2012-10-17', Statement: [read] }))
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  const config = { region: REGION, endpoint: sandbox.endpoint, credentials }
  iam = new IAMClient(config)
  const s3 = new S3Client({ ...config, forcePathStyle: true })
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }))
  await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body: 'tea' }))
}, 60_000)

afterEach(() => wired.sandbox.aws.faults.replace([]))

afterAll(async () => {
  desk.remove()
  await wired.stop()
}, 60_000)

let pods = 0
/** What a pod of that service account gets when it reads the object as the demo's pods do. */
const readAs = (cluster: RunningCluster, serviceAccount: string): Promise<PodOutcome> => {
  pods += 1
  const args = ['check', BUCKET, KEY]
  const pod = { name: `reader-${pods}`, namespace: 'shop', serviceAccount, args }
  return runPod(cluster.client, pod)
}

async function makeServiceAccount(
  cluster: RunningCluster,
  name: string,
  annotations: Record<string, string> = {},
): Promise<void> {
  const metadata = { namespace: 'shop', name, annotations }
  await cluster.client.create<ServiceAccount>(SERVICE_ACCOUNTS, { metadata })
}

const trustOf = async (RoleName: string): Promise<string> => {
  const { Role } = await iam.send(new GetRoleCommand({ RoleName }))
  return decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '')
}

const putTrust = (RoleName: string, PolicyDocument: string): Promise<unknown> =>
  iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument }))

const step = (name: string, run: () => Promise<void>): void => test(name, run, STEP_MS)

describe('IRSA on a cluster that is not EKS', () => {
  const create = `role create --name orders --service-account shop/orders --issuer ${ISSUER} --policy-file orders.json --annotate`

  step('without a provider the role is refused, with the command that makes it', async () => {
    await makeServiceAccount(edge, 'orders')
    const { code, err } = await desk.run(create)
    expect(code).toBe(1)
    expect(err).toContain(`account ${ACCOUNT} has no IAM OIDC provider for issuer ${ISSUER}`)
    const [, command = ''] = /Make it first: podrole (.*)/.exec(err) ?? []
    const made = await desk.run(command)
    expect(made.code).toBe(0)
    expect(made.out).toContain(`${PROVIDER}   created for client ids sts.amazonaws.com`)
    expect(made.err).toContain('edge.issuer.sandbox has a certificate of a public authority')
    expect(made.err).toContain(
      `account ${ACCOUNT} has 0 IAM OIDC provider(s), quota 100 (Service Quotas L-858F3967): room for 100 more`,
    )
  })

  step('with it the pod gets the role; a second run does nothing', async () => {
    const { code, out, err } = await desk.run(create)
    expect({ code, out }).toEqual({ code: 0, out: `${ROLES}/orders\n` })
    expect(err).toContain('role orders made')
    expect(err).toContain('service account shop/orders annotated')
    expect(await readAs(edge, 'orders')).toMatchObject({ ok: true, content: 'tea' })
    const before = iamWrites
    const again = await desk.run(create)
    expect(again).toMatchObject({ code: 0, out })
    expect(again.err).toContain('role orders is there as asked for: nothing was done')
    expect(iamWrites).toBe(before)
  })

  const pattern = `orders --service-account shop/batch-* --match like --issuer ${ISSUER}`

  step('trust add shows what it would do, and then lets another in', async () => {
    await makeServiceAccount(edge, 'batch-7', { 'eks.amazonaws.com/role-arn': `${ROLES}/orders` })
    expect(await readAs(edge, 'batch-7')).toMatchObject({ ok: false })
    const before = await trustOf('orders')
    const dry = await desk.run(`role trust add ${pattern} --dry-run`)
    expect(dry.code).toBe(0)
    expect(dry.out).toContain('+             "system:serviceaccount:shop:batch-*"')
    expect(dry.out).toContain('nothing was written (--dry-run)')
    expect(await trustOf('orders')).toBe(before)
    expect((await desk.run(`role trust add ${pattern}`)).out).toContain('trust policy written')
    expect(await readAs(edge, 'batch-7')).toMatchObject({ ok: true, content: 'tea' })
    expect(await readAs(edge, 'orders')).toMatchObject({ ok: true })
    const again = await desk.run(`role trust add ${pattern}`)
    expect(again.out).toContain('shop/batch-* is in statement PodroleIrsa')
    expect(again.out).toContain('role orders: nothing to do')
  })

  step('trust remove keeps it out, and the file that it names puts it back', async () => {
    const before = await trustOf('orders')
    const removed = await desk.run(`role trust remove ${pattern} -o json`)
    const { after, priorFile } = JSON.parse(removed.out) as { after: string; priorFile: string }
    expect(await trustOf('orders')).toBe(after)
    expect(await readAs(edge, 'batch-7')).toMatchObject({ ok: false })
    expect(readFileSync(priorFile, 'utf8')).toBe(before)
    expect(statSync(priorFile).mode & 0o777).toBe(0o600)
    expect(priorFile).toStartWith(join(desk.folder, 'state', 'podrole', 'trust'))
    await putTrust('orders', readFileSync(priorFile, 'utf8'))
    expect(await readAs(edge, 'batch-7')).toMatchObject({ ok: true })
    await putTrust('orders', after)
  })

  step('a service account with another role, or none at all, is refused first', async () => {
    const second = (name: string): string =>
      `role create --name second --service-account shop/${name} --issuer ${ISSUER} --annotate`
    const taken = await desk.run(second('orders'))
    expect(taken.code).toBe(1)
    expect(taken.err).toContain(`annotated with another role, "${ROLES}/orders"`)
    const missing = await desk.run(second('nobody'))
    expect(missing.err).toContain('there is no service account shop/nobody')
    await expect(trustOf('second')).rejects.toThrow('cannot be found')
    const made = await desk.run(`${second('nobody')} --create-service-account`)
    expect(made.err).toContain('service account shop/nobody made, with the annotation')
    // It has no permission, which shows that the role itself was got.
    const outcome = await readAs(edge, 'nobody')
    expect(outcome).toMatchObject({ ok: false, error: 'AccessDenied' })
    expect(outcome.arn).toContain('assumed-role/second/')
  })
})

describe('EKS', () => {
  step('Pod Identity: the pod gets the role through its association', async () => {
    await makeServiceAccount(eks, 'orders')
    const made = await desk.run(
      'role create --name orders-eks --service-account shop/orders --cluster shop-eks --policy-file orders.json --path /team/',
    )
    const roleArn = `${ROLES}/team/orders-eks`
    expect(made).toMatchObject({ code: 0, out: `${roleArn}\n` })
    const { accessKeyId, secretAccessKey } = wired.sandbox.aws.adminCredentials()
    const at = { url: wired.sandbox.endpoint, region: REGION }
    const association = { clusterName: eks.name, namespace: 'shop', serviceAccount: 'orders' }
    const credentials = { accessKeyId, secretAccessKey }
    await createAssociation({ ...at, credentials }, { ...association, roleArn })
    expect(await readAs(eks, 'orders')).toMatchObject({ ok: true, content: 'tea' })
    const shown = await desk.run(`role trust show ${roleArn} --fail-on warning`)
    expect(shown.code).toBe(0)
    expect(shown.out).toContain('no findings')
  })

  step("IRSA: the cluster's own issuer", async () => {
    await desk.run(`issuer provider create --issuer ${eks.cluster.issuer}`)
    const kubeconfig = desk.write('kubeconfig-eks', eks.cluster.kubeconfig())
    const made = await desk.run(
      `role create --name orders-irsa --service-account shop/irsa --cluster shop-eks --method irsa --policy-file orders.json --annotate --create-service-account --kubeconfig ${kubeconfig}`,
    )
    expect(made.code).toBe(0)
    expect(await readAs(eks, 'irsa')).toMatchObject({ ok: true, content: 'tea' })
  })

  step('a cluster that is not there', async () => {
    const asked = 'role create --name x --service-account a/b --cluster nobody'
    const { code, err } = await desk.run(asked)
    expect(code).toBe(1)
    expect(err).toContain('DescribeCluster nobody in us-east-1: ResourceNotFound')
  })
})

describe('a fleet', () => {
  step('the broker names its issuer; the pod of a cluster inside the pattern gets it', async () => {
    const [broker] = wired.brokers
    if (broker === undefined) throw new Error('no broker')
    await makeServiceAccount(edge, 'fleet')
    const create =
      'role create --name orders-fleet --service-account shop/fleet --fleet --clusters shop-* --policy-file orders.json --ca-file ca.pem'
    const provider = `issuer provider create --issuer ${broker.issuer}`
    expect((await desk.run(create)).err).toContain(`podrole ${provider}`)
    expect((await desk.run(provider)).code).toBe(0)
    const roleArn = `${ROLES}/orders-fleet`
    expect(await desk.run(create)).toMatchObject({ code: 0, out: `${roleArn}\n` })
    const subject = '"cluster:shop-*:system:serviceaccount:shop:fleet"'
    expect(await trustOf('orders-fleet')).toContain(subject)
    const association = { clusterName: edge.name, namespace: 'shop', serviceAccount: 'fleet' }
    await createAssociation(broker.endpoint, { ...association, roleArn })
    expect(await readAs(edge, 'fleet')).toMatchObject({ ok: true, content: 'tea' })
    // Without a pattern: the clusters that the broker has.
    const named = await desk.run(
      'role trust add orders-fleet --service-account shop/other --fleet --ca-file ca.pem',
    )
    expect(named.out).toContain(
      '+             "cluster:shop-edge:system:serviceaccount:shop:other"',
    )
  })

  step("the broker's signing keys: what each waits for, and steps that are too early", async () => {
    const rotate = (command: string) => desk.run(`broker rotate ${command} --ca-file ca.pem`)
    expect((await rotate('status')).out).toMatch(/^KID .*\n\S{43} +ES256 +active/)
    const plan = JSON.parse((await rotate('plan -o json')).out) as Record<string, string>[]
    expect(plan.map(({ command, when }) => [command, when])).toEqual([
      ['prepare', 'now'],
      ['activate', 'no'],
      ['retire', 'no'],
      ['abort', 'no'],
    ])
    const prepared = await rotate('prepare -o json')
    expect(prepared.err).toContain('is published and was seen from outside')
    const { keys } = JSON.parse(prepared.out) as { keys: Record<string, string>[] }
    expect(keys).toMatchObject([
      { state: 'active' },
      { state: 'prepared', waitsFor: 'the settle time', until: expect.any(String) },
    ])
    const early = await rotate('activate')
    expect([early.code, early.err]).toEqual([1, expect.stringContaining('KeyNotSettled')])
    expect((await rotate('abort')).err).toContain('unpublished and deleted: ')
  })
})

describe('issuer provider in several accounts', () => {
  const BOTH = '--profile shop --profile other'

  step('made in each, shown with who trusts them and what is left over', async () => {
    const made = await desk.run(
      `issuer provider create --issuer ${ISSUER} ${BOTH} --tag team=shop -o json`,
    )
    const outcomes = JSON.parse(made.out) as { account: string; result: { done: string[] } }[]
    expect(outcomes.map(({ account, result }) => [account, result.done])).toEqual([
      [ACCOUNT, ['tagged team=shop']],
      [OTHER, ['created for client ids sts.amazonaws.com']],
    ])
    const gone = 'https://gone.issuer.sandbox'
    await desk.run(`issuer provider create --issuer ${gone} --profile other`)
    const status = await desk.run(`issuer provider status ${BOTH}`)
    const lines = status.out.split('\n').map((line) => line.replaceAll(/ {2,}/g, ' | '))
    const audience = 'sts.amazonaws.com'
    expect(lines).toContain(`${ACCOUNT} | ${ISSUER} | ${audience} | orders, second | -`)
    expect(lines).toContain(`${OTHER} | ${ISSUER} | ${audience} | no role | no role trusts it`)
    expect(lines).toContain(
      `${OTHER} | ${gone} | ${audience} | no role | no role trusts it; its issuer does not answer`,
    )
  })

  step('deleted where nobody trusts it; where somebody does, by force alone', async () => {
    const removed = await desk.run(`issuer provider delete --issuer ${ISSUER} ${BOTH}`)
    expect(removed.code).toBe(1)
    expect(removed.out).toContain(`${PROVIDER} is trusted by 2 role(s): orders, second`)
    expect(removed.out).toContain(`oidc-provider/${HOST_PATH}   deleted`)
    expect(await readAs(edge, 'orders')).toMatchObject({ ok: true })
    const forced = await desk.run(`issuer provider delete --issuer ${ISSUER} --force`)
    expect(forced.out).toContain('deleted; these roles trusted it: orders, second')
    expect(await readAs(edge, 'orders')).toMatchObject({ ok: false })
    expect((await desk.run(`issuer provider create --issuer ${ISSUER}`)).code).toBe(0)
    expect(await readAs(edge, 'orders')).toMatchObject({ ok: true })
  })

  step('a profile that does not exist keeps all of them from being done', async () => {
    const issuer = 'https://new.issuer.sandbox'
    const asked = `issuer provider create --issuer ${issuer} --profile shop --profile nobody`
    const { code, err } = await desk.run(asked)
    expect(code).toBe(1)
    expect(err).toContain('no AWS credentials for GetCallerIdentity of profile nobody')
    expect((await desk.run('issuer provider status -o json')).out).not.toContain(issuer)
  })
})

describe('while IAM shows its writes a second late', () => {
  step('a role is made by two at once, and made again', async () => {
    wired.sandbox.aws.faults.replace(['iam:*=eventual:1s'])
    const create =
      'role create --name late --service-account shop/late --cluster shop-eks --policy-file orders.json --policy-arn arn:aws:iam::aws:policy/AdministratorAccess'
    const both = await Promise.all([desk.run(create), desk.run(create)])
    expect(both.map(({ code, out }) => [code, out])).toEqual([
      [0, `${ROLES}/late\n`],
      [0, `${ROLES}/late\n`],
    ])
    await Bun.sleep(1100)
    expect((await desk.run(create)).err).toContain('nothing was done')
    for (const name of ['second', 'third']) {
      await desk.run(`role trust add late --service-account shop/${name} --cluster shop-eks`)
    }
    expect(await trustOf('late')).toContain('["late","second","third"]')
  })

  step('trust in a cluster that is gone can be taken back by its ARN', async () => {
    const gone = `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/gone`
    const who = 'late --service-account shop/x --cluster'
    expect((await desk.run(`role trust add ${who} ${gone}`)).code).toBe(0)
    expect((await desk.run(`role trust remove ${who} gone`)).code).toBe(1)
    expect((await desk.run(`role trust remove ${who} ${gone}`)).code).toBe(0)
    expect(await trustOf('late')).not.toContain('cluster/gone')
  })
})

describe('what is wrong is told before anything is written', () => {
  test.each([
    ['issuer provider create --issuer https://a.example:8443', 'it must not hold a port'],
    ['issuer provider delete --issuer https://a.example/', 'it ends with a slash'],
    [
      'role create --name x --service-account a/b --cluster c --annotate',
      'Pod Identity goes by associations',
    ],
    [
      'role create --name x --service-account a/b --policy-file /nowhere.json',
      'cannot read /nowhere.json',
    ],
    [
      'role create --name x! --service-account a --path y --tag z --issuer https://a.example',
      '4 things are wrong:',
    ],
    ['role trust show', 'wanted the name of a role, or --file'],
    [`role trust show arn:aws:iam::${OTHER}:role/x`, `is no role of account ${ACCOUNT}`],
  ])(
    '%s',
    async (line, message) => {
      const before = iamWrites
      const { code, err } = await desk.run(line)
      expect(code).toBe(1)
      expect(err).toContain(message)
      expect(iamWrites).toBe(before)
    },
    STEP_MS,
  )
})

describe('role trust show', () => {
  step("names the three faults of EKS Anywhere's sample", async () => {
    const sample = join(ROOT, 'src', 'iam', 'testdata', 'eks-anywhere-trust-policy.json')
    const { code, out } = await desk.run(`role trust show --file ${sample} --fail-on error`)
    expect(code).toBe(1)
    const found = out.split('\n').filter((line) => /^(?:error|warning)/.test(line))
    expect(found).toHaveLength(3)
    expect(found[0]).toContain('Condition holds "__doc_comment"')
    expect(found[1]).toContain('"ISSUER_HOSTPATH/CLUSTER_ID:sub" can never match')
    expect(found[2]).toContain('no condition on ISSUER_HOSTPATH:aud')
  })

  step('of a role: its policy, its size and its findings, as JSON too', async () => {
    const Statement = {
      Effect: 'Allow',
      Principal: { Federated: PROVIDER.replace(ACCOUNT, OTHER) },
      Action: 'sts:AssumeRoleWithWebIdentity',
      Condition: { StringEquals: { [`${HOST_PATH}:sub`]: 'system:serviceaccount:shop:*' } },
    }
    const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
    await iam.send(new CreateRoleCommand({ RoleName: 'wrong', AssumeRolePolicyDocument }))
    const { code, out } = await desk.run('role trust show wrong -o json')
    expect(code).toBe(0)
    const shown = JSON.parse(out) as { findings: { code: string }[] }
    expect(shown).toMatchObject({ policy: AssumeRolePolicyDocument, quota: { value: 2048 } })
    expect(shown.findings.map((finding) => finding.code)).toEqual([
      'foreign-provider',
      'wildcard-in-equals',
      'no-audience',
    ])
  })
})
