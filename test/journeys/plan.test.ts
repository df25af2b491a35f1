/** `podrole plan` as typed: what it reads, what it says, and what changes by hand look like. */
import {
  CreateAddonCommand,
  CreatePodIdentityAssociationCommand,
  DeletePodIdentityAssociationCommand,
  DescribeClusterCommand,
  ListPodIdentityAssociationsCommand,
  UpdatePodIdentityAssociationCommand,
} from '@aws-sdk/client-eks'
import {
  AttachRolePolicyCommand,
  CreateAccessKeyCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  DetachRolePolicyCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import { serveHttp } from '../../src/lib/serve.ts'
import type { Plan, PlanAction } from '../../src/manage/plan/plan.ts'
import { type EksSandbox, startEksSandbox } from '../support/eks-sandbox.ts'
import { doByHand, type Hands } from '../support/plan-by-hand.ts'
import type { Ran } from '../support/podrole.ts'
import { podsTrust } from '../support/shop-journey.ts'

const STEP_MS = 60_000
const TESTDATA = join(import.meta.dir, '../../src/manage/desired/testdata/read')
const NOTHING = 'Nothing to do: everything is as the files say.\n'

interface Here extends EksSandbox {
  readonly hands: Hands
  readonly plan: (options?: string) => Promise<Ran>
  /** The steps, each as what it does and to what. */
  readonly steps: () => Promise<readonly PlanAction[]>
}

async function start(
  place: NonNullable<Parameters<typeof startEksSandbox>[0]>,
  file: string,
): Promise<Here> {
  const here = await startEksSandbox(place)
  here.desk.write('cluster.yaml', readFileSync(join(TESTDATA, file), 'utf8'))
  const plan = (options = ''): Promise<Ran> =>
    here.desk.run(`plan -f cluster.yaml${options === '' ? '' : ` ${options}`}`)
  return {
    ...here,
    hands: { iam: here.iam, eks: here.eks, kube: here.cluster.client },
    plan,
    steps: async () => {
      const { err, out } = await plan('-o json')
      if (out === '') throw new Error(err)
      return (JSON.parse(out) as Plan).steps.map(({ action }) => action)
    },
  }
}

async function makeRole(
  { iam }: Here,
  RoleName: string,
  { Path = '/', trust = podsTrust() }: { readonly Path?: string; readonly trust?: string } = {},
): Promise<void> {
  await iam.send(new CreateRoleCommand({ RoleName, Path, AssumeRolePolicyDocument: trust }))
}

/** A trust policy for one service account of a cluster, as eksctl writes it. */
async function irsaTrust({ eks }: Here, name: string, serviceAccount: string): Promise<string> {
  const { cluster } = await eks.send(new DescribeClusterCommand({ name }))
  const host = (cluster?.identity?.oidc?.issuer ?? '').replace('https://', '')
  const Federated = `arn:aws:iam::${cluster?.arn?.split(':')[4] ?? ''}:oidc-provider/${host}`
  const claims = {
    [`${host}:aud`]: 'sts.amazonaws.com',
    [`${host}:sub`]: `system:serviceaccount:${serviceAccount}`,
  }
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Federated },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: { StringEquals: claims },
      },
    ],
  })
}

const makePolicy = async ({ iam }: Here, PolicyName: string, Path = '/'): Promise<void> => {
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
  })
  await iam.send(new CreatePolicyCommand({ PolicyName, Path, PolicyDocument }))
}

