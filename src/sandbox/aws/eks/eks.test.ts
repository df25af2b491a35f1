import {
  CreateClusterCommand,
  CreatePodIdentityAssociationCommand,
  DeleteClusterCommand,
  DeletePodIdentityAssociationCommand,
  DescribeClusterCommand,
  DescribePodIdentityAssociationCommand,
  type EKSClient,
  ListClustersCommand,
  ListPodIdentityAssociationsCommand,
  ListTagsForResourceCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdatePodIdentityAssociationCommand,
} from '@aws-sdk/client-eks'
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  CLUSTER,
  EKS_ISSUER,
  type Keys,
  OTHER_ACCOUNT,
  REGION,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'
import { generateSigningKey } from '../../../issuer/keys.ts'
import { signToken } from '../../../issuer/sign.ts'

const PODS = { Service: 'pods.eks.amazonaws.com' }
const BOTH = ['sts:AssumeRole', 'sts:TagSession']
const CLUSTER_ARN = `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/${CLUSTER}`

let fixture: AwsFixture
let eks: EKSClient
let node: Keys
const arnOf = (name: string, account = ACCOUNT): string => `arn:aws:iam::${account}:role/${name}`

async function role(name: string, trust: string, policy?: string): Promise<void> {
  const { iam } = fixture.clients(fixture.admin)
  await iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: trust }))
  if (policy === undefined) return
  const put = { RoleName: name, PolicyName: 'own', PolicyDocument: policy }
  await iam.send(new PutRolePolicyCommand(put))
}

beforeAll(async () => {
  fixture = await startAwsFixture()
  eks = fixture.clients(fixture.admin).eks
  await role(
    'node',
    trustOf({ Service: 'ec2.amazonaws.com' }, 'sts:AssumeRole'),
    allowOf('eks-auth:AssumeRoleForPodIdentity', CLUSTER_ARN),
  )
  const narrow = {
    StringEquals: {
      'aws:RequestTag/eks-cluster-arn': CLUSTER_ARN,
      'aws:RequestTag/kubernetes-namespace': 'apps',
      'aws:RequestTag/kubernetes-service-account': 'web',
      'aws:SourceAccount': ACCOUNT,
    },
  }
  await role('web', trustOf(PODS, BOTH, narrow), allowOf(['iam:ListRoles', ...BOTH]))
  await role('loose', trustOf(PODS, BOTH), allowOf(['iam:ListRoles', 'iam:ListPolicies', ...BOTH]))
  const found = fixture.aws.issueServiceCredentials({
    roleArn: arnOf('node'),
    service: 'ec2.amazonaws.com',
    sessionName: 'i-0123',
    durationSeconds: 21_600,
  })
  node = {
    accessKeyId: found.accessKeyId,
    secretAccessKey: found.secretAccessKey.reveal(),
    sessionToken: found.sessionToken.reveal(),
  }
})
afterAll(() => fixture.stop())

interface PodAnswer {
  readonly status: number
  readonly error: string | null
  readonly body: {
    readonly message?: string
    readonly assumedRoleUser?: { readonly arn: string; readonly assumeRoleId: string }
    readonly credentials: {
      readonly accessKeyId: string
      readonly secretAccessKey: string
      readonly sessionToken: string
      readonly expiration: number
    }
  } & Record<string, unknown>
}

async function exchange(token: string, keys = node, cluster = CLUSTER): Promise<PodAnswer> {
  const response = await fixture.call({
    keys,
    service: 'eks-auth',
    path: `/clusters/${cluster}/assume-role-for-pod-identity`,
    body: JSON.stringify({ token }),
  })
  const body = (await response.json()) as never
  return { status: response.status, error: response.headers.get('x-amzn-errortype'), body }
}

const associate = (more: object = {}): Promise<{ association?: { associationId?: string } }> =>
  eks.send(
    new CreatePodIdentityAssociationCommand({
      clusterName: CLUSTER,
      namespace: 'apps',
      serviceAccount: 'web',
      roleArn: arnOf('web'),
      ...more,
    }),
  ) as never

