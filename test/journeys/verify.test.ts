/** `podrole verify` as typed, against pods of the sandbox that run the AWS CLI. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { delimiter, join } from 'node:path'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import type { ExpectedRole } from '../../src/doctor/verify/expected-role.ts'
import { inPodProgram } from '../../src/doctor/verify/pod.ts'
import { readSaid } from '../../src/doctor/verify/said.ts'
import { judge, type Verification } from '../../src/doctor/verify/verdict.ts'
import {
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  NODES,
  PODS,
  SERVICE_ACCOUNTS,
} from '../../src/kube/client.ts'
import type { Pod } from '../../src/kube/objects.ts'
import { TOOL_PATH } from '../../src/sandbox/node/launch.ts'
import type { RunningCluster } from '../../src/sandbox/sandbox.ts'
import { createMovedClock } from '../support/moved-clock.ts'
import { findPython } from '../support/python.ts'
import {
  ACCOUNT,
  podsTrust,
  ROLES,
  type ShopJourney,
  startShopJourney,
} from '../support/shop-journey.ts'
import { lacks } from '../support/tools.ts'

const found = await findPython()
const isSkipped = lacks('podrole verify in pods', found.missing)
const PODROLE = join(import.meta.dir, '..', '..', 'bin', 'podrole')
const machinePath = process.env['PATH'] ?? ''
/** The sandbox's STS answers so late that a pod is there for a while. */
const LATE = 'sts:GetCallerIdentity=delay:15s'

