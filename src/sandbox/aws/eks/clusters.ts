import { authorize } from '../identity/authorization.ts'
import { faultFields } from '../../../lib/log.ts'
import { CLUSTER_NAME_PATTERN } from '../../../associations/rules.ts'
import { MAX_TAGS, requestTagKeys, resourceTagKeys } from '../iam/tags.ts'
import type { ClusterRecord, Tags } from '../records.ts'
import { clusterKey } from '../records.ts'
import { findRole } from '../sts/parameters.ts'
import { AwsFault } from '../wire/fault.ts'
import { type JsonInput, type JsonRoute, readJsonObject, textMember } from '../wire/json.ts'
import { pageOf } from '../wire/pages.ts'
import { isRecord } from '../wire/xml.ts'
import {
  accountOf,
  type Call,
  type ClusterRuntime,
  type ClusterSpec,
  type World,
} from '../world.ts'
import { clusterArnOf, requireCluster } from './wire.ts'

export const DEFAULT_VERSION = '1.34'
const MAX_CLUSTERS = 100

const keyOfRecord = (record: ClusterRecord): string =>
  clusterKey(record.accountId, record.region, record.name)

const invalid = (message: string): AwsFault => new AwsFault('InvalidParameterException', message)

/** A cluster as Describe shows it; times are epoch seconds. */
function clusterNode(record: ClusterRecord): Readonly<Record<string, unknown>> {
  const { certificateAuthority } = record
  return {
    name: record.name,
    arn: record.arn,
    createdAt: record.createdAtMs / 1000,
    version: record.kubernetesVersion,
    endpoint: record.endpoint,
    roleArn: record.roleArn,
    resourcesVpcConfig: {
      subnetIds: [],
      securityGroupIds: [],
      endpointPublicAccess: true,
      endpointPrivateAccess: false,
      publicAccessCidrs: ['0.0.0.0/0'],
    },
    kubernetesNetworkConfig: { serviceIpv4Cidr: '10.100.0.0/16', ipFamily: 'ipv4' },
    ...(record.issuer !== undefined && { identity: { oidc: { issuer: record.issuer } } }),
    status: record.status,
    ...(certificateAuthority !== undefined && {
      certificateAuthority: { data: Buffer.from(certificateAuthority).toString('base64') },
    }),
    platformVersion: 'eks.1',
    tags: record.tags,
    accessConfig: {
      authenticationMode: 'API',
      bootstrapClusterCreatorAdminPermissions: true,
    },
    deletionProtection: false,
  }
}

/** Tags of a request's body. @throws AwsFault `InvalidParameterException` */
function readTags(value: unknown): Tags {
  if (value === undefined || value === null) return {}
  if (!isRecord(value)) throw invalid('tags is not a map of strings')
  const tags: Record<string, string> = {}
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string' || text.length > 256 || key.length < 1 || key.length > 128) {
      throw invalid(`tag ${JSON.stringify(key.slice(0, 128))} is not valid`)
    }
    if (/^aws:/i.test(key)) throw invalid('Tag keys that start with aws: are reserved for AWS use.')
    tags[key] = text
  }
  if (Object.keys(tags).length > MAX_TAGS) throw invalid(`A resource has at most ${MAX_TAGS} tags`)
  return tags
}

const asTagList = (tags: Tags): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

async function createCluster(call: Call, input: JsonInput): Promise<unknown> {
  const body = readJsonObject(input.body)
  const name = textMember(body, 'name') ?? ''
  const roleArn = textMember(body, 'roleArn') ?? ''
  const kubernetesVersion = textMember(body, 'version') ?? DEFAULT_VERSION
  const clientRequestToken = textMember(body, 'clientRequestToken')
  const tags = readTags(body['tags'])
  if (!CLUSTER_NAME_PATTERN.test(name)) throw invalid('The cluster name is not valid')
  if (!/^\d\.\d{1,2}$/.test(kubernetesVersion)) throw invalid('unsupported Kubernetes version')
  if (!isRecord(body['resourcesVpcConfig'])) throw invalid('resourcesVpcConfig is required')
  const arn = clusterArnOf(call, name)
  authorize(call, {
    action: 'eks:CreateCluster',
    resource: arn,
    context: requestTagKeys(asTagList(tags)),
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
    if (again) return { cluster: clusterNode(known) }
    throw new AwsFault('ResourceInUseException', `Cluster already exists with name: ${name}`, {
      status: 409,
      members: { clusterName: name },
    })
  }
  if (clustersOf(call).length >= MAX_CLUSTERS) {
    throw new AwsFault('ResourceLimitExceededException', `At most ${MAX_CLUSTERS} clusters`)
  }
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
  }
  startLaunch(call.world, record)
  return { cluster: clusterNode(record) }
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
  return { cluster: clusterNode(requireCluster(call, name)) }
}

