import { newAccessKeyId, newSecretAccessKey, newSessionToken } from '../identifiers.ts'
import { authorize } from '../identity/authorization.ts'
import { keepKey } from '../identity/sessions.ts'
import { type KeyRecord, nameKey, type UserRecord } from '../records.ts'
import type { ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Call } from '../world.ts'
import { credentialMembers } from './results.ts'

const DURATION = { min: 900, max: 129_600 }
const HALF_A_DAY_SECONDS = 43_200
const SERIAL_NUMBER = { min: 9, max: 256, pattern: '[\\w+=/:,.@-]*' }
const TOKEN_CODE = { min: 6, max: 6, pattern: '[\\d]*' }
const TOKEN_BYTES = 400

/**
 * Temporary credentials of a user. No policy decides on it, which is on record all the same; users
 * have no MFA devices here, so a code is always wrong. Source: AWS STS API Reference, GetSessionToken.
 */
export function getSessionToken(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = parameters.get('DurationSeconds')
  const seconds = constraints.integer('durationSeconds', given, DURATION) ?? HALF_A_DAY_SECONDS
  const serial = constraints.text('serialNumber', parameters.get('SerialNumber'), SERIAL_NUMBER)
  const code = constraints.text('tokenCode', parameters.get('TokenCode'), TOKEN_CODE)
  constraints.check()
  const user = requireLongTermUser(call, 'GetSessionToken')
  authorize(call, { action: 'sts:GetSessionToken', resource: '*' })
  if (serial !== undefined || code !== undefined) {
    throw new AwsFault(
      'AccessDenied',
      'MultiFactorAuthentication failed with invalid MFA one time pass code.',
      { status: 403 },
    )
  }
  const temporary = {
    userId: user.userId,
    sessionToken: newSessionToken(TOKEN_BYTES),
    issuedAtMs: call.nowMs,
    expiresAtMs: call.nowMs + seconds * 1000,
  }
  const { accountId, userName } = user
  const key: KeyRecord = {
    accessKeyId: newAccessKeyId('ASIA'),
    secretAccessKey: newSecretAccessKey(),
    accountId,
    userName,
    temporary,
  }
  keepKey(call.world, key)
  return { Credentials: credentialMembers(key, temporary) }
}

/** The user that calls with a key of its own. @throws AwsFault `AccessDenied` for a session */
export function requireLongTermUser(call: Call, operation: string): UserRecord {
  const { key } = call.identity
  const user =
    key?.userName === undefined || key.temporary !== undefined
      ? undefined
      : call.world.tables.users.get(nameKey(key.accountId, key.userName))
  if (user !== undefined) return user
  throw new AwsFault('AccessDenied', `Cannot call ${operation} with session credentials`, {
    status: 403,
  })
}