const accountTrust = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` },
      Action: 'sts:AssumeRole',
    },
  ],
})

setDefaultTimeout(180_000)

let shop: ShopJourney
let edgeConfig: string

beforeAll(async () => {
  if (isSkipped) return
  // The node finds programs for images by it, and the AWS CLI is one.
  process.env['PATH'] = [found.bin, machinePath].join(delimiter)
  shop = await startShopJourney()
  edgeConfig = shop.desk.write('edge', shop.edge.cluster.kubeconfig())
  await shop.eks.client.create(NAMESPACES, { metadata: { name: 'shop' } })
  await podrole(`issuer provider create --issuer ${shop.eks.cluster.issuer}`)
  await podrole(
    'role create --name irsa --path /team/ --service-account shop/irsa --cluster shop-eks --method irsa --policy-file orders.json --annotate --create-service-account',
  )
  await podrole(
    'association create shop/orders --cluster shop-eks --permission-policy orders.json --create-service-account',
  )
  for (const name of ['plain', 'other']) await makeServiceAccount(shop.eks, name)
})
afterEach(() => (isSkipped ? undefined : shop.wired.sandbox.aws.faults.replace([])))
afterAll(async () => {
  process.env['PATH'] = machinePath
  if (!isSkipped) await shop.stop()
})

async function podrole(line: string): Promise<string> {
  const { code, err, out } = await shop.desk.run(line)
  expect({ line, code, err: code === 0 ? '' : err }).toEqual({ line, code: 0, err: '' })
  return out
}

const makeServiceAccount = (
  { client }: RunningCluster,
  name: string,
  annotations: Record<string, string> = {},
): Promise<unknown> =>
  client.create(SERVICE_ACCOUNTS, { metadata: { namespace: 'shop', name, annotations } })

interface Verified {
  readonly code: number
  readonly err: string
  readonly found: Partial<Verification>
}

async function verify(words: string): Promise<Verified> {
  const { code, err, out } = await shop.desk.run(`verify ${words} -o json`)
  return { code, err, found: out === '' ? {} : (JSON.parse(out) as Verification) }
}

async function verifyPods({ client }: RunningCluster = shop.eks): Promise<readonly Pod[]> {
  const { items } = await client.list<Pod>(PODS, {
    namespace: 'shop',
    labelSelector: 'podrole.dev/verify=true',
  })
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
}

/** A verify that goes on, in a process of its own, with its pod there. */
async function startVerify(words: string): Promise<{
  readonly child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>
  readonly pod: string
}> {
  const before = new Set((await verifyPods()).map(({ metadata }) => metadata.name))
  const child = Bun.spawn([PODROLE, 'verify', ...words.split(' ')], {
    cwd: shop.desk.folder,
    env: shop.desk.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (;;) {
    const pod = (await verifyPods()).find(({ metadata }) => !before.has(metadata.name))
    if (pod?.status?.phase === 'Running') return { child, pod: pod.metadata.name ?? '' }
    if (child.exitCode !== null) throw new Error(await child.stderr.text())
    await Bun.sleep(50)
  }
}

describe.skipIf(isSkipped)('what answers in a pod', () => {
  test('IRSA: the web identity, and the role of the annotation whatever its path is', async () => {
    const { code, err, found } = await verify('shop/irsa')
    expect({ code, err, found }).toMatchObject({
      code: 0,
      err: '',
      found: {
        serviceAccount: 'shop/irsa',
        provider: 'web-identity',
        identity: expect.stringMatching(new RegExp(`^arn:aws:sts::${ACCOUNT}:assumed-role/irsa/`)),
        expectedRole: {
          arn: `${ROLES}/team/irsa`,
          source: 'annotation eks.amazonaws.com/role-arn',
        },
        findings: [],
        verdict: 'ok',
      },
    })
    expect(await verifyPods()).toEqual([])
  })

  test('Pod Identity by the agent: the role of the association', async () => {
    const { roleArn } = await shop.describeAssociation('shop/orders')
    expect(await verify('shop/orders --cluster shop-eks')).toMatchObject({
      code: 0,
      found: { provider: 'container', expectedRole: { arn: roleArn }, verdict: 'ok' },
    })
    const unnamed = await verify('shop/orders')
    expect(unnamed).toMatchObject({
      code: 0,
      found: { verdict: 'doubtful', findings: [{ code: 'role-not-known' }] },
    })
    expect(await verify('shop/orders --fail-on warning')).toMatchObject({ code: 1 })
    expect((await verify(`shop/orders --expect-role ${roleArn}`)).found.verdict).toBe('ok')
  })

  test('a cluster of a broker', async () => {
    const { brokers } = shop.wired
    await podrole(`issuer provider create --issuer ${brokers[0]?.issuer ?? ''}`)
    const at = '--cluster shop-edge --broker --ca-file ca.pem'
    await podrole(
      `association create shop/fleet ${at} --permission-policy orders.json --create-service-account --kubeconfig ${edgeConfig}`,
    )
    const { code, err, found } = await verify(`shop/fleet ${at} --kubeconfig ${edgeConfig}`)
    expect({ code, err, found }).toMatchObject({
      code: 0,
      err: '',
      found: { provider: 'container', verdict: 'ok', findings: [] },
    })
  })

  test('another role than the one that is wanted', async () => {
    const wanted = await shop.makeRole('wanted', podsTrust())
    const { code, found } = await verify(`shop/orders --expect-role ${wanted}`)
    expect({ code, found }).toMatchObject({
      code: 1,
      found: { verdict: 'broken', findings: [{ code: 'wrong-role' }] },
    })
    expect(found.findings?.[0]?.sentence).toContain(`wanted ${wanted}`)
  })

  test('a trust policy that refuses: the words of STS', async () => {
    await makeServiceAccount(shop.eks, 'refused', {
      'eks.amazonaws.com/role-arn': `${ROLES}/team/irsa`,
    })
    const { code, found } = await verify('shop/refused')
    expect({ code, found }).toMatchObject({
      code: 1,
      found: { verdict: 'broken', findings: [{ code: 'credentials-refused' }] },
    })
    expect(found.findings?.[0]?.sentence).toMatch(
      /^web identity \(IRSA\) gave no identity: An error occurred \(AccessDenied\) when calling the AssumeRoleWithWebIdentity/,
    )
  })

  test('nobody', async () => {
    expect(await verify('shop/plain')).toMatchObject({
      code: 1,
      found: { provider: 'none', findings: [{ code: 'no-credentials' }] },
    })
  })

  test('as a person reads it, and nothing of a secret in it or in the log', async () => {
    const out = await podrole('verify shop/irsa')
    expect(out).toMatch(
      /^service account {3}shop\/irsa\npod +podrole-verify-\w+ on shop-eks-node-1, removed\n/,
    )
    expect(out).toContain('\nprovider          web identity (IRSA)\n')
    expect(out).toEndWith(`\nok: a pod of shop/irsa gets ${ROLES}/team/irsa\n`)
    expect(out).not.toMatch(/ASIA|eyJ/)
  })
})

/**
 * Pods of the sandbox reach no instance metadata, so that what runs in one runs beside them here,
 * with the AWS CLI itself and metadata that give a role's credentials.
 */
test.skipIf(isSkipped)("the node's role by instance metadata is seen as such", async () => {
  const node = await shop.makeRole('node', accountTrust)
  const { sandbox } = shop.wired
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const sts = new STSClient({
    region: sandbox.region,
    endpoint: sandbox.endpoint,
    credentials: { accessKeyId, secretAccessKey: secretAccessKey.reveal() },
  })
  const assumed = await sts.send(
    new AssumeRoleCommand({ RoleArn: node, RoleSessionName: 'i-0123456789abcdef0' }),
  )
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = assumed.Credentials ?? {}
  const metadata = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    development: false,
    error: () => new Response(null, { status: 500 }),
    fetch: (request) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/latest/api/token') return new Response('token')
      if (pathname.endsWith('/security-credentials/')) return new Response('node')
      if (!pathname.endsWith('/security-credentials/node')) {
        return new Response(null, { status: 404 })
      }
      const given = { AccessKeyId, SecretAccessKey, Token: SessionToken, Expiration }
      return Response.json({ Code: 'Success', Type: 'AWS-HMAC', ...given })
    },
  })
  const { AWS_PROFILE: _, AWS_SHARED_CREDENTIALS_FILE: __, ...environment } = shop.desk.environment
  const child = Bun.spawn(['sh', '-c', inPodProgram({ checks: [] })], {
    cwd: shop.desk.folder,
    env: { ...environment, AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url.href },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const log = await child.stdout.text()
  await metadata.stop(true)
  const reading = readSaid(log, 0)
  const judged = (expected: ExpectedRole): Verification =>
    judge({
      serviceAccount: { namespace: 'shop', name: 'plain' },
      checks: [],
      expected,
      end: { kind: 'ended', exit: 'exit code 0', reading },
    })
  const other = { kind: 'known', roleArn: `${ROLES}/orders`, source: 'case' } as const
  expect(judged(other)).toMatchObject({
    provider: 'node-role',
    identity: `arn:aws:sts::${ACCOUNT}:assumed-role/node/i-0123456789abcdef0`,
    findings: [{ code: 'node-role', severity: 'error' }],
  })
  expect(judged({ kind: 'none' })).toMatchObject({
    findings: [{ code: 'node-role', severity: 'warning' }],
  })
  expect(log).not.toContain(SessionToken ?? 'no token')
})

describe.skipIf(isSkipped)('further checks', () => {
  test('each with its outcome', async () => {
    shop.desk.write(
      'checks.yaml',
      `checks:
  - { name: reads, command: [s3, cp, s3://shop-orders/today.txt, '-'], expect: { output: tea } }
  - { name: may not write, command: [s3, cp, /etc/hostname, s3://shop-orders/x], expect: access-denied }
  - { name: lists, command: [s3, ls, s3://shop-orders], expect: success }
`,
    )
    const { code, found } = await verify('shop/irsa --checks checks.yaml')
    expect({ code, checks: found.checks, findings: found.findings }).toMatchObject({
      code: 1,
      checks: [
        { name: 'reads', outcome: 'as-expected', did: 'it printed that' },
        { name: 'may not write', outcome: 'as-expected' },
        { name: 'lists', outcome: 'failed', did: expect.stringContaining('(AccessDenied)') },
      ],
      findings: [{ code: 'check-failed' }],
    })
  })

  test('a file with faults names them all, before any pod', async () => {
    shop.desk.write('bad.yaml', 'checks: [{name: a, command: [--debug], expect: yes}]\n')
    const { code, err } = await verify('shop/irsa --checks bad.yaml')
    expect(code).toBe(1)
    expect(err).toContain('checks.0.command')
    expect(err).toContain('checks.0.expect')
  })
})

describe.skipIf(isSkipped)('pods that do not come to their end', () => {
  test.each([
    [
      'no service account',
      'shop/nobody',
      'service-account-missing',
      'no service account shop/nobody',
    ],
    [
      'no image',
      'shop/plain --image example.com/none:1',
      'image-not-pulled',
      'no program of this machine stands for image example.com/none:1',
    ],
    // Every container sees what a machine has among its own tools.
    ...(Bun.which('aws', { PATH: TOOL_PATH }) === null
      ? [
          [
            'no AWS CLI in it',
            'shop/plain --image bash',
            'unreadable-answer',
            'its image has no aws',
          ],
        ]
      : []),
  ])('%s', async (_, words, code, sentence) => {
    const verified = await verify(`${words} --timeout 60s`)
    expect(verified).toMatchObject({ code: 1, found: { findings: [{ code }] } })
    expect(verified.found.findings?.[0]?.sentence).toContain(sentence)
    expect(await verifyPods()).toEqual([])
  })

  test('no node takes it', async () => {
    const { client } = shop.eks
    const { items } = await client.list(NODES)
    const setUnschedulable = async (unschedulable: boolean): Promise<void> => {
      for (const { metadata } of items) {
        await client.mergePatch(NODES, { name: metadata.name ?? '' }, { spec: { unschedulable } })
      }
    }
    await setUnschedulable(true)
    const verified = await verify('shop/plain --timeout 3s')
    await setUnschedulable(false)
    expect(verified).toMatchObject({ code: 1, found: { findings: [{ code: 'unschedulable' }] } })
    expect(await verifyPods()).toEqual([])
  })

  test('AWS does not answer in time', async () => {
    shop.wired.sandbox.aws.faults.replace([LATE])
    const verified = await verify('shop/irsa --timeout 12s')
    expect(verified).toMatchObject({ code: 1, found: { findings: [{ code: 'no-answer' }] } })
    expect(await verifyPods()).toEqual([])
  })

  test('an admission webhook refuses it, and is quoted', async () => {
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      development: false,
      error: () => new Response(null, { status: 500 }),
      tls: await shop.wired.sandbox.authority.issue({ names: ['127.0.0.1'] }),
      fetch: async (request) => {
        const review = (await request.json()) as { request: { uid: string } }
        const response = {
          uid: review.request.uid,
          allowed: false,
          status: { code: 403, message: 'images of example.com alone' },
        }
        return Response.json({
          apiVersion: 'admission.k8s.io/v1',
          kind: 'AdmissionReview',
          response,
        })
      },
    })
    const configuration = {
      metadata: { name: 'images' },
      webhooks: [
        {
          name: 'images.example.com',
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          clientConfig: {
            url: `https://127.0.0.1:${server.port}/`,
            caBundle: Buffer.from(shop.wired.sandbox.authority.cert).toString('base64'),
          },
          rules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] },
          ],
        },
      ],
    }
    await shop.eks.client.create(MUTATING_WEBHOOK_CONFIGURATIONS, configuration)
    const verified = await verify('shop/plain')
    await shop.eks.client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: 'images' })
    await server.stop(true)
    expect(verified).toMatchObject({
      code: 1,
      found: { findings: [{ code: 'admission-refused' }] },
    })
    expect(verified.found.findings?.[0]?.sentence).toContain('images of example.com alone')
  })
})

