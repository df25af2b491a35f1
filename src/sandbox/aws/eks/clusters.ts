import { authorize } from '../identity/authorization.ts'
import { faultFields } from '../../../lib/log.ts'
import { CLUSTER_NAME_PATTERN } from '../../../associations/rules.ts'
import { ensureServiceLinkedRole } from '../iam/service-linked-roles.ts'
import { resourceTagKeys } from '../iam/tags.ts'
import { quotaOf } from '../quotas/quotas.ts'
import { terminateInstances } from '../ec2/instances.ts'
import type { ClusterRecord } from '../records.ts'
import { clusterKey } from '../records.ts'
import { findRole } from '../sts/parameters.ts'
import { AwsFault } from '../wire/fault.ts'
import { type JsonInput, type JsonRoute, readJsonObject, textMember } from '../wire/json.ts'
import { isRecord } from '../wire/xml.ts'
import {
  accountOf,
  type Call,
  type ClusterRuntime,
  type ClusterSpec,
  type World,
} from '../world.ts'
import { authenticationModeOf } from './access-entry-source.ts'
import {
  booleanMember,
  inUse,
  invalidParameter as invalid,
  invalidRequest,
  limitExceeded,
  pageOfList,
} from './body.ts'
import { admitCreator, creatorArnOf, readAccessConfig } from './cluster-access.ts'
import { membersNode, readKeptMembers } from './cluster-members.ts'
import { checkNetworkQuotas } from './network-quotas.ts'
import { liveRecords } from './lifecycle.ts'
import { readTags, tagContext } from './tags.ts'
import { isUpdating } from './updates.ts'
import { clusterArnOf, requireCluster } from './wire.ts'

export const DEFAULT_VERSION = '1.34'

const keyOfRecord = (record: ClusterRecord): string =>
  clusterKey(record.accountId, record.region, record.name)

/** A cluster as Describe shows it at the call's time; times are epoch seconds. */
export function clusterNode(record: ClusterRecord, call: Call): Readonly<Record<string, unknown>> {
  const common = {
    name: record.name,
    arn: record.arn,
    createdAt: record.createdAtMs / 1000,
    tags: record.tags,
  }
  if (record.connector !== undefined) {
    return { ...common, status: record.status, connectorConfig: record.connector }
  }
  const { certificateAuthority, members = {} } = record
  const updating = record.status === 'ACTIVE' && isUpdating(call, { cluster: keyOfRecord(record) })
  return {
    ...common,
    version: record.kubernetesVersion,
    endpoint: record.endpoint,
    roleArn: record.roleArn,
    ...(record.issuer !== undefined && { identity: { oidc: { issuer: record.issuer } } }),
    status: updating ? 'UPDATING' : record.status,
    ...(certificateAuthority !== undefined && {
      certificateAuthority: { data: Buffer.from(certificateAuthority).toString('base64') },
    }),
    platformVersion: 'eks.1',
    accessConfig: {
      authenticationMode: authenticationModeOf(record),
      bootstrapClusterCreatorAdminPermissions: record.bootstrapCreatorAdmin ?? true,
    },
    ...membersNode(members),
    deletionProtection: record.deletionProtection ?? false,
  }
}

