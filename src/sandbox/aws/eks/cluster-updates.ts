import { authorize } from '../identity/authorization.ts'
import { resourceTagKeys } from '../iam/tags.ts'
import type { ClusterRecord } from '../records.ts'
import { type JsonInput, type JsonRoute, readJsonObject, textMember } from '../wire/json.ts'
import { accountOf, type Call } from '../world.ts'
import { clusterKey } from '../records.ts'
import { clusterKeyOf } from './access-entries.ts'
import { authenticationModeOf } from './access-entry-source.ts'
import {
  booleanMember,
  invalidParameter,
  invalidRequest,
  type JsonObject,
  objectMember,
} from './body.ts'
import { mergeLogging } from './cluster-members.ts'
import { admitCreator, checkModeChange, readMode } from './cluster-access.ts'
import { checkNetworkQuotas } from './network-quotas.ts'
import { type NewUpdate, repeatedUpdate, startUpdate, updateNode } from './updates.ts'
import { clusterArnOf, requireCluster } from './wire.ts'

/** One kind of change: what it makes of the record, and how its update is told. */
interface Change {
  readonly type: string
  readonly params: NewUpdate['params']
  readonly record: ClusterRecord
}

type ReadChange = (cluster: ClusterRecord, body: JsonObject) => Change

/** Members that are kept as they were written. */
const kept =
  (name: string, type: string, param: string): ReadChange =>
  (cluster, body) => {
    const value = objectMember(body, name) ?? {}
    const before = cluster.members?.[name]
    const members = { ...cluster.members, [name]: { ...(before as object), ...value } }
    return { type, params: { [param]: JSON.stringify(value) }, record: { ...cluster, members } }
  }

const CHANGES: Readonly<Record<string, ReadChange>> = {
  accessConfig: (cluster, body) => {
    const mode = readMode(objectMember(body, 'accessConfig') ?? {})
    if (mode === undefined) throw invalidParameter('accessConfig.authenticationMode is required')
    checkModeChange(authenticationModeOf(cluster), mode)
    return {
      type: 'AccessConfigUpdate',
      params: { AuthenticationMode: mode },
      record: { ...cluster, authenticationMode: mode },
    }
  },
  deletionProtection: (cluster, body) => {
    const deletionProtection = booleanMember(body, 'deletionProtection') ?? false
    return {
      type: 'DeletionProtectionUpdate',
      params: { DeletionProtection: String(deletionProtection) },
      record: { ...cluster, deletionProtection },
    }
  },
  logging: (cluster, body) => {
    const value = objectMember(body, 'logging') ?? {}
    const before = objectMember(cluster.members ?? {}, 'logging') ?? {}
    const members = { ...cluster.members, logging: mergeLogging(before, value) }
    return {
      type: 'LoggingUpdate',
      params: { ClusterLogging: JSON.stringify(value) },
      record: { ...cluster, members },
    }
  },
  upgradePolicy: kept('upgradePolicy', 'UpgradePolicyUpdate', 'UpgradePolicy'),
  zonalShiftConfig: kept('zonalShiftConfig', 'ZonalShiftConfigUpdate', 'ZonalShiftConfig'),
  resourcesVpcConfig: (cluster, body) => {
    const value = objectMember(body, 'resourcesVpcConfig') ?? {}
    const network = 'subnetIds' in value || 'securityGroupIds' in value
    const read = network
      ? ['VpcConfigUpdate', 'Subnets']
      : ['EndpointAccessUpdate', 'EndpointPublicAccess']
    const [type = '', param = ''] = read
    return kept('resourcesVpcConfig', type, param)(cluster, body)
  },
}

async function updateClusterConfig(call: Call, input: JsonInput): Promise<unknown> {
  const [name = ''] = input.labels
  const body = readJsonObject(input.body)
  const clientRequestToken = textMember(body, 'clientRequestToken')
  const known = call.world.tables.clusters.get(clusterKey(accountOf(call), call.region, name))
  const mode = textMember(objectMember(body, 'accessConfig') ?? {}, 'authenticationMode')
  authorize(call, {
    action: 'eks:UpdateClusterConfig',
    resource: clusterArnOf(call, name),
    context: {
      ...resourceTagKeys(known?.tags ?? {}),
      ...(mode !== undefined && { 'eks:authenticationMode': mode }),
    },
  })
  const cluster = requireActive(call, name)
  const target = { cluster: clusterKeyOf(cluster) }
  const before = repeatedUpdate(call, target, clientRequestToken)
  if (before !== undefined) return { update: updateNode(before, call.nowMs) }
  const asked = Object.keys(CHANGES).filter((member) => (body[member] ?? undefined) !== undefined)
  const [only = ''] = asked
  const read = CHANGES[only]
  if (read === undefined) {
    throw invalidParameter(`No update to make: wanted one of ${Object.keys(CHANGES).join(', ')}`)
  }
  if (asked.length > 1) throw invalidParameter('Only one type of update can be allowed.')
  checkNetworkQuotas(call, objectMember(body, 'resourcesVpcConfig') ?? {})
  const { type, params, record } = read(cluster, body)
  const update = startUpdate(call, { target, type, params, clientRequestToken })
  call.world.tables.clusters.set(target.cluster, record)
  if (only === 'accessConfig') admitCreator(call.world, record, call.nowMs)
  return { update: updateNode(update, call.nowMs) }
}

/** @throws AwsFault `InvalidRequestException` where the cluster is not up */
function requireActive(call: Call, name: string): ClusterRecord {
  const cluster = requireCluster(call, name)
  if (cluster.status === 'ACTIVE') return cluster
  throw invalidRequest(`Cluster ${name} is not in ACTIVE status`, { clusterName: name })
}

async function updateClusterVersion(call: Call, input: JsonInput): Promise<unknown> {
  const [name = ''] = input.labels
  const body = readJsonObject(input.body)
  const version = textMember(body, 'version') ?? ''
  const clientRequestToken = textMember(body, 'clientRequestToken')
  authorize(call, { action: 'eks:UpdateClusterVersion', resource: clusterArnOf(call, name) })
  const cluster = requireActive(call, name)
  const target = { cluster: clusterKeyOf(cluster) }
  const before = repeatedUpdate(call, target, clientRequestToken)
  if (before !== undefined) return { update: updateNode(before, call.nowMs) }
  checkNextVersion(cluster.kubernetesVersion, version)
  const update = startUpdate(call, {
    target,
    type: 'VersionUpdate',
    params: { Version: version, PlatformVersion: 'eks.1' },
    clientRequestToken,
  })
  call.world.tables.clusters.set(target.cluster, { ...cluster, kubernetesVersion: version })
  return { update: updateNode(update, call.nowMs) }
}

/** One minor version at a time, upwards. */
function checkNextVersion(from: string, to: string): void {
  const [, wanted] = /^1\.(\d{1,2})$/.exec(to) ?? []
  if (wanted === undefined) throw invalidParameter('unsupported Kubernetes version')
  if (Number(wanted) !== Number(from.split('.')[1]) + 1) {
    throw invalidParameter(`Unsupported Kubernetes minor version update from ${from} to ${to}`)
  }
}

export const CLUSTER_UPDATE_ROUTES: readonly JsonRoute[] = [
  {
    operation: 'UpdateClusterConfig',
    method: 'POST',
    path: '/clusters/*/update-config',
    run: updateClusterConfig,
  },
  {
    operation: 'UpdateClusterVersion',
    method: 'POST',
    path: '/clusters/*/updates',
    run: updateClusterVersion,
  },
]
