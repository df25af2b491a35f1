import { authorize } from '../identity/authorization.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { ProviderRecord } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import type { QueryParameters } from '../wire/query.ts'
import { accountOf, type Call } from '../world.ts'
import { alreadyExists, invalidInput, limitExceeded, noSuchEntity } from './faults.ts'
import { taggingOperations } from './tagging.ts'
import { mergeTags, readTags, requestTagKeys, resourceTagKeys, tagNodes } from './tags.ts'

const URL_SHAPE = { required: true, min: 1, max: 255 }
const CLIENT_ID = { required: true, min: 1, max: 255 }
const THUMBPRINT = { min: 40, max: 40 }
const ARN = { required: true, min: 20, max: 2048 }

/**
 * A provider's URL without its scheme: `https`, no query, no port but the default one, which IAM
 * drops. @throws AwsFault `InvalidInput`
 */
export function readProviderUrl(url: string): string {
  const [, host = '', path = ''] = /^https:\/\/([^/?#]*)([^?#]*)$/.exec(url) ?? []
  const name = host.replace(/:443$/, '')
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(name) || /[^\x21-\x7e]/.test(path)) {
    throw invalidInput('Invalid Open ID Connect Provider URL')
  }
  return name + path
}

function readThumbprints(parameters: QueryParameters, constraints: Constraints): readonly string[] {
  const thumbprints = parameters.list('ThumbprintList').map((one) => one.toLowerCase())
  thumbprints.forEach((one, index) => {
    constraints.text(`thumbprintList.${index + 1}.member`, one, THUMBPRINT)
  })
  return thumbprints
}

function checkThumbprints(call: Call, thumbprints: readonly string[]): void {
  const most = quotaOf(call, 'thumbprintsPerProvider')
  if (thumbprints.length > most) {
    throw invalidInput(`Thumbprint list must contain fewer than ${most} entries.`)
  }
  if (thumbprints.some((thumbprint) => !/^[0-9a-fA-F]{40}$/.test(thumbprint))) {
    throw invalidInput('Invalid thumbprint provided')
  }
}

function checkClientIds(call: Call, clientIds: readonly string[]): void {
  const most = quotaOf(call, 'clientIdsPerProvider')
  if (clientIds.length > most) {
    throw limitExceeded(`Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: ${most}`)
  }
}

function createProvider(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = constraints.text('url', parameters.get('Url'), URL_SHAPE) ?? ''
  const clientIds = [...new Set(parameters.list('ClientIDList'))]
  clientIds.forEach((id, index) => {
    constraints.text(`clientIDList.${index + 1}.member`, id, CLIENT_ID)
  })
  const thumbprints = readThumbprints(parameters, constraints)
  const tags = readTags(call, parameters, constraints)
  constraints.check()
  const url = readProviderUrl(given)
  const arn = providerArn(call, url)
  authorize(call, {
    action: 'iam:CreateOpenIDConnectProvider',
    resource: arn,
    context: requestTagKeys(tags),
  })
  checkThumbprints(call, thumbprints)
  checkClientIds(call, clientIds)
  const { providers } = call.world.tables
  if (providers.has(arn)) throw alreadyExists(`Provider with url https://${url} already exists.`)
  const most = quotaOf(call, 'oidcProviders')
  if (providersOf(call).length >= most) {
    throw limitExceeded(`Cannot exceed quota for OpenIdConnectProvidersPerAccount: ${most}`)
  }
  providers.set(arn, {
    accountId: accountOf(call),
    arn,
    url,
    clientIds,
    thumbprints,
    tags: mergeTags(call, {}, tags, 'exact'),
    createdAtMs: call.nowMs,
  })
  return {
    OpenIDConnectProviderArn: arn,
    ...(tags.length > 0 && { Tags: tagNodes(mergeTags(call, {}, tags, 'exact')) }),
  }
}

const providerArn = (call: Call, url: string): string =>
  `arn:${call.world.partition}:iam::${accountOf(call)}:oidc-provider/${url}`

function providersOf(call: Call): readonly ProviderRecord[] {
  const accountId = accountOf(call)
  return [...call.world.tables.providers.values()].filter((one) => one.accountId === accountId)
}

/** The provider that the ARN names, which the caller may do the operation on, or none. */
function findProvider(
  call: Call,
  arn: string,
  context: Readonly<Record<string, string | readonly string[]>> = {},
): ProviderRecord | undefined {
  if (!/^arn:[a-z0-9-]+:iam::\d{12}:oidc-provider\/.+$/.test(arn)) {
    throw invalidInput(`Invalid ARN: ${arn}`)
  }
  const provider = call.world.tables.providers.get(arn)
  const mine = provider?.accountId === accountOf(call) ? provider : undefined
  authorize(call, {
    action: `iam:${call.operation}`,
    resource: arn,
    context: { ...resourceTagKeys(mine?.tags ?? {}), ...context },
  })
  return mine
}

function requireProvider(
  call: Call,
  arn: string,
  context: Readonly<Record<string, string | readonly string[]>> = {},
): ProviderRecord {
  const provider = findProvider(call, arn, context)
  if (provider !== undefined) return provider
  throw noSuchEntity(`OpenIDConnect Provider not found for arn ${arn}`)
}

function readArn(parameters: QueryParameters, constraints: Constraints): string {
  const given = parameters.get('OpenIDConnectProviderArn')
  return constraints.text('openIDConnectProviderArn', given, ARN) ?? ''
}

/** The ARN of a call that has nothing else to read. */
function readArnAlone(parameters: QueryParameters): string {
  const constraints = new Constraints()
  const arn = readArn(parameters, constraints)
  constraints.check()
  return arn
}

function saveProvider(call: Call, provider: ProviderRecord): void {
  call.world.tables.providers.set(provider.arn, provider)
}

function getProvider(call: Call, parameters: QueryParameters): ResultMembers {
  const provider = requireProvider(call, readArnAlone(parameters))
  return {
    Url: provider.url,
    ClientIDList: provider.clientIds,
    ThumbprintList: provider.thumbprints,
    CreateDate: new Date(provider.createdAtMs),
    ...(Object.keys(provider.tags).length > 0 && { Tags: tagNodes(provider.tags) }),
  }
}

function listProviders(call: Call): ResultMembers {
  authorize(call, { action: 'iam:ListOpenIDConnectProviders', resource: '*' })
  return { OpenIDConnectProviderList: providersOf(call).map(({ arn }) => ({ Arn: arn })) }
}

/** Deleting one that is gone is no error: the operation is idempotent. */
function deleteProvider(call: Call, parameters: QueryParameters): undefined {
  const provider = findProvider(call, readArnAlone(parameters))
  if (provider !== undefined) call.world.tables.providers.delete(provider.arn)
}

function readClientId(parameters: QueryParameters): { readonly arn: string; readonly id: string } {
  const constraints = new Constraints()
  const arn = readArn(parameters, constraints)
  const id = constraints.text('clientID', parameters.get('ClientID'), CLIENT_ID) ?? ''
  constraints.check()
  return { arn, id }
}

function addClientId(call: Call, parameters: QueryParameters): undefined {
  const { arn, id } = readClientId(parameters)
  const provider = requireProvider(call, arn)
  const clientIds = [...new Set([...provider.clientIds, id])]
  checkClientIds(call, clientIds)
  saveProvider(call, { ...provider, clientIds })
}

function removeClientId(call: Call, parameters: QueryParameters): undefined {
  const { arn, id } = readClientId(parameters)
  const provider = requireProvider(call, arn)
  saveProvider(call, { ...provider, clientIds: provider.clientIds.filter((one) => one !== id) })
}

function updateThumbprint(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const arn = readArn(parameters, constraints)
  const thumbprints = readThumbprints(parameters, constraints)
  constraints.check()
  const provider = requireProvider(call, arn)
  if (thumbprints.length === 0) {
    throw invalidInput('Thumbprint list must contain at least one entry.')
  }
  checkThumbprints(call, thumbprints)
  saveProvider(call, { ...provider, thumbprints })
}

export const PROVIDER_OPERATIONS: QueryOperations = {
  CreateOpenIDConnectProvider: createProvider,
  GetOpenIDConnectProvider: getProvider,
  ListOpenIDConnectProviders: listProviders,
  DeleteOpenIDConnectProvider: deleteProvider,
  AddClientIDToOpenIDConnectProvider: addClientId,
  RemoveClientIDFromOpenIDConnectProvider: removeClientId,
  UpdateOpenIDConnectProviderThumbprint: updateThumbprint,
  ...taggingOperations({
    word: 'OpenIDConnectProvider',
    tagCase: 'exact',
    readName: readArn,
    require: requireProvider,
    save: saveProvider,
  }),
}
