import { deflateRawSync } from 'node:zlib'
import { Secret } from '../../../lib/secret.ts'
import { newAccessKeyId, newSecretAccessKey, newSessionToken } from '../identifiers.ts'
import { quotaValue } from '../quotas/quotas.ts'
import type { KeyRecord, RoleRecord, SessionRecord, Tags } from '../records.ts'
import { nameKey } from '../records.ts'
import { AwsFault } from '../wire/fault.ts'
import type { World } from '../world.ts'

/** What a new session of a role is made of. */
export interface SessionRequest {
  readonly role: RoleRecord
  readonly sessionName: string
  readonly durationSeconds: number
  readonly region: string
  readonly tags?: Tags
  readonly transitiveTagKeys?: readonly string[]
  readonly sourceIdentity?: string | undefined
  readonly policies?: readonly string[]
  readonly context?: SessionRecord['context']
  /** The least size that the token is to have. */
  readonly minimumTokenSize?: number | undefined
}

/** A session that began. */
export interface StartedSession {
  readonly key: KeyRecord
  readonly session: SessionRecord
  /** `arn:aws:sts::1:assumed-role/NAME/SESSION` */
  readonly arn: string
  /** `AROA…:SESSION` */
  readonly assumedRoleId: string
  readonly tokenSize: number
  /** Percent of the largest size that is allowed. */
  readonly tokenUtilization: number
}

const BARE_TOKEN_BYTES = 700
const KEPT_AFTER_EXPIRY_MS = 24 * 3_600_000

/**
 * Gives out a key for a role's session. Whether the caller may have it was decided before. The one
 * limit on session policies and tags is the size of the token that they are packed into.
 * Source: AWS STS API Reference, AssumeRoleWithWebIdentity, SessionTokenSize.
 * @throws AwsFault `PackedPolicyTooLarge`
 */
export function startSession(world: World, request: SessionRequest): StartedSession {
  const { role, sessionName } = request
  const nowMs = world.clock.now()
  const { tokenSize, tokenUtilization } = sizeToken(world, role.accountId, request)
  const session: SessionRecord = {
    sessionToken: newSessionToken(tokenSize),
    issuedAtMs: nowMs,
    expiresAtMs: nowMs + request.durationSeconds * 1000,
    roleArn: role.arn,
    roleName: role.roleName,
    roleId: role.roleId,
    sessionName,
    tags: request.tags ?? {},
    transitiveTagKeys: request.transitiveTagKeys ?? [],
    ...(request.sourceIdentity !== undefined && { sourceIdentity: request.sourceIdentity }),
    policies: request.policies ?? [],
    context: request.context ?? {},
  }
  const key: KeyRecord = {
    accessKeyId: newAccessKeyId('ASIA'),
    secretAccessKey: newSecretAccessKey(),
    accountId: role.accountId,
    session,
  }
  keepKey(world, key)
  const roleKey = nameKey(role.accountId, role.roleName)
  const current = world.tables.roles.get(roleKey)
  if (current?.roleId === role.roleId) {
    const used = { lastUsedAtMs: nowMs, lastUsedRegion: request.region }
    world.tables.roles.set(roleKey, { ...current, ...used })
  }
  return {
    key,
    session,
    arn: sessionArn(world.partition, role.accountId, session),
    assumedRoleId: `${role.roleId}:${sessionName}`,
    tokenSize,
    tokenUtilization,
  }
}

/** Keeps a key that ends by itself, in the place of those that ended long ago. */
export function keepKey(world: World, key: KeyRecord): void {
  forgetOldKeys(world, world.clock.now())
  world.tables.keys.set(key.accessKeyId, key)
}

/** What is packed into a session's token, and the least size that it is to have. */
export type TokenContents = Pick<
  SessionRequest,
  'tags' | 'transitiveTagKeys' | 'policies' | 'context' | 'minimumTokenSize'
>

/**
 * The size of a session's token, in bytes and in percent of the largest.
 * @throws AwsFault `PackedPolicyTooLarge`
 */
export function sizeToken(
  { tables }: Pick<World, 'tables'>,
  accountId: string,
  contents: TokenContents,
): Pick<StartedSession, 'tokenSize' | 'tokenUtilization'> {
  const needed = BARE_TOKEN_BYTES + packedBytes(contents)
  const tokenSize = Math.max(needed, contents.minimumTokenSize ?? 0)
  const most = quotaValue(tables, accountId, 'sessionTokenBytes')
  if (tokenSize > most) {
    throw new AwsFault(
      'PackedPolicyTooLarge',
      `The session token size of ${tokenSize} bytes exceeds the limit of ${most} bytes`,
    )
  }
  return { tokenSize, tokenUtilization: Math.ceil((tokenSize * 100) / most) }
}

export const sessionArn = (
  partition: string,
  accountId: string,
  session: Pick<SessionRecord, 'roleName' | 'sessionName'>,
): string =>
  `arn:${partition}:sts::${accountId}:assumed-role/${session.roleName}/${session.sessionName}`

export const federatedUserArn = (partition: string, accountId: string, name: string): string =>
  `arn:${partition}:sts::${accountId}:federated-user/${name}`

/** Bytes that session policies, tags and claims add to a token, compressed and in base64. */
function packedBytes(contents: TokenContents): number {
  const { tags, transitiveTagKeys, policies, context } = contents
  const packed = deflateRawSync(JSON.stringify({ tags, transitiveTagKeys, policies, context }))
  return Math.ceil((packed.length * 4) / 3)
}

/** Keys of sessions that ended long ago, in about the order in which they were given out. */
function forgetOldKeys(world: World, nowMs: number): void {
  for (const [id, key] of world.tables.keys.entries()) {
    const ends = key.session ?? key.temporary
    if (ends === undefined) continue
    if (ends.expiresAtMs + KEPT_AFTER_EXPIRY_MS > nowMs) return
    world.tables.keys.delete(id)
  }
}

/** Credentials of a role's session, as a program gets them. */
export interface IssuedCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly sessionToken: Secret
  /** Milliseconds since the epoch. */
  readonly expirationMs: number
  /** Of the session. */
  readonly arn: string
}

export function asCredentials(started: StartedSession): IssuedCredentials {
  const { key, session, arn } = started
  return {
    accessKeyId: key.accessKeyId,
    secretAccessKey: new Secret(key.secretAccessKey),
    sessionToken: new Secret(session.sessionToken),
    expirationMs: session.expiresAtMs,
    arn,
  }
}