async function createCluster(call: Call, input: JsonInput): Promise<unknown> {
  const body = readJsonObject(input.body)
  const name = textMember(body, 'name') ?? ''
  const roleArn = textMember(body, 'roleArn') ?? ''
  const kubernetesVersion = textMember(body, 'version') ?? DEFAULT_VERSION
  const clientRequestToken = textMember(body, 'clientRequestToken')
  const tags = readTags(call, body['tags'])
  if (!CLUSTER_NAME_PATTERN.test(name)) throw invalid('The cluster name is not valid')
  if (!/^\d\.\d{1,2}$/.test(kubernetesVersion)) throw invalid('unsupported Kubernetes version')
  const { resourcesVpcConfig } = body
  if (!isRecord(resourcesVpcConfig)) throw invalid('resourcesVpcConfig is required')
  const members = { resourcesVpcConfig, ...readKeptMembers(body) }
  const access = readAccessConfig(body)
  const deletionProtection = booleanMember(body, 'deletionProtection')
  const arn = clusterArnOf(call, name)
  authorize(call, {
    action: 'eks:CreateCluster',
    resource: arn,
    context: {
      ...tagContext(tags),
      'eks:authenticationMode': access.authenticationMode,
      'eks:bootstrapClusterCreatorAdminPermissions': String(access.bootstrapCreatorAdmin),
    },
  })
  authorize(call, {
    action: 'iam:PassRole',
    resource: roleArn,
    context: { 'iam:PassedToService': 'eks.amazonaws.com' },
  })
  if (!/^arn:[a-z0-9-]+:iam::\d{12}:role\/.+$/.test(roleArn)) throw invalid('roleArn is not valid')
  if (findRole(call.world.tables, roleArn)?.accountId !== accountOf(call)) {
    throw invalid('Role provided in the request does not exist.')
  }
  const { tables } = call.world
  const known = tables.clusters.get(clusterKey(accountOf(call), call.region, name))
  if (known !== undefined) {
    const again =
      clientRequestToken !== undefined && known.clientRequestToken === clientRequestToken
    if (again) return { cluster: clusterNode(known, call) }
    throw inUse(`Cluster already exists with name: ${name}`, { clusterName: name })
  }
  const most = quotaOf(call, 'clusters')
  const own = clustersOf(call).filter(({ connector }) => connector === undefined)
  if (own.length >= most) throw limitExceeded(`At most ${most} clusters`)
  checkNetworkQuotas(call, resourcesVpcConfig)
  const creatorArn = creatorArnOf(call.identity.caller)
  const record: ClusterRecord = {
    accountId: accountOf(call),
    region: call.region,
    name,
    arn,
    status: 'CREATING',
    kubernetesVersion,
    roleArn,
    ...(clientRequestToken !== undefined && { clientRequestToken }),
    tags,
    createdAtMs: call.nowMs,
    ...access,
    ...(creatorArn !== undefined && { creatorArn }),
    ...(deletionProtection !== undefined && { deletionProtection }),
    members,
  }
  startLaunch(call.world, record)
  ensureServiceLinkedRole(call.world, record.accountId, 'eks.amazonaws.com')
  admitCreator(call.world, record, call.nowMs)
  return { cluster: clusterNode(record, call) }
}

const specOf = (record: ClusterRecord): ClusterSpec => ({
  name: record.name,
  region: record.region,
  accountId: record.accountId,
  kubernetesVersion: record.kubernetesVersion,
  roleArn: record.roleArn,
  tags: record.tags,
})

/** A cluster runs later than its creation is answered: Describe tells when. */
function startLaunch(world: World, record: ClusterRecord): void {
  const launch = world.launchCluster
  if (launch === undefined) {
    throw new AwsFault('ServiceUnavailableException', 'This sandbox launches no clusters', {
      status: 503,
    })
  }
  const key = keyOfRecord(record)
  world.tables.clusters.set(key, record)
  void finishLaunch(world, record, launch)
}

async function finishLaunch(
  world: World,
  record: ClusterRecord,
  launch: (spec: ClusterSpec) => Promise<ClusterRuntime>,
): Promise<void> {
  const key = keyOfRecord(record)
  try {
    const runtime = await launch(specOf(record))
    if (world.tables.clusters.has(key)) activate(world, record, runtime)
  } catch (error) {
    world.log.error('a cluster could not be launched', faultFields(error))
    const current = world.tables.clusters.get(key)
    if (current !== undefined) world.tables.clusters.set(key, { ...current, status: 'FAILED' })
  }
}

/** Puts a running cluster behind its record. */
export function activate(world: World, record: ClusterRecord, runtime: ClusterRuntime): void {
  const key = keyOfRecord(record)
  world.runtimes.set(key, runtime)
  world.tables.clusters.set(key, {
    ...(world.tables.clusters.get(key) ?? record),
    status: 'ACTIVE',
    issuer: runtime.issuer,
    endpoint: runtime.server,
    certificateAuthority: runtime.certificateAuthority,
  })
}

