/** Clusters that run elsewhere: EKS Connector's. */
import { randomBytes, randomUUID } from 'node:crypto'
import { CLUSTER_NAME_PATTERN } from '../../../associations/rules.ts'
import { authorize } from '../identity/authorization.ts'
import { ensureServiceLinkedRole } from '../iam/service-linked-roles.ts'
import { quotaOf } from '../quotas/quotas.ts'
import { clusterKey, type ClusterRecord } from '../records.ts'
import { findRole } from '../sts/parameters.ts'
import { type JsonInput, type JsonRoute, readJsonObject, textMember } from '../wire/json.ts'
import { accountOf, type Call } from '../world.ts'
import { inUse, invalidParameter, limitExceeded, notFound, objectMember } from './body.ts'
import { clusterNode, clustersOf } from './clusters.ts'
import { readTags, tagContext } from './tags.ts'
import { clusterArnOf, requireCluster } from './wire.ts'

const PROVIDERS = [
  'EKS_ANYWHERE',
  'ANTHOS',
  'GKE',
  'AKS',
  'OPENSHIFT',
  'TANZU',
  'RANCHER',
  'EC2',
  'OTHER',
]
const ACTIVATION_MS = 3 * 86_400_000

async function registerCluster(call: Call, input: JsonInput): Promise<unknown> {
  const body = readJsonObject(input.body)
  const name = textMember(body, 'name') ?? ''
  const clientRequestToken = textMember(body, 'clientRequestToken')
  const tags = readTags(call, body['tags'])
  const config = objectMember(body, 'connectorConfig') ?? {}
  const roleArn = textMember(config, 'roleArn') ?? ''
  const provider = textMember(config, 'provider') ?? ''
  authorize(call, { action: 'eks:RegisterCluster', resource: '*', context: tagContext(tags) })
  if (!CLUSTER_NAME_PATTERN.test(name)) throw invalidParameter('The cluster name is not valid')
  if (!PROVIDERS.includes(provider)) {
    throw invalidParameter(`connectorConfig.provider must be one of: ${PROVIDERS.join(', ')}`)
  }
  authorize(call, {
    action: 'iam:PassRole',
    resource: roleArn,
    context: { 'iam:PassedToService': 'ssm.amazonaws.com' },
  })
  const { tables } = call.world
  if (findRole(tables, roleArn)?.accountId !== accountOf(call)) {
    throw invalidParameter('Role provided in the request does not exist.')
  }
  const key = clusterKey(accountOf(call), call.region, name)
  const known = tables.clusters.get(key)
  if (known !== undefined) {
    const again =
      clientRequestToken !== undefined && known.clientRequestToken === clientRequestToken
    if (again) return { cluster: clusterNode(known, call) }
    throw inUse(`Cluster already exists with name: ${name}`, { clusterName: name })
  }
  const most = quotaOf(call, 'registeredClusters')
  const registered = clustersOf(call).filter(({ connector }) => connector !== undefined)
  if (registered.length >= most) throw limitExceeded(`At most ${most} registered clusters`)
  const record: ClusterRecord = {
    accountId: accountOf(call),
    region: call.region,
    name,
    arn: clusterArnOf(call, name),
    status: 'PENDING',
    kubernetesVersion: '',
    roleArn,
    ...(clientRequestToken !== undefined && { clientRequestToken }),
    tags,
    createdAtMs: call.nowMs,
    connector: {
      activationId: randomUUID(),
      activationCode: randomBytes(15).toString('base64url'),
      activationExpiry: (call.nowMs + ACTIVATION_MS) / 1000,
      provider,
      roleArn,
    },
  }
  tables.clusters.set(key, record)
  ensureServiceLinkedRole(call.world, record.accountId, 'eks-connector.amazonaws.com')
  return { cluster: clusterNode(record, call) }
}

async function deregisterCluster(call: Call, input: JsonInput): Promise<unknown> {
  const [name = ''] = input.labels
  authorize(call, { action: 'eks:DeregisterCluster', resource: clusterArnOf(call, name) })
  const record = requireCluster(call, name)
  if (record.connector === undefined) {
    throw notFound(`No registered cluster found for name: ${name}.`, { clusterName: name })
  }
  call.world.tables.clusters.delete(clusterKey(record.accountId, record.region, name))
  return { cluster: clusterNode({ ...record, status: 'DELETING' }, call) }
}

export const REGISTRATION_ROUTES: readonly JsonRoute[] = [
  {
    operation: 'RegisterCluster',
    method: 'POST',
    path: '/cluster-registrations',
    run: registerCluster,
  },
  {
    operation: 'DeregisterCluster',
    method: 'DELETE',
    path: '/cluster-registrations/*',
    run: deregisterCluster,
  },
]
