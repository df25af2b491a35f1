/** `podrole doctor` as typed: faults that are made by AWS's and Kubernetes' own calls are found, each of them and nothing else; after they are mended, none is. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  CreateAddonCommand,
  CreateFargateProfileCommand,
  CreateNodegroupCommand,
  CreatePodIdentityAssociationCommand,
  DeletePodIdentityAssociationCommand,
  EKSClient,
  UpdateAddonCommand,
} from '@aws-sdk/client-eks'
import {
  AttachRolePolicyCommand,
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  DeleteOpenIDConnectProviderCommand,
  DetachRolePolicyCommand,
  IAMClient,
  PutUserPolicyCommand,
  CreateUserCommand,
  CreateAccessKeyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { join } from 'node:path'
import { callEks } from '../../src/cli/parts/associations.ts'
import type { WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'
import type { Diagnosis } from '../../src/doctor/checks/diagnose.ts'
import {
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  NODES,
  PODS,
  SERVICE_ACCOUNTS,
} from '../../src/kube/client.ts'
import type { Pod } from '../../src/kube/objects.ts'
import type { RunningCluster } from '../../src/sandbox/sandbox.ts'
import { type Desk, openDesk } from '../support/podrole.ts'
import { startQuietSandbox } from '../support/quiet-sandbox.ts'

const PODROLE = join(import.meta.dir, '..', '..', 'bin', 'podrole')
const ACCOUNT = '111122223333'
const REGION = 'eu-west-1'
const ROLES = `arn:aws:iam::${ACCOUNT}:role`
const EDGE_ISSUER = 'https://edge.issuer.sandbox/clusters/edge'
const GONE = 'gone.issuer.invalid'
const PROVIDERS = `arn:aws:iam::${ACCOUNT}:oidc-provider`
/** Of the sandbox's catalogue. */
const OLD_AGENT = 'v1.3.8-eksbuild.2'
const NEW_AGENT = 'v1.3.9-eksbuild.3'
const WAIT_MS = 300_000

let wired: WiredSandbox
let prod: RunningCluster
let desk: Desk
let iam: IAMClient
let eks: EKSClient

beforeAll(async () => {
  wired = await startQuietSandbox({
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: [
      { name: 'prod', region: REGION, kind: 'eks' },
      { name: 'edge', region: REGION, kind: 'self-managed', issuer: EDGE_ISSUER },
    ],
  })
  const cluster = wired.sandbox.clusters.get('prod')
  if (cluster === undefined) throw new Error('no cluster')
  prod = cluster
  desk = openDesk(wired, {
    profiles: { shop: ACCOUNT },
    cluster,
    issuers: [cluster.cluster.issuer],
  })
  const { accessKeyId, secretAccessKey } = wired.sandbox.aws.adminCredentials(ACCOUNT)
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  const config = { region: REGION, endpoint: wired.sandbox.endpoint, credentials }
  iam = new IAMClient(config)
  eks = new EKSClient(config)
  await setUp()
}, WAIT_MS)

afterAll(async () => {
  desk.remove()
  await wired.stop()
}, WAIT_MS)

const issuer = (): string => prod.cluster.issuer.replace('https://', '')

const irsaTrust = (host: string, subject?: string): object => ({
  Effect: 'Allow',
  Principal: { Federated: `${PROVIDERS}/${host}` },
  Action: 'sts:AssumeRoleWithWebIdentity',
  Condition: {
    StringEquals: {
      [`${host}:aud`]: 'sts.amazonaws.com',
      ...(subject !== undefined && { [`${host}:sub`]: `system:serviceaccount:${subject}` }),
    },
  },
})

const serviceTrust = (service: string): object => ({
  Effect: 'Allow',
  Principal: { Service: service },
  Action: 'sts:AssumeRole',
})

const podsTrust = (namespace: string, serviceAccount: string): object => ({
  Effect: 'Allow',
  Principal: { Service: 'pods.eks.amazonaws.com' },
  Action: ['sts:AssumeRole', 'sts:TagSession'],
  Condition: {
    StringEquals: {
      'aws:RequestTag/eks-cluster-arn': `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/prod`,
      'aws:RequestTag/kubernetes-namespace': namespace,
      'aws:RequestTag/kubernetes-service-account': serviceAccount,
    },
  },
})

const textOf = (statement: object): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: [statement] })

const makeRole = (RoleName: string, trust: object): Promise<unknown> =>
  iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: textOf(trust) }))

