import {
  AssociateAccessPolicyCommand,
  CreateAccessEntryCommand,
  CreateClusterCommand,
  DeleteAccessEntryCommand,
  DescribeAccessEntryCommand,
  DescribeClusterCommand,
  DescribeUpdateCommand,
  DisassociateAccessPolicyCommand,
  type EKSClient,
  ListAccessEntriesCommand,
  ListAccessPoliciesCommand,
  ListAssociatedAccessPoliciesCommand,
  ListTagsForResourceCommand,
  ListUpdatesCommand,
  TagResourceCommand,
  UpdateAccessEntryCommand,
  UpdateClusterConfigCommand,
} from '@aws-sdk/client-eks'
import { CreateRoleCommand, DeleteRoleCommand, GetRoleCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  type AwsFixture,
  CLUSTER,
  OTHER_ACCOUNT,
  REGION,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'
import { TRANSITION_MS } from './lifecycle.ts'

const PLACE = { accountId: ACCOUNT, region: REGION, name: CLUSTER }
const VIEW = 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy'
const ADMIN_ARN = `arn:aws:iam::${ACCOUNT}:user/admin`

let fixture: AwsFixture
let eks: EKSClient
const arnOf = (name: string): string => `arn:aws:iam::${ACCOUNT}:role/${name}`

async function makeRole(name: string, path = '/'): Promise<string> {
  const AssumeRolePolicyDocument = trustOf({ Service: 'ec2.amazonaws.com' }, 'sts:AssumeRole')
  const { iam } = fixture.clients(fixture.admin)
  const made = await iam.send(
    new CreateRoleCommand({ RoleName: name, Path: path, AssumeRolePolicyDocument }),
  )
  return made.Role?.RoleId ?? ''
}

beforeAll(async () => {
  fixture = await startAwsFixture()
  eks = fixture.clients(fixture.admin).eks
  for (const name of ['reader', 'linux', 'other', 'again', 'pages-1', 'pages-2'])
    await makeRole(name)
  await makeRole('deep', '/team/a/')
})
afterAll(() => fixture.stop())

const create = (principalArn: string, more: object = {}, clusterName = CLUSTER) =>
  eks.send(new CreateAccessEntryCommand({ clusterName, principalArn, ...more }))
const entryOf = async (principalArn: string) =>
  (await eks.send(new DescribeAccessEntryCommand({ clusterName: CLUSTER, principalArn })))
    .accessEntry

describe('access entries', () => {
  test('create, describe, list by pages and by policy, update, tag, delete', async () => {
    const principalArn = arnOf('team/a/deep')
    const made = await create(principalArn, {
      kubernetesGroups: ['readers'],
      tags: { team: 'a' },
      clientRequestToken: 'once',
    })
    expect(made.accessEntry).toMatchObject({
      clusterName: CLUSTER,
      principalArn,
      kubernetesGroups: ['readers'],
      type: 'STANDARD',
      tags: { team: 'a' },
      // The path of the role is in the principal, not in the name.
      username: `arn:aws:sts::${ACCOUNT}:assumed-role/deep/{{SessionName}}`,
    })
    expect(made.accessEntry?.accessEntryArn).toMatch(
      new RegExp(
        `^arn:aws:eks:${REGION}:${ACCOUNT}:access-entry/${CLUSTER}/role/${ACCOUNT}/deep/[0-9a-f-]{36}$`,
      ),
    )
    const again = await create(principalArn, { clientRequestToken: 'once' })
    expect(again.accessEntry?.accessEntryArn).toBe(made.accessEntry?.accessEntryArn)
    await create(arnOf('pages-1'))
    await create(arnOf('pages-2'))
    const found: string[] = []
    let nextToken: string | undefined
    do {
      const page = await eks.send(
        new ListAccessEntriesCommand({ clusterName: CLUSTER, maxResults: 1, nextToken }),
      )
      found.push(...(page.accessEntries ?? []))
      nextToken = page.nextToken
    } while (nextToken !== undefined)
    expect(found.toSorted()).toEqual(
      [ADMIN_ARN, arnOf('pages-1'), arnOf('pages-2'), principalArn].toSorted(),
    )
    const updated = await eks.send(
      new UpdateAccessEntryCommand({
        clusterName: CLUSTER,
        principalArn,
        kubernetesGroups: [],
        username: 'deep:{{SessionName}}',
      }),
    )
    expect(updated.accessEntry).toMatchObject({
      kubernetesGroups: [],
      username: 'deep:{{SessionName}}',
    })
    const resourceArn = made.accessEntry?.accessEntryArn
    await eks.send(new TagResourceCommand({ resourceArn, tags: { stage: 'test' } }))
    const { tags } = await eks.send(new ListTagsForResourceCommand({ resourceArn }))
    expect(tags).toEqual({ team: 'a', stage: 'test' })
    await eks.send(new DeleteAccessEntryCommand({ clusterName: CLUSTER, principalArn }))
    const gone = await refusalOf(entryOf(principalArn))
    expect(gone).toMatchObject({ code: 'ResourceNotFoundException', status: 404 })
  })

  test.each([
    ['no principal', '', {}, 'InvalidParameterException'],
    ['a session', `arn:aws:sts::${ACCOUNT}:assumed-role/reader/s`, {}, 'InvalidParameterException'],
    ['the root', `arn:aws:iam::${ACCOUNT}:root`, {}, 'InvalidParameterException'],
    ['a role that is not there', arnOf('nobody'), {}, 'InvalidParameterException'],
    ['a role without its path', arnOf('deep'), {}, 'InvalidParameterException'],
    [
      'a service-linked role',
      arnOf('aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS'),
      {},
      'InvalidParameterException',
    ],
    ['an unknown type', arnOf('other'), { type: 'LINUX' }, 'InvalidParameterException'],
    ['a user for a node', ADMIN_ARN, { type: 'EC2_LINUX' }, 'InvalidParameterException'],
    [
      'groups for a node',
      arnOf('other'),
      { type: 'EC2_LINUX', kubernetesGroups: ['g'] },
      'InvalidParameterException',
    ],
    [
      'a name for a node',
      arnOf('other'),
      { type: 'FARGATE_LINUX', username: 'x' },
      'InvalidParameterException',
    ],
    [
      'system:masters',
      arnOf('other'),
      { kubernetesGroups: ['system:masters'] },
      'InvalidParameterException',
    ],
    ['a reserved name', arnOf('other'), { username: 'eks:me' }, 'InvalidParameterException'],
    [
      'a session name that could be anyone',
      arnOf('other'),
      { username: '{{SessionName}}' },
      'InvalidParameterException',
    ],
    ['an entry twice', ADMIN_ARN, {}, 'ResourceInUseException'],
    ['a reserved tag', arnOf('other'), { tags: { 'aws:x': 'y' } }, 'InvalidParameterException'],
  ])('refuses %s', async (_name, principalArn, more, code) => {
    const { iam } = fixture.clients(fixture.admin)
    expect((await iam.send(new GetRoleCommand({ RoleName: 'other' }))).Role).toBeDefined()
    expect((await refusalOf(create(principalArn, more))).code).toBe(code)
  })

  test('refuses other clusters and other accounts', async () => {
    const missing = await refusalOf(create(arnOf('other'), {}, 'nowhere'))
    expect(missing).toMatchObject({ code: 'ResourceNotFoundException', status: 404 })
    const others = fixture.clients(fixture.otherAdmin).eks
    const list = others.send(new ListAccessEntriesCommand({ clusterName: CLUSTER }))
    expect((await refusalOf(list)).code).toBe('ResourceNotFoundException')
    expect(OTHER_ACCOUNT).not.toBe(ACCOUNT)
  })

  test('nodes get their name and groups from EKS, and no policies', async () => {
    const principalArn = arnOf('linux')
    const made = await create(principalArn, { type: 'EC2_LINUX' })
    expect(made.accessEntry).toMatchObject({
      username: 'system:node:{{EC2PrivateDNSName}}',
      kubernetesGroups: ['system:nodes'],
    })
    const ask = { clusterName: CLUSTER, principalArn, policyArn: VIEW }
    const refused = await refusalOf(
      eks.send(new AssociateAccessPolicyCommand({ ...ask, accessScope: { type: 'cluster' } })),
    )
    expect(refused).toMatchObject({ code: 'InvalidRequestException', status: 400 })
    const rename = { clusterName: CLUSTER, principalArn, username: 'x' }
    const renamed = await refusalOf(eks.send(new UpdateAccessEntryCommand(rename)))
    expect(renamed.code).toBe('InvalidParameterException')
  })

  test('the quota holds live', async () => {
    fixture.aws.setQuota({ name: 'accessEntries', accountId: ACCOUNT, value: 1 })
    const full = await refusalOf(create(arnOf('other')))
    expect(full).toMatchObject({ code: 'ResourceLimitExceededException', status: 400 })
    fixture.aws.setQuota({ name: 'accessEntries', accountId: ACCOUNT, value: 3000 })
  })
})

describe('the Kubernetes side', () => {
  test('sees an entry by principal and unique id, not by name', async () => {
    const principalArn = arnOf('again')
    await create(principalArn, { kubernetesGroups: ['g'] })
    const { iam } = fixture.clients(fixture.admin)
    const before = await iam.send(new GetRoleCommand({ RoleName: 'again' }))
    const source = fixture.aws.eksAccess(PLACE).entries
    const caller = { principalArn, uniqueId: before.Role?.RoleId ?? '' }
    expect(source.authenticationMode()).toBe('API')
    expect(source.find(caller)).toMatchObject({ groups: ['g'], type: 'STANDARD', policies: [] })
    await iam.send(new DeleteRoleCommand({ RoleName: 'again' }))
    const uniqueId = await makeRole('again')
    expect(source.find({ principalArn, uniqueId })).toBeUndefined()
    // The old entry is still in the way of a new one.
    expect((await refusalOf(create(principalArn))).code).toBe('ResourceInUseException')
    await eks.send(new DeleteAccessEntryCommand({ clusterName: CLUSTER, principalArn }))
    await create(principalArn)
    expect(source.find({ principalArn, uniqueId })?.uniqueId).toBe(uniqueId)
  })
})

describe('access policies', () => {
  test('are listed with pages', async () => {
    const names: string[] = []
    let nextToken: string | undefined
    do {
      const page = await eks.send(new ListAccessPoliciesCommand({ maxResults: 10, nextToken }))
      names.push(...(page.accessPolicies ?? []).map(({ name }) => name ?? ''))
      nextToken = page.nextToken
    } while (nextToken !== undefined)
    expect(names).toHaveLength(27)
    expect(names).toContain('AmazonEKSClusterAdminPolicy')
  })

  test('associate, replace the scope, list, disassociate', async () => {
    const at = { clusterName: CLUSTER, principalArn: arnOf('reader') }
    await create(at.principalArn)
    const first = await eks.send(
      new AssociateAccessPolicyCommand({
        ...at,
        policyArn: VIEW,
        accessScope: { type: 'cluster' },
      }),
    )
    expect(first.associatedAccessPolicy?.accessScope?.type).toBe('cluster')
    const scope = { type: 'namespace' as const, namespaces: ['apps', 'dev-*'] }
    await eks.send(new AssociateAccessPolicyCommand({ ...at, policyArn: VIEW, accessScope: scope }))
    const listed = await eks.send(new ListAssociatedAccessPoliciesCommand(at))
    expect(listed.associatedAccessPolicies?.map((one) => one.accessScope)).toEqual([scope])
    const byPolicy = { clusterName: CLUSTER, associatedPolicyArn: VIEW }
    const found = await eks.send(new ListAccessEntriesCommand(byPolicy))
    expect(found.accessEntries).toEqual([at.principalArn])
    await eks.send(new DisassociateAccessPolicyCommand({ ...at, policyArn: VIEW }))
    const twice = await refusalOf(
      eks.send(new DisassociateAccessPolicyCommand({ ...at, policyArn: VIEW })),
    )
    expect(twice.code).toBe('ResourceNotFoundException')
  })

  test.each([
    [
      'an IAM policy',
      'arn:aws:iam::aws:policy/ReadOnlyAccess',
      { type: 'cluster' },
      'InvalidParameterException',
    ],
    ['an unknown policy', `${VIEW}2`, { type: 'cluster' }, 'ResourceNotFoundException'],
    ['no scope', VIEW, {}, 'InvalidParameterException'],
    ['a scope without namespaces', VIEW, { type: 'namespace' }, 'InvalidParameterException'],
    [
      'a cluster with namespaces',
      VIEW,
      { type: 'cluster', namespaces: ['a'] },
      'InvalidParameterException',
    ],
    [
      'a wrong namespace',
      VIEW,
      { type: 'namespace', namespaces: ['A_b'] },
      'InvalidParameterException',
    ],
  ])('refuse %s', async (_name, policyArn, accessScope, code) => {
    const ask = { clusterName: CLUSTER, principalArn: ADMIN_ARN, policyArn }
    const sent = eks.send(
      new AssociateAccessPolicyCommand({ ...ask, accessScope: accessScope as never }),
    )
    expect((await refusalOf(sent)).code).toBe(code)
  })
})

describe('the authentication mode', () => {
  test('goes one way, and lets the creator in when entries begin', async () => {
    const name = 'modes'
    await eks.send(
      new CreateClusterCommand({
        name,
        roleArn: arnOf('reader'),
        resourcesVpcConfig: { subnetIds: ['subnet-1', 'subnet-2'] },
      }),
    )
    await Bun.sleep(0)
    const source = fixture.aws.eksAccess({ ...PLACE, name }).entries
    const cluster = await eks.send(new DescribeClusterCommand({ name }))
    expect(cluster.cluster?.accessConfig?.authenticationMode).toBe('CONFIG_MAP')
    expect(cluster.cluster?.resourcesVpcConfig?.subnetIds).toEqual(['subnet-1', 'subnet-2'])
    const none = await refusalOf(create(arnOf('other'), {}, name))
    expect(none.code).toBe('InvalidRequestException')
    const change = (authenticationMode: 'API' | 'API_AND_CONFIG_MAP' | 'CONFIG_MAP') =>
      eks.send(new UpdateClusterConfigCommand({ name, accessConfig: { authenticationMode } }))
    expect((await refusalOf(change('API'))).code).toBe('InvalidParameterException')
    const { update } = await change('API_AND_CONFIG_MAP')
    expect(update).toMatchObject({
      status: 'InProgress',
      type: 'AccessConfigUpdate',
      params: [{ type: 'AuthenticationMode', value: 'API_AND_CONFIG_MAP' }],
    })
    expect((await refusalOf(change('API'))).code).toBe('ResourceInUseException')
    const busy = await eks.send(new DescribeClusterCommand({ name }))
    expect(busy.cluster?.status).toBe('UPDATING')
    fixture.clock.advance(TRANSITION_MS)
    const done = await eks.send(new DescribeUpdateCommand({ name, updateId: update?.id }))
    expect(done.update?.status).toBe('Successful')
    await change('API')
    const updates = await eks.send(new ListUpdatesCommand({ name }))
    expect(updates.updateIds).toHaveLength(2)
    fixture.clock.advance(TRANSITION_MS)
    expect((await refusalOf(change('CONFIG_MAP'))).code).toBe('InvalidParameterException')
    expect(source.authenticationMode()).toBe('API')
    const entries = await eks.send(new ListAccessEntriesCommand({ clusterName: name }))
    expect(entries.accessEntries).toEqual([ADMIN_ARN])
    const policies = await eks.send(
      new ListAssociatedAccessPoliciesCommand({ clusterName: name, principalArn: ADMIN_ARN }),
    )
    expect(policies.associatedAccessPolicies?.[0]?.policyArn).toEndWith(
      'AmazonEKSClusterAdminPolicy',
    )
  })

  test('a creator who is not to be let in is not', async () => {
    const resourcesVpcConfig = { subnetIds: ['subnet-1'] }
    const ask = { roleArn: arnOf('reader'), resourcesVpcConfig }
    const accessConfig = {
      authenticationMode: 'API' as const,
      bootstrapClusterCreatorAdminPermissions: false,
    }
    await eks.send(new CreateClusterCommand({ ...ask, name: 'closed', accessConfig }))
    const entries = await eks.send(new ListAccessEntriesCommand({ clusterName: 'closed' }))
    expect(entries.accessEntries).toEqual([])
    const never = new CreateClusterCommand({
      ...ask,
      name: 'never',
      accessConfig: { bootstrapClusterCreatorAdminPermissions: false },
    })
    expect((await refusalOf(eks.send(never))).code).toBe('InvalidParameterException')
  })
})