describe("document 004's cluster config", () => {
  let here: Here
  let role = ''
  beforeAll(async () => {
    const place = {
      accountId: '679196758854',
      clusterName: 'demo-eks-cluster',
      region: 'us-west-2',
    }
    here = await start(place, 'document-004-rctl.yaml')
    await makePolicy(here, 'demo-eks-full')
  }, STEP_MS)
  afterAll(() => here.stop(), STEP_MS)

  test(
    'roles that are not there are refused, each by where the file names it',
    async () => {
      const { code, out } = await here.plan('--detailed-exitcode')
      expect(code).toBe(1)
      expect(out).toContain(
        'cluster.yaml#2: iam.podIdentityAssociations[0], iam.podIdentityAssociations[1]: there is no role',
      )
      expect(out).toContain('Refused:')
    },
    STEP_MS,
  )

  test(
    'is planned as it stands, and reading changes nothing',
    async () => {
      await makeRole(here, 'demo-eks-full')
      await makeRole(here, 'eksctl-demo-imported-clus46-addon-vpc-cni-Role1-badgX6yB68vw', {
        trust: await irsaTrust(here, 'demo-eks-cluster', 'rafay-demo:demo-test'),
      })
      const before = here.writes.length
      const { code, err, out } = await here.plan('--detailed-exitcode')
      expect(err).toContain('left alone')
      expect({ code, out }).toMatchObject({ code: 2 })
      expect(here.writes.slice(before)).toEqual([])
      const steps = await here.steps()
      for (const one of steps) if (one.do === 'create-role') role = one.role.name
      expect(steps.filter(({ do: what }) => what === 'create-association').length).toBe(3)
      expect(steps.filter(({ do: what }) => what === 'create-service-account').length).toBe(4)
      expect(steps.filter(({ do: what }) => what === 'create-addon').length).toBe(1)
    },
    STEP_MS,
  )

  test(
    'its first example, the block alone, is planned with the cluster named beside it',
    async () => {
      const block = readFileSync(join(TESTDATA, 'document-004-day-0.yaml'), 'utf8')
      here.desk.write('day-0.yaml', block)
      const lost = await here.desk.run('plan -f day-0.yaml')
      expect(lost).toMatchObject({ code: 1, out: '' })
      expect(lost.err).toContain('--cluster')
      const { out } = await here.desk.run(
        'plan -f day-0.yaml --cluster demo-eks-cluster --region us-west-2 -o json',
      )
      const made = planOf(out).steps.filter(({ action }) => action.do === 'create-association')
      expect(made.length).toBe(3)
    },
    STEP_MS,
  )

  test(
    'done by hand, step by step, there is nothing left to do: one line',
    async () => {
      await doByHand({ steps: planOf((await here.plan('-o json')).out).steps }, here.hands)
      const { code, out } = await here.plan('--detailed-exitcode')
      expect({ code, out }).toEqual({ code: 0, out: NOTHING })
    },
    STEP_MS,
  )

  test(
    'a change by hand in IAM, EKS or Kubernetes shows as exactly that',
    async () => {
      const policyArn = 'arn:aws:iam::679196758854:policy/demo-eks-full'
      await here.iam.send(new DetachRolePolicyCommand({ RoleName: role, PolicyArn: policyArn }))
      expect(await here.steps()).toMatchObject([{ do: 'attach-policy', role, policyArn }])
      await here.iam.send(new AttachRolePolicyCommand({ RoleName: role, PolicyArn: policyArn }))

      const [first] = await associationsOf(here)
      const at = { clusterName: 'demo-eks-cluster', associationId: first?.associationId }
      await here.eks.send(
        new UpdatePodIdentityAssociationCommand({ ...at, disableSessionTags: true }),
      )
      expect(await here.steps()).toMatchObject([
        {
          do: 'update-association',
          associationId: first?.associationId,
          before: { disableSessionTags: true },
          after: { disableSessionTags: false },
        },
      ])
      await here.eks.send(new DeletePodIdentityAssociationCommand(at))
      const made = await here.steps()
      expect(made).toMatchObject([{ do: 'create-association' }])
      await doByHand({ steps: planOf((await here.plan('-o json')).out).steps }, here.hands)

      const ref = { namespace: 'rafay-demo', name: 'demo-test' }
      const key = 'eks.amazonaws.com/role-arn'
      await here.cluster.client.mergePatch(SERVICE_ACCOUNTS, ref, {
        metadata: { annotations: { [key]: null } },
      })
      expect(await here.steps()).toMatchObject([
        {
          do: 'patch-service-account',
          serviceAccount: ref,
          before: { annotations: { [key]: null } },
        },
      ])
      await doByHand({ steps: planOf((await here.plan('-o json')).out).steps }, here.hands)
      expect((await here.plan()).out).toBe(NOTHING)
    },
    STEP_MS,
  )

  test(
    'what may not be read is told, all of it at once, and is not taken for absent',
    async () => {
      const UserName = 'reader'
      await here.iam.send(new CreateUserCommand({ UserName }))
      await here.iam.send(
        new PutUserPolicyCommand({
          UserName,
          PolicyName: 'some',
          PolicyDocument: JSON.stringify({
            Version: '2012-10-17',
            Statement: [
              {
                Effect: 'Allow',
                Action: ['eks:DescribeCluster', 'eks:DescribeAddonVersions'],
                Resource: '*',
              },
            ],
          }),
        }),
      )
      const { AccessKey } = await here.iam.send(new CreateAccessKeyCommand({ UserName }))
      const { code, err, out } = await here.desk.shell(
        `unset AWS_PROFILE; export AWS_ACCESS_KEY_ID=${AccessKey?.AccessKeyId ?? ''} AWS_SECRET_ACCESS_KEY=${AccessKey?.SecretAccessKey ?? ''}; podrole plan -f cluster.yaml`,
      )
      expect({ code, out }).toEqual({ code: 1, out: '' })
      for (const told of [
        'GetAccountAuthorizationDetails',
        'GetOpenIDConnectProvider',
        'ListPodIdentityAssociations',
        'ListAddons',
      ]) {
        expect(err).toContain(told)
      }
    },
    STEP_MS,
  )

  test(
    'a cluster and a folder that are not there are told',
    async () => {
      const missing = await here.desk.run('plan -f nowhere.yaml')
      expect(missing.code).toBe(1)
      here.desk.write('other.yaml', 'iam: { podIdentityAssociations: [] }\n')
      const other = await here.desk.run('plan -f other.yaml --cluster green --region us-west-2')
      expect(other.code).toBe(1)
      expect(other.out).toContain('there is no cluster green in us-west-2')
    },
    STEP_MS,
  )
})

