/**
 * Who comes into an EKS cluster with an AWS identity, and what access policies let them do. Sources:
 * EKS User Guide, "Grant IAM users access to Kubernetes with EKS access entries", "Associate access
 * policies with access entries" and "Review access policy permissions" (which says that they are
 * like Kubernetes' user-facing roles, and lists them rule by rule).
 */
import type { AccessAttributes, Authorizer } from './authorization.ts'
import policies from './eks-access-policies.json'
import roles from './rbac/bootstrap-roles.json'
import { parseRules, ruleAllows, type PolicyRule } from './rbac/policy-rules.ts'
import type { UserInfo } from './users.ts'

/** What a verified EKS token says: the caller of the GetCallerIdentity that it presigns. */
export interface EksIdentity {
  readonly accountId: string
  /** As GetCallerIdentity shows it: `arn:aws:sts::1:assumed-role/NAME/SESSION`. */
  readonly arn: string
  /** Of the role, with its path, or of the user: never a session's. */
  readonly principalArn: string
  /** `AROA…` or `AIDA…`: a role made again under its old name has another. */
  readonly uniqueId: string
  readonly sessionName?: string
  readonly accessKeyId: string
}

/** An access entry as authentication and authorization need it. */
export interface AccessEntry {
  /** May hold `{{AccountID}}`, `{{SessionName}}` (`@` becomes `-`) and `{{SessionNameRaw}}`. */
  readonly username: string
  readonly groups: readonly string[]
  readonly policies: readonly {
    readonly policyArn: string
    readonly name: string
    readonly scope:
      | { readonly type: 'cluster' }
      | { readonly type: 'namespace'; readonly namespaces: readonly string[] }
  }[]
}

/** One cluster's access entries, as they are now. */
export interface AccessEntrySource {
  /** Undefined for strangers, and for a role that was made again after its entry. */
  find(caller: {
    readonly principalArn: string
    readonly uniqueId: string
    readonly sessionName?: string
  }): AccessEntry | undefined
}

/** What makes a cluster an EKS cluster to its clients. */
export interface EksAccess {
  /** Verifies `k8s-aws-v1.…` against AWS; undefined where AWS does not know the caller. */
  eksTokens(token: string): Promise<EksIdentity | undefined>
  readonly entries: AccessEntrySource
}

export const EKS_TOKEN_PREFIX = 'k8s-aws-v1.'

/** The Kubernetes user that an EKS token's owner is; a string says why there is none. */
export async function userOfEksToken(access: EksAccess, token: string): Promise<UserInfo | string> {
  const identity = await access.eksTokens(token)
  if (identity === undefined) return 'AWS STS does not take the presigned request of the token'
  const entry = access.entries.find(identity)
  if (entry === undefined) {
    return `no access entry is bound to ${identity.principalArn} (${identity.uniqueId})`
  }
  const { accountId, arn, principalArn, uniqueId, sessionName = '', accessKeyId } = identity
  const parts: Readonly<Record<string, string>> = {
    '{{AccountID}}': accountId,
    '{{SessionName}}': sessionName.replaceAll('@', '-'),
    '{{SessionNameRaw}}': sessionName,
    '{{EC2PrivateDNSName}}': sessionName,
  }
  return {
    username: entry.username.replace(/\{\{\w+\}\}/g, (part) => parts[part] ?? part),
    uid: `aws-iam-authenticator:${accountId}:${uniqueId}`,
    groups: [...entry.groups],
    extra: {
      accessKeyId: [accessKeyId],
      arn: [arn],
      canonicalArn: [principalArn],
      principalId: [uniqueId],
      sessionName: [sessionName],
    },
  }
}

interface PolicyRow {
  readonly rules?: readonly (readonly string[])[]
  /** Names of Kubernetes' own roles whose rules the policy has. */
  readonly roles?: readonly string[]
}

const ROLES: Readonly<Record<string, { readonly rules: readonly (readonly string[])[] }>> =
  roles.roles

const POLICY_RULES: ReadonlyMap<string, readonly PolicyRule[]> = new Map(
  Object.entries<PolicyRow>(policies).map(([name, row]) => [
    name,
    parseRules([
      ...(row.rules ?? []),
      ...(row.roles ?? []).flatMap((role) => ROLES[role]?.rules ?? []),
    ]),
  ]),
)

/** Allows what the access policies of the caller's entry allow, beside RBAC. */
export function accessPolicyAuthorizer(access: EksAccess): Authorizer {
  return (attributes) => {
    const { extra = {} } = attributes.user
    const [principalArn] = extra['canonicalArn'] ?? []
    const [uniqueId] = extra['principalId'] ?? []
    if (principalArn === undefined || uniqueId === undefined) return REFUSED
    const entry = access.entries.find({ principalArn, uniqueId })
    for (const { name, policyArn, scope } of entry?.policies ?? []) {
      if (scope.type === 'namespace' && !isInScope(attributes, scope.namespaces)) continue
      const rule = POLICY_RULES.get(name)?.find((one) => ruleAllows(one, attributes))
      if (rule === undefined) continue
      const says = `${scope.type === 'cluster' ? 'ClusterRoleBinding' : 'RoleBinding'} "${principalArn}+${policyArn}" of ClusterRole "${policyArn}" to User "${principalArn}"`
      return { allowed: true, reason: `EKS Access Policy: allowed by ${says}`, rule }
    }
    return REFUSED
  }
}

const REFUSED = { allowed: false, reason: '' } as const

/** Whether the request is in one of the namespaces, which may hold `*`. */
function isInScope({ resource }: AccessAttributes, patterns: readonly string[]): boolean {
  const namespace = resource?.namespace
  return namespace !== undefined && patterns.some((pattern) => matches(pattern, namespace))
}

/** `*` matches any letters; greedy from the left, without backtracking over the whole. */
function matches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === text
  const last = rest.pop() ?? ''
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
