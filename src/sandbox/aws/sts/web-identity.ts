import type { ContextKeys } from '../../../iam/request.ts'
import { faultFields } from '../../../lib/log.ts'
import { type AwsClaims, readAwsClaims } from '../../../token/aws-claims.ts'
import type { TokenClaims } from '../../../token/claims.ts'
import type { KeySet } from '../../../token/jwks.ts'
import { decodeToken, TokenFault, verifyToken } from '../../../token/verify.ts'
import { decideTrust } from '../identity/authorization.ts'
import { startSession } from '../identity/sessions.ts'
import { requestTagKeys } from '../iam/tags.ts'
import { quotaValue } from '../quotas/quotas.ts'
import type { ProviderRecord, RoleRecord } from '../records.ts'
import type { ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Call } from '../world.ts'
import {
  checkDuration,
  findRole,
  readRoleArn,
  readRoleParameters,
  readSessionPolicies,
} from './parameters.ts'
import { sessionMembers } from './results.ts'

/** A token is taken five minutes after its `exp`, and as long before its `nbf` and `iat`. */
const LEEWAY_SECONDS = 300
const TOKEN = { required: true, min: 4, max: 20_000, sensitive: true }
const NOT_A_JWT = 'The ID Token provided is not a valid JWT.'
const NO_KEY =
  "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"

/** A token that was verified, with what it is allowed to say. */
interface WebIdentity {
  readonly provider: ProviderRecord
  readonly claims: TokenClaims
  readonly aws: AwsClaims
  /** What was compared with the client ids: `azp`, or else the one `aud`. */
  readonly audience: string
}

/**
 * AssumeRoleWithWebIdentity. Order: shapes of the parameters, token and claims, roles claim, trust
 * policy, durations. Source: AWS STS API Reference, AssumeRoleWithWebIdentity.
 */
export async function assumeRoleWithWebIdentity(
  call: Call,
  parameters: QueryParameters,
): Promise<ResultMembers> {
  const constraints = new Constraints()
  const common = readRoleParameters(call, parameters, constraints)
  const given = parameters.get('WebIdentityToken')
  const token = constraints.text('webIdentityToken', given, TOKEN) ?? ''
  const providerShape = { min: 4, max: 2048 }
  const providerId = constraints.text('providerId', parameters.get('ProviderId'), providerShape)
  constraints.check()
  if (providerId !== undefined) {
    throw new AwsFault('ValidationError', 'ProviderId is for OAuth 2.0 access tokens only')
  }
  const { tables } = call.world
  const { accountId } = readRoleArn(common.roleArn)
  const policies = readSessionPolicies(tables, accountId, common)
  const identity = await verifyIdentity(call, token, accountId)
  const { provider, claims, aws, audience } = identity
  if (aws.roles !== undefined && !aws.roles.includes(common.roleArn)) {
    throw invalidToken(
      'The target role ARN is not present in the roles claim of the identity token',
    )
  }
  const role = findRole(tables, common.roleArn)
  if (role === undefined) throw refused()
  checkTrust(call, role, identity, trustContext(identity, common.sessionName))
  checkDuration(role, common.durationSeconds)
  const started = startSession(call.world, {
    role,
    sessionName: common.sessionName,
    durationSeconds: common.durationSeconds,
    region: call.region,
    tags: Object.fromEntries(aws.tags.map(({ Key, Value }) => [Key, Value])),
    transitiveTagKeys: aws.transitiveKeys,
    sourceIdentity: aws.sourceIdentity,
    policies,
    context: { ...claimKeys(identity), 'aws:FederatedProvider': provider.arn },
    minimumTokenSize: common.minimumTokenSize,
  })
  return {
    SubjectFromWebIdentityToken: claims.sub,
    Audience: audience,
    Provider: claims.iss,
    ...sessionMembers(started),
  }
}

const invalidToken = (message: string): AwsFault => new AwsFault('InvalidIdentityToken', message)

const refused = (logged = false): AwsFault =>
  new AwsFault('AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity', {
    status: 403,
    logged,
  })

