/** What every operation on a key begins and ends with: finding it, and whether it is of use. */
import type { ContextKeys } from '../../../iam/request.ts'
import { authorize } from '../identity/authorization.ts'
import { AwsFault } from '../wire/fault.ts'
import type { TargetInput } from '../wire/target.ts'
import { requireText } from '../wire/target-input.ts'
import { accountOf, type Call } from '../world.ts'
import { authorizeKey, notFound } from './access.ts'
import { findKey, keyTableKey } from './aliases.ts'
import type { KmsKeyRecord } from './records.ts'

const KEY_ID = { min: 1, max: 2048 }

export function stateOf(key: KmsKeyRecord): 'Enabled' | 'Disabled' | 'PendingDeletion' {
  if (key.deletionAtMs !== undefined) return 'PendingDeletion'
  return key.enabled ? 'Enabled' : 'Disabled'
}

/** The key that a call names, once the caller may do with it what the call asks. */
export function requireKey(
  call: Call,
  input: TargetInput,
  context: ContextKeys = {},
): KmsKeyRecord {
  const name = requireText(input, 'KeyId', KEY_ID)
  const key = findKey(call, name)
  if (key === undefined) {
    const any = `arn:${call.world.partition}:kms:${call.region}:${accountOf(call)}:key/${name}`
    authorize(call, { action: `kms:${call.operation}`, resource: any })
    throw notFound(`Key '${any.slice(0, 300)}' does not exist`)
  }
  authorizeKey(call, key, context)
  return key
}

/** @throws AwsFault `DisabledException`, `KMSInvalidStateException` */
export function checkUsable(key: KmsKeyRecord): void {
  const state = stateOf(key)
  if (state === 'Disabled') throw new AwsFault('DisabledException', `${key.arn} is disabled.`)
  if (state === 'PendingDeletion') throw pendingDeletion(key)
}

export const pendingDeletion = (key: KmsKeyRecord): AwsFault =>
  new AwsFault('KMSInvalidStateException', `${key.arn} is pending deletion.`)

export const saveKey = (call: Call, key: KmsKeyRecord): void =>
  call.world.tables.kmsKeys.set(keyTableKey(key), key)
