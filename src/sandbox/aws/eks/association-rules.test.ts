/** What EKS refuses of associations, and what sessions a pod gets for odd ones. */
import {
  CreatePodIdentityAssociationCommand,
  type CreatePodIdentityAssociationCommandInput,
  DeletePodIdentityAssociationCommand,
  DescribePodIdentityAssociationCommand,
  type EKSClient,
  ListPodIdentityAssociationsCommand,
  type PodIdentityAssociation,
  TagResourceCommand,
  UpdatePodIdentityAssociationCommand,
} from '@aws-sdk/client-eks'
import { CreateRoleCommand, DeleteRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import type { AssociationRecord } from '../records.ts'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  CLUSTER,
  OTHER_ACCOUNT,
  REGION,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

const PODS = { Service: 'pods.eks.amazonaws.com' }
const BOTH = ['sts:AssumeRole', 'sts:TagSession']

let fixture: AwsFixture
let eks: EKSClient
const arnOf = (name: string, account = ACCOUNT): string => `arn:aws:iam::${account}:role/${name}`

beforeAll(async () => {
  fixture = await startAwsFixture()
  eks = fixture.clients(fixture.admin).eks
  await role('any', trustOf(PODS, BOTH))
})
afterAll(() => fixture.stop())

async function role(name: string, trust: string, policy?: string): Promise<void> {
  const { iam } = fixture.clients(fixture.admin)
  await iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: trust }))
  if (policy === undefined) return
  const put = { RoleName: name, PolicyName: 'own', PolicyDocument: policy }
  await iam.send(new PutRolePolicyCommand(put))
}

async function associate(
  more: Partial<CreatePodIdentityAssociationCommandInput> = {},
): Promise<PodIdentityAssociation> {
  const command = new CreatePodIdentityAssociationCommand({
    clusterName: CLUSTER,
    namespace: 'apps',
    serviceAccount: 'web',
    roleArn: arnOf('any'),
    ...more,
  })
  const { association } = await eks.send(command)
  return association ?? {}
}

async function forget({ associationId }: PodIdentityAssociation): Promise<void> {
  await eks.send(new DeletePodIdentityAssociationCommand({ clusterName: CLUSTER, associationId }))
}

interface PodAnswer {
  readonly status: number
  readonly error: string | null
  readonly arn: string
  readonly expiration: number
}

async function exchange(token: string, more: object = {}): Promise<PodAnswer> {
  const response = await fixture.call({
    keys: fixture.admin,
    service: 'eks-auth',
    path: `/clusters/${CLUSTER}/assume-role-for-pod-identity`,
    body: JSON.stringify({ token, ...more }),
  })
  const body = (await response.json()) as {
    assumedRoleUser?: { arn: string }
    credentials?: { expiration: number }
  }
  return {
    status: response.status,
    error: response.headers.get('x-amzn-errortype'),
    arn: body.assumedRoleUser?.arn ?? '',
    expiration: body.credentials?.expiration ?? 0,
  }
}

interface Bad {
  readonly name: string
  readonly more: Partial<CreatePodIdentityAssociationCommandInput>
  readonly code?: string
  readonly text: RegExp
}

const tags = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']))

const BAD: readonly Bad[] = [
  {
    name: 'a cluster that does not exist',
    more: { clusterName: 'nowhere' },
    code: 'ResourceNotFoundException',
    text: /No cluster found for name: nowhere/,
  },
  { name: 'a namespace with a star', more: { namespace: '*' }, text: /namespace/ },
  {
    name: 'a service account with a colon',
    more: { serviceAccount: 'a:b' },
    text: /serviceAccount/,
  },
  {
    name: 'a user in place of a role',
    more: { roleArn: `arn:aws:iam::${ACCOUNT}:user/admin` },
    text: /roleArn/,
  },
  {
    name: 'a role of another account',
    more: { roleArn: arnOf('any', OTHER_ACCOUNT) },
    text: /another account/,
  },
  { name: 'a target that is no role', more: { targetRoleArn: 'x' }, text: /targetRoleArn/ },
  {
    name: 'a session policy beside session tags',
    more: { policy: allowOf('s3:*') },
    text: /disableSessionTags/,
  },
  {
    name: 'a session policy of 2,049 characters',
    more: { policy: allowOf('s3:*').padEnd(2049), disableSessionTags: true },
    text: /2048/,
  },
  {
    name: 'a session policy that is none',
    more: { policy: '{}', disableSessionTags: true },
    text: /policy/,
  },
  { name: 'the 51st tag', more: { tags: tags(51) }, text: /at most 50/ },
  { name: 'a reserved tag', more: { tags: { 'aws:x': 'v' } }, text: /reserved/ },
]

