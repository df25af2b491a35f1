/** What others wrote is, byte for byte, what it was: beside what `podrole apply` writes, and when that is gone. */
import {
  CreateClusterCommand,
  DescribeClusterCommand,
  ListAccessEntriesCommand,
} from '@aws-sdk/client-eks'
import {
  AttachRolePolicyCommand,
  CreateRoleCommand,
  GetRoleCommand,
  ListAttachedRolePoliciesCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/kube/objects.ts'
import type { Plan } from '../../src/manage/plan/plan.ts'
import {
  ACCOUNT,
  CLUSTER,
  type EksSandbox,
  REGION,
  startEksSandbox,
} from '../support/eks-sandbox.ts'
import { podsTrust } from '../support/shop-journey.ts'

const STEP_MS = 180_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const MANAGED = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
/** As somebody wrote it: with an Id, odd order and spaces, NotAction, everybody, numbers in quotes and without. */
const TRUST = `{
  "Id": "written-by-hand", "Version":"2012-10-17",
  "Statement": [
    { "Sid":"Ours", "Effect":"Allow", "Principal": {"AWS":["arn:aws:iam::${ACCOUNT}:root"]}, "Action":"sts:AssumeRole",
      "Condition": { "NumericLessThan": { "aws:MultiFactorAuthAge": 3600 }, "Bool": {"aws:MultiFactorAuthPresent": true} } },
    {"Effect":"Deny","Principal":"*","NotAction":["sts:AssumeRole","sts:TagSession","sts:AssumeRoleWithWebIdentity"]},
    { "Sid": "PodroleLike", "Principal": {"Service":"ec2.amazonaws.com"}, "Effect":"Allow", "Action":["sts:AssumeRole"] }
  ]
}`
/** Its text without the spaces between words: so it is written. */
const BARE = TRUST.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, '$1')
/** More than a service account has in its metadata, and metadata of others. */
const THEIRS = {
  imagePullSecrets: [{ name: 'registry' }],
  secrets: [{ name: 'old-token' }],
  automountServiceAccountToken: false,
  metadata: {
    labels: { 'app.kubernetes.io/managed-by': 'Helm', team: 'shop' },
    annotations: { 'meta.helm.sh/release-name': 'shop', note: 'by hand' },
  },
}

interface Account extends KubeObject {
  imagePullSecrets?: unknown
  secrets?: unknown
  automountServiceAccountToken?: unknown
}

