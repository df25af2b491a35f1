import { randomUUID } from 'node:crypto'
import { authorize } from '../identity/authorization.ts'
import { resourceTagKeys } from '../iam/tags.ts'
import { clusterKey } from '../records.ts'
import { findRole } from '../sts/parameters.ts'
import { type JsonInput, type JsonRoute, readJsonObject, textMember } from '../wire/json.ts'
import { accountOf, type Call } from '../world.ts'
import { clusterKeyOf } from './access-entries.ts'
import { readAddonAssociations, replaceAssociations } from './addon-associations.ts'
import { type CatalogAddon, findAddon } from './addon-catalog.ts'
import {
  inUse,
  invalidParameter,
  invalidRequest,
  type JsonObject,
  notFound,
  objectMember,
  pageOfList,
} from './body.ts'
import { liveRecord, liveRecords, startLifecycle, statusOf, TRANSITION_MS } from './lifecycle.ts'
import type { AddonRecord } from './records.ts'
import { associationStore } from './store.ts'
import { readTags, tagContext } from './tags.ts'
import { repeatedUpdate, startUpdate, updateNode } from './updates.ts'
import { associationArn, clusterArnOf, requireCluster } from './wire.ts'

function addonNode(call: Call, record: AddonRecord): Readonly<Record<string, unknown>> {
  const { serviceAccountRoleArn, configurationValues, associationIds, clusterName } = record
  return {
    addonName: record.addonName,
    clusterName,
    status: statusOf(record, call.nowMs),
    addonVersion: record.addonVersion,
    health: { issues: [] },
    addonArn: record.addonArn,
    createdAt: record.createdAtMs / 1000,
    modifiedAt: record.modifiedAtMs / 1000,
    ...(serviceAccountRoleArn !== undefined && { serviceAccountRoleArn }),
    tags: record.tags,
    publisher: 'eks',
    owner: 'aws',
    ...(configurationValues !== undefined && { configurationValues }),
    ...(associationIds.length > 0 && {
      podIdentityAssociations: associationIds.map((id) => associationArn(call, clusterName, id)),
    }),
    namespaceConfig: { namespace: record.namespace },
  }
}

const addonKey = (call: Call, clusterName: string, addonName: string): string =>
  `${clusterKey(accountOf(call), call.region, clusterName)}/${addonName}`

const findRecord = (call: Call, clusterName: string, addonName: string): AddonRecord | undefined =>
  liveRecord(call.world.tables.addons, addonKey(call, clusterName, addonName), call.nowMs)

/** Asks for the operation on an add-on, which need not be there. */
function authorizeAddon(call: Call, clusterName: string, addonName: string): void {
  const known = findRecord(call, clusterName, addonName)
  const any = `arn:${call.world.partition}:eks:${call.region}:${accountOf(call)}:addon/${clusterName}/${addonName}/*`
  authorize(call, {
    action: `eks:${call.operation}`,
    resource: known?.addonArn ?? any,
    context: resourceTagKeys(known?.tags ?? {}),
  })
}

function requireAddon(call: Call, clusterName: string, addonName: string): AddonRecord {
  requireCluster(call, clusterName)
  const known = findRecord(call, clusterName, addonName)
  if (known !== undefined) return known
  const name = addonName.slice(0, 100)
  throw notFound(`No addon: ${name} found in cluster: ${clusterName}`, {
    clusterName,
    addonName: name,
  })
}

/** What an add-on may be set to, checked. */
interface AddonSettings {
  readonly addonVersion: string | undefined
  readonly serviceAccountRoleArn: string | undefined
  readonly configurationValues: string | undefined
}

const MAX_CONFIGURATION = 100_000

