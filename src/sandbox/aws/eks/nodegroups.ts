import { randomUUID } from 'node:crypto'
import { authorize } from '../identity/authorization.ts'
import { ensureServiceLinkedRole } from '../iam/service-linked-roles.ts'
import { resourceTagKeys } from '../iam/tags.ts'
import { quotaOf } from '../quotas/quotas.ts'
import { clusterKey, type ClusterRecord } from '../records.ts'
import { type JsonInput, type JsonRoute, readJsonObject, textMember } from '../wire/json.ts'
import { accountOf, type Call } from '../world.ts'
import { clusterKeyOf } from './access-entries.ts'
import {
  inUse,
  invalidParameter,
  invalidRequest,
  type JsonObject,
  limitExceeded,
  notFound,
  objectMember,
  pageOfList,
  textMapMember,
  textsMember,
} from './body.ts'
import { liveRecord, liveRecords, startLifecycle, statusOf, TRANSITION_MS } from './lifecycle.ts'
import { admitNodeRole, checkNodeRole } from './node-roles.ts'
import type { NodegroupRecord } from './records.ts'
import { readTags, tagContext } from './tags.ts'
import { type NewUpdate, repeatedUpdate, startUpdate, updateNode } from './updates.ts'
import { clusterArnOf, requireCluster } from './wire.ts'

/** Members that are kept as they were written. */
const KEPT_OBJECTS = [
  'remoteAccess',
  'launchTemplate',
  'updateConfig',
  'nodeRepairConfig',
  'warmPoolConfig',
]

function nodegroupNode(call: Call, record: NodegroupRecord): Readonly<Record<string, unknown>> {
  return {
    capacityType: 'ON_DEMAND',
    amiType: 'AL2023_x86_64_STANDARD',
    instanceTypes: ['t3.medium'],
    diskSize: 20,
    updateConfig: { maxUnavailable: 1 },
    ...record.members,
    nodegroupName: record.nodegroupName,
    nodegroupArn: record.nodegroupArn,
    clusterName: record.clusterName,
    version: record.version,
    releaseVersion: record.releaseVersion,
    createdAt: record.createdAtMs / 1000,
    modifiedAt: record.modifiedAtMs / 1000,
    status: statusOf(record, call.nowMs),
    subnets: record.subnets,
    nodeRole: record.nodeRole,
    labels: record.labels,
    resources: { autoScalingGroups: [{ name: `eks-${record.nodegroupName}` }] },
    health: { issues: [] },
    tags: record.tags,
  }
}

const groupKey = (call: Call, clusterName: string, name: string): string =>
  `${clusterKey(accountOf(call), call.region, clusterName)}/${name}`

const findGroup = (call: Call, clusterName: string, name: string): NodegroupRecord | undefined =>
  liveRecord(call.world.tables.nodegroups, groupKey(call, clusterName, name), call.nowMs)

/** Asks for the operation on a group, then looks for it. */
function requireGroup(call: Call, input: JsonInput): NodegroupRecord {
  const [clusterName = '', name = ''] = input.labels
  const known = findGroup(call, clusterName, name)
  const any = `arn:${call.world.partition}:eks:${call.region}:${accountOf(call)}:nodegroup/${clusterName}/${name}/*`
  authorize(call, {
    action: `eks:${call.operation}`,
    resource: known?.nodegroupArn ?? any,
    context: resourceTagKeys(known?.tags ?? {}),
  })
  requireCluster(call, clusterName)
  if (known !== undefined) return known
  const nodegroupName = name.slice(0, 100)
  throw notFound(`No node group found for name: ${nodegroupName}.`, { clusterName, nodegroupName })
}

/** `scalingConfig`, whose three sizes must be in order. */
function readScaling(call: Call, body: JsonObject, before: JsonObject): JsonObject {
  const given = { ...before, ...objectMember(body, 'scalingConfig') }
  const sizes = ['minSize', 'desiredSize', 'maxSize'].map((name) => given[name])
  const [min = 0, desired = 0, max = 0] = sizes.map((size) =>
    typeof size === 'number' && Number.isInteger(size) ? size : Number.NaN,
  )
  const most = quotaOf(call, 'nodesPerNodegroup')
  if (max > most) throw limitExceeded(`A node group has at most ${most} nodes`)
  if (min >= 0 && max >= 1 && min <= desired && desired <= max) {
    return { minSize: min, desiredSize: desired, maxSize: max }
  }
  throw invalidParameter(
    `Minimum capacity ${min}, desired capacity ${desired} and maximum capacity ${max} must be whole numbers in ascending order`,
  )
}

const DEFAULT_SCALING = { minSize: 1, desiredSize: 2, maxSize: 2 }