const retrust = (RoleName: string, trust: object): Promise<unknown> =>
  iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: textOf(trust) }))

const attach = (RoleName: string, policy: string): Promise<unknown> =>
  iam.send(
    new AttachRolePolicyCommand({ RoleName, PolicyArn: `arn:aws:iam::aws:policy/${policy}` }),
  )

const detach = (RoleName: string, policy: string): Promise<unknown> =>
  iam.send(
    new DetachRolePolicyCommand({ RoleName, PolicyArn: `arn:aws:iam::aws:policy/${policy}` }),
  )

async function associate(serviceAccount: string, roleName: string): Promise<string> {
  const { association } = await eks.send(
    new CreatePodIdentityAssociationCommand({
      clusterName: 'prod',
      namespace: 'shop',
      serviceAccount,
      roleArn: `${ROLES}/${roleName}`,
    }),
  )
  return association?.associationId ?? ''
}

const account = (name: string, role?: string): Promise<unknown> =>
  prod.client.create(SERVICE_ACCOUNTS, {
    metadata: {
      namespace: 'shop',
      name,
      ...(role !== undefined && {
        annotations: { 'eks.amazonaws.com/role-arn': `${ROLES}/${role}` },
      }),
    },
  })

/** It waits for its image for ever; how it was admitted is what counts. */
const podOf = (serviceAccount: string): Pod => ({
  metadata: { namespace: 'shop', name: serviceAccount },
  spec: {
    serviceAccountName: serviceAccount,
    containers: [{ name: 'main', image: 'registry.example/nothing' }],
  },
})

/** A cluster and its account in which all is well. */
async function setUp(): Promise<void> {
  const { client } = prod
  await client.create(NAMESPACES, { metadata: { name: 'shop' } })
  await makeRole('node', serviceTrust('ec2.amazonaws.com'))
  await attach('node', 'AmazonEKSWorkerNodePolicy')
  await attach('node', 'AmazonEC2ContainerRegistryReadOnly')
  await attach('node', 'AmazonEKS_CNI_Policy')
  await makeRole('fargate', serviceTrust('eks-fargate-pods.amazonaws.com'))
  await attach('fargate', 'AmazonEKSFargatePodExecutionRolePolicy')
  const subnets = ['subnet-0a1b2c3d4e5f60718']
  await eks.send(
    new CreateNodegroupCommand({
      clusterName: 'prod',
      nodegroupName: 'workers',
      nodeRole: `${ROLES}/node`,
      subnets,
    }),
  )
  await eks.send(
    new CreateFargateProfileCommand({
      clusterName: 'prod',
      fargateProfileName: 'batch',
      podExecutionRoleArn: `${ROLES}/fargate`,
      selectors: [{ namespace: 'batch' }],
      subnets,
    }),
  )
  await iam.send(
    new CreateOpenIDConnectProviderCommand({
      Url: prod.cluster.issuer,
      ClientIDList: ['sts.amazonaws.com'],
      ThumbprintList: ['0'.repeat(40)],
    }),
  )
  await makeRole('mail', irsaTrust(issuer(), 'shop:mail'))
  await makeRole('orders', podsTrust('shop', 'orders'))
  await associate('orders', 'orders')
  await account('orders')
  await account('mail', 'mail')
  for (const name of ['orders', 'mail']) await client.create<Pod>(PODS, podOf(name))
}

async function doctor(options = ''): Promise<{ code: number; found: Diagnosis }> {
  const { code, err, out } = await desk.run(`doctor --cluster prod -o json${options}`)
  if (!out.startsWith('{')) throw new Error(`${code}: ${err}`)
  return { code, found: JSON.parse(out) as Diagnosis }
}

const told = ({ findings }: Diagnosis): string[] =>
  findings.map(({ id, severity, subject }) => `${severity} ${id}: ${subject}`)

