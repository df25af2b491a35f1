/** Access keys of users. */
import { newAccessKeyId, newSecretAccessKey } from '../identifiers.ts'
import { authorize } from '../identity/authorization.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { KeyRecord } from '../records.ts'
import { nameKey } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import { accountOf, type Call } from '../world.ts'
import { limitExceeded, noSuchEntity } from './faults.ts'
import { ACCESS_KEY_ID, USER_NAME } from './shapes.ts'
import { pageMembers, readPage } from './tags.ts'
import { nameOrOwn, requireUser } from './users.ts'

const OPTIONAL_USER = { ...USER_NAME, required: false }

/** The name of the user whose keys a call is about. */
const readOwner = (parameters: QueryParameters, constraints: Constraints): string | undefined =>
  constraints.text('userName', parameters.get('UserName'), OPTIONAL_USER)

function keysOf(call: Call, userName: string): readonly KeyRecord[] {
  const accountId = accountOf(call)
  return [...call.world.tables.keys.values()].filter(
    (key) =>
      key.accountId === accountId &&
      key.userName === userName &&
      (key.session ?? key.temporary) === undefined,
  )
}

const metadata = (key: KeyRecord): ResultMembers => ({
  UserName: key.userName,
  AccessKeyId: key.accessKeyId,
  Status: key.inactive === true ? 'Inactive' : 'Active',
})

function createAccessKey(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = readOwner(parameters, constraints)
  constraints.check()
  const user = requireUser(call, nameOrOwn(call, given))
  const { tables } = call.world
  const limit = quotaOf(call, 'accessKeysPerUser')
  if (keysOf(call, user.userName).length >= limit) {
    throw limitExceeded(`Cannot exceed quota for AccessKeysPerUser: ${limit}`)
  }
  const key: KeyRecord = {
    accessKeyId: newAccessKeyId('AKIA'),
    secretAccessKey: newSecretAccessKey(),
    accountId: user.accountId,
    userName: user.userName,
    createdAtMs: call.nowMs,
  }
  tables.keys.set(key.accessKeyId, key)
  const { secretAccessKey } = key
  const shown = { SecretAccessKey: secretAccessKey, CreateDate: new Date(call.nowMs) }
  return { AccessKey: { ...metadata(key), ...shown } }
}

function listAccessKeys(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = readOwner(parameters, constraints)
  const ask = readPage(parameters, constraints)
  constraints.check()
  const user = requireUser(call, nameOrOwn(call, given))
  const page = pageOf(keysOf(call, user.userName), ({ accessKeyId }) => accessKeyId, ask)
  const shown = page.items.map((key) => ({
    ...metadata(key),
    CreateDate: new Date(key.createdAtMs ?? user.createdAtMs),
  }))
  return { ...pageMembers(page.next), AccessKeyMetadata: shown }
}

/** The key that AccessKeyId names, of that user. */
function readKey(call: Call, parameters: QueryParameters, constraints: Constraints): KeyRecord {
  const given = readOwner(parameters, constraints)
  const id = constraints.text('accessKeyId', parameters.get('AccessKeyId'), ACCESS_KEY_ID) ?? ''
  constraints.check()
  const user = requireUser(call, nameOrOwn(call, given))
  const key = keysOf(call, user.userName).find(({ accessKeyId }) => accessKeyId === id)
  if (key !== undefined) return key
  throw noSuchEntity(`The Access Key with id ${id} cannot be found.`)
}

function updateAccessKey(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const shape = { required: true, oneOf: ['Active', 'Inactive'] }
  const status = constraints.text('status', parameters.get('Status'), shape)
  const { inactive: _old, ...key } = readKey(call, parameters, constraints)
  const changed = status === 'Inactive' ? { ...key, inactive: true } : key
  call.world.tables.keys.set(key.accessKeyId, changed)
}

function deleteAccessKey(call: Call, parameters: QueryParameters): undefined {
  const key = readKey(call, parameters, new Constraints())
  call.world.tables.keys.delete(key.accessKeyId)
}

/** A key that was never used has no date, and N/A for what it was used for. */
function accessKeyLastUsed(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const id = constraints.text('accessKeyId', parameters.get('AccessKeyId'), ACCESS_KEY_ID) ?? ''
  constraints.check()
  const key = call.world.tables.keys.get(id)
  const user = key === undefined ? undefined : ownerArn(call, key)
  authorize(call, { action: 'iam:GetAccessKeyLastUsed', resource: user ?? '*' })
  if (key === undefined || user === undefined) {
    throw new AwsFault('AccessDenied', `The Access Key with id ${id} cannot be found.`, {
      status: 403,
    })
  }
  const { userName, lastUse } = key
  const lastUsed = {
    ...(lastUse !== undefined && { LastUsedDate: new Date(lastUse.atMs) }),
    ServiceName: lastUse?.service ?? 'N/A',
    Region: lastUse?.region ?? 'N/A',
  }
  return { UserName: userName, AccessKeyLastUsed: lastUsed }
}

function ownerArn(call: Call, key: KeyRecord): string | undefined {
  if (key.accountId !== accountOf(call) || key.userName === undefined) return undefined
  return call.world.tables.users.get(nameKey(key.accountId, key.userName))?.arn
}

export const ACCESS_KEY_OPERATIONS: QueryOperations = {
  CreateAccessKey: createAccessKey,
  ListAccessKeys: listAccessKeys,
  UpdateAccessKey: updateAccessKey,
  DeleteAccessKey: deleteAccessKey,
  GetAccessKeyLastUsed: accessKeyLastUsed,
}
