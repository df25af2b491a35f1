/**
 * AssumeRoleWithWebIdentity, from AWS's documentation alone: which tokens STS takes, what a trust
 * policy sees of one, and which actions it must allow.
 *
 * Sources: IAM User Guide, "Create an OpenID Connect identity provider"
 * (id_roles_providers_create_oidc), "Available keys for AWS OIDC federation"
 * (reference_policies_iam-condition-keys), "Pass session tags in AWS STS" (id_session-tags),
 * "Monitor and control actions taken with assumed roles"
 * (id_credentials_temp_control-access_monitor).
 */
import { text, texts, type TrustCall } from './calls.ts'
import type { Context } from './template.ts'

/** The payload of a JWT as parsed JSON. */
export type Claims = Readonly<Record<string, unknown>>

/** What there is in the account of the role. */
export interface Account {
  readonly accountId: string
  readonly roleArn: string
  /** Issuer of an IAM OIDC provider → its client ids. */
  readonly providers: Readonly<Record<string, readonly string[]>>
  readonly nowSeconds: number
}

const LEEWAY_SECONDS = 300
const TAGS = 'https://aws.amazon.com/tags'

/** The call with a token; undefined where STS does not take the token. */
export function tokenCall(claims: Claims, account: Account): TrustCall | undefined {
  if (!isTakenBySts(claims, account)) return undefined
  const { accountId, roleArn } = account
  const host = text(claims['iss']).replace('https://', '')
  const actions = ['sts:AssumeRoleWithWebIdentity']
  if (Object.keys(tagsOf(claims)).length > 0) actions.push('sts:TagSession')
  if ('https://aws.amazon.com/source_identity' in claims) actions.push('sts:SetSourceIdentity')
  return {
    caller: { kind: 'web-identity', provider: `arn:aws:iam::${accountId}:oidc-provider/${host}` },
    resource: roleArn,
    resourceAccountId: accountId,
    context: keysOf(host, claims),
    actions,
  }
}

function tagKeys(tags: Readonly<Record<string, string>>, transitive: readonly string[]): Context {
  const names = Object.keys(tags)
  return {
    ...Object.fromEntries(names.map((name) => [`aws:RequestTag/${name}`, tags[name] ?? ''])),
    ...(names.length === 0 ? {} : { 'aws:TagKeys': names }),
    ...(transitive.length === 0 ? {} : { 'sts:TransitiveTagKeys': transitive }),
  }
}

/** Issuer, audience, times and the roles claim; the signature is always good here. */
function isTakenBySts(claims: Claims, { roleArn, providers, nowSeconds }: Account): boolean {
  if (['iss', 'aud', 'sub', 'iat', 'exp'].some((name) => !(name in claims))) return false
  const clientIds = providers[text(claims['iss'])]
  if (clientIds === undefined) return false
  const audiences = texts(claims['aud'])
  if (audiences.length > 1 && claims['azp'] === undefined) return false
  if (!clientIds.includes(text(claims['azp'] ?? audiences[0]))) return false
  if (nowSeconds > Number(claims['exp']) + LEEWAY_SECONDS) return false
  const begins = [claims['iat'], claims['nbf'] ?? 0].map(Number)
  if (begins.some((at) => at > nowSeconds + LEEWAY_SECONDS)) return false
  const roles = claims['https://aws.amazon.com/roles']
  if (roles === undefined) return true
  return (typeof roles === 'string' ? roles.split(';') : texts(roles)).includes(roleArn)
}

function keysOf(host: string, claims: Claims): Context {
  const { aud, azp, amr, email, sub } = claims
  const sourceIdentity = claims['https://aws.amazon.com/source_identity']
  return {
    [`${host}:aud`]: text(azp ?? texts(aud)[0]),
    [`${host}:sub`]: text(sub),
    ...(azp === undefined ? {} : { [`${host}:oaud`]: texts(aud) }),
    ...(amr === undefined ? {} : { [`${host}:amr`]: texts(amr) }),
    ...(email === undefined ? {} : { [`${host}:email`]: text(email) }),
    ...tagKeys(tagsOf(claims), transitiveKeysOf(claims)),
    ...(sourceIdentity === undefined ? {} : { 'sts:SourceIdentity': text(sourceIdentity) }),
    'sts:RoleAuthorizedByIdp': text('https://aws.amazon.com/roles' in claims),
  }
}

/** Session tags, in the nested form or the flattened one. */
function tagsOf(claims: Claims): Readonly<Record<string, string>> {
  const nested = claims[TAGS] as { principal_tags?: Record<string, unknown> } | undefined
  const flat = Object.entries(claims)
    .filter(([name]) => name.startsWith(`${TAGS}/principal_tags/`))
    .map(([name, value]) => [name.slice(`${TAGS}/principal_tags/`.length), value] as const)
  return Object.fromEntries(
    [...Object.entries(nested?.principal_tags ?? {}), ...flat].map(([name, value]) => [
      name,
      texts(value)[0] ?? '',
    ]),
  )
}

function transitiveKeysOf(claims: Claims): readonly string[] {
  const nested = claims[TAGS] as { transitive_tag_keys?: unknown } | undefined
  return [...texts(nested?.transitive_tag_keys), ...texts(claims[`${TAGS}/transitive_tag_keys`])]
}
