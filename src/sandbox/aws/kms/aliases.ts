import { authorize } from '../identity/authorization.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOf } from '../wire/pages.ts'
import type { TargetInput, TargetOperations } from '../wire/target.ts'
import { readNumber, readText, requireText } from '../wire/target-input.ts'
import { accountOf, type Call } from '../world.ts'
import { authorizeKey, notFound } from './access.ts'
import type { KmsAliasRecord, KmsKeyRecord } from './records.ts'

export const keyTableKey = (key: {
  readonly accountId: string
  readonly region: string
  readonly keyId: string
}): string => `${key.accountId}/${key.region}/${key.keyId}`

const aliasKey = (accountId: string, region: string, name: string): string =>
  `${accountId}/${region}/${name}`

const ARN = /^arn:[a-z0-9-]+:kms:([a-z0-9-]+):(\d{12}):(key|alias)\/(.+)$/

/** A key by its id, its ARN, its alias or its alias's ARN; gone once its deletion has come. */
export function findKey(call: Call, name: string): KmsKeyRecord | undefined {
  const [, region = call.region, accountId = accountOf(call), kind] = ARN.exec(name) ?? []
  const { kmsKeys, kmsAliases } = call.world.tables
  // KMS looks at the keys of its own region only.
  if (region !== call.region) return undefined
  const rest = name.slice(name.startsWith('arn:') ? name.lastIndexOf(':') + 1 : 0)
  const alias =
    kind === 'alias' || rest.startsWith('alias/')
      ? kmsAliases.get(aliasKey(accountId, region, rest))
      : undefined
  const keyId = alias?.keyId ?? rest.replace(/^key\//, '')
  const id = keyTableKey({ accountId, region, keyId })
  const key = kmsKeys.get(id)
  if (key?.deletionAtMs === undefined || call.nowMs < key.deletionAtMs) return key
  kmsKeys.delete(id)
  return undefined
}

const ALIAS = { min: 1, max: 256, pattern: '[a-zA-Z0-9:/_-]+' }

function readAlias(input: TargetInput): string {
  const name = requireText(input, 'AliasName', ALIAS)
  if (!name.startsWith('alias/') || name === 'alias/') {
    throw new AwsFault('InvalidAliasNameException', 'Alias must start with the prefix "alias/".')
  }
  if (!name.startsWith('alias/aws/')) return name
  throw new AwsFault('NotAuthorizedException', 'Aliases that begin with alias/aws/ are reserved')
}

const aliasArn = (call: Call, name: string): string =>
  `arn:${call.world.partition}:kms:${call.region}:${accountOf(call)}:${name}`

function requireTarget(call: Call, input: TargetInput): KmsKeyRecord {
  const name = requireText(input, 'TargetKeyId', { min: 1, max: 2048 })
  const key = name.includes('alias/') ? undefined : findKey(call, name)
  if (key === undefined) throw notFound(`Key '${name.slice(0, 300)}' does not exist`)
  authorizeKey(call, key)
  if (key.deletionAtMs === undefined) return key
  throw new AwsFault('KMSInvalidStateException', `${key.arn} is pending deletion.`)
}

function requireAlias(call: Call, aliasName: string): KmsAliasRecord {
  const key = aliasKey(accountOf(call), call.region, aliasName)
  const known = call.world.tables.kmsAliases.get(key)
  if (known !== undefined) return known
  throw notFound(`Alias ${aliasArn(call, aliasName)} is not found.`)
}

function saveAlias(call: Call, alias: KmsAliasRecord): void {
  const key = aliasKey(alias.accountId, alias.region, alias.aliasName)
  call.world.tables.kmsAliases.set(key, alias)
}

async function createAlias(call: Call, input: TargetInput): Promise<unknown> {
  const aliasName = readAlias(input)
  const arn = aliasArn(call, aliasName)
  authorize(call, { action: 'kms:CreateAlias', resource: arn })
  const key = requireTarget(call, input)
  const accountId = accountOf(call)
  if (call.world.tables.kmsAliases.has(aliasKey(accountId, call.region, aliasName))) {
    throw new AwsFault('AlreadyExistsException', `An alias with the name ${arn} already exists`)
  }
  const times = { createdAtMs: call.nowMs, updatedAtMs: call.nowMs }
  saveAlias(call, { accountId, region: call.region, aliasName, arn, keyId: key.keyId, ...times })
  return undefined
}

async function updateAlias(call: Call, input: TargetInput): Promise<unknown> {
  const aliasName = readAlias(input)
  authorize(call, { action: 'kms:UpdateAlias', resource: aliasArn(call, aliasName) })
  const known = requireAlias(call, aliasName)
  const key = requireTarget(call, input)
  saveAlias(call, { ...known, keyId: key.keyId, updatedAtMs: call.nowMs })
  return undefined
}

async function deleteAlias(call: Call, input: TargetInput): Promise<unknown> {
  const aliasName = readAlias(input)
  authorize(call, { action: 'kms:DeleteAlias', resource: aliasArn(call, aliasName) })
  const known = requireAlias(call, aliasName)
  const key = findKey(call, known.keyId)
  if (key !== undefined) authorizeKey(call, key)
  call.world.tables.kmsAliases.delete(aliasKey(known.accountId, known.region, aliasName))
  return undefined
}

async function listAliases(call: Call, input: TargetInput): Promise<unknown> {
  const limit = readNumber(input, 'Limit', { min: 1, max: 100 }) ?? 50
  const token = readText(input, 'Marker', { min: 1, max: 1024 })
  const name = readText(input, 'KeyId', { min: 1, max: 2048 })
  authorize(call, { action: 'kms:ListAliases', resource: '*' })
  const key = name === undefined ? undefined : findKey(call, name)
  if (name !== undefined && key === undefined) {
    throw notFound(`Key '${name.slice(0, 300)}' does not exist`)
  }
  const own = [...call.world.tables.kmsAliases.values()].filter(
    (alias) =>
      alias.accountId === accountOf(call) &&
      alias.region === call.region &&
      (key === undefined || alias.keyId === key.keyId),
  )
  const ask = { limit, token, fault: 'InvalidMarkerException' }
  const page = pageOf(own, ({ aliasName }) => aliasName, ask)
  return {
    Aliases: page.items.map((alias) => ({
      AliasName: alias.aliasName,
      AliasArn: alias.arn,
      TargetKeyId: alias.keyId,
      CreationDate: alias.createdAtMs / 1000,
      LastUpdatedDate: alias.updatedAtMs / 1000,
    })),
    Truncated: page.next !== undefined,
    ...(page.next !== undefined && { NextMarker: page.next }),
  }
}

export const ALIAS_OPERATIONS: TargetOperations = {
  CreateAlias: createAlias,
  UpdateAlias: updateAlias,
  DeleteAlias: deleteAlias,
  ListAliases: listAliases,
}
