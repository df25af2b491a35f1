import { randomUUID } from 'node:crypto'
import { authorize } from '../identity/authorization.ts'
import { ensureServiceLinkedRole } from '../iam/service-linked-roles.ts'
import { resourceTagKeys } from '../iam/tags.ts'
import { quotaOf } from '../quotas/quotas.ts'
import { clusterKey } from '../records.ts'
import { type JsonInput, type JsonRoute, readJsonObject, textMember } from '../wire/json.ts'
import { accountOf, type Call } from '../world.ts'
import { clusterKeyOf } from './access-entries.ts'
import {
  invalidParameter,
  invalidRequest,
  type JsonObject,
  limitExceeded,
  notFound,
  objectsMember,
  pageOfList,
  textMapMember,
  textsMember,
} from './body.ts'
import { liveRecord, liveRecords, startLifecycle, statusOf, TRANSITION_MS } from './lifecycle.ts'
import { admitNodeRole, checkNodeRole } from './node-roles.ts'
import type { FargateProfileRecord } from './records.ts'
import { readTags, tagContext } from './tags.ts'
import { clusterArnOf, requireCluster } from './wire.ts'

function profileNode(call: Call, record: FargateProfileRecord): Readonly<Record<string, unknown>> {
  return {
    fargateProfileName: record.fargateProfileName,
    fargateProfileArn: record.fargateProfileArn,
    clusterName: record.clusterName,
    createdAt: record.createdAtMs / 1000,
    podExecutionRoleArn: record.podExecutionRoleArn,
    subnets: record.subnets,
    selectors: record.selectors,
    status: statusOf(record, call.nowMs),
    tags: record.tags,
    health: { issues: [] },
  }
}

const profileKey = (call: Call, clusterName: string, name: string): string =>
  `${clusterKey(accountOf(call), call.region, clusterName)}/${name}`

const findProfile = (
  call: Call,
  clusterName: string,
  name: string,
): FargateProfileRecord | undefined =>
  liveRecord(call.world.tables.fargateProfiles, profileKey(call, clusterName, name), call.nowMs)

/** Asks for the operation on a profile, then looks for it. */
function requireProfile(call: Call, input: JsonInput): FargateProfileRecord {
  const [clusterName = '', name = ''] = input.labels
  const known = findProfile(call, clusterName, name)
  const any = `arn:${call.world.partition}:eks:${call.region}:${accountOf(call)}:fargateprofile/${clusterName}/${name}/*`
  authorize(call, {
    action: `eks:${call.operation}`,
    resource: known?.fargateProfileArn ?? any,
    context: resourceTagKeys(known?.tags ?? {}),
  })
  requireCluster(call, clusterName)
  if (known !== undefined) return known
  const fargateProfileName = name.slice(0, 100)
  throw notFound(`No Fargate Profile found with name: ${fargateProfileName}.`, {
    clusterName,
    fargateProfileName,
  })
}

function readSelectors(call: Call, body: JsonObject): readonly JsonObject[] {
  const selectors = objectsMember(body, 'selectors') ?? []
  const most = quotaOf(call, 'selectorsPerFargateProfile')
  if (selectors.length === 0 || selectors.length > most) {
    throw invalidParameter(`A Fargate profile has 1 to ${most} selectors`)
  }
  const mostLabels = quotaOf(call, 'labelsPerFargateSelector')
  return selectors.map((selector) => {
    const namespace = textMember(selector, 'namespace')
    if (namespace === undefined || namespace === '') {
      throw invalidParameter('Each selector must have a namespace')
    }
    const labels = textMapMember(selector, 'labels')
    if (Object.keys(labels ?? {}).length > mostLabels) {
      throw invalidParameter(`A selector has at most ${mostLabels} labels`)
    }
    return { namespace, ...(labels !== undefined && { labels }) }
  })
}

