import { randomUUID } from 'node:crypto'
import type { ContextKeys } from '../../../iam/request.ts'
import { authorize } from '../identity/authorization.ts'
import { resourceTagKeys } from '../iam/tags.ts'
import { quotaValue } from '../quotas/quotas.ts'
import type { ClusterRecord, Tables } from '../records.ts'
import { clusterKey } from '../records.ts'
import { type JsonInput, type JsonRoute, readJsonObject, textMember } from '../wire/json.ts'
import { accountOf, type Call } from '../world.ts'
import {
  checkGroups,
  checkUsername,
  defaultsOf,
  ENTRY_TYPES,
  type EntryPrincipal,
  isNodeType,
  readPrincipal,
} from './access-entry-rules.ts'
import { accessEntryKey, authenticationModeOf } from './access-entry-source.ts'
import {
  inUse,
  invalidParameter,
  invalidRequest,
  limitExceeded,
  notFound,
  pageOfList,
  textsMember,
} from './body.ts'
import type { AccessEntryRecord, AssociatedPolicy } from './records.ts'
import { readTags, tagContext } from './tags.ts'
import { clusterArnOf, requireCluster } from './wire.ts'

export const clusterKeyOf = (record: ClusterRecord): string =>
  clusterKey(record.accountId, record.region, record.name)

const entryNode = (record: AccessEntryRecord): Readonly<Record<string, unknown>> => ({
  clusterName: record.clusterName,
  principalArn: record.principalArn,
  kubernetesGroups: record.kubernetesGroups,
  accessEntryArn: record.accessEntryArn,
  createdAt: record.createdAtMs / 1000,
  modifiedAt: record.modifiedAtMs / 1000,
  tags: record.tags,
  username: record.username,
  type: record.type,
})

/** Condition keys of access entries. Source: Service Authorization Reference, Amazon EKS. */
export function entryContext(call: Call, clusterName: string): ContextKeys {
  const key = clusterKey(accountOf(call), call.region, clusterName)
  const cluster = call.world.tables.clusters.get(key)
  return {
    'eks:clusterName': clusterName,
    ...(cluster !== undefined && { 'eks:authenticationMode': authenticationModeOf(cluster) }),
  }
}

/** Asks for a permission on an entry, which need not be there. */
export function authorizeEntry(
  call: Call,
  at: { readonly clusterName: string; readonly principalArn: string },
  context: ContextKeys = {},
): void {
  const { clusterName, principalArn } = at
  const key = clusterKey(accountOf(call), call.region, clusterName)
  const known = call.world.tables.accessEntries.get(accessEntryKey(key, principalArn))
  authorize(call, {
    action: `eks:${call.operation}`,
    resource: known?.accessEntryArn ?? entryArn(call, { ...at, id: '*' }),
    context: {
      ...entryContext(call, clusterName),
      'eks:principalArn': principalArn,
      ...(known !== undefined && { 'eks:accessEntryType': known.type }),
      ...resourceTagKeys(known?.tags ?? {}),
      ...context,
    },
  })
}

function entryArn(
  call: Call,
  at: { readonly clusterName: string; readonly principalArn: string; readonly id: string },
): string {
  const { clusterName, principalArn, id } = at
  const [, , , , owner = '', resource = ''] = principalArn.split(':')
  const kind = resource.startsWith('user/') ? 'user' : 'role'
  const name = resource.slice(resource.lastIndexOf('/') + 1)
  return `arn:${call.world.partition}:eks:${call.region}:${accountOf(call)}:access-entry/${clusterName}/${kind}/${owner}/${name}/${id}`
}

/** A cluster that knows access entries. @throws AwsFault `InvalidRequestException` */
function requireEntryCluster(call: Call, name: string): ClusterRecord {
  const cluster = requireCluster(call, name)
  if (authenticationModeOf(cluster) !== 'CONFIG_MAP') return cluster
  throw invalidRequest(
    "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.",
    { clusterName: name },
  )
}

