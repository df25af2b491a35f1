/** IAM User Guide, "Create a service-linked role"; EKS User Guide, "Using service-linked roles". */
import {
  CreateFargateProfileCommand,
  CreateNodegroupCommand,
  DeleteNodegroupCommand,
  type EKSClient,
} from '@aws-sdk/client-eks'
import {
  AttachRolePolicyCommand,
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateServiceLinkedRoleCommand,
  CreateUserCommand,
  DeleteRoleCommand,
  DeleteServiceLinkedRoleCommand,
  GetRoleCommand,
  GetServiceLinkedRoleDeletionStatusCommand,
  type IAMClient,
  ListAttachedRolePoliciesCommand,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
  TagRoleCommand,
  UpdateAssumeRolePolicyCommand,
  UpdateRoleCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
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
import { TRANSITION_MS } from '../eks/lifecycle.ts'

const EKS = 'AWSServiceRoleForAmazonEKS'
const NODES = 'AWSServiceRoleForAmazonEKSNodegroup'

let fixture: AwsFixture
let iam: IAMClient
let other: IAMClient
let eks: EKSClient

beforeAll(async () => {
  fixture = await startAwsFixture()
  ;({ iam, eks } = fixture.clients(fixture.admin))
  other = fixture.clients(fixture.otherAdmin).iam
  for (const [RoleName, Service] of [
    ['node', 'ec2.amazonaws.com'],
    ['fargate', 'eks-fargate-pods.amazonaws.com'],
  ] as const) {
    const AssumeRolePolicyDocument = trustOf({ Service }, 'sts:AssumeRole')
    await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
  }
})
afterAll(() => fixture.stop())

const codeOf = async (call: Promise<unknown>): Promise<string> =>
  (await refusalOf(call)).code.replace(/Exception$/, '')
const exists = async (client: IAMClient, RoleName: string): Promise<boolean> =>
  client.send(new GetRoleCommand({ RoleName })).then(
    () => true,
    () => false,
  )
const create = (AWSServiceName: string, more: object = {}, by = other): Promise<unknown> =>
  by.send(new CreateServiceLinkedRoleCommand({ AWSServiceName, ...more }))

describe('EKS makes', () => {
  test('one with the first cluster of an account', async () => {
    const { Role } = await iam.send(new GetRoleCommand({ RoleName: EKS }))
    expect(Role).toMatchObject({
      Arn: `arn:aws:iam::${ACCOUNT}:role/aws-service-role/eks.amazonaws.com/${EKS}`,
      Path: '/aws-service-role/eks.amazonaws.com/',
    })
    expect(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '')).toContain(
      '"eks.amazonaws.com"',
    )
    const attached = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName: EKS }))
    expect(attached.AttachedPolicies).toEqual([
      {
        PolicyName: 'AmazonEKSServiceRolePolicy',
        PolicyArn: 'arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy',
      },
    ])
    expect(await exists(other, EKS)).toBe(false)
  })

  test('others with the first node group and Fargate profile', async () => {
    const FARGATE = 'AWSServiceRoleForAmazonEKSForFargate'
    expect([await exists(iam, NODES), await exists(iam, FARGATE)]).toEqual([false, false])
    const clusterName = CLUSTER
    const roleOf = (name: string): string => `arn:aws:iam::${ACCOUNT}:role/${name}`
    const group = { clusterName, nodegroupName: 'n', nodeRole: roleOf('node'), subnets: ['s'] }
    await eks.send(new CreateNodegroupCommand(group))
    const podExecutionRoleArn = roleOf('fargate')
    const selectors = [{ namespace: 'a' }]
    const profile = { clusterName, fargateProfileName: 'f', podExecutionRoleArn, selectors }
    await eks.send(new CreateFargateProfileCommand(profile))
    expect([await exists(iam, NODES), await exists(iam, FARGATE)]).toEqual([true, true])
  })
})

test('what is not the service may describe and tag its role, and change nothing else', async () => {
  const RoleName = EKS
  const PolicyDocument = allowOf('s3:*')
  const PolicyArn = 'arn:aws:iam::aws:policy/AdministratorAccess'
  const refused: readonly Promise<unknown>[] = [
    iam.send(new DeleteRoleCommand({ RoleName })),
    iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn })),
    iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'p', PolicyDocument })),
    iam.send(
      new UpdateAssumeRolePolicyCommand({
        RoleName,
        PolicyDocument: trustOf({ AWS: ACCOUNT }, 'sts:AssumeRole'),
      }),
    ),
    iam.send(new UpdateRoleCommand({ RoleName, MaxSessionDuration: 7200 })),
  ]
  for (const one of refused) {
    const { code, status, message } = await refusalOf(one)
    expect([code, status]).toEqual(['UnmodifiableEntityException', 400])
    expect(message).toBe(
      `Cannot perform the operation on the protected role '${EKS}' - this role is only modifiable by AWS`,
    )
  }
  await iam.send(new TagRoleCommand({ RoleName, Tags: [{ Key: 'a', Value: 'b' }] }))
  await iam.send(new UpdateRoleCommand({ RoleName, Description: 'ours' }))
  const { Role } = await iam.send(new GetRoleCommand({ RoleName }))
  expect(Role).toMatchObject({ Description: 'ours', MaxSessionDuration: 3600 })
})