async function forget(associationId: string | undefined): Promise<void> {
  await eks.send(new DeletePodIdentityAssociationCommand({ clusterName: CLUSTER, associationId }))
}

describe('clusters', () => {
  test('a cluster that runs', async () => {
    const { cluster } = await eks.send(new DescribeClusterCommand({ name: CLUSTER }))
    expect(cluster).toMatchObject({
      arn: CLUSTER_ARN,
      status: 'ACTIVE',
      identity: { oidc: { issuer: EKS_ISSUER } },
      endpoint: 'https://127.0.0.1:6443',
    })
    expect(cluster?.createdAt).toBeInstanceOf(Date)
    const other = fixture.clients(fixture.admin, 'us-east-1').eks
    const refusal = await refusalOf(other.send(new DescribeClusterCommand({ name: CLUSTER })))
    expect(refusal).toMatchObject({ code: 'ResourceNotFoundException', status: 404 })
  })

  test('create, list, tag, delete', async () => {
    await role('cluster', trustOf({ Service: 'eks.amazonaws.com' }, 'sts:AssumeRole'))
    const ask = {
      name: 'made',
      roleArn: arnOf('cluster'),
      resourcesVpcConfig: {},
      logging: { clusterLogging: [{ types: ['audit' as const], enabled: true }] },
      kubernetesNetworkConfig: { serviceIpv4Cidr: '172.20.0.0/16' },
      upgradePolicy: { supportType: 'STANDARD' as const },
      zonalShiftConfig: { enabled: true },
      tags: { a: 'b' },
    }
    const logging = { clusterLogging: [{ types: ['kubelet' as 'api'], enabled: true }] }
    const wrong = refusalOf(eks.send(new CreateClusterCommand({ ...ask, logging })))
    expect((await wrong).code).toBe('InvalidParameterException')
    const made = await eks.send(new CreateClusterCommand(ask))
    expect(made.cluster).toMatchObject({ name: 'made', status: 'CREATING' })
    const resourceArn = made.cluster?.arn ?? ''
    expect((await eks.send(new DescribeClusterCommand({ name: 'made' }))).cluster?.status).toBe(
      'ACTIVE',
    )
    expect(made.cluster?.logging?.clusterLogging).toEqual([
      { types: ['audit'], enabled: true },
      { types: ['api', 'authenticator', 'controllerManager', 'scheduler'], enabled: false },
    ])
    expect(made.cluster).toMatchObject({
      kubernetesNetworkConfig: { serviceIpv4Cidr: '172.20.0.0/16', ipFamily: 'ipv4' },
      upgradePolicy: { supportType: 'STANDARD' },
      zonalShiftConfig: { enabled: true },
    })
    expect(await refusalOf(eks.send(new CreateClusterCommand(ask)))).toMatchObject({
      code: 'ResourceInUseException',
      status: 409,
    })
    const first = await eks.send(new ListClustersCommand({ maxResults: 1 }))
    const second = await eks.send(new ListClustersCommand({ nextToken: first.nextToken }))
    expect([first.clusters, second.clusters]).toEqual([[CLUSTER], ['made']])
    await eks.send(new TagResourceCommand({ resourceArn, tags: { c: 'd' } }))
    await eks.send(new UntagResourceCommand({ resourceArn, tagKeys: ['a'] }))
    const { tags } = await eks.send(new ListTagsForResourceCommand({ resourceArn }))
    expect(tags).toEqual({ c: 'd' })
    await eks.send(new DeleteClusterCommand({ name: 'made' }))
    expect((await refusalOf(eks.send(new DescribeClusterCommand({ name: 'made' })))).status).toBe(
      404,
    )
  })
})