/** @throws AwsFault `ResourceNotFoundException` */
export function requireEntry(
  call: Call,
  clusterName: string,
  principalArn: string,
): AccessEntryRecord {
  const cluster = requireEntryCluster(call, clusterName)
  const key = accessEntryKey(clusterKeyOf(cluster), principalArn)
  const known = call.world.tables.accessEntries.get(key)
  if (known !== undefined) return known
  throw notFound(
    "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.",
  )
}

/** What an entry is made of, its principal looked up. */
export interface NewEntry {
  readonly cluster: ClusterRecord
  readonly principal: EntryPrincipal
  readonly type: string
  readonly username?: string | undefined
  readonly groups?: readonly string[] | undefined
  readonly tags?: Readonly<Record<string, string>>
  readonly clientRequestToken?: string | undefined
  readonly policies?: readonly AssociatedPolicy[]
}

/** Puts an entry there, in the place of whatever had its principal. */
export function putEntry(
  world: { readonly tables: Tables; readonly partition: string },
  entry: NewEntry,
  nowMs: number,
): AccessEntryRecord {
  const { cluster, principal, type, clientRequestToken } = entry
  const defaults = defaultsOf(type, principal)
  const { accountId, region, name } = cluster
  const record: AccessEntryRecord = {
    cluster: clusterKeyOf(cluster),
    clusterName: name,
    principalArn: principal.arn,
    uniqueId: principal.uniqueId,
    accessEntryArn: `arn:${world.partition}:eks:${region}:${accountId}:access-entry/${name}/${principal.kind}/${principal.accountId}/${principal.name}/${randomUUID()}`,
    type,
    username: entry.username ?? defaults.username,
    kubernetesGroups: entry.groups ?? defaults.groups,
    policies: entry.policies ?? [],
    tags: entry.tags ?? {},
    ...(clientRequestToken !== undefined && { clientRequestToken }),
    createdAtMs: nowMs,
    modifiedAtMs: nowMs,
  }
  world.tables.accessEntries.set(accessEntryKey(record.cluster, principal.arn), record)
  return record
}

const entriesOf = (tables: Tables, cluster: string): AccessEntryRecord[] =>
  [...tables.accessEntries.values()].filter((entry) => entry.cluster === cluster)

async function createAccessEntry(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = ''] = input.labels
  const body = readJsonObject(input.body)
  const principalArn = textMember(body, 'principalArn') ?? ''
  const type = textMember(body, 'type') ?? 'STANDARD'
  const username = textMember(body, 'username')
  const groups = textsMember(body, 'kubernetesGroups')
  const clientRequestToken = textMember(body, 'clientRequestToken')
  const tags = readTags(call, body['tags'])
  authorize(call, {
    action: 'eks:CreateAccessEntry',
    resource: clusterArnOf(call, clusterName),
    context: {
      ...entryContext(call, clusterName),
      'eks:principalArn': principalArn,
      'eks:accessEntryType': type,
      ...(username !== undefined && { 'eks:username': username }),
      ...(groups !== undefined && { 'eks:kubernetesGroups': groups }),
      ...tagContext(tags),
    },
  })
  const cluster = requireEntryCluster(call, clusterName)
  if (principalArn === '') throw invalidParameter('principalArn is required')
  if (!ENTRY_TYPES.includes(type)) {
    throw invalidParameter(
      `The type ${type.slice(0, 100)} is not valid: wanted one of ${ENTRY_TYPES.join(', ')}`,
    )
  }
  const { tables } = call.world
  const principal = readPrincipal(tables, principalArn, type)
  checkNames({ type, kind: principal.kind, username, groups })
  const known = tables.accessEntries.get(accessEntryKey(clusterKeyOf(cluster), principalArn))
  if (known !== undefined) {
    const again =
      clientRequestToken !== undefined && known.clientRequestToken === clientRequestToken
    if (again) return { accessEntry: entryNode(known) }
    throw inUse('The specified access entry resource is already in use on this cluster.')
  }
  const most = quotaValue(tables, cluster.accountId, 'accessEntries')
  if (entriesOf(tables, clusterKeyOf(cluster)).length >= most) {
    throw limitExceeded(`A cluster has at most ${most} access entries`, { clusterName })
  }
  const made = { cluster, principal, type, username, groups, tags, clientRequestToken }
  return { accessEntry: entryNode(putEntry(call.world, made, call.nowMs)) }
}

