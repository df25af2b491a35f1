import type { StartedSession } from '../identity/sessions.ts'
import type { ResultMembers } from '../wire/call-table.ts'

/** The members of an answer that every operation which begins a role's session has. */
export function sessionMembers(started: StartedSession): ResultMembers {
  const { key, session } = started
  return {
    AssumedRoleUser: { Arn: started.arn, AssumedRoleId: started.assumedRoleId },
    Credentials: {
      AccessKeyId: key.accessKeyId,
      SecretAccessKey: key.secretAccessKey,
      SessionToken: session.sessionToken,
      Expiration: new Date(session.expiresAtMs),
    },
    // Deprecated, and equal to the utilization of the token since it has one limit.
    PackedPolicySize: started.tokenUtilization,
    SourceIdentity: session.sourceIdentity,
    SessionTokenSize: started.tokenSize,
    SessionTokenUtilization: started.tokenUtilization,
  }
}