describe("eksctl's documented cluster config", () => {
  let here: Here
  beforeAll(async () => {
    const place = { accountId: '111122223333', clusterName: 'shop', region: 'eu-central-1' }
    here = await start(place, 'eksctl-iam.yaml')
    for (const name of ['orders', 'near']) await makeRole(here, name)
    await makeRole(here, 'shared', {
      Path: '/team/',
      trust: await irsaTrust(here, 'shop', 'default:default-namespace'),
    })
    for (const name of ['boundary', 'one']) await makePolicy(here, name)
    await makePolicy(here, 'two', '/path/')
  }, STEP_MS)
  afterAll(() => here.stop(), STEP_MS)

  test(
    'tells with --permissions what of it the caller may not do, or that it is not known',
    async () => {
      const admin = await here.plan('--permissions')
      expect(admin.err).toContain('may do all of it')
      const UserName = 'planner'
      await here.iam.send(new CreateUserCommand({ UserName }))
      const { AccessKey } = await here.iam.send(new CreateAccessKeyCommand({ UserName }))
      const may = async (Action: readonly string[]): Promise<Ran> => {
        const Statement = [{ Effect: 'Allow', Action, Resource: '*' }]
        const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
        await here.iam.send(new PutUserPolicyCommand({ UserName, PolicyName: 'p', PolicyDocument }))
        return here.desk.shell(
          `unset AWS_PROFILE; export AWS_ACCESS_KEY_ID=${AccessKey?.AccessKeyId ?? ''} AWS_SECRET_ACCESS_KEY=${AccessKey?.SecretAccessKey ?? ''}; podrole plan -f cluster.yaml --permissions`,
        )
      }
      const reads = ['iam:Get*', 'eks:Describe*', 'eks:List*']
      const unknown = await may(reads)
      expect(unknown).toMatchObject({ code: 0 })
      expect(unknown.err).toContain('what the caller may do is not known')
      const known = await may([...reads, 'iam:Simulate*', 'eks:Create*', 'eks:TagResource'])
      expect(known.err).toContain('user/planner may not iam:CreateRole on ')
      expect(known.err).not.toContain('eks:CreatePodIdentityAssociation')
    },
    STEP_MS,
  )

  test(
    'is planned as it stands; done by hand, nothing is left',
    async () => {
      const plan = planOf((await here.plan('-o json')).out)
      expect(plan.refusals).toEqual([])
      await doByHand(plan, here.hands)
      expect((await here.plan('--detailed-exitcode')).out).toBe(NOTHING)
    },
    STEP_MS,
  )

  test(
    'an add-on that others made is left as it is',
    async () => {
      await here.eks.send(new CreateAddonCommand({ clusterName: 'shop', addonName: 'coredns' }))
      expect((await here.plan()).out).toBe(NOTHING)
    },
    STEP_MS,
  )

  test(
    'standard input gives the same as the file',
    async () => {
      const { code, out } = await here.desk.shell('podrole plan -f - < cluster.yaml')
      expect({ code, out }).toEqual({ code: 0, out: NOTHING })
    },
    STEP_MS,
  )
})