function checkNames(entry: {
  readonly type: string
  readonly kind: 'role' | 'user'
  readonly username: string | undefined
  readonly groups: readonly string[] | undefined
}): void {
  const { type, kind, username, groups } = entry
  if (isNodeType(type)) {
    if (groups !== undefined && groups.length > 0) {
      throw invalidParameter(
        `kubernetesGroups cannot be specified for an access entry of type ${type}`,
      )
    }
    if (username !== undefined) {
      throw invalidParameter(`username cannot be specified for an access entry of type ${type}`)
    }
    return
  }
  if (groups !== undefined) checkGroups(groups)
  if (username !== undefined) checkUsername(username, kind)
}

async function describeAccessEntry(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = '', principalArn = ''] = input.labels
  authorizeEntry(call, { clusterName, principalArn })
  return { accessEntry: entryNode(requireEntry(call, clusterName, principalArn)) }
}

async function listAccessEntries(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = ''] = input.labels
  const policyArn = input.url.searchParams.get('associatedPolicyArn') ?? ''
  authorize(call, {
    action: 'eks:ListAccessEntries',
    resource: clusterArnOf(call, clusterName),
    context: entryContext(call, clusterName),
  })
  const cluster = requireEntryCluster(call, clusterName)
  const found = entriesOf(call.world.tables, clusterKeyOf(cluster))
    .filter(
      ({ policies }) => policyArn === '' || policies.some((one) => one.policyArn === policyArn),
    )
    .map((entry) => entry.principalArn)
  const { items, more } = pageOfList(input, found, (arn) => arn)
  return { accessEntries: items, ...more }
}

async function updateAccessEntry(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = '', principalArn = ''] = input.labels
  const body = readJsonObject(input.body)
  const username = textMember(body, 'username')
  const groups = textsMember(body, 'kubernetesGroups')
  authorizeEntry(
    call,
    { clusterName, principalArn },
    {
      ...(username !== undefined && { 'eks:username': username }),
      ...(groups !== undefined && { 'eks:kubernetesGroups': groups }),
    },
  )
  const known = requireEntry(call, clusterName, principalArn)
  const kind = principalArn.split(':')[5]?.startsWith('user/') === true ? 'user' : 'role'
  checkNames({ type: known.type, kind, username, groups })
  const updated: AccessEntryRecord = {
    ...known,
    kubernetesGroups: groups ?? known.kubernetesGroups,
    username: username ?? known.username,
    modifiedAtMs: call.nowMs,
  }
  saveEntry(call, updated)
  return { accessEntry: entryNode(updated) }
}

/** Keeps an entry's new state. */
export function saveEntry(call: Call, entry: AccessEntryRecord): void {
  const { accessEntries } = call.world.tables
  accessEntries.set(accessEntryKey(entry.cluster, entry.principalArn), entry)
}

async function deleteAccessEntry(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = '', principalArn = ''] = input.labels
  authorizeEntry(call, { clusterName, principalArn })
  const known = requireEntry(call, clusterName, principalArn)
  call.world.tables.accessEntries.delete(accessEntryKey(known.cluster, principalArn))
  return {}
}

const COLLECTION = '/clusters/*/access-entries'
const ONE = `${COLLECTION}/*`

export const ACCESS_ENTRY_ROUTES: readonly JsonRoute[] = [
  { operation: 'CreateAccessEntry', method: 'POST', path: COLLECTION, run: createAccessEntry },
  { operation: 'ListAccessEntries', method: 'GET', path: COLLECTION, run: listAccessEntries },
  { operation: 'DescribeAccessEntry', method: 'GET', path: ONE, run: describeAccessEntry },
  { operation: 'UpdateAccessEntry', method: 'POST', path: ONE, run: updateAccessEntry },
  { operation: 'DeleteAccessEntry', method: 'DELETE', path: ONE, run: deleteAccessEntry },
]
