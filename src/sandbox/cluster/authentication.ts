import { createHash } from 'node:crypto'
import type { Client } from '../../lib/handler.ts'
import type { ClusterCore } from './core.ts'
import { EKS_TOKEN_PREFIX, userOfEksToken } from './eks-access.ts'
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
  if (user !== undefined) return ownVerdict(core, user, audiences)
  if (token.startsWith(EKS_TOKEN_PREFIX) && core.eks !== undefined) {
    const found = await userOfEksToken(core.eks, token)
    return typeof found === 'string' ? { refusal: found } : ownVerdict(core, found, audiences)
  }
  if (token.split('.').length !== 3) return { refusal: 'the token is unknown' }
  const verdict = await verifyServiceAccountToken(core, token)
  if ('refusal' in verdict) return verdict
  const shared = audiences.filter((audience) => verdict.audiences.includes(audience))
  return shared.length > 0
    ? { user: verdict.user, audiences: shared }
    : { refusal: `the token's audiences are ${JSON.stringify(verdict.audiences)}` }
}

/** Of a credential that names no audience: it is for the API. */
function ownVerdict(core: ClusterCore, user: UserInfo, audiences: readonly string[]): TokenVerdict {
  const own = audiences.filter((audience) => core.apiAudiences.includes(audience))
  return own.length > 0
    ? { user, audiences: own }
    : { refusal: 'the token is for the API alone, not for an audience that was asked for' }
}

/**
 * Who makes a request: by its client certificate, else by its bearer token. No credentials at all
 * make an anonymous one, wrong ones make none.
 * @throws ApiFault Unauthorized
 */
export async function authenticate(
  core: ClusterCore,
  request: Request,
  { certificate }: Pick<Client, 'certificate'>,
): Promise<UserInfo> {
  if (certificate !== undefined && 'commonName' in certificate && certificate.commonName !== '') {
    return authenticated({
      username: certificate.commonName,
      groups: [...certificate.organizations],
    })
  }
  const header = request.headers.get('authorization')
  const fault = certificate !== undefined && 'fault' in certificate ? certificate.fault : undefined
  if (header === null && fault === undefined) return ANONYMOUS
  const match = /^bearer +(\S+) *$/i.exec(header ?? '')
  const verdict =
    match?.[1] !== undefined
      ? await authenticateToken(core, match[1], core.apiAudiences)
      : fault !== undefined
        ? { refusal: `the client certificate does not verify: ${fault}` }
        : { refusal: 'the authorization header is no bearer token' }
  if (!('refusal' in verdict)) return authenticated(verdict.user)
  core.decisions.record({
    atMs: core.clock.now(),
    kind: 'authentication',
    outcome: 'denied',
    subject: `${request.method} ${new URL(request.url).pathname.slice(0, 200)}`,
    reason: verdict.refusal,
  })
  throw unauthorized()
}

const authenticated = (user: UserInfo): UserInfo =>
  user.groups.includes(AUTHENTICATED) ? user : { ...user, groups: [...user.groups, AUTHENTICATED] }