async function describeCluster(call: Call, input: JsonInput): Promise<unknown> {
  const [name = ''] = input.labels
  const known = call.world.tables.clusters.get(clusterKey(accountOf(call), call.region, name))
  authorize(call, {
    action: 'eks:DescribeCluster',
    resource: clusterArnOf(call, name),
    context: resourceTagKeys(known?.tags ?? {}),
  })
  return { cluster: clusterNode(requireCluster(call, name), call) }
}

/** The clusters of the call's account and region. */
export const clustersOf = (call: Call): ClusterRecord[] =>
  [...call.world.tables.clusters.values()].filter(
    ({ accountId, region }) => accountId === accountOf(call) && region === call.region,
  )

async function listClusters(call: Call, input: JsonInput): Promise<unknown> {
  authorize(call, { action: 'eks:ListClusters', resource: '*' })
  const include = input.url.searchParams.getAll('include')
  const found = clustersOf(call).filter(
    ({ connector }) => connector === undefined || include.includes('all'),
  )
  const { items, more } = pageOfList(input, found, ({ name }) => name)
  return { clusters: items.map(({ name }) => name), ...more }
}

/** @throws AwsFault `ResourceInUseException`, `InvalidRequestException` */
function checkDeletable(call: Call, record: ClusterRecord): void {
  const { name, connector, deletionProtection } = record
  const { nodegroups, fargateProfiles } = call.world.tables
  const members = { clusterName: name }
  if (connector !== undefined) {
    throw invalidRequest(`Cluster ${name} is registered: use DeregisterCluster`, members)
  }
  if (deletionProtection === true) {
    throw invalidRequest(`Cluster ${name} has deletion protection enabled`, members)
  }
  if (liveRecords(nodegroups, keyOfRecord(record), call.nowMs).length > 0) {
    throw inUse('Cluster has nodegroups attached', members)
  }
  if (liveRecords(fargateProfiles, keyOfRecord(record), call.nowMs).length > 0) {
    throw inUse('Cluster has Fargate profiles attached', members)
  }
}

/** What goes with its cluster. */
function deleteContents(call: Call, record: ClusterRecord): void {
  const { associations, accessEntries, addons, updates, ...others } = call.world.tables
  const cluster = keyOfRecord(record)
  for (const [id, { accountId, region, association }] of associations.entries()) {
    const here = accountId === record.accountId && region === record.region
    if (here && association.clusterName === record.name) associations.delete(id)
  }
  const { nodegroups, fargateProfiles } = others
  for (const table of [accessEntries, addons, updates, nodegroups, fargateProfiles]) {
    for (const [key, value] of table.entries()) if (value.cluster === cluster) table.delete(key)
  }
}

async function deleteCluster(call: Call, input: JsonInput): Promise<unknown> {
  const [name = ''] = input.labels
  const { world } = call
  authorize(call, { action: 'eks:DeleteCluster', resource: clusterArnOf(call, name) })
  const record = requireCluster(call, name)
  checkDeletable(call, record)
  const key = keyOfRecord(record)
  world.tables.clusters.delete(key)
  world.runtimes.delete(key)
  deleteContents(call, record)
  try {
    await world.stopCluster?.(specOf(record))
  } catch (error) {
    world.log.error('a cluster could not be stopped', faultFields(error))
  }
  // Now, since a node that was just being made has its instance too.
  const { accountId, region } = record
  terminateInstances(world.tables, { accountId, region, clusterName: name }, call.nowMs)
  return { cluster: clusterNode({ ...record, status: 'DELETING' }, call) }
}

export const CLUSTER_ROUTES: readonly JsonRoute[] = [
  { operation: 'CreateCluster', method: 'POST', path: '/clusters', run: createCluster },
  { operation: 'ListClusters', method: 'GET', path: '/clusters', run: listClusters },
  { operation: 'DescribeCluster', method: 'GET', path: '/clusters/*', run: describeCluster },
  { operation: 'DeleteCluster', method: 'DELETE', path: '/clusters/*', run: deleteCluster },
]