function readSettings(call: Call, body: JsonObject, addon: CatalogAddon): AddonSettings {
  const { addonName } = addon
  const addonVersion = textMember(body, 'addonVersion')
  const serviceAccountRoleArn = textMember(body, 'serviceAccountRoleArn')
  const configurationValues = textMember(body, 'configurationValues')
  const resolve = textMember(body, 'resolveConflicts')
  if (addonVersion !== undefined && !addon.versions.includes(addonVersion)) {
    throw invalidParameter('Addon version specified is not supported', { addonName })
  }
  if (resolve !== undefined && !['OVERWRITE', 'NONE', 'PRESERVE'].includes(resolve)) {
    throw invalidParameter('resolveConflicts must be one of: OVERWRITE, NONE, PRESERVE')
  }
  if (serviceAccountRoleArn === '') {
    throw invalidParameter('Cross-account pass role is not allowed.', { addonName })
  }
  if (serviceAccountRoleArn !== undefined) {
    authorize(call, {
      action: 'iam:PassRole',
      resource: serviceAccountRoleArn,
      context: { 'iam:PassedToService': 'eks.amazonaws.com' },
    })
    if (findRole(call.world.tables, serviceAccountRoleArn)?.accountId !== accountOf(call)) {
      throw invalidParameter('Role provided in the request does not exist.', { addonName })
    }
  }
  if (configurationValues !== undefined && !isConfiguration(configurationValues)) {
    throw invalidParameter('ConfigurationValue is not in valid JSON or YAML format.', { addonName })
  }
  return { addonVersion, serviceAccountRoleArn, configurationValues }
}

function isConfiguration(text: string): boolean {
  if (text.length > MAX_CONFIGURATION) return false
  try {
    const value: unknown = text.trimStart().startsWith('{')
      ? JSON.parse(text)
      : Bun.YAML.parse(text)
    return typeof value === 'object'
  } catch {
    return false
  }
}

async function createAddon(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = ''] = input.labels
  const body = readJsonObject(input.body)
  const addonName = textMember(body, 'addonName') ?? ''
  const clientRequestToken = textMember(body, 'clientRequestToken')
  const tags = readTags(call, body['tags'])
  authorize(call, {
    action: 'eks:CreateAddon',
    resource: clusterArnOf(call, clusterName),
    context: tagContext(tags),
  })
  const cluster = requireCluster(call, clusterName)
  if (cluster.status !== 'ACTIVE') {
    throw invalidRequest(`Cluster ${clusterName} is not in ACTIVE status`, { clusterName })
  }
  const addon = findAddon(addonName)
  if (addon === undefined) {
    throw invalidParameter(`Addon ${addonName.slice(0, 100)} specified is not supported`, {
      addonName: addonName.slice(0, 100),
    })
  }
  const known = findRecord(call, clusterName, addonName)
  if (known !== undefined) {
    const again =
      clientRequestToken !== undefined && known.clientRequestToken === clientRequestToken
    if (again) return { addon: addonNode(call, known) }
    throw inUse('Addon already exists.', { clusterName, addonName })
  }
  const settings = readSettings(call, body, addon)
  const { serviceAccountRoleArn, configurationValues } = settings
  const namespaceConfig = objectMember(body, 'namespaceConfig') ?? {}
  const namespace = textMember(namespaceConfig, 'namespace') ?? addon.namespace
  const addonArn = `arn:${call.world.partition}:eks:${call.region}:${accountOf(call)}:addon/${clusterName}/${addonName}/${randomUUID()}`
  const wanted = readAddonAssociations(body, addon) ?? []
  const owner = { cluster, addonArn, namespace, owned: [] }
  const record: AddonRecord = {
    ...startLifecycle(call.nowMs),
    cluster: clusterKeyOf(cluster),
    clusterName,
    addonName,
    addonArn,
    addonVersion: settings.addonVersion ?? addon.versions[0] ?? '',
    namespace,
    ...(serviceAccountRoleArn !== undefined && { serviceAccountRoleArn }),
    ...(configurationValues !== undefined && { configurationValues }),
    ...(clientRequestToken !== undefined && { clientRequestToken }),
    associationIds: await replaceAssociations(call, owner, wanted),
    tags,
  }
  call.world.tables.addons.set(addonKey(call, clusterName, addonName), record)
  return { addon: addonNode(call, record) }
}

async function describeAddon(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = '', addonName = ''] = input.labels
  authorizeAddon(call, clusterName, addonName)
  return { addon: addonNode(call, requireAddon(call, clusterName, addonName)) }
}