const clustersOf = (call: Call): ClusterRecord[] =>
  [...call.world.tables.clusters.values()].filter(
    ({ accountId, region }) => accountId === accountOf(call) && region === call.region,
  )

async function listClusters(call: Call, input: JsonInput): Promise<unknown> {
  authorize(call, { action: 'eks:ListClusters', resource: '*' })
  const { searchParams } = input.url
  const text = searchParams.get('maxResults') ?? '100'
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > 100) throw invalid('maxResults is out of range: 1 to 100')
  const token = searchParams.get('nextToken') ?? undefined
  const ask = { limit, token, fault: 'InvalidParameterException' }
  const page = pageOf(clustersOf(call), ({ name }) => name, ask)
  return {
    clusters: page.items.map(({ name }) => name),
    ...(page.next !== undefined && { nextToken: page.next }),
  }
}

async function deleteCluster(call: Call, input: JsonInput): Promise<unknown> {
  const [name = ''] = input.labels
  const { world } = call
  authorize(call, { action: 'eks:DeleteCluster', resource: clusterArnOf(call, name) })
  const record = requireCluster(call, name)
  const key = keyOfRecord(record)
  world.tables.clusters.delete(key)
  world.runtimes.delete(key)
  for (const [id, { accountId, region, association }] of world.tables.associations.entries()) {
    const here = accountId === record.accountId && region === record.region
    if (here && association.clusterName === name) world.tables.associations.delete(id)
  }
  try {
    await world.stopCluster?.(specOf(record))
  } catch (error) {
    world.log.error('a cluster could not be stopped', faultFields(error))
  }
  return { cluster: clusterNode({ ...record, status: 'DELETING' }) }
}

/** What a tag operation is about: a cluster or an association. */
interface Tagged {
  readonly tags: Tags
  save(tags: Tags): void
}

function readTagged(call: Call, arn: string): Tagged {
  const { tables } = call.world
  const cluster = clustersOf(call).find((one) => one.arn === arn)
  if (cluster !== undefined) {
    return {
      tags: cluster.tags,
      save: (tags) => tables.clusters.set(keyOfRecord(cluster), { ...cluster, tags }),
    }
  }
  for (const [key, record] of tables.associations.entries()) {
    const { association } = record
    if (association.associationArn !== arn || record.accountId !== accountOf(call)) continue
    return {
      tags: association.tags,
      save: (tags) =>
        tables.associations.set(key, { ...record, association: { ...association, tags } }),
    }
  }
  throw new AwsFault('NotFoundException', `No resource found for ARN ${arn.slice(0, 300)}`, {
    status: 404,
  })
}

async function tagResource(call: Call, input: JsonInput): Promise<unknown> {
  const [arn = ''] = input.labels
  const added = readTags(readJsonObject(input.body)['tags'])
  const context = requestTagKeys(asTagList(added))
  authorize(call, { action: 'eks:TagResource', resource: arn, context })
  const tagged = readTagged(call, arn)
  tagged.save(readTags({ ...tagged.tags, ...added }))
  return {}
}

async function untagResource(call: Call, input: JsonInput): Promise<unknown> {
  const [arn = ''] = input.labels
  const keys = input.url.searchParams.getAll('tagKeys')
  const context = { 'aws:TagKeys': keys }
  authorize(call, { action: 'eks:UntagResource', resource: arn, context })
  const tagged = readTagged(call, arn)
  const kept = Object.entries(tagged.tags).filter(([key]) => !keys.includes(key))
  tagged.save(Object.fromEntries(kept))
  return {}
}

async function listTagsForResource(call: Call, input: JsonInput): Promise<unknown> {
  const [arn = ''] = input.labels
  authorize(call, { action: 'eks:ListTagsForResource', resource: arn })
  return { tags: readTagged(call, arn).tags }
}

export const CLUSTER_ROUTES: readonly JsonRoute[] = [
  { operation: 'CreateCluster', method: 'POST', path: '/clusters', run: createCluster },
  { operation: 'ListClusters', method: 'GET', path: '/clusters', run: listClusters },
  { operation: 'DescribeCluster', method: 'GET', path: '/clusters/*', run: describeCluster },
  { operation: 'DeleteCluster', method: 'DELETE', path: '/clusters/*', run: deleteCluster },
  { operation: 'TagResource', method: 'POST', path: '/tags/*', run: tagResource },
  { operation: 'UntagResource', method: 'DELETE', path: '/tags/*', run: untagResource },
  { operation: 'ListTagsForResource', method: 'GET', path: '/tags/*', run: listTagsForResource },
]
