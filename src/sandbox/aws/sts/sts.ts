import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { accountOf, type Call, callerName } from '../world.ts'
import { authorize } from '../identity/authorization.ts'
import { getAccessKeyInfo } from './access-keys.ts'
import { assumeRoleOperation } from './assume-role.ts'
import { decodeAuthorizationMessage } from './authorization-messages.ts'
import { getFederationToken } from './federation.ts'
import { getSessionToken } from './user-sessions.ts'
import { assumeRoleWithWebIdentity } from './web-identity.ts'

/** No policy can refuse it; the decision is on record all the same. */
function getCallerIdentity(call: Call): ResultMembers {
  const { caller } = call.identity
  authorize(call, { action: 'sts:GetCallerIdentity', resource: '*' })
  return { UserId: userIdOf(call), Account: accountOf(call), Arn: callerName(caller) }
}

function userIdOf(call: Call): string {
  const { caller } = call.identity
  if (caller.kind === 'user' || caller.kind === 'federated-user') return caller.userId
  if (caller.kind === 'role-session') return `${caller.roleId}:${caller.sessionName}`
  return accountOf(call)
}

/** STS's operations, API version 2011-06-15. */
export const STS_OPERATIONS: QueryOperations = {
  GetCallerIdentity: getCallerIdentity,
  GetAccessKeyInfo: getAccessKeyInfo,
  GetSessionToken: getSessionToken,
  GetFederationToken: getFederationToken,
  DecodeAuthorizationMessage: decodeAuthorizationMessage,
  AssumeRole: assumeRoleOperation,
  AssumeRoleWithWebIdentity: assumeRoleWithWebIdentity,
}

/** Operations that carry their own proof and are not signed. */
export const UNSIGNED_OPERATIONS: ReadonlySet<string> = new Set(['AssumeRoleWithWebIdentity'])