describe('an association is refused with', () => {
  for (const { name, more, code = 'InvalidParameterException', text } of BAD) {
    test(name, async () => {
      const refusal = await refusalOf(associate(more))
      const status = code === 'ResourceNotFoundException' ? 404 : 400
      expect([refusal.code, refusal.status]).toEqual([code, status])
      expect(refusal.message).toMatch(text)
    })
  }

  test('a role that an update brings, by the same rules', async () => {
    await role('node', trustOf({ Service: 'ec2.amazonaws.com' }, 'sts:AssumeRole'))
    const made = await associate()
    const id = { clusterName: CLUSTER, associationId: made.associationId }
    const update = (more: object): Promise<unknown> =>
      eks.send(new UpdatePodIdentityAssociationCommand({ ...id, ...more }))
    const trust = await refusalOf(update({ roleArn: arnOf('node') }))
    expect(trust.message).toBe('Trust policy of the role provided is invalid')
    expect((await refusalOf(update({ policy: allowOf('s3:*') }))).message).toContain(
      'disableSessionTags',
    )
    const unknown = { clusterName: CLUSTER, associationId: 'a-aaaaaaaaaaaaaaaaa' }
    const missing = eks.send(new UpdatePodIdentityAssociationCommand(unknown))
    expect((await refusalOf(missing)).code).toBe('ResourceNotFoundException')
    await forget(made)
  })

  test('a 51st tag that is added later', async () => {
    const made = await associate({ tags: tags(50) })
    const more = { resourceArn: made.associationArn, tags: { k50: 'v' } }
    const refusal = await refusalOf(eks.send(new TagResourceCommand(more)))
    expect(refusal.status).toBe(400)
    await forget(made)
  })

  test('a cluster that holds 5,000', async () => {
    const made = await associate()
    const table = fixture.state.table<AssociationRecord>('eks.associations')
    const [[, record] = []] = table.entries()
    const added: string[] = []
    for (let index = 1; index < 5000; index += 1) {
      const associationId = `a-${String(index).padStart(17, '0')}`
      const key = `${ACCOUNT}/${REGION}/${CLUSTER}/${associationId}`
      const association = { ...record!.association, associationId, serviceAccount: `sa-${index}` }
      table.set(key, { ...record!, association })
      added.push(key)
    }
    expect(await refusalOf(associate({ serviceAccount: 'more' }))).toMatchObject({
      code: 'ResourceLimitExceededException',
      status: 400,
    })
    const page = await eks.send(new ListPodIdentityAssociationsCommand({ clusterName: CLUSTER }))
    expect(page.associations).toHaveLength(100)
    expect(page.nextToken).toBeString()
    for (const key of added) table.delete(key)
    await forget(made)
  })
})

test('the same request with the same token is answered with the same association', async () => {
  const clientRequestToken = 'once'
  const first = await associate({ clientRequestToken })
  expect((await associate({ clientRequestToken })).associationId).toBe(first.associationId)
  const other = associate({ clientRequestToken, tags: { a: 'b' } })
  expect((await refusalOf(other)).code).toBe('ResourceInUseException')
  const id = { clusterName: CLUSTER, associationId: first.associationId }
  const got = await eks.send(new DescribePodIdentityAssociationCommand(id))
  expect(got.association?.associationArn).toBe(
    `arn:aws:eks:${REGION}:${ACCOUNT}:podidentityassociation/${CLUSTER}/${first.associationId}`,
  )
  await forget(first)
})

const pod = (name: string): Readonly<Record<string, unknown>> => ({
  'kubernetes.io': {
    namespace: 'apps',
    pod: { name, uid: 'uid' },
    serviceaccount: { name: 'web', uid: 'uid' },
  },
})