describe.skipIf(isSkipped)('no pod is left', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s', async (signal, code) => {
    shop.wired.sandbox.aws.faults.replace([LATE])
    const { child } = await startVerify('shop/irsa')
    child.kill(signal)
    expect(await child.exited).toBe(code)
    expect(await child.stdout.text()).toBe('')
    expect(await child.stderr.text()).toContain(`${signal}: the pod is removed first`)
    expect(await verifyPods()).toEqual([])
  })

  test('kill -9 leaves one that ends by itself and that a later verify removes', async () => {
    shop.wired.sandbox.aws.faults.replace([LATE])
    const { child, pod } = await startVerify('shop/irsa --timeout 10s')
    child.kill('SIGKILL')
    await child.exited
    shop.wired.sandbox.aws.faults.replace([])
    const next = await shop.desk.run('verify shop/irsa')
    expect(next).toMatchObject({ code: 0, err: '' })
    const phase = async (): Promise<string | undefined> =>
      (await shop.eks.client.get<Pod>(PODS, { namespace: 'shop', name: pod })).status?.phase
    while ((await phase()) === 'Running') await Bun.sleep(200)
    expect(await phase()).toBe('Succeeded')
    const clock = createMovedClock(shop.desk.folder)
    await clock.pass(100_000)
    const later = Bun.spawn([PODROLE, 'verify', 'shop/irsa'], {
      cwd: shop.desk.folder,
      env: { ...shop.desk.environment, ...clock.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [err, out] = await Promise.all([later.stderr.text(), later.stdout.text()])
    expect(err).toBe(`podrole: removed pod shop/${pod}, which a verify that was killed had left\n`)
    expect(out).toContain('ok: ')
    expect(await verifyPods()).toEqual([])
  })

  test('two at once, of which one is done first, do not touch each other', async () => {
    const both = await Promise.all([verify('shop/irsa'), verify('shop/orders --cluster shop-eks')])
    expect(both).toMatchObject([
      { code: 0, err: '', found: { verdict: 'ok', provider: 'web-identity' } },
      { code: 0, err: '', found: { verdict: 'ok', provider: 'container' } },
    ])
    expect(both[0].found.pod?.name).not.toBe(both[1].found.pod?.name)
    expect(await verifyPods()).toEqual([])
  })
})

test.skipIf(isSkipped)('what is typed wrong is said before anything is asked', async () => {
  for (const [words, says] of [
    ['shop', 'NAMESPACE/NAME'],
    ['shop/irsa --expect-role orders', 'orders'],
    ['shop/irsa --timeout 0s', 'wanted 1s to 1h'],
    ['shop/irsa --run-as-user 0', 'not root'],
    ['shop/irsa --checks nowhere.yaml', 'nowhere.yaml'],
    ['shop/irsa --cluster shop-edge --broker nowhere', 'is no URL'],
  ] as const) {
    const { code, err } = await verify(words)
    expect({ words, code, err }).toMatchObject({ code: 1, err: expect.stringContaining(says) })
  }
})