describe('associations', () => {
  test('create, describe, list, update, delete', async () => {
    const { association } = await associate({ tags: { a: 'b' } })
    const associationId = association?.associationId ?? ''
    expect(associationId).toMatch(/^a-[a-z0-9]{17}$/)
    const id = { clusterName: CLUSTER, associationId }
    const again = await refusalOf(associate())
    expect(again).toMatchObject({ code: 'ResourceInUseException', status: 409 })
    expect(again.message).toBe(`Association already exists: ${associationId}`)
    const got = await eks.send(new DescribePodIdentityAssociationCommand(id))
    expect(got.association).toMatchObject({ roleArn: arnOf('web'), tags: { a: 'b' } })
    const list = await eks.send(new ListPodIdentityAssociationsCommand({ clusterName: CLUSTER }))
    expect(list.associations).toHaveLength(1)
    const update = { ...id, roleArn: arnOf('loose') }
    const changed = await eks.send(new UpdatePodIdentityAssociationCommand(update))
    expect(changed.association?.roleArn).toBe(arnOf('loose'))
    await forget(associationId)
    const gone = await refusalOf(eks.send(new DescribePodIdentityAssociationCommand(id)))
    expect(gone).toMatchObject({ code: 'ResourceNotFoundException', status: 404 })
  })

  test('the role must trust EKS Pod Identity, exist, and be of the account', async () => {
    const invalid = 'Trust policy of the role provided is invalid'
    for (const [roleArn, text] of [
      [arnOf('node'), invalid],
      [arnOf('nobody'), 'Role provided in the request does not exist.'],
      [arnOf('web', OTHER_ACCOUNT), 'another account'],
    ] as const) {
      const refusal = await refusalOf(associate({ roleArn }))
      expect(refusal).toMatchObject({ code: 'InvalidParameterException', status: 400 })
      expect(refusal.message).toContain(text)
    }
    await role('untagged', trustOf(PODS, 'sts:AssumeRole'))
    expect((await refusalOf(associate({ roleArn: arnOf('untagged') }))).message).toBe(invalid)
    const { association } = await associate({
      roleArn: arnOf('untagged'),
      disableSessionTags: true,
    })
    await forget(association?.associationId)
  })

  test('the caller needs iam:PassRole', async () => {
    const trust = trustOf({ Service: 'ec2.amazonaws.com' }, 'sts:AssumeRole')
    await role('half', trust, allowOf('eks:*'))
    const found = fixture.aws.issueServiceCredentials({
      roleArn: arnOf('half'),
      service: 'ec2.amazonaws.com',
      sessionName: 'half',
      durationSeconds: 3600,
    })
    const half = fixture.clients({
      accessKeyId: found.accessKeyId,
      secretAccessKey: found.secretAccessKey.reveal(),
      sessionToken: found.sessionToken.reveal(),
    }).eks
    const command = new CreatePodIdentityAssociationCommand({
      clusterName: CLUSTER,
      namespace: 'apps',
      serviceAccount: 'half',
      roleArn: arnOf('web'),
    })
    const refusal = await refusalOf(half.send(command))
    expect(refusal).toMatchObject({ code: 'AccessDeniedException', status: 403 })
    expect(refusal.message).toContain('iam:PassRole')
  })
})