async function verifyIdentity(call: Call, token: string, accountId: string): Promise<WebIdentity> {
  const { tables, partition, issuerKeys, log } = call.world
  const unverified = decode(token)
  const { iss, aud, azp } = unverified
  if (aud.length > 1 && azp === undefined) {
    throw invalidToken(
      'Token audience contains more than one audience while authorized party is not present',
    )
  }
  const url = iss.startsWith('https://') ? iss.slice('https://'.length) : ''
  const provider = tables.providers.get(`arn:${partition}:iam::${accountId}:oidc-provider/${url}`)
  if (url === '' || provider === undefined) {
    throw invalidToken(`No OpenIDConnect provider found in your account for ${iss.slice(0, 300)}`)
  }
  const audience = azp ?? aud[0] ?? ''
  if (!provider.clientIds.includes(audience)) throw invalidToken('Incorrect token audience')
  let keys: KeySet
  try {
    keys = await issuerKeys(iss)
  } catch (error) {
    log.info('keys of an issuer could not be read', { issuer: iss, ...faultFields(error) })
    throw invalidToken(NO_KEY)
  }
  const claims = await verify(call, token, keys)
  const maxTags = quotaValue(tables, accountId, 'sessionTags')
  return { provider, claims, aws: awsClaimsOf(claims, maxTags), audience }
}

function awsClaimsOf(claims: TokenClaims, maxTags: number): AwsClaims {
  try {
    return readAwsClaims(claims, maxTags)
  } catch (error) {
    throw error instanceof TokenFault ? invalidToken(error.message) : error
  }
}

/** The claims as they stand, before anything is believed. */
function decode(token: string): TokenClaims {
  try {
    return decodeToken(token).claims
  } catch (error) {
    throw tokenFault(error, 0)
  }
}

async function verify(call: Call, token: string, keys: KeySet): Promise<TokenClaims> {
  const { nowMs } = call
  try {
    const { claims } = await verifyToken(token, {
      keys,
      nowMs,
      expiryLeewaySeconds: LEEWAY_SECONDS,
      futureLeewaySeconds: LEEWAY_SECONDS,
      requiredClaims: ['iat'],
    })
    return claims
  } catch (error) {
    throw tokenFault(error, nowMs)
  }
}

function tokenFault(thrown: unknown, nowMs: number): unknown {
  if (!(thrown instanceof TokenFault)) return thrown
  switch (thrown.reason) {
    case 'missing-claim':
      return invalidToken(`Missing a required claim: ${thrown.claim ?? ''}`)
    case 'expired':
      return new AwsFault(
        'ExpiredTokenException',
        `Token expired: current date/time ${Math.floor(nowMs / 1000)} must be before the expiration date/time ${thrown.claims?.exp ?? 0}`,
      )
    case 'unknown-key':
    case 'too-many-keys':
      return invalidToken(NO_KEY)
    case 'wrong-audience':
      return invalidToken('Incorrect token audience')
    case 'malformed':
    case 'unsupported-algorithm':
    case 'bad-signature':
    case 'wrong-issuer':
    case 'not-yet-valid':
      return invalidToken(`${NOT_A_JWT} (${thrown.message})`)
    default:
      return thrown.reason satisfies never
  }
}

/** `ISSUER:aud`, `:sub` and `:amr`: in the trust policy and in every later request. */
function claimKeys({ provider, claims, audience }: WebIdentity): ContextKeys {
  const amr = claims.raw['amr']
  const methods = (Array.isArray(amr) ? amr : [amr]).filter(
    (method): method is string => typeof method === 'string',
  )
  return {
    [`${provider.url}:aud`]: audience,
    [`${provider.url}:sub`]: claims.sub,
    ...(methods.length > 0 && { [`${provider.url}:amr`]: methods }),
  }
}

function trustContext(identity: WebIdentity, sessionName: string): ContextKeys {
  const { provider, claims, aws } = identity
  const { email } = claims.raw
  return {
    ...claimKeys(identity),
    ...(typeof email === 'string' && { [`${provider.url}:email`]: email }),
    ...(claims.azp !== undefined && { [`${provider.url}:oaud`]: claims.aud }),
    ...requestTagKeys(aws.tags),
    ...(aws.transitiveKeys.length > 0 && { 'sts:TransitiveTagKeys': aws.transitiveKeys }),
    ...(aws.sourceIdentity !== undefined && { 'sts:SourceIdentity': aws.sourceIdentity }),
    'sts:RoleSessionName': sessionName,
    'sts:RoleAuthorizedByIdp': String(aws.roles !== undefined),
  }
}

/** The trust policy must allow the call itself, and what comes with the token. */
function checkTrust(
  call: Call,
  role: RoleRecord,
  identity: WebIdentity,
  context: ContextKeys,
): void {
  const { provider, aws } = identity
  const needed = [
    'sts:AssumeRoleWithWebIdentity',
    ...(aws.tags.length > 0 ? ['sts:TagSession'] : []),
    ...(aws.sourceIdentity === undefined ? [] : ['sts:SetSourceIdentity']),
  ]
  const caller = { kind: 'web-identity', provider: provider.arn } as const
  for (const action of needed) {
    const decision = decideTrust(call, { caller, key: undefined, action, role, context })
    if (!decision.allowed) throw refused(true)
  }
}