test(
  'what is made wrong by hand is found, and nothing else; mended, nothing is',
  async () => {
    expect(told((await doctor(' --fail-on warning')).found)).toEqual([])

    const mend = await breakAll()
    const broken = await doctor()
    expect(told(broken.found)).toEqual([
      'error node-role-fallback: service account shop/mail of prod',
      'error imds-open: cluster prod',
      'error compute-role-unbounded: role fargate (fargate role of prod)',
      'error trust-no-subject: role mail',
      'error annotated-role-missing: cluster prod',
      'warning two-ways: service account shop/orders of prod',
      'warning node-role-beyond: role node (node role of prod)',
      'warning trust-stale-provider: role stale',
      `warning orphan-provider: provider ${GONE}`,
      expect.stringMatching(/^warning orphan-association: association a-\w+ of prod$/),
      'warning agent-old: cluster prod',
    ])
    expect(broken.code).toBe(1)

    for (const step of mend) await step()
    const mended = await doctor(' --fail-on warning')
    expect({ code: mended.code, found: told(mended.found) }).toEqual({ code: 0, found: [] })
  },
  WAIT_MS,
)

/** @returns what mends it again */
async function breakAll(): Promise<readonly (() => Promise<unknown>)[]> {
  const { client } = prod
  const mail = { namespace: 'shop', name: 'mail' }
  const { aws } = wired.sandbox
  const [node = ''] = (await client.list(NODES)).items.flatMap(
    ({ metadata }) => metadata.name ?? [],
  )
  const instance = { accountId: ACCOUNT, region: REGION, clusterName: 'prod', nodeName: node }
  const remake = async (): Promise<void> => {
    await client.delete(PODS, mail)
    await untilGone(mail)
    await client.create<Pod>(PODS, podOf('mail'))
  }
  const ref = { name: 'podrole-webhook' }
  const webhook = await client.get(MUTATING_WEBHOOK_CONFIGURATIONS, ref)
  await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, ref)
  await remake()
  await client.create(MUTATING_WEBHOOK_CONFIGURATIONS, { ...webhook, metadata: ref })

  aws.putInstance({ ...instance, metadataOptions: { httpPutResponseHopLimit: 2 } })
  await attach('node', 'AmazonS3ReadOnlyAccess')
  await attach('fargate', 'AdministratorAccess')
  await retrust('mail', irsaTrust(issuer()))
  await iam.send(
    new CreateOpenIDConnectProviderCommand({
      Url: `https://${GONE}`,
      ClientIDList: ['sts.amazonaws.com'],
      ThumbprintList: ['0'.repeat(40)],
    }),
  )
  await makeRole('stale', irsaTrust('deleted.issuer.invalid', 'shop:mail'))
  const orphan = await associate('nobody', 'orders')
  await annotate('orders', 'orders')
  await account('lost', 'never-made')
  await eks.send(
    new CreateAddonCommand({
      clusterName: 'prod',
      addonName: 'eks-pod-identity-agent',
      addonVersion: OLD_AGENT,
    }),
  )
  return [
    remake,
    async () => aws.putInstance(instance),
    () => detach('node', 'AmazonS3ReadOnlyAccess'),
    () => detach('fargate', 'AdministratorAccess'),
    () => retrust('mail', irsaTrust(issuer(), 'shop:mail')),
    () => retrust('stale', irsaTrust(issuer(), 'shop:mail')),
    () =>
      iam.send(
        new DeleteOpenIDConnectProviderCommand({
          OpenIDConnectProviderArn: `${PROVIDERS}/${GONE}`,
        }),
      ),
    () =>
      eks.send(
        new DeletePodIdentityAssociationCommand({ clusterName: 'prod', associationId: orphan }),
      ),
    () => annotate('orders', null),
    () => client.delete(SERVICE_ACCOUNTS, { namespace: 'shop', name: 'lost' }),
    () =>
      eks.send(
        new UpdateAddonCommand({
          clusterName: 'prod',
          addonName: 'eks-pod-identity-agent',
          addonVersion: NEW_AGENT,
        }),
      ),
  ]
}

const annotate = (name: string, role: string | null): Promise<unknown> =>
  prod.client.mergePatch(
    SERVICE_ACCOUNTS,
    { namespace: 'shop', name },
    {
      metadata: { annotations: { 'eks.amazonaws.com/role-arn': role && `${ROLES}/${role}` } },
    },
  )

async function untilGone(ref: {
  readonly namespace: string
  readonly name: string
}): Promise<void> {
  for (;;) {
    const { items } = await prod.client.list<Pod>(PODS, { namespace: ref.namespace })
    if (!items.some(({ metadata }) => metadata.name === ref.name)) return
    await Bun.sleep(50)
  }
}

