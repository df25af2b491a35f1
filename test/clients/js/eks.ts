import {
  EKS,
  paginateListClusters,
  waitUntilClusterActive,
  waitUntilClusterDeleted,
} from '@aws-sdk/client-eks'
import {
  did,
  equal,
  listed,
  meetingRefusal,
  present,
  refused,
  SETTINGS,
  waitFor,
} from './checks.ts'
import { accessEntrySteps, accessPolicySteps, associationSteps } from './eks-access.ts'
import { addonSteps, fargateSteps, nodegroupSteps } from './eks-compute.ts'
import { createRole, type EksSteps, waiting } from './eks-steps.ts'

export async function runEks(): Promise<void> {
  const eks = new EKS(SETTINGS)
  const clusterName = present((await eks.listClusters({})).clusters?.[0])
  const steps: EksSteps = { eks, clusterName }
  await clusterSteps(steps)
  await registrationSteps(eks)
  await associationSteps(steps)
  await accessPolicySteps(steps, await accessEntrySteps(steps))
  await addonSteps(steps)
  await nodegroupSteps(steps)
  await fargateSteps(steps)
}

async function clusterSteps({ eks, clusterName }: EksSteps): Promise<void> {
  const name = 'green'
  const subnetIds = ['subnet-1', 'subnet-2']
  const roleArn = await createRole('cluster', 'eks.amazonaws.com')
  const made = await eks.createCluster({ name, roleArn, resourcesVpcConfig: { subnetIds } })
  equal("a new cluster's status", made.cluster?.status, 'CREATING')
  await waitUntilClusterActive(waiting(eks), { name })
  did('eks', 'cluster', 'create')
  const { cluster } = await eks.describeCluster({ name })
  equal("a cluster's subnets", cluster?.resourcesVpcConfig?.subnetIds, subnetIds)
  equal('its issuer', cluster?.identity?.oidc?.issuer?.startsWith('https://'), true)
  did('eks', 'cluster', 'read')
  const both = [name, clusterName]
  equal('clusters', (await eks.listClusters({})).clusters, both)
  did('eks', 'cluster', 'list')
  const pages = paginateListClusters({ client: eks, pageSize: 1 }, {})
  equal('clusters by pages', await listed(pages, (page) => page.clusters), both)
  did('eks', 'cluster', 'pages')
  await clusterTags(eks, present(cluster?.arn))
  await clusterUpdate(eks, name)
  await eks.deleteCluster({ name })
  await meetingRefusal(waitUntilClusterDeleted(waiting(eks), { name }))
  await refused('ResourceNotFoundException', eks.describeCluster({ name }))
  did('eks', 'cluster', 'delete')
}

async function clusterTags(eks: EKS, resourceArn: string): Promise<void> {
  const found = async (): Promise<unknown> => (await eks.listTagsForResource({ resourceArn })).tags
  const tags = { team: 'a', stage: 'test' }
  await eks.tagResource({ resourceArn, tags })
  equal("a cluster's tags", await found(), tags)
  did('eks', 'cluster-tags', 'create', 'list')
  await eks.untagResource({ resourceArn, tagKeys: ['team'] })
  equal('the tags that are left', await found(), { stage: 'test' })
  did('eks', 'cluster-tags', 'delete')
}

async function clusterUpdate(eks: EKS, name: string): Promise<void> {
  const logging = { clusterLogging: [{ types: ['audit' as const], enabled: true }] }
  const { update } = await eks.updateClusterConfig({ name, logging })
  equal("an update's type", update?.type, 'LoggingUpdate')
  const updateId = present(update?.id)
  const status = async (): Promise<string | undefined> =>
    (await eks.describeUpdate({ name, updateId })).update?.status
  await waitFor("an update's end", status, 'Successful')
  did('eks', 'update', 'read')
  equal("a cluster's updates", (await eks.listUpdates({ name })).updateIds, [updateId])
  did('eks', 'update', 'list')
  const { cluster } = await eks.describeCluster({ name })
  equal('what a cluster logs', cluster?.logging?.clusterLogging?.[0]?.types, ['audit'])
  did('eks', 'cluster', 'update')
}

async function registrationSteps(eks: EKS): Promise<void> {
  const name = 'elsewhere'
  const roleArn = await createRole('connector', 'ssm.amazonaws.com')
  const made = await eks.registerCluster({
    name,
    connectorConfig: { provider: 'OPENSHIFT', roleArn },
  })
  equal("a registered cluster's status", made.cluster?.status, 'PENDING')
  const { cluster } = await eks.describeCluster({ name })
  equal('what it runs on', cluster?.connectorConfig?.provider, 'OPENSHIFT')
  did('eks', 'registration', 'create')
  await eks.deregisterCluster({ name })
  await refused('ResourceNotFoundException', eks.describeCluster({ name }))
  did('eks', 'registration', 'delete')
}