describe('a pod gets', () => {
  test('a session name of at most 62 characters, and what it sends besides is ignored', async () => {
    const made = await associate()
    const name = 'a-very-long-name-of-a-pod.with-a-dot-5f6d8c-x2x7q'
    const more = { eksNodeName: 'x', instanceId: 'i-1', zone: { a: 1 } }
    const answer = await exchange(await fixture.podToken(pod(name)), more)
    expect(answer.status).toBe(200)
    const session = answer.arn.split('/').at(-1) ?? ''
    expect(session).toMatch(/^eks-blue-a-very-lon-[0-9a-f-]{36}$/)
    expect(session.length).toBeLessThanOrEqual(62)
    await forget(made)
  })

  test('no session tags where they are off: narrowing by account is what is left', async () => {
    const none = {
      Null: {
        'aws:RequestTag/kubernetes-namespace': 'true',
        'aws:TagKeys': 'true',
        'sts:TransitiveTagKeys': 'true',
      },
      StringEquals: { 'aws:SourceAccount': ACCOUNT },
    }
    await role('bare', trustOf(PODS, 'sts:AssumeRole', none))
    const made = await associate({ roleArn: arnOf('bare'), disableSessionTags: true })
    const answer = await exchange(await fixture.podToken())
    expect(answer.status).toBe(200)
    expect(fixture.aws.sessionTags(answer.arn)).toEqual({})
    const other = { StringEquals: { 'aws:SourceAccount': OTHER_ACCOUNT } }
    await role('elsewhere', trustOf(PODS, 'sts:AssumeRole', other))
    await forget(made)
    const next = await associate({ roleArn: arnOf('elsewhere'), disableSessionTags: true })
    expect((await exchange(await fixture.podToken())).error).toBe('AccessDeniedException')
    await forget(next)
  })

  test('transitive tags, in the target role too', async () => {
    await role(
      'transitive',
      trustOf(PODS, BOTH, {
        'ForAllValues:StringEquals': { 'sts:TransitiveTagKeys': SIX, 'aws:TagKeys': SIX },
        Null: { 'sts:TransitiveTagKeys': 'false' },
      }),
      allowOf(BOTH),
    )
    const target = trustOf({ AWS: arnOf('transitive') }, BOTH, {
      StringEquals: { 'aws:RequestTag/kubernetes-service-account': 'web' },
    })
    await role('target', target)
    await role('target-untagged', trustOf({ AWS: arnOf('transitive') }, 'sts:AssumeRole'))
    const made = await associate({
      roleArn: arnOf('transitive'),
      targetRoleArn: arnOf('target'),
    })
    const answer = await exchange(await fixture.podToken())
    expect(answer.arn).toContain(':assumed-role/target/eks-blue-')
    expect(answer.expiration).toBeCloseTo(fixture.clock.now() / 1000 + 3540, 0)
    expect(Object.keys(fixture.aws.sessionTags(answer.arn)).sort()).toEqual(SIX)
    const id = { clusterName: CLUSTER, associationId: made.associationId }
    const update = { ...id, targetRoleArn: arnOf('target-untagged') }
    await eks.send(new UpdatePodIdentityAssociationCommand(update))
    const refused = await exchange(await fixture.podToken())
    expect([refused.status, refused.error]).toEqual([400, 'AccessDeniedException'])
    const off = { ...update, disableSessionTags: true }
    await eks.send(new UpdatePodIdentityAssociationCommand(off))
    // Its own trust asks for the tags.
    expect((await exchange(await fixture.podToken())).error).toBe('AccessDeniedException')
    await forget(made)
  })

  test('nothing for a role that is gone, or that lost its trust', async () => {
    await role('gone', trustOf(PODS, BOTH))
    const made = await associate({ roleArn: arnOf('gone') })
    const { iam } = fixture.clients(fixture.admin)
    await iam.send(new DeleteRoleCommand({ RoleName: 'gone' }))
    expect((await exchange(await fixture.podToken())).error).toBe('AccessDeniedException')
    await role('gone', trustOf({ Service: 'ec2.amazonaws.com' }, BOTH))
    expect((await exchange(await fixture.podToken())).error).toBe('AccessDeniedException')
    await forget(made)
  })

  test('nothing for a forged token', async () => {
    const made = await associate()
    const good = await fixture.podToken()
    const [header = '', payload = '', signature = ''] = good.split('.')
    const encode = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url')
    const { kid, publicJwk } = fixture.eksKey
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const hs = `${encode({ alg: 'HS256', kid })}.${payload}`
    const mac = createHmac('sha256', JSON.stringify(publicJwk)).update(hs).digest('base64url')
    for (const token of [
      `${header}.${encode({ ...claims, sub: 'system:serviceaccount:apps:root' })}.${signature}`,
      `${encode({ alg: 'none', kid })}.${payload}.${signature}`,
      `${hs}.${mac}`,
      await fixture.token({ ...claims, iss: undefined }),
    ]) {
      const answer = await exchange(token)
      expect([answer.status, answer.error]).toEqual([400, 'InvalidTokenException'])
    }
    expect((await exchange(good)).status).toBe(200)
    await forget(made)
  })
})

const SIX = [
  'eks-cluster-arn',
  'eks-cluster-name',
  'kubernetes-namespace',
  'kubernetes-pod-name',
  'kubernetes-pod-uid',
  'kubernetes-service-account',
]