function readMembers(call: Call, body: JsonObject): JsonObject {
  const scalingConfig = readScaling(call, body, DEFAULT_SCALING)
  const members: Record<string, unknown> = { scalingConfig }
  for (const name of KEPT_OBJECTS) {
    const value = objectMember(body, name)
    if (value !== undefined) members[name] = value
  }
  for (const name of ['amiType', 'capacityType']) {
    const value = textMember(body, name)
    if (value !== undefined) members[name] = value
  }
  const instanceTypes = textsMember(body, 'instanceTypes')
  if (instanceTypes !== undefined) members['instanceTypes'] = instanceTypes
  if (typeof body['diskSize'] === 'number') members['diskSize'] = body['diskSize']
  if (Array.isArray(body['taints'])) members['taints'] = body['taints']
  return members
}

/** @throws AwsFault `ResourceLimitExceededException` */
function checkCount(call: Call, cluster: ClusterRecord): void {
  const most = quotaOf(call, 'nodegroups')
  const { nodegroups } = call.world.tables
  if (liveRecords(nodegroups, clusterKeyOf(cluster), call.nowMs).length < most) return
  const { name: clusterName } = cluster
  throw limitExceeded(`A cluster has at most ${most} node groups`, { clusterName })
}

async function createNodegroup(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = ''] = input.labels
  const body = readJsonObject(input.body)
  const nodegroupName = textMember(body, 'nodegroupName') ?? ''
  const roleArn = textMember(body, 'nodeRole') ?? ''
  const clientRequestToken = textMember(body, 'clientRequestToken')
  const subnets = textsMember(body, 'subnets') ?? []
  const tags = readTags(call, body['tags'])
  authorize(call, {
    action: 'eks:CreateNodegroup',
    resource: clusterArnOf(call, clusterName),
    context: tagContext(tags),
  })
  const cluster = requireCluster(call, clusterName)
  if (cluster.status !== 'ACTIVE') {
    throw invalidRequest(`Cluster '${clusterName}' is not in ACTIVE status`, { clusterName })
  }
  if (!/^[0-9A-Za-z][\w-]{0,62}$/.test(nodegroupName)) {
    throw invalidParameter('The nodegroup name is not valid', { clusterName })
  }
  if (subnets.length === 0) throw invalidParameter('Subnets are not specified.', { clusterName })
  const members = readMembers(call, body)
  const windows = textMember(members, 'amiType')?.startsWith('WINDOWS') === true
  const role = {
    cluster,
    roleArn,
    service: 'ec2.amazonaws.com',
    entryType: windows ? ('EC2_WINDOWS' as const) : ('EC2_LINUX' as const),
  }
  checkNodeRole(call, role)
  const known = findGroup(call, clusterName, nodegroupName)
  if (known !== undefined) {
    const again =
      clientRequestToken !== undefined && known.clientRequestToken === clientRequestToken
    if (again) return { nodegroup: nodegroupNode(call, known) }
    throw inUse(
      `NodeGroup already exists with name ${nodegroupName} and cluster name ${clusterName}`,
      {
        clusterName,
        nodegroupName,
      },
    )
  }
  checkCount(call, cluster)
  const version = textMember(body, 'version') ?? cluster.kubernetesVersion
  const record: NodegroupRecord = {
    ...startLifecycle(call.nowMs),
    cluster: clusterKeyOf(cluster),
    clusterName,
    nodegroupName,
    nodegroupArn: `arn:${call.world.partition}:eks:${call.region}:${accountOf(call)}:nodegroup/${clusterName}/${nodegroupName}/${randomUUID()}`,
    nodeRole: roleArn,
    version,
    releaseVersion: textMember(body, 'releaseVersion') ?? `${version}.0-20260101`,
    subnets,
    labels: textMapMember(body, 'labels') ?? {},
    members,
    tags,
    ...(clientRequestToken !== undefined && { clientRequestToken }),
  }
  call.world.tables.nodegroups.set(groupKey(call, clusterName, nodegroupName), record)
  admitNodeRole(call, role)
  ensureServiceLinkedRole(call.world, accountOf(call), 'eks-nodegroup.amazonaws.com')
  return { nodegroup: nodegroupNode(call, record) }
}

async function describeNodegroup(call: Call, input: JsonInput): Promise<unknown> {
  return { nodegroup: nodegroupNode(call, requireGroup(call, input)) }
}

async function listNodegroups(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = ''] = input.labels
  authorize(call, { action: 'eks:ListNodegroups', resource: clusterArnOf(call, clusterName) })
  const cluster = clusterKeyOf(requireCluster(call, clusterName))
  const found = liveRecords(call.world.tables.nodegroups, cluster, call.nowMs)
  const { items, more } = pageOfList(input, found, ({ nodegroupName }) => nodegroupName)
  return { nodegroups: items.map(({ nodegroupName }) => nodegroupName), ...more }
}

