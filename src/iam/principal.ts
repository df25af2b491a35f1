import { isBuiltInProvider } from './policy-principals.ts'
import type { PolicyPrincipal, PolicyStatement } from './policy-document.ts'
import type { Caller, ContextKeys } from './request.ts'

/**
 * How a statement names a caller. It decides what an Allow is worth: an account only delegates to
 * its identity policies, the role or user behind a session is limited by the implicit deny of
 * boundary and session policy, an exact name and `*` are not.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
 */
export type PrincipalMatch = 'exact' | 'everyone' | 'role' | 'account'

const STRENGTH: readonly PrincipalMatch[] = ['exact', 'everyone', 'role', 'account']

/** Where a statement with a Principal stands. */
export interface PrincipalScope {
  readonly caller: Caller
  /** The account that owns the role or bucket: OIDC and SAML providers are that account's. */
  readonly accountId: string
  readonly kind: 'trust' | 'resource'
  /** Deny with NotPrincipal hits every caller that has one. */
  readonly hasBoundary: boolean
}

/** How the statement names the caller, at its strongest; undefined when it does not. */
export function matchStatementPrincipal(
  statement: PolicyStatement,
  scope: PrincipalScope,
): PrincipalMatch | undefined {
  if (statement.notPrincipals !== undefined) {
    return isExempt(statement.notPrincipals, scope) ? undefined : 'everyone'
  }
  const matches = new Set(
    (statement.principals ?? []).map((principal) =>
      matchPrincipal(principal, scope, statement.effect),
    ),
  )
  return STRENGTH.find((match) => matches.has(match))
}

/**
 * The condition keys that a caller brings into every signed request. A web identity brings none:
 * its call is not signed.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
 */
export function principalContext(caller: Caller): ContextKeys {
  switch (caller.kind) {
    case 'anonymous':
      return {
        'aws:PrincipalAccount': 'anonymous',
        'aws:PrincipalType': 'Anonymous',
        'aws:userid': 'anonymous',
      }
    case 'root':
      return { ...signedContext(caller, 'Account'), 'aws:userid': caller.accountId }
    case 'user':
      return {
        ...signedContext(caller, 'User'),
        'aws:userid': caller.userId,
        'aws:username': caller.arn.slice(caller.arn.lastIndexOf('/') + 1),
      }
    case 'role-session':
      return {
        ...signedContext({ ...caller, arn: caller.roleArn }, 'AssumedRole'),
        'aws:userid': `${caller.roleId}:${caller.sessionName}`,
      }
    case 'federated-user':
      return { ...signedContext(caller, 'FederatedUser'), 'aws:userid': caller.userId }
    case 'web-identity':
      return {}
    case 'service':
      return {
        'aws:PrincipalIsAWSService': 'true',
        'aws:PrincipalServiceName': caller.service,
        'aws:PrincipalServiceNamesList': [caller.service],
      }
    default:
      return caller satisfies never
  }
}

/** A caller in few words, for reasons and explanations. */
export function describeCaller(caller: Caller): string {
  switch (caller.kind) {
    case 'anonymous':
      return 'an anonymous caller'
    case 'root':
    case 'user':
    case 'role-session':
    case 'federated-user':
      return caller.arn
    case 'web-identity':
      return `a web identity of ${caller.provider}`
    case 'service':
      return `the service ${caller.service}`
    default:
      return caller satisfies never
  }
}

function signedContext(
  caller: { readonly accountId: string; readonly arn: string },
  type: string,
): ContextKeys {
  return {
    'aws:PrincipalAccount': caller.accountId,
    'aws:PrincipalArn': caller.arn,
    'aws:PrincipalIsAWSService': 'false',
    'aws:PrincipalType': type,
  }
}

function matchPrincipal(
  principal: PolicyPrincipal,
  scope: PrincipalScope,
  effect: 'Allow' | 'Deny',
): PrincipalMatch | undefined {
  const { caller } = scope
  switch (principal.type) {
    case 'AWS':
      if (principal.value === '*') return coversEveryone(scope, effect) ? 'everyone' : undefined
      return matchAwsPrincipal(principal.value, caller)
    case 'Federated':
      return caller.kind === 'web-identity' &&
        principal.value === caller.provider &&
        isProviderOf(caller.provider, scope.accountId)
        ? 'exact'
        : undefined
    case 'Service':
      return caller.kind === 'service' && principal.value === caller.service ? 'exact' : undefined
    case 'CanonicalUser':
      // Accounts have no canonical ids here, so it names nobody that can call.
      return undefined
    default:
      return principal.type satisfies never
  }
}

/**
 * Whether `*` allows web identities and services to assume a role is not documented: an Allow does
 * not cover them, a Deny does (AWS's own control policies deny federated callers so).
 */
function coversEveryone(scope: PrincipalScope, effect: 'Allow' | 'Deny'): boolean {
  if (effect === 'Deny' || scope.kind === 'resource') return true
  return scope.caller.kind !== 'web-identity' && scope.caller.kind !== 'service'
}

function matchAwsPrincipal(value: string, caller: Caller): PrincipalMatch | undefined {
  if (!('accountId' in caller)) return undefined
  if (value === caller.arn) return caller.kind === 'root' ? 'account' : 'exact'
  if (caller.kind === 'role-session' && value === caller.roleArn) return 'role'
  if (caller.kind === 'federated-user' && value === caller.userArn) return 'role'
  return isAccount(value, caller) ? 'account' : undefined
}

function isAccount(
  value: string,
  caller: { readonly accountId: string; readonly arn: string },
): boolean {
  const partition = caller.arn.split(':', 2)[1] ?? ''
  return value === caller.accountId || value === `arn:${partition}:iam::${caller.accountId}:root`
}

/** A provider serves its own account's roles only; the built-in ones serve every account's. */
function isProviderOf(provider: string, accountId: string): boolean {
  return isBuiltInProvider(provider) || provider.split(':', 5)[4] === accountId
}

/**
 * Deny with NotPrincipal spares a caller only when every name that it goes by is listed: a session
 * with its role and its account, a user with its account.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
 */
function isExempt(listed: readonly PolicyPrincipal[], scope: PrincipalScope): boolean {
  if (scope.hasBoundary) return false
  if (listed.some(({ type, value }) => type === 'AWS' && value === '*')) return true
  const { caller } = scope
  const found = new Set(listed.map((principal) => matchPrincipal(principal, scope, 'Deny')))
  switch (caller.kind) {
    case 'anonymous':
      return false
    case 'root':
      return found.has('account')
    case 'user':
    case 'federated-user':
      return found.has('exact') && found.has('account')
    case 'role-session':
      return found.has('exact') && found.has('role') && found.has('account')
    case 'web-identity':
    case 'service':
      return found.has('exact')
    default:
      return caller satisfies never
  }
}