async function createFargateProfile(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = ''] = input.labels
  const body = readJsonObject(input.body)
  const fargateProfileName = textMember(body, 'fargateProfileName') ?? ''
  const roleArn = textMember(body, 'podExecutionRoleArn') ?? ''
  const clientRequestToken = textMember(body, 'clientRequestToken')
  const tags = readTags(call, body['tags'])
  authorize(call, {
    action: 'eks:CreateFargateProfile',
    resource: clusterArnOf(call, clusterName),
    context: tagContext(tags),
  })
  const cluster = requireCluster(call, clusterName)
  if (cluster.status !== 'ACTIVE') {
    throw invalidRequest(`Cluster ${clusterName} is not in ACTIVE status`, { clusterName })
  }
  if (!/^[0-9A-Za-z][\w-]{0,62}$/.test(fargateProfileName)) {
    throw invalidParameter('The Fargate profile name is not valid', { clusterName })
  }
  if (fargateProfileName.startsWith('eks-')) {
    throw invalidParameter('A Fargate profile name cannot start with eks-', { clusterName })
  }
  const selectors = readSelectors(call, body)
  const role = {
    cluster,
    roleArn,
    service: 'eks-fargate-pods.amazonaws.com',
    entryType: 'FARGATE_LINUX' as const,
  }
  checkNodeRole(call, role)
  const known = findProfile(call, clusterName, fargateProfileName)
  if (known !== undefined) {
    const again =
      clientRequestToken !== undefined && known.clientRequestToken === clientRequestToken
    if (again) return { fargateProfile: profileNode(call, known) }
    throw invalidRequest(`A Fargate Profile already exists with this name in this cluster.`, {
      clusterName,
      fargateProfileName,
    })
  }
  const { fargateProfiles } = call.world.tables
  const most = quotaOf(call, 'fargateProfiles')
  if (liveRecords(fargateProfiles, clusterKeyOf(cluster), call.nowMs).length >= most) {
    throw limitExceeded(`A cluster has at most ${most} Fargate profiles`, { clusterName })
  }
  const record: FargateProfileRecord = {
    ...startLifecycle(call.nowMs),
    cluster: clusterKeyOf(cluster),
    clusterName,
    fargateProfileName,
    fargateProfileArn: `arn:${call.world.partition}:eks:${call.region}:${accountOf(call)}:fargateprofile/${clusterName}/${fargateProfileName}/${randomUUID()}`,
    podExecutionRoleArn: roleArn,
    subnets: textsMember(body, 'subnets') ?? [],
    selectors,
    tags,
    ...(clientRequestToken !== undefined && { clientRequestToken }),
  }
  fargateProfiles.set(profileKey(call, clusterName, fargateProfileName), record)
  admitNodeRole(call, role)
  ensureServiceLinkedRole(call.world, accountOf(call), 'eks-fargate.amazonaws.com')
  return { fargateProfile: profileNode(call, record) }
}

async function describeFargateProfile(call: Call, input: JsonInput): Promise<unknown> {
  return { fargateProfile: profileNode(call, requireProfile(call, input)) }
}

async function listFargateProfiles(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = ''] = input.labels
  authorize(call, { action: 'eks:ListFargateProfiles', resource: clusterArnOf(call, clusterName) })
  const cluster = clusterKeyOf(requireCluster(call, clusterName))
  const found = liveRecords(call.world.tables.fargateProfiles, cluster, call.nowMs)
  const { items, more } = pageOfList(input, found, ({ fargateProfileName }) => fargateProfileName)
  return { fargateProfileNames: items.map((one) => one.fargateProfileName), ...more }
}

async function deleteFargateProfile(call: Call, input: JsonInput): Promise<unknown> {
  const known = requireProfile(call, input)
  const record = { ...known, goneAtMs: known.goneAtMs ?? call.nowMs + TRANSITION_MS }
  const key = profileKey(call, known.clusterName, known.fargateProfileName)
  call.world.tables.fargateProfiles.set(key, record)
  return { fargateProfile: profileNode(call, record) }
}

const ALL = '/clusters/*/fargate-profiles'
const ONE = `${ALL}/*`

export const FARGATE_ROUTES: readonly JsonRoute[] = [
  { operation: 'CreateFargateProfile', method: 'POST', path: ALL, run: createFargateProfile },
  { operation: 'ListFargateProfiles', method: 'GET', path: ALL, run: listFargateProfiles },
  { operation: 'DescribeFargateProfile', method: 'GET', path: ONE, run: describeFargateProfile },
  { operation: 'DeleteFargateProfile', method: 'DELETE', path: ONE, run: deleteFargateProfile },
]
