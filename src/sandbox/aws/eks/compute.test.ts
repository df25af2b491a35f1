/** Add-ons, node groups, Fargate profiles, versions and registered clusters. */
import {
  CreateAddonCommand,
  CreateFargateProfileCommand,
  CreateNodegroupCommand,
  DeleteAddonCommand,
  DeleteClusterCommand,
  DeleteFargateProfileCommand,
  DeleteNodegroupCommand,
  DeregisterClusterCommand,
  DescribeAccessEntryCommand,
  DescribeAddonCommand,
  DescribeAddonConfigurationCommand,
  DescribeAddonVersionsCommand,
  DescribeClusterCommand,
  DescribeFargateProfileCommand,
  DescribeNodegroupCommand,
  DescribePodIdentityAssociationCommand,
  type EKSClient,
  ListAddonsCommand,
  ListClustersCommand,
  ListFargateProfilesCommand,
  ListNodegroupsCommand,
  ListPodIdentityAssociationsCommand,
  ListUpdatesCommand,
  RegisterClusterCommand,
  UpdateAddonCommand,
  UpdateClusterConfigCommand,
  UpdateClusterVersionCommand,
  UpdateNodegroupConfigCommand,
  UpdateNodegroupVersionCommand,
} from '@aws-sdk/client-eks'
import { CreateRoleCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  type AwsFixture,
  CLUSTER,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'
import { TRANSITION_MS } from './lifecycle.ts'

let fixture: AwsFixture
let eks: EKSClient
const arnOf = (name: string): string => `arn:aws:iam::${ACCOUNT}:role/${name}`
const IN = { clusterName: CLUSTER }

beforeAll(async () => {
  fixture = await startAwsFixture()
  const clients = fixture.clients(fixture.admin)
  eks = clients.eks
  const make = (RoleName: string, Service: string, actions: string[]): Promise<unknown> => {
    const AssumeRolePolicyDocument = trustOf({ Service }, actions)
    return clients.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
  }
  await make('cni', 'pods.eks.amazonaws.com', ['sts:AssumeRole', 'sts:TagSession'])
  await make('node', 'ec2.amazonaws.com', ['sts:AssumeRole'])
  await make('fargate', 'eks-fargate-pods.amazonaws.com', ['sts:AssumeRole'])
  await make('connector', 'ssm.amazonaws.com', ['sts:AssumeRole'])
})
afterAll(() => fixture.stop())

describe('add-ons', () => {
  const ADDON = { ...IN, addonName: 'vpc-cni' }
  const statusOf = async (): Promise<string | undefined> =>
    (await eks.send(new DescribeAddonCommand(ADDON))).addon?.status

  test('an update that names no role takes it away', async () => {
    const efs = { ...IN, addonName: 'aws-efs-csi-driver' }
    const serviceAccountRoleArn = arnOf('cni')
    const roleOf = async (): Promise<string | undefined> =>
      (await eks.send(new DescribeAddonCommand(efs))).addon?.serviceAccountRoleArn
    await eks.send(new CreateAddonCommand({ ...efs, serviceAccountRoleArn }))
    fixture.clock.advance(TRANSITION_MS)
    await eks.send(new UpdateAddonCommand({ ...efs, serviceAccountRoleArn }))
    fixture.clock.advance(TRANSITION_MS)
    expect(await roleOf()).toBe(serviceAccountRoleArn)
    await eks.send(new UpdateAddonCommand(efs))
    fixture.clock.advance(TRANSITION_MS)
    expect(await roleOf()).toBeUndefined()
    await eks.send(new DeleteAddonCommand(efs))
    fixture.clock.advance(TRANSITION_MS)
  })

  test('with associations of their own, from CREATING to gone', async () => {
    const podIdentityAssociations = [{ serviceAccount: 'aws-node', roleArn: arnOf('cni') }]
    const { addon } = await eks.send(
      new CreateAddonCommand({ ...ADDON, podIdentityAssociations, tags: { a: 'b' } }),
    )
    expect(addon).toMatchObject({ status: 'CREATING', addonVersion: 'v1.20.4-eksbuild.1' })
    expect(addon?.podIdentityAssociations).toHaveLength(1)
    fixture.clock.advance(TRANSITION_MS)
    expect(await statusOf()).toBe('ACTIVE')
    const associations = await eks.send(
      new ListPodIdentityAssociationsCommand({ ...IN, namespace: 'kube-system' }),
    )
    const [owned] = associations.associations ?? []
    expect(owned).toMatchObject({ serviceAccount: 'aws-node', ownerArn: addon?.addonArn })
    const shown = await eks.send(
      new DescribePodIdentityAssociationCommand({ ...IN, associationId: owned?.associationId }),
    )
    expect(shown.association?.ownerArn).toBe(addon?.addonArn)
    const listed = await eks.send(new ListAddonsCommand(IN))
    expect(listed.addons).toEqual(['vpc-cni'])
    const { update } = await eks.send(
      new UpdateAddonCommand({ ...ADDON, podIdentityAssociations: [], configurationValues: '{}' }),
    )
    expect(update?.type).toBe('AddonUpdate')
    expect(await statusOf()).toBe('UPDATING')
    fixture.clock.advance(TRANSITION_MS)
    const updates = await eks.send(new ListUpdatesCommand({ name: CLUSTER, addonName: 'vpc-cni' }))
    expect(updates.updateIds).toEqual([update?.id ?? ''])
    const after = await eks.send(new ListPodIdentityAssociationsCommand(IN))
    expect(after.associations).toEqual([])
    const deleted = await eks.send(new DeleteAddonCommand(ADDON))
    expect(deleted.addon?.status).toBe('DELETING')
    fixture.clock.advance(TRANSITION_MS)
    expect((await refusalOf(statusOf())).code).toBe('ResourceNotFoundException')
  })

  test('an update that names no role takes it away; the empty text is none', async () => {
    const ebs = { ...IN, addonName: 'aws-ebs-csi-driver' }
    const serviceAccountRoleArn = arnOf('cni')
    const roleOf = async (): Promise<string | undefined> => {
      fixture.clock.advance(TRANSITION_MS)
      return (await eks.send(new DescribeAddonCommand(ebs))).addon?.serviceAccountRoleArn
    }
    await eks.send(new CreateAddonCommand({ ...ebs, serviceAccountRoleArn }))
    expect(await roleOf()).toBe(serviceAccountRoleArn)
    const addonVersion = 'v1.50.1-eksbuild.1'
    const empty = new UpdateAddonCommand({ ...ebs, addonVersion, serviceAccountRoleArn: '' })
    expect((await refusalOf(eks.send(empty))).code).toBe('InvalidParameterException')
    await eks.send(new UpdateAddonCommand({ ...ebs, addonVersion, serviceAccountRoleArn }))
    expect(await roleOf()).toBe(serviceAccountRoleArn)
    await eks.send(new UpdateAddonCommand({ ...ebs, addonVersion }))
    expect(await roleOf()).toBeUndefined()
    await eks.send(new DeleteAddonCommand(ebs))
    fixture.clock.advance(TRANSITION_MS)
  })

  test.each([
    ['an unknown add-on', { addonName: 'nope' }],
    ['an unknown version', { addonVersion: 'v0.0.1' }],
    ['a wrong configuration', { configurationValues: '{' }],
    ['a wrong resolution', { resolveConflicts: 'MAYBE' as never }],
    [
      'a service account that it has not',
      { podIdentityAssociations: [{ serviceAccount: 'default', roleArn: arnOf('cni') }] },
    ],
    [
      'a role that does not trust pods',
      { podIdentityAssociations: [{ serviceAccount: 'aws-node', roleArn: arnOf('node') }] },
    ],
    ['a role that is not there', { serviceAccountRoleArn: arnOf('nobody') }],
  ])('refuse %s', async (_name, more) => {
    const refused = await refusalOf(eks.send(new CreateAddonCommand({ ...ADDON, ...more })))
    expect(refused).toMatchObject({ code: 'InvalidParameterException', status: 400 })
  })

  test('cannot be made twice, nor updated where they are not', async () => {
    const dns = { ...IN, addonName: 'coredns' }
    await eks.send(new CreateAddonCommand(dns))
    expect((await refusalOf(eks.send(new CreateAddonCommand(dns)))).code).toBe(
      'ResourceInUseException',
    )
    // It is still being created.
    expect((await refusalOf(eks.send(new UpdateAddonCommand(dns)))).code).toBe(
      'ResourceInUseException',
    )
    const none = eks.send(new UpdateAddonCommand({ ...IN, addonName: 'kube-proxy' }))
    expect((await refusalOf(none)).code).toBe('ResourceNotFoundException')
  })

  test('versions and configuration', async () => {
    const { addons } = await eks.send(
      new DescribeAddonVersionsCommand({
        addonName: 'aws-ebs-csi-driver',
        kubernetesVersion: '1.34',
      }),
    )
    const version = addons?.[0]?.addonVersions?.[0]
    expect(version).toMatchObject({ requiresIamPermissions: true })
    expect(version?.compatibilities).toEqual([
      { clusterVersion: '1.34', platformVersions: ['*'], defaultVersion: true },
    ])
    const configuration = await eks.send(
      new DescribeAddonConfigurationCommand({
        addonName: 'aws-ebs-csi-driver',
        addonVersion: version?.addonVersion,
      }),
    )
    expect(configuration.podIdentityConfiguration).toEqual([
      {
        serviceAccount: 'ebs-csi-controller-sa',
        recommendedManagedPolicies: [
          'arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy',
        ],
      },
    ])
    const unknown = eks.send(new DescribeAddonVersionsCommand({ addonName: 'nope' }))
    expect((await refusalOf(unknown)).code).toBe('ResourceNotFoundException')
  })
})

describe('node groups', () => {
  const GROUP = { ...IN, nodegroupName: 'workers' }
  const NEW = { ...GROUP, nodeRole: arnOf('node'), subnets: ['subnet-1'] }
  const statusOf = async (): Promise<string | undefined> =>
    (await eks.send(new DescribeNodegroupCommand(GROUP))).nodegroup?.status

  test('create, list, update, delete; the role gets an entry', async () => {
    const scalingConfig = { minSize: 1, desiredSize: 2, maxSize: 4 }
    const made = await eks.send(
      new CreateNodegroupCommand({ ...NEW, scalingConfig, labels: { a: '1', b: '2' } }),
    )
    expect(made.nodegroup).toMatchObject({ status: 'CREATING', scalingConfig })
    const at = { ...IN, principalArn: arnOf('node') }
    const entry = await eks.send(new DescribeAccessEntryCommand(at))
    expect(entry.accessEntry?.type).toBe('EC2_LINUX')
    fixture.clock.advance(TRANSITION_MS)
    expect(await statusOf()).toBe('ACTIVE')
    const changed = await eks.send(
      new UpdateNodegroupConfigCommand({
        ...GROUP,
        scalingConfig: { desiredSize: 3 },
        labels: { addOrUpdateLabels: { c: '3' }, removeLabels: ['a'] },
      }),
    )
    expect(changed.update?.params).toContainEqual({ type: 'DesiredSize', value: '3' })
    const { nodegroup } = await eks.send(new DescribeNodegroupCommand(GROUP))
    expect(nodegroup).toMatchObject({ status: 'UPDATING', labels: { b: '2', c: '3' } })
    fixture.clock.advance(TRANSITION_MS)
    const upgraded = await eks.send(new UpdateNodegroupVersionCommand(GROUP))
    expect(upgraded.update?.type).toBe('VersionUpdate')
    const listed = await eks.send(new ListNodegroupsCommand(IN))
    expect(listed.nodegroups).toEqual(['workers'])
    const blocked = await refusalOf(eks.send(new DeleteClusterCommand({ name: CLUSTER })))
    expect(blocked).toMatchObject({ code: 'ResourceInUseException', status: 409 })
    await eks.send(new DeleteNodegroupCommand(GROUP))
    expect(await statusOf()).toBe('DELETING')
    fixture.clock.advance(TRANSITION_MS)
    expect((await refusalOf(statusOf())).code).toBe('ResourceNotFoundException')
  })

  test.each([
    ['no subnets', { subnets: [] }],
    ['a name with a dot', { nodegroupName: 'a.b' }],
    ['sizes out of order', { scalingConfig: { minSize: 3, desiredSize: 2, maxSize: 4 } }],
    ['a role that EC2 may not take', { nodeRole: arnOf('cni') }],
    ['a role that is not there', { nodeRole: arnOf('nobody') }],
  ])('refuse %s', async (_name, more) => {
    const refused = await refusalOf(eks.send(new CreateNodegroupCommand({ ...NEW, ...more })))
    expect(refused.code).toBe('InvalidParameterException')
  })
})

describe('Fargate profiles', () => {
  const PROFILE = { ...IN, fargateProfileName: 'apps' }
  const NEW = {
    ...PROFILE,
    podExecutionRoleArn: arnOf('fargate'),
    selectors: [{ namespace: 'apps', labels: { a: 'b' } }],
  }

  test('create, list, delete', async () => {
    const made = await eks.send(new CreateFargateProfileCommand(NEW))
    expect(made.fargateProfile).toMatchObject({ status: 'CREATING', selectors: NEW.selectors })
    fixture.clock.advance(TRANSITION_MS)
    const shown = await eks.send(new DescribeFargateProfileCommand(PROFILE))
    expect(shown.fargateProfile?.status).toBe('ACTIVE')
    const twice = await refusalOf(eks.send(new CreateFargateProfileCommand(NEW)))
    expect(twice.code).toBe('InvalidRequestException')
    const listed = await eks.send(new ListFargateProfilesCommand(IN))
    expect(listed.fargateProfileNames).toEqual(['apps'])
    await eks.send(new DeleteFargateProfileCommand(PROFILE))
    fixture.clock.advance(TRANSITION_MS)
    const gone = refusalOf(eks.send(new DescribeFargateProfileCommand(PROFILE)))
    expect((await gone).code).toBe('ResourceNotFoundException')
  })

  test.each([
    ['no selectors', { selectors: [] }],
    ['a selector without a namespace', { selectors: [{ labels: { a: 'b' } }] }],
    ['a role of nodes', { podExecutionRoleArn: arnOf('node') }],
    ['a reserved name', { fargateProfileName: 'eks-mine' }],
  ])('refuse %s', async (_name, more) => {
    const refused = await refusalOf(eks.send(new CreateFargateProfileCommand({ ...NEW, ...more })))
    expect(refused.code).toBe('InvalidParameterException')
  })
})

describe('clusters', () => {
  test('move up one minor version at a time', async () => {
    const to = (version: string): Promise<{ update?: { type?: string } }> =>
      eks.send(new UpdateClusterVersionCommand({ name: CLUSTER, version })) as never
    expect((await refusalOf(to('1.36'))).code).toBe('InvalidParameterException')
    expect((await refusalOf(to('1.33'))).code).toBe('InvalidParameterException')
    expect((await to('1.35')).update?.type).toBe('VersionUpdate')
    const { cluster } = await eks.send(new DescribeClusterCommand({ name: CLUSTER }))
    expect(cluster?.version).toBe('1.35')
    fixture.clock.advance(TRANSITION_MS)
  })

  test('protected from deletion', async () => {
    const set = async (deletionProtection: boolean): Promise<void> => {
      await eks.send(new UpdateClusterConfigCommand({ name: CLUSTER, deletionProtection }))
      fixture.clock.advance(TRANSITION_MS)
    }
    await set(true)
    const refused = await refusalOf(eks.send(new DeleteClusterCommand({ name: CLUSTER })))
    expect(refused.code).toBe('InvalidRequestException')
    await set(false)
    const two = {
      name: CLUSTER,
      deletionProtection: true,
      upgradePolicy: { supportType: 'STANDARD' },
    }
    const both = eks.send(new UpdateClusterConfigCommand(two as never))
    expect((await refusalOf(both)).code).toBe('InvalidParameterException')
  })

  test('that run elsewhere are registered, listed on demand, and deregistered', async () => {
    const connectorConfig = { roleArn: arnOf('connector'), provider: 'OTHER' as const }
    const { cluster } = await eks.send(new RegisterClusterCommand({ name: 'k3s', connectorConfig }))
    expect(cluster).toMatchObject({ status: 'PENDING', connectorConfig: { provider: 'OTHER' } })
    expect((await eks.send(new ListClustersCommand({}))).clusters).not.toContain('k3s')
    const all = await eks.send(new ListClustersCommand({ include: ['all'] }))
    expect(all.clusters).toContain('k3s')
    const wrong = eks.send(new DeregisterClusterCommand({ name: CLUSTER }))
    expect((await refusalOf(wrong)).code).toBe('ResourceNotFoundException')
    const provider = { ...connectorConfig, provider: 'HOME' as never }
    const bad = eks.send(new RegisterClusterCommand({ name: 'x', connectorConfig: provider }))
    expect((await refusalOf(bad)).code).toBe('InvalidParameterException')
    await eks.send(new DeregisterClusterCommand({ name: 'k3s' }))
    const gone = refusalOf(eks.send(new DescribeClusterCommand({ name: 'k3s' })))
    expect((await gone).code).toBe('ResourceNotFoundException')
  })
})