describe('a cluster of many', () => {
  const MANY = 120
  let here: Here
  beforeAll(async () => {
    const place = { accountId: '111122223333', clusterName: 'shop', region: 'eu-central-1' }
    here = await start(place, 'eksctl-iam.yaml')
    await makeRole(here, 'orders')
    const rows: string[] = []
    for (let at = 0; at < MANY; at += 1) {
      const roleArn = 'arn:aws:iam::111122223333:role/orders'
      const serviceAccount = `many-${at}`
      const input = { clusterName: 'shop', namespace: 'orders', serviceAccount, roleArn }
      await here.eks.send(new CreatePodIdentityAssociationCommand(input))
      rows.push(
        `    - { namespace: orders, serviceAccountName: ${serviceAccount}, roleARN: "${roleArn}" }`,
      )
    }
    here.desk.write('many.yaml', `iam:\n  podIdentityAssociations:\n${rows.join('\n')}\n`)
  }, STEP_MS)
  afterAll(() => here.stop(), STEP_MS)
  const plan = (): Promise<Ran> =>
    here.desk.run('plan -f many.yaml --cluster shop --region eu-central-1')

  test(
    'costs at most 1.2 calls of AWS for each service account',
    async () => {
      let calls = 0
      const stop = here.sandbox.aws.decisions.listen(() => (calls += 1))
      const { code, out } = await plan()
      stop()
      expect({ code, out }).toEqual({ code: 0, out: NOTHING })
      expect(calls).toBeGreaterThan(MANY)
      expect(calls / MANY).toBeLessThanOrEqual(1.2)
    },
    STEP_MS,
  )

  test(
    'is read to its end when AWS throttles every fifth call',
    async () => {
      here.sandbox.aws.faults.replace([
        'eks:DescribePodIdentityAssociation=throttle@20%',
        // More often than the SDK tries by itself.
        'iam:GetAccountAuthorizationDetails=throttle:5',
      ])
      const { code, err, out } = await plan()
      here.sandbox.aws.faults.replace([])
      expect({ code, err, out }).toMatchObject({ code: 0, out: NOTHING })
    },
    STEP_MS,
  )

  test(
    'has few calls under way at once, also while AWS is slow and throttles',
    async () => {
      const { endpoint } = here.sandbox
      const waiting = { now: 0, most: 0 }
      const front = serveHttp({
        hostname: '127.0.0.1',
        port: 0,
        handler: async (request) => {
          waiting.now += 1
          waiting.most = Math.max(waiting.most, waiting.now)
          const { pathname, search } = new URL(request.url)
          const { headers, method } = request
          const body = method === 'GET' ? null : await request.arrayBuffer()
          const signal = AbortSignal.timeout(STEP_MS)
          const sent = { method, headers, body, proxy: false as const, signal }
          // What was signed is for this host's name, which goes on as it is.
          const answer = await fetch(`${endpoint}${pathname}${search}`, sent)
          const bytes = await answer.arrayBuffer()
          waiting.now -= 1
          return new Response(bytes, { status: answer.status, headers: answer.headers })
        },
      })
      here.sandbox.aws.faults.replace([
        'eks:*=delay:20ms',
        'eks:DescribePodIdentityAssociation=throttle@20%',
      ])
      const line = 'podrole plan -f many.yaml --cluster shop --region eu-central-1'
      const ran = await here.desk.shell(`AWS_ENDPOINT_URL=${front.url} ${line}`)
      here.sandbox.aws.faults.replace([])
      await front.stop(0)
      expect(ran).toMatchObject({ code: 0, out: NOTHING })
      expect(waiting.most).toBeGreaterThan(4)
      // Eight of the one cluster's associations, and what is read beside them.
      expect(waiting.most).toBeLessThanOrEqual(12)
    },
    STEP_MS,
  )
})

const planOf = (text: string): Plan => JSON.parse(text) as Plan

interface Found {
  readonly associationId: string
  readonly serviceAccount: string
}

async function associationsOf({ eks }: Here): Promise<readonly Found[]> {
  const { associations = [] } = await eks.send(
    new ListPodIdentityAssociationsCommand({ clusterName: 'demo-eks-cluster' }),
  )
  return associations.map(({ associationId = '', serviceAccount = '' }) => ({
    associationId,
    serviceAccount,
  }))
}
