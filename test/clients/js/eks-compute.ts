import {
  type Addon,
  type AddonInfo,
  type EKS,
  paginateDescribeAddonVersions,
  paginateListAddons,
  paginateListFargateProfiles,
  paginateListNodegroups,
  waitUntilAddonActive,
  waitUntilAddonDeleted,
  waitUntilFargateProfileActive,
  waitUntilFargateProfileDeleted,
  waitUntilNodegroupActive,
  waitUntilNodegroupDeleted,
} from '@aws-sdk/client-eks'
import { did, equal, includes, listed, mapped, meetingRefusal } from './checks.ts'
import { present, refused, sameJson } from './checks.ts'
import { createRole, type EksSteps, waiting } from './eks-steps.ts'

export async function addonSteps({ eks, clusterName }: EksSteps): Promise<void> {
  const names = ['coredns', 'vpc-cni']
  for (const addonName of names) {
    const made = await eks.createAddon({ clusterName, addonName })
    equal("a new add-on's status", made.addon?.status, 'CREATING')
  }
  const one = { clusterName, addonName: 'vpc-cni' }
  await waitUntilAddonActive(waiting(eks), one)
  did('eks', 'addon', 'create')
  const read = async (): Promise<Addon> => present((await eks.describeAddon(one)).addon)
  const addon = await read()
  equal("an add-on's publisher", addon.publisher, 'eks')
  did('eks', 'addon', 'read')
  equal('add-ons', (await eks.listAddons({ clusterName })).addons, names)
  did('eks', 'addon', 'list')
  const pages = paginateListAddons({ client: eks, pageSize: 1 }, { clusterName })
  equal('add-ons by pages', await listed(pages, (page) => page.addons), names)
  did('eks', 'addon', 'pages')
  await addonVersions(eks, addon)
  const configurationValues = '{"env":{"ENABLE_PREFIX_DELEGATION":"true"}}'
  const { update } = await eks.updateAddon({ ...one, configurationValues })
  equal("an update's type", update?.type, 'AddonUpdate')
  await waitUntilAddonActive(waiting(eks), one)
  sameJson("an add-on's values", (await read()).configurationValues, configurationValues)
  did('eks', 'addon', 'update')
  for (const addonName of names) await eks.deleteAddon({ clusterName, addonName })
  await meetingRefusal(waitUntilAddonDeleted(waiting(eks), one))
  await refused('ResourceNotFoundException', read())
  did('eks', 'addon', 'delete')
}

async function addonVersions(eks: EKS, addon: Addon): Promise<void> {
  const namesOf = (found: readonly AddonInfo[] | undefined): string[] =>
    mapped(found, (one) => one.addonName)
  const all = namesOf((await eks.describeAddonVersions({})).addons)
  includes('add-ons that there are', all, 'coredns', 'kube-proxy', 'vpc-cni')
  did('eks', 'addon-version', 'list')
  const pages = paginateDescribeAddonVersions({ client: eks, pageSize: 2 }, {})
  equal('by pages', namesOf(await listed(pages, (page) => page.addons)), all)
  did('eks', 'addon-version', 'pages')
  const { podIdentityConfiguration } = await eks.describeAddonConfiguration({
    addonName: present(addon.addonName),
    addonVersion: present(addon.addonVersion),
  })
  const accounts = mapped(podIdentityConfiguration, (one) => one.serviceAccount)
  equal("an add-on's service accounts", accounts, ['aws-node'])
  did('eks', 'addon-configuration', 'read')
}

export async function nodegroupSteps({ eks, clusterName }: EksSteps): Promise<void> {
  const nodeRole = await createRole('group-nodes', 'ec2.amazonaws.com')
  const names = ['large', 'small']
  for (const nodegroupName of names) {
    const input = { clusterName, nodegroupName, nodeRole, subnets: ['subnet-1'] }
    equal(
      "a new node group's status",
      (await eks.createNodegroup(input)).nodegroup?.status,
      'CREATING',
    )
  }
  const one = { clusterName, nodegroupName: 'small' }
  await waitUntilNodegroupActive(waiting(eks), one)
  did('eks', 'nodegroup', 'create')
  equal("a node group's role", (await eks.describeNodegroup(one)).nodegroup?.nodeRole, nodeRole)
  did('eks', 'nodegroup', 'read')
  equal('node groups', (await eks.listNodegroups({ clusterName })).nodegroups, names)
  did('eks', 'nodegroup', 'list')
  const pages = paginateListNodegroups({ client: eks, pageSize: 1 }, { clusterName })
  equal('node groups by pages', await listed(pages, (page) => page.nodegroups), names)
  did('eks', 'nodegroup', 'pages')
  const scalingConfig = { minSize: 1, desiredSize: 3, maxSize: 5 }
  await eks.updateNodegroupConfig({ ...one, scalingConfig })
  await waitUntilNodegroupActive(waiting(eks), one)
  const { nodegroup } = await eks.describeNodegroup(one)
  equal("a node group's sizes", { ...nodegroup?.scalingConfig }, scalingConfig)
  did('eks', 'nodegroup', 'update')
  for (const nodegroupName of names) await eks.deleteNodegroup({ clusterName, nodegroupName })
  await meetingRefusal(waitUntilNodegroupDeleted(waiting(eks), one))
  await refused('ResourceNotFoundException', eks.describeNodegroup(one))
  did('eks', 'nodegroup', 'delete')
}

export async function fargateSteps({ eks, clusterName }: EksSteps): Promise<void> {
  const podExecutionRoleArn = await createRole('fargate', 'eks-fargate-pods.amazonaws.com')
  const names = ['apps', 'jobs']
  for (const fargateProfileName of names) {
    const selectors = [{ namespace: fargateProfileName }]
    const profile = { clusterName, fargateProfileName, podExecutionRoleArn, selectors }
    await eks.createFargateProfile(profile)
  }
  const one = { clusterName, fargateProfileName: 'jobs' }
  await waitUntilFargateProfileActive(waiting(eks), one)
  did('eks', 'fargate-profile', 'create')
  const { fargateProfile } = await eks.describeFargateProfile(one)
  equal('what a profile is for', fargateProfile?.selectors?.[0]?.namespace, 'jobs')
  did('eks', 'fargate-profile', 'read')
  const found = (await eks.listFargateProfiles({ clusterName })).fargateProfileNames
  equal('profiles', found, names)
  did('eks', 'fargate-profile', 'list')
  const pages = paginateListFargateProfiles({ client: eks, pageSize: 1 }, { clusterName })
  equal('profiles by pages', await listed(pages, (page) => page.fargateProfileNames), names)
  did('eks', 'fargate-profile', 'pages')
  await eks.deleteFargateProfile(one)
  await meetingRefusal(waitUntilFargateProfileDeleted(waiting(eks), one))
  await refused('ResourceNotFoundException', eks.describeFargateProfile(one))
  did('eks', 'fargate-profile', 'delete')
}