describe('AssumeRoleForPodIdentity', () => {
  test('gives a session with six transitive tags for six hours', async () => {
    const { association } = await associate()
    const { status, body } = await exchange(await fixture.podToken())
    expect(status).toBe(200)
    expect(body).toMatchObject({
      subject: { namespace: 'apps', serviceAccount: 'web' },
      audience: 'pods.eks.amazonaws.com',
      podIdentityAssociation: { associationId: association?.associationId },
    })
    expect(body.assumedRoleUser?.arn).toMatch(
      /:assumed-role\/web\/eks-blue-web-5f6d8c-[0-9a-f-]{36}$/,
    )
    expect(body.credentials.expiration).toBeCloseTo(fixture.clock.now() / 1000 + 21_600, 0)
    const { accessKeyId, secretAccessKey, sessionToken } = body.credentials
    const keys = { accessKeyId, secretAccessKey, sessionToken }
    const who = await fixture.clients(keys).sts.send(new GetCallerIdentityCommand())
    expect(who.UserId).toBe(body.assumedRoleUser?.assumeRoleId)
    expect(fixture.aws.sessionTags(who.Arn ?? '')).toEqual({
      'eks-cluster-arn': CLUSTER_ARN,
      'eks-cluster-name': CLUSTER,
      'kubernetes-namespace': 'apps',
      'kubernetes-service-account': 'web',
      'kubernetes-pod-name': 'web-5f6d8c-x2x7q',
      'kubernetes-pod-uid': '6f1a-uid',
    })
    await forget(association?.associationId)
    expect(await exchange(await fixture.podToken())).toMatchObject({
      status: 404,
      error: 'ResourceNotFoundException',
    })
  })

  test('refuses each wrong token, caller and role', async () => {
    const { association } = await associate()
    const now = Math.floor(fixture.clock.now() / 1000)
    const good = await fixture.podToken()
    const [, payload = ''] = good.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const stranger = await signToken(await generateSigningKey(), { ...claims })
    const wrong: [token: string, error: string][] = [
      [await fixture.podToken({ exp: now - 1 }), 'ExpiredTokenException'],
      [await fixture.podToken({ nbf: now + 30 }), 'InvalidTokenException'],
      [await fixture.podToken({ aud: ['sts.amazonaws.com'] }), 'InvalidTokenException'],
      [await fixture.podToken({ iss: 'https://else.example' }), 'InvalidTokenException'],
      [await fixture.podToken({ 'kubernetes.io': undefined }), 'InvalidTokenException'],
      [stranger.reveal(), 'InvalidTokenException'],
      ['a.b.c', 'InvalidTokenException'],
      ['none', 'InvalidParameterException'],
    ]
    for (const [token, error] of wrong) {
      const answer = await exchange(token)
      expect([answer.status, answer.error]).toEqual([400, error])
    }
    const elsewhere = await exchange(good, fixture.otherAdmin)
    expect([elsewhere.status, elsewhere.error]).toEqual([404, 'ResourceNotFoundException'])
    const green = await exchange(good, node, 'green')
    expect([green.status, green.error]).toEqual([403, 'AccessDeniedException'])
    const { iam } = fixture.clients(fixture.admin)
    await iam.send(
      new PutRolePolicyCommand({
        RoleName: 'node',
        PolicyName: 'own',
        PolicyDocument: allowOf('eks:DescribeCluster'),
      }),
    )
    const powerless = await exchange(good)
    expect([powerless.status, powerless.error]).toEqual([403, 'AccessDeniedException'])
    await iam.send(
      new PutRolePolicyCommand({
        RoleName: 'node',
        PolicyName: 'own',
        PolicyDocument: allowOf('eks-auth:AssumeRoleForPodIdentity', CLUSTER_ARN),
      }),
    )
    await forget(association?.associationId)
  })

  test('a trust policy for another service account refuses', async () => {
    const { association } = await associate({ serviceAccount: 'api' })
    const token = await fixture.podToken({
      sub: 'system:serviceaccount:apps:api',
      'kubernetes.io': {
        namespace: 'apps',
        pod: { name: 'api-1', uid: 'u' },
        serviceaccount: { name: 'api', uid: 'u' },
      },
    })
    const answer = await exchange(token)
    expect([answer.status, answer.error]).toEqual([400, 'AccessDeniedException'])
    expect(answer.body.message).toStartWith('Unauthorized Exception!')
    await forget(association?.associationId)
  })

  test('a target role: 59 minutes, inherited tags, or the external id without tags', async () => {
    const other = fixture.clients(fixture.otherAdmin).iam
    const from = { AWS: arnOf('web') }
    const tagged = trustOf(from, BOTH, {
      StringEquals: { 'aws:RequestTag/kubernetes-pod-name': 'web-5f6d8c-x2x7q' },
    })
    const externalId = `${REGION}/${ACCOUNT}/${CLUSTER}/apps/web`
    const external = trustOf({ AWS: arnOf('loose') }, 'sts:AssumeRole', {
      StringEquals: { 'sts:ExternalId': externalId },
    })
    for (const [RoleName, AssumeRolePolicyDocument] of [
      ['target', tagged],
      ['external', external],
    ] as const) {
      await other.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
    }
    const targetRoleArn = arnOf('target', OTHER_ACCOUNT)
    const first = await associate({ targetRoleArn })
    const answer = await exchange(await fixture.podToken())
    expect(answer.status).toBe(200)
    expect(answer.body.assumedRoleUser?.arn).toStartWith(
      `arn:aws:sts::${OTHER_ACCOUNT}:assumed-role/target/`,
    )
    expect(answer.body.credentials.expiration).toBeCloseTo(fixture.clock.now() / 1000 + 3540, 0)
    await forget(first.association?.associationId)
    const second = await associate({
      roleArn: arnOf('loose'),
      targetRoleArn: arnOf('external', OTHER_ACCOUNT),
      disableSessionTags: true,
    })
    expect(second.association).toMatchObject({ externalId })
    expect((await exchange(await fixture.podToken())).status).toBe(200)
    await forget(second.association?.associationId)
  })

  test('a target role of another account, where one side does not allow', async () => {
    const other = fixture.clients(fixture.otherAdmin).iam
    const make = (RoleName: string, principal: string): Promise<unknown> => {
      const AssumeRolePolicyDocument = trustOf({ AWS: principal }, BOTH)
      return other.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
    }
    await role('unpermitted', trustOf(PODS, BOTH))
    // It trusts the pod's role, which has no permission for it; it trusts somebody else.
    await make('trusting', arnOf('unpermitted'))
    await make('foreign', `arn:aws:iam::${OTHER_ACCOUNT}:user/admin`)
    const admin = fixture.clients(fixture.admin).iam
    for (const [name, from] of [
      ['trusting', 'unpermitted'],
      ['foreign', 'web'],
    ] as const) {
      const targetRoleArn = arnOf(name, OTHER_ACCOUNT)
      const { association } = await associate({ roleArn: arnOf(from), targetRoleArn })
      const answer = await exchange(await fixture.podToken())
      expect([name, answer.status, answer.error]).toEqual([name, 400, 'AccessDeniedException'])
      expect(answer.body.message).toContain(
        `is not authorized to perform: sts:AssumeRole on resource: ${targetRoleArn}`,
      )
      const told = fixture.aws.decisions.recent().findLast(({ allowed }) => !allowed)
      expect(told).toMatchObject({ action: 'sts:AssumeRole', resource: targetRoleArn })
      await forget(association?.associationId)
    }
    const PolicyDocument = allowOf(BOTH, arnOf('trusting', OTHER_ACCOUNT))
    const permit = { RoleName: 'unpermitted', PolicyName: 'target', PolicyDocument }
    await admin.send(new PutRolePolicyCommand(permit))
    const { association } = await associate({
      roleArn: arnOf('unpermitted'),
      targetRoleArn: arnOf('trusting', OTHER_ACCOUNT),
    })
    expect((await exchange(await fixture.podToken())).status).toBe(200)
    await forget(association?.associationId)
  })

  test('a policy narrows the session', async () => {
    const policy = allowOf('iam:ListPolicies')
    const { association } = await associate({
      roleArn: arnOf('loose'),
      disableSessionTags: true,
      policy,
    })
    const { body } = await exchange(await fixture.podToken())
    const call = { keys: body.credentials, service: 'iam' }
    const allowed = await fixture.call({ ...call, body: 'Action=ListPolicies&Version=2010-05-08' })
    const refused = await fixture.call({ ...call, body: 'Action=ListRoles&Version=2010-05-08' })
    expect([allowed.status, refused.status]).toEqual([200, 403])
    await forget(association?.associationId)
  })
})
