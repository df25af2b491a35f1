import { newAccessKeyId, newSecretAccessKey, newSessionToken } from '../identifiers.ts'
import { authorize } from '../identity/authorization.ts'
import { keepKey } from '../identity/sessions.ts'
import { type FederationRecord, nameKey, type UserRecord } from '../records.ts'
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
  const seconds = readUserSessionSeconds(constraints, parameters)
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
  return { Credentials: issueTemporaryKey(call, user, { seconds, tokenBytes: TOKEN_BYTES }) }
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

/** How long a user's session lasts: 15 minutes to 36 hours, 12 hours where it is not said. */
export function readUserSessionSeconds(
  constraints: Constraints,
  parameters: QueryParameters,
): number {
  const given = parameters.get('DurationSeconds')
  return constraints.integer('durationSeconds', given, DURATION) ?? HALF_A_DAY_SECONDS
}

/** Gives out a key of a user that ends by itself; its members as STS answers them. */
export function issueTemporaryKey(
  { world, nowMs }: Call,
  { accountId, userId, userName }: UserRecord,
  session: {
    readonly seconds: number
    readonly tokenBytes: number
    readonly federated?: FederationRecord
  },
): ReturnType<typeof credentialMembers> {
  const { federated, seconds, tokenBytes } = session
  const temporary = {
    userId,
    sessionToken: newSessionToken(tokenBytes),
    issuedAtMs: nowMs,
    expiresAtMs: nowMs + seconds * 1000,
    ...(federated !== undefined && { federated }),
  }
  const accessKeyId = newAccessKeyId('ASIA')
  const secretAccessKey = newSecretAccessKey()
  const key = { accessKeyId, secretAccessKey, accountId, userName, temporary }
  keepKey(world, key)
  return credentialMembers(key, temporary)
}