async function deleteNodegroup(call: Call, input: JsonInput): Promise<unknown> {
  const known = requireGroup(call, input)
  const record = { ...known, goneAtMs: known.goneAtMs ?? call.nowMs + TRANSITION_MS }
  const { clusterName, nodegroupName } = known
  call.world.tables.nodegroups.set(groupKey(call, clusterName, nodegroupName), record)
  return { nodegroup: nodegroupNode(call, record) }
}

/** Starts an update of a group that is up, and keeps what it makes of it. */
function changeGroup(
  call: Call,
  known: NodegroupRecord,
  change: Omit<NewUpdate, 'target'> & { readonly changed: Partial<NodegroupRecord> },
): unknown {
  const { clusterName, nodegroupName } = known
  const { changed, ...told } = change
  const target = { cluster: known.cluster, nodegroupName }
  const before = repeatedUpdate(call, target, change.clientRequestToken)
  if (before !== undefined) return { update: updateNode(before, call.nowMs) }
  if (statusOf(known, call.nowMs) !== 'ACTIVE') {
    throw inUse(`Nodegroup ${nodegroupName} is not in ACTIVE status`, {
      clusterName,
      nodegroupName,
    })
  }
  const update = startUpdate(call, { ...told, target })
  call.world.tables.nodegroups.set(groupKey(call, clusterName, nodegroupName), {
    ...known,
    ...changed,
    modifiedAtMs: call.nowMs,
    updatedAtMs: update.doneAtMs,
  })
  return { update: updateNode(update, call.nowMs) }
}

async function updateNodegroupConfig(call: Call, input: JsonInput): Promise<unknown> {
  const known = requireGroup(call, input)
  const body = readJsonObject(input.body)
  const before = (known.members['scalingConfig'] ?? DEFAULT_SCALING) as JsonObject
  const scalingConfig = readScaling(call, body, before)
  const labelChange = objectMember(body, 'labels') ?? {}
  const added = textMapMember(labelChange, 'addOrUpdateLabels') ?? {}
  const removed = textsMember(labelChange, 'removeLabels') ?? []
  const labels = { ...known.labels, ...added }
  for (const name of removed) delete labels[name]
  const members: Record<string, unknown> = { ...known.members, scalingConfig }
  for (const name of ['updateConfig', 'nodeRepairConfig', 'warmPoolConfig']) {
    const value = objectMember(body, name)
    if (value !== undefined) members[name] = value
  }
  const scaled = objectMember(body, 'scalingConfig') !== undefined
  const size = (name: string): string | undefined =>
    scaled ? String(scalingConfig[name]) : undefined
  return changeGroup(call, known, {
    type: 'ConfigUpdate',
    params: {
      MinSize: size('minSize'),
      MaxSize: size('maxSize'),
      DesiredSize: size('desiredSize'),
      LabelsToAdd: Object.keys(added).length > 0 ? JSON.stringify(added) : undefined,
      LabelsToRemove: removed.length > 0 ? JSON.stringify(removed) : undefined,
    },
    clientRequestToken: textMember(body, 'clientRequestToken'),
    changed: { labels, members },
  })
}

async function updateNodegroupVersion(call: Call, input: JsonInput): Promise<unknown> {
  const known = requireGroup(call, input)
  const body = readJsonObject(input.body)
  const cluster = requireCluster(call, known.clusterName)
  const version = textMember(body, 'version') ?? cluster.kubernetesVersion
  const releaseVersion = textMember(body, 'releaseVersion') ?? `${version}.0-20260101`
  if (version !== cluster.kubernetesVersion) {
    throw invalidParameter(
      `Nodegroup Kubernetes version ${version.slice(0, 20)} must be the cluster's, ${cluster.kubernetesVersion}`,
      { clusterName: known.clusterName, nodegroupName: known.nodegroupName },
    )
  }
  return changeGroup(call, known, {
    type: 'VersionUpdate',
    params: { Version: version, ReleaseVersion: releaseVersion },
    clientRequestToken: textMember(body, 'clientRequestToken'),
    changed: { version, releaseVersion },
  })
}

const ALL = '/clusters/*/node-groups'
const ONE = `${ALL}/*`

export const NODEGROUP_ROUTES: readonly JsonRoute[] = [
  { operation: 'CreateNodegroup', method: 'POST', path: ALL, run: createNodegroup },
  { operation: 'ListNodegroups', method: 'GET', path: ALL, run: listNodegroups },
  { operation: 'DescribeNodegroup', method: 'GET', path: ONE, run: describeNodegroup },
  { operation: 'DeleteNodegroup', method: 'DELETE', path: ONE, run: deleteNodegroup },
  {
    operation: 'UpdateNodegroupConfig',
    method: 'POST',
    path: `${ONE}/update-config`,
    run: updateNodegroupConfig,
  },
  {
    operation: 'UpdateNodegroupVersion',
    method: 'POST',
    path: `${ONE}/update-version`,
    run: updateNodegroupVersion,
  },
]