let here: EksSandbox
beforeAll(async () => {
  here = await startEksSandbox()
  const create = (RoleName: string): Promise<unknown> =>
    here.iam.send(
      new CreateRoleCommand({
        RoleName,
        Path: '/team/',
        Description: 'made by hand',
        MaxSessionDuration: 7200,
        AssumeRolePolicyDocument: TRUST,
        Tags: [{ Key: 'owner', Value: 'somebody' }],
      }),
    )
  for (const name of ['given', 'adopted']) await create(name)
  await here.iam.send(new AttachRolePolicyCommand({ RoleName: 'adopted', PolicyArn: MANAGED }))
  const { client } = here.cluster
  await client.create(NAMESPACES, { metadata: { name: 'shop' } })
  for (const name of ['irsa', 'pods']) {
    const metadata = { ...THEIRS.metadata, name, namespace: 'shop' }
    await client.create<Account>(SERVICE_ACCOUNTS, { ...THEIRS, metadata })
  }
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

const trustOf = async (RoleName: string): Promise<string> =>
  decodeURIComponent(
    (await here.iam.send(new GetRoleCommand({ RoleName }))).Role?.AssumeRolePolicyDocument ?? '',
  )

/** The role but for its trust policy. */
async function restOf(RoleName: string): Promise<object> {
  const { Role } = await here.iam.send(new GetRoleCommand({ RoleName }))
  const { AttachedPolicies } = await here.iam.send(
    new ListAttachedRolePoliciesCommand({ RoleName }),
  )
  return {
    description: Role?.Description,
    path: Role?.Path,
    maxSessionDuration: Role?.MaxSessionDuration,
    owner: Role?.Tags?.find(({ Key }) => Key === 'owner')?.Value,
    policies: AttachedPolicies?.map(({ PolicyArn }) => PolicyArn),
  }
}

/** The service account without what only podrole writes, and what the API server does. */
async function accountOf(name: string): Promise<object> {
  const ref = { namespace: 'shop', name }
  const { metadata, ...rest } = await here.cluster.client.get<Account>(SERVICE_ACCOUNTS, ref)
  const others = Object.entries(metadata.annotations ?? {}).filter(
    ([key]) => !/^(?:podrole\.dev|eks\.amazonaws\.com)\//.test(key),
  )
  const { apiVersion: _, kind: _kind, ...fields } = rest
  return {
    ...fields,
    metadata: { labels: metadata.labels, annotations: Object.fromEntries(others) },
  }
}

const annotationsOf = async (name: string): Promise<Record<string, string>> =>
  (await here.cluster.client.get(SERVICE_ACCOUNTS, { namespace: 'shop', name })).metadata
    .annotations ?? {}

/** The trust policies that were kept as they were before each write. */
function kept(): readonly string[] {
  const folder = join(here.desk.folder, 'state', 'podrole', 'trust')
  return readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
}

const write = (iam: string): string =>
  here.desk.write(
    'cluster.yaml',
    `apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: { name: ${CLUSTER}, region: ${REGION} }\niam:\n${iam}`,
  )

/** With one more use of each role in the second. */
const config = (more: string): string => `  withOIDC: true
  serviceAccounts:
    - metadata: { name: irsa, namespace: shop, labels: { tier: web } }
      attachRoleARN: arn:aws:iam::${ACCOUNT}:role/team/given
  podIdentityAssociations:
    - { namespace: shop, serviceAccountName: pods, createServiceAccount: true, roleName: adopted, permissionPolicyARNs: [${MANAGED}] }
${more}`
const MORE = `    - { namespace: shop, serviceAccountName: more, roleName: adopted, permissionPolicyARNs: [${MANAGED}] }
    - { namespace: shop, serviceAccountName: most, roleARN: "arn:aws:iam::${ACCOUNT}:role/team/given" }
`

async function untouched(): Promise<void> {
  expect(await restOf('given')).toMatchObject({ maxSessionDuration: 7200, policies: [] })
  for (const name of ['given', 'adopted']) {
    expect(await restOf(name)).toMatchObject({
      description: 'made by hand',
      path: '/team/',
      maxSessionDuration: 7200,
      owner: 'somebody',
    })
  }
  expect((await restOf('adopted')) as unknown).toMatchObject({ policies: [MANAGED] })
  const pods = await accountOf('pods')
  expect(pods).toEqual(THEIRS)
}

/** Every statement of the text, as it is written there. */
const statements = (text: string): readonly string[] =>
  (JSON.parse(text) as { readonly Statement: readonly object[] }).Statement.map((one) =>
    JSON.stringify(one),
  )

test(
  'without --adopt nothing of it is taken over, and nothing is written',
  async () => {
    write(config(''))
    const before = here.writes.length
    const { code, out } = await here.desk.run('apply -f cluster.yaml --yes')
    expect([code, out]).toEqual([1, expect.stringContaining('Refused:')])
    expect(here.writes.slice(before)).toEqual([])
    expect([await trustOf('given'), await trustOf('adopted')]).toEqual([TRUST, TRUST])
    expect([await accountOf('irsa'), await accountOf('pods')]).toEqual([THEIRS, THEIRS])
  },
  STEP_MS,
)

test(
  'with --adopt podrole writes beside it, and again on day 2',
  async () => {
    for (const more of ['', MORE]) {
      write(config(more))
      const ran = await here.desk.run('apply -f cluster.yaml --yes --adopt')
      expect(ran).toMatchObject({ code: 0 })
      expect((await here.desk.run('apply -f cluster.yaml --yes')).out).toBe(NOTHING)
      await untouched()
      for (const name of ['given', 'adopted']) {
        const text = await trustOf(name)
        expect((JSON.parse(text) as { readonly Id: string }).Id).toBe('written-by-hand')
        expect(statements(text).slice(0, 3)).toEqual([...statements(TRUST)])
        expect(statements(text).length).toBeGreaterThan(3)
        // Every letter of it: order, numbers, lists of one.
        expect(text).toStartWith(BARE.slice(0, -2))
      }
      const irsa = await accountOf('irsa')
      expect(irsa).toMatchObject({ ...THEIRS, metadata: THEIRS.metadata })
      expect((await annotationsOf('irsa'))['eks.amazonaws.com/role-arn']).toContain('team/given')
    }
  },
  STEP_MS,
)

test(
  'out of the file again: what was adopted stays, with the text that it had',
  async () => {
    write('  withOIDC: true\n  serviceAccounts: []\n  podIdentityAssociations: []\n')
    const planned = await here.desk.run('plan -f cluster.yaml -o json')
    const { remarks, steps } = JSON.parse(planned.out) as Plan
    expect(
      steps.filter(({ action }) => /^delete-(?:role|service-account)$/.test(action.do)),
    ).toEqual([])
    expect(remarks.map(({ text }) => text).join('\n')).toContain('podrole role trust remove given')
    const ran = await here.desk.run('apply -f cluster.yaml --yes')
    expect(ran).toMatchObject({ code: 0 })
    expect((await here.desk.run('apply -f cluster.yaml --yes')).out).toBe(NOTHING)
    await untouched()
    expect(await trustOf('adopted')).toBe(BARE)
    expect((await annotationsOf('irsa'))['eks.amazonaws.com/role-arn']).toBeUndefined()
    for (const who of ['shop/irsa --method irsa', 'shop/most']) {
      const removed = await here.desk.run(
        `role trust remove given --service-account ${who} --cluster ${CLUSTER}`,
      )
      expect(removed).toMatchObject({ code: 0 })
    }
    expect(await trustOf('given')).toBe(BARE)
    expect(kept()).toContain(TRUST)
  },
  STEP_MS,
)

test(
  'an authentication mode goes forward step by step, with the entries behind it, and not back',
  async () => {
    await here.iam.send(
      new CreateRoleCommand({ RoleName: 'eks', AssumeRolePolicyDocument: podsTrust() }),
    )
    const name = 'old'
    await here.eks.send(
      new CreateClusterCommand({
        name,
        roleArn: `arn:aws:iam::${ACCOUNT}:role/eks`,
        resourcesVpcConfig: { subnetIds: ['subnet-0a', 'subnet-0b'] },
        accessConfig: { authenticationMode: 'CONFIG_MAP' },
      }),
    )
    const describe = async (): Promise<readonly (string | undefined)[]> => {
      const { cluster } = await here.eks.send(new DescribeClusterCommand({ name }))
      return [cluster?.status, cluster?.accessConfig?.authenticationMode]
    }
    while ((await describe())[0] !== 'ACTIVE') await Bun.sleep(100)
    const file = (mode: string): string =>
      here.desk.write(
        'old.yaml',
        `apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: { name: ${name}, region: ${REGION} }\naccessConfig:\n  authenticationMode: ${mode}\n  accessEntries: [{ principalARN: "arn:aws:iam::${ACCOUNT}:role/team/given", kubernetesGroups: [readers] }]\n`,
      )
    file('API')
    // The sandbox serves no API of a cluster that is made by hand: no step is one of Kubernetes.
    here.sandbox.aws.faults.replace(['eks:*=eventual:200ms'])
    const ran = await here.desk.run('apply -f old.yaml --yes --trust-kubeconfig')
    here.sandbox.aws.faults.replace([])
    expect(ran).toMatchObject({ code: 0 })
    expect(await describe()).toEqual(['ACTIVE', 'API'])
    const { accessEntries } = await here.eks.send(
      new ListAccessEntriesCommand({ clusterName: name }),
    )
    expect(accessEntries).toContain(`arn:aws:iam::${ACCOUNT}:role/team/given`)
    expect((await here.desk.run('apply -f old.yaml --yes --trust-kubeconfig')).out).toBe(NOTHING)
    file('API_AND_CONFIG_MAP')
    const back = await here.desk.run('apply -f old.yaml --yes --trust-kubeconfig')
    expect([back.code, back.out]).toEqual([1, expect.stringContaining('EKS does not go back')])
  },
  STEP_MS,
)