test(
  'who may read nothing is told what was not looked at, and no finding',
  async () => {
    await iam.send(new CreateUserCommand({ UserName: 'blind' }))
    const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'blind' }))
    await iam.send(
      new PutUserPolicyCommand({
        UserName: 'blind',
        PolicyName: 'nothing',
        PolicyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [{ Effect: 'Deny', Action: '*', Resource: '*' }],
        }),
      }),
    )
    const { code, err, out } = await desk.shell(
      `unset AWS_PROFILE; export AWS_ACCESS_KEY_ID=${AccessKey?.AccessKeyId} AWS_SECRET_ACCESS_KEY='${AccessKey?.SecretAccessKey}'; podrole doctor --cluster prod -o json --fail-on warning`,
    )
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const { findings, notLookedAt } = JSON.parse(out) as Diagnosis
    expect(findings).toEqual([])
    expect(notLookedAt.map(({ what }) => what).toSorted()).toEqual(
      expect.arrayContaining([
        'IAM OIDC providers',
        'associations of prod',
        'metadata options of the instances of prod',
        'the cluster role of prod',
        'the node roles of prod',
        'trust policies of roles',
      ]),
    )
    for (const { why } of notLookedAt) expect(why).toMatch(/not authorized|AccessDenied/)
  },
  WAIT_MS,
)

test(
  '--watch serves what it finds as metrics, and ends when it is told to',
  async () => {
    const child = Bun.spawn(
      [PODROLE, 'doctor', '--cluster', 'prod', '--watch', '--listen', '127.0.0.1:0'],
      { env: desk.environment, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    const lines = linesOf(child.stderr)
    const { value: first = '{}' } = await lines.next()
    const { metricsUrl } = JSON.parse(first) as { metricsUrl: string }
    let page = ''
    while (!page.includes('podrole_doctor_looks_total{outcome="done"} 1\n')) {
      await Bun.sleep(100)
      page = await (await fetch(metricsUrl, { proxy: false })).text()
    }
    expect(page).toContain('podrole_doctor_issuer_up{cluster="prod"} 1\n')
    expect(page).toContain('podrole_doctor_issuer_missing_keys{cluster="prod"} 0\n')
    expect(page).toContain('podrole_doctor_nodes{cluster="prod",path="ready"} 1\n')
    expect(page).toMatch(
      /^podrole_doctor_issuer_document_seconds\{cluster="prod",document="jwks"\} 0\.\d/m,
    )
    expect(page).toContain('podrole_doctor_aws_calls_total{operation="DescribeInstances"} 1\n')
    child.kill('SIGTERM')
    expect(await child.exited).toBe(0)
  },
  WAIT_MS,
)

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true })
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n')) {
      yield text.slice(0, at)
      text = text.slice(at + 1)
    }
  }
}

test('a cluster of a broker: its associations, and the keys of the fleet issuer', async () => {
  const edge = wired.sandbox.clusters.get('edge')
  if (edge === undefined) throw new Error('no cluster')
  const other = openDesk(wired, {
    profiles: { shop: ACCOUNT },
    cluster: edge,
    issuers: [EDGE_ISSUER],
  })
  const [broker] = wired.brokers
  if (broker === undefined) throw new Error('no broker')
  await callEks(broker.endpoint, 'POST', '/clusters/edge/pod-identity-associations', {
    namespace: 'shop',
    serviceAccount: 'nobody',
    roleArn: `${ROLES}/orders`,
  })
  const { err, out } = await other.run(
    `doctor --cluster edge --broker --ca-file ${other.environment['PODROLE_CA_FILE']} -o json`,
  )
  other.remove()
  expect(err).toBe('')
  const found = JSON.parse(out) as Diagnosis
  expect(told(found)).toContainEqual(
    expect.stringMatching(/orphan-association: association .* of edge$/),
  )
  expect(found.notLookedAt).toEqual([])
})

test('a cluster that nobody knows is not taken for one in which all is well', async () => {
  const { out } = await desk.run('doctor --cluster nosuch')
  expect(out).toContain('EKS in eu-west-1 has no cluster nosuch, and no broker is named:')
  expect(out).toContain('    associations of nosuch')
})

test('an interval that is too short, and a place that is none, are refused', async () => {
  const short = await desk.run('doctor --cluster prod --watch --interval 5s')
  expect(short).toMatchObject({ code: 1, err: expect.stringContaining('wanted 30s or more') })
  const place = await desk.run('doctor --cluster prod --watch --listen 9402')
  expect(place).toMatchObject({ code: 1, err: expect.stringContaining('wanted ADDRESS:PORT') })
})
