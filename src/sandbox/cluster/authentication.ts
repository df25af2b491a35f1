import { createHash } from 'node:crypto'
import type { ClusterCore } from './core.ts'
import { unauthorized } from './faults.ts'
import { verifyServiceAccountToken, type TokenVerdict } from './service-account-tokens.ts'
import { ANONYMOUS, AUTHENTICATED, type UserInfo } from './users.ts'

/** The key under which a static token is kept. */
export function tokenKey(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/**
 * Who a bearer token is, for one of the audiences; the audiences of the answer are those that
 * both sides name.
 */
export async function authenticateToken(
  core: ClusterCore,
  token: string,
  audiences: readonly string[],
): Promise<TokenVerdict> {
  const user = core.staticTokens.get(tokenKey(token))
  if (user !== undefined) {
    const own = audiences.filter((audience) => core.apiAudiences.includes(audience))
    return own.length > 0
      ? { user, audiences: own }
      : { refusal: 'the token is for the API alone, not for an audience that was asked for' }
  }
  if (token.split('.').length !== 3) return { refusal: 'the token is unknown' }
  const verdict = await verifyServiceAccountToken(core, token)
  if ('refusal' in verdict) return verdict
  const shared = audiences.filter((audience) => verdict.audiences.includes(audience))
  return shared.length > 0
    ? { user: verdict.user, audiences: shared }
    : { refusal: `the token's audiences are ${JSON.stringify(verdict.audiences)}` }
}

/**
 * Who makes a request. No credentials at all make an anonymous one, wrong ones make none.
 * @throws ApiFault Unauthorized
 */
export async function authenticate(core: ClusterCore, request: Request): Promise<UserInfo> {
  const header = request.headers.get('authorization')
  if (header === null) return ANONYMOUS
  const match = /^bearer +(\S+) *$/i.exec(header)
  const verdict =
    match?.[1] === undefined
      ? { refusal: 'the authorization header is no bearer token' }
      : await authenticateToken(core, match[1], core.apiAudiences)
  if (!('refusal' in verdict)) {
    const { user } = verdict
    return user.groups.includes(AUTHENTICATED)
      ? user
      : { ...user, groups: [...user.groups, AUTHENTICATED] }
  }
  core.decisions.record({
    atMs: core.clock.now(),
    kind: 'authentication',
    outcome: 'denied',
    subject: `${request.method} ${new URL(request.url).pathname.slice(0, 200)}`,
    reason: verdict.refusal,
  })
  throw unauthorized()
}