describe('by hand', () => {
  test('one is made once, and deleted where nothing needs it', async () => {
    const service = 'eks.amazonaws.com'
    await create(service, { Description: 'early' })
    const again = await refusalOf(create(service))
    expect(again).toMatchObject({ code: 'InvalidInputException', status: 400 })
    expect(again.message).toBe(
      `Service role name ${EKS} has been taken in this account, please try a different suffix.`,
    )
    const deleted = await other.send(new DeleteServiceLinkedRoleCommand({ RoleName: EKS }))
    const { DeletionTaskId } = deleted
    expect(DeletionTaskId).toStartWith(`task/aws-service-role/${service}/${EKS}/`)
    const ask = new GetServiceLinkedRoleDeletionStatusCommand({ DeletionTaskId })
    expect((await other.send(ask)).Status).toBe('SUCCEEDED')
    expect(await codeOf(iam.send(ask))).toBe('NoSuchEntity')
    expect(await exists(other, EKS)).toBe(false)
  })

  test('one that is needed stays, and the task tells by what', async () => {
    const remove = async (RoleName: string): Promise<unknown> => {
      const task = await iam.send(new DeleteServiceLinkedRoleCommand({ RoleName }))
      const { DeletionTaskId } = task
      return iam.send(new GetServiceLinkedRoleDeletionStatusCommand({ DeletionTaskId }))
    }
    expect(await remove(EKS)).toMatchObject({
      Status: 'FAILED',
      Reason: {
        RoleUsageList: [
          { Region: REGION, Resources: [`arn:aws:eks:${REGION}:${ACCOUNT}:cluster/${CLUSTER}`] },
        ],
      },
    })
    expect(await exists(iam, EKS)).toBe(true)
    expect(await remove(NODES)).toMatchObject({ Status: 'FAILED' })
    await eks.send(new DeleteNodegroupCommand({ clusterName: CLUSTER, nodegroupName: 'n' }))
    fixture.clock.advance(TRANSITION_MS)
    expect(await remove(NODES)).toMatchObject({ Status: 'SUCCEEDED' })
  })

  const wrong: readonly (readonly [service: string, more: object, code: string])[] = [
    ['nobody.amazonaws.com', {}, 'InvalidInput'],
    ['eks.amazonaws.com', { CustomSuffix: 'two' }, 'InvalidInput'],
    ['eks/amazonaws.com', {}, 'ValidationError'],
    ['eks.amazonaws.com', { Description: 'x'.repeat(1001) }, 'ValidationError'],
  ]
  test.each(wrong)('%s with %j is refused', async (service, more, code) => {
    expect(await codeOf(create(service, more))).toBe(code)
  })

  test('the quota of roles counts them', async () => {
    fixture.aws.setQuota({ name: 'roles', accountId: OTHER_ACCOUNT, value: 0 })
    expect(await codeOf(create('eks.amazonaws.com'))).toBe('LimitExceeded')
    fixture.aws.setQuota({ name: 'roles', accountId: OTHER_ACCOUNT, value: 1000 })
  })

  test('only those may who may for that service', async () => {
    const UserName = 'eks-only'
    await other.send(new CreateUserCommand({ UserName }))
    const PolicyDocument = JSON.stringify({
      Version: '2012-10-17',
      Statement: {
        Effect: 'Allow',
        Action: 'iam:CreateServiceLinkedRole',
        Resource: 'arn:aws:iam::*:role/aws-service-role/*',
        Condition: { StringEquals: { 'iam:AWSServiceName': 'eks.amazonaws.com' } },
      },
    })
    await other.send(new PutUserPolicyCommand({ UserName, PolicyName: 'p', PolicyDocument }))
    const { AccessKey } = await other.send(new CreateAccessKeyCommand({ UserName }))
    const mine = fixture.clients({
      accessKeyId: AccessKey?.AccessKeyId ?? '',
      secretAccessKey: AccessKey?.SecretAccessKey ?? '',
    }).iam
    expect(await codeOf(create('eks-nodegroup.amazonaws.com', {}, mine))).toBe('AccessDenied')
    await create('eks.amazonaws.com', {}, mine)
    const remove = mine.send(new DeleteServiceLinkedRoleCommand({ RoleName: EKS }))
    expect(await codeOf(remove)).toBe('AccessDenied')
    const DeletionTaskId = `task/aws-service-role/eks.amazonaws.com/${EKS}/1`
    const status = new GetServiceLinkedRoleDeletionStatusCommand({ DeletionTaskId })
    expect(await codeOf(mine.send(status))).toBe('AccessDenied')
    expect(await codeOf(other.send(status))).toBe('NoSuchEntity')
  })

  test('no role of another kind is one, nor holds their policies', async () => {
    const AssumeRolePolicyDocument = trustOf({ AWS: ACCOUNT }, 'sts:AssumeRole')
    const forged = { RoleName: 'x', Path: '/aws-service-role/x.y/', AssumeRolePolicyDocument }
    expect(await codeOf(iam.send(new CreateRoleCommand(forged)))).toBe('InvalidInput')
    const remove = iam.send(new DeleteServiceLinkedRoleCommand({ RoleName: 'node' }))
    expect(await codeOf(remove)).toBe('NoSuchEntity')
    const PolicyArn = 'arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy'
    const attach = iam.send(new AttachRolePolicyCommand({ RoleName: 'node', PolicyArn }))
    expect(await codeOf(attach)).toBe('PolicyNotAttachable')
  })
})
