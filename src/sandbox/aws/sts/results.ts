import type { StartedSession } from '../identity/sessions.ts'
import type { KeyRecord } from '../records.ts'
import type { ResultMembers } from '../wire/call-table.ts'

/** A key that ends, as answers give it out. */
export const credentialMembers = (
  key: KeyRecord,
  ends: { readonly sessionToken: string; readonly expiresAtMs: number },
): ResultMembers => ({
  AccessKeyId: key.accessKeyId,
  SecretAccessKey: key.secretAccessKey,
  SessionToken: ends.sessionToken,
  Expiration: new Date(ends.expiresAtMs),
})

/** The members of an answer that every operation which begins a role's session has. */
export function sessionMembers(started: StartedSession): ResultMembers {
  const { key, session } = started
  return {
    AssumedRoleUser: { Arn: started.arn, AssumedRoleId: started.assumedRoleId },
    Credentials: credentialMembers(key, session),
    // Deprecated, and equal to the utilization of the token since it has one limit.
    PackedPolicySize: started.tokenUtilization,
    SourceIdentity: session.sourceIdentity,
    SessionTokenSize: started.tokenSize,
    SessionTokenUtilization: started.tokenUtilization,
  }
}