async function listAddons(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = ''] = input.labels
  authorize(call, { action: 'eks:ListAddons', resource: clusterArnOf(call, clusterName) })
  const cluster = clusterKeyOf(requireCluster(call, clusterName))
  const found = liveRecords(call.world.tables.addons, cluster, call.nowMs)
  const { items, more } = pageOfList(input, found, ({ addonName }) => addonName)
  return { addons: items.map(({ addonName }) => addonName), ...more }
}

async function updateAddon(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = '', addonName = ''] = input.labels
  const body = readJsonObject(input.body)
  const clientRequestToken = textMember(body, 'clientRequestToken')
  authorizeAddon(call, clusterName, addonName)
  const known = requireAddon(call, clusterName, addonName)
  const addon = findAddon(addonName)
  if (addon === undefined) throw invalidParameter('Addon specified is not supported')
  const target = { cluster: known.cluster, addonName }
  const before = repeatedUpdate(call, target, clientRequestToken)
  if (before !== undefined) return { update: updateNode(before, call.nowMs) }
  if (statusOf(known, call.nowMs) !== 'ACTIVE') {
    throw inUse(`Addon ${addonName} is not in ACTIVE status`, { clusterName, addonName })
  }
  const settings = readSettings(call, body, addon)
  const wanted = readAddonAssociations(body, addon)
  const cluster = requireCluster(call, clusterName)
  const owner = {
    cluster,
    addonArn: known.addonArn,
    namespace: known.namespace,
    owned: known.associationIds,
  }
  const associationIds =
    wanted === undefined ? known.associationIds : await replaceAssociations(call, owner, wanted)
  const { addonVersion, serviceAccountRoleArn, configurationValues } = settings
  const update = startUpdate(call, {
    target,
    type: 'AddonUpdate',
    params: {
      AddonVersion: addonVersion,
      ServiceAccountRoleArn: serviceAccountRoleArn,
      ConfigurationValues: configurationValues,
      ResolveConflicts: textMember(body, 'resolveConflicts'),
      PodIdentityAssociations: wanted && JSON.stringify(wanted),
    },
    clientRequestToken,
  })
  // A role that is left out is taken away: the add-on has the node's then.
  const { serviceAccountRoleArn: _, ...rest } = known
  call.world.tables.addons.set(addonKey(call, clusterName, addonName), {
    ...rest,
    ...(addonVersion !== undefined && { addonVersion }),
    ...(serviceAccountRoleArn !== undefined && { serviceAccountRoleArn }),
    ...(configurationValues !== undefined && { configurationValues }),
    associationIds,
    modifiedAtMs: call.nowMs,
    updatedAtMs: update.doneAtMs,
  })
  return { update: updateNode(update, call.nowMs) }
}

async function deleteAddon(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = '', addonName = ''] = input.labels
  authorizeAddon(call, clusterName, addonName)
  const known = requireAddon(call, clusterName, addonName)
  const store = associationStore(call.world.tables, {
    accountId: accountOf(call),
    region: call.region,
  })
  for (const id of known.associationIds) await store.delete(clusterName, id)
  const goneAtMs = known.goneAtMs ?? call.nowMs + TRANSITION_MS
  const record: AddonRecord = { ...known, associationIds: [], goneAtMs, modifiedAtMs: call.nowMs }
  call.world.tables.addons.set(addonKey(call, clusterName, addonName), record)
  return { addon: addonNode(call, record) }
}

const COLLECTION = '/clusters/*/addons'
const ONE = `${COLLECTION}/*`

export const ADDON_ROUTES: readonly JsonRoute[] = [
  { operation: 'CreateAddon', method: 'POST', path: COLLECTION, run: createAddon },
  { operation: 'ListAddons', method: 'GET', path: COLLECTION, run: listAddons },
  { operation: 'DescribeAddon', method: 'GET', path: ONE, run: describeAddon },
  { operation: 'UpdateAddon', method: 'POST', path: `${ONE}/update`, run: updateAddon },
  { operation: 'DeleteAddon', method: 'DELETE', path: ONE, run: deleteAddon },
]
