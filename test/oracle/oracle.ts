/**
 * A second evaluator of IAM policies, slow and plain, written from AWS's documentation alone. It
 * imports nothing of src/, so that what it shares with podrole's own evaluator is the
 * documentation and nothing else.
 *
 * It takes valid policies, as parsed JSON. What the documentation leaves open it does not answer;
 * the generator beside it does not ask.
 *
 * Sources, all IAM User Guide: "Policy evaluation logic" and "How AWS enforcement code logic
 * evaluates requests to allow or deny access" (reference_policies_evaluation-logic_
 * policy-eval-denyallow), "Cross-account policy evaluation logic"
 * (reference_policies_evaluation-logic-cross-account), "AWS JSON policy elements: Principal"
 * (reference_policies_elements_principal), "… Action", "… NotAction", "… Resource",
 * "… NotResource", "… Version".
 */
import type { ConditionBlock } from './conditions.ts'
import { holds } from './conditions.ts'
import type { Context } from './template.ts'
import { covers, cutArn, cutAtColons, readTemplate } from './template.ts'

export type { Context } from './template.ts'

/** Who asks. */
export type OracleCaller =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'root'; readonly accountId: string; readonly arn: string }
  | { readonly kind: 'user'; readonly accountId: string; readonly arn: string }
  | {
      readonly kind: 'role-session'
      readonly accountId: string
      readonly arn: string
      readonly roleArn: string
    }
  | { readonly kind: 'web-identity'; readonly provider: string }
  | { readonly kind: 'service'; readonly service: string }

/** One question. */
export interface OracleRequest {
  readonly caller: OracleCaller
  readonly action: string
  readonly resource: string
  readonly resourceAccountId: string
  readonly context: Context
}

type OneOrMore<T> = T | readonly T[]

/** A valid policy as parsed JSON. */
export interface JsonPolicy {
  readonly Version?: string
  readonly Statement: OneOrMore<JsonStatement>
}

/** A statement of it. */
export interface JsonStatement {
  readonly Effect: 'Allow' | 'Deny'
  readonly Principal?: '*' | Readonly<Record<string, OneOrMore<string>>>
  readonly Action?: OneOrMore<string>
  readonly NotAction?: OneOrMore<string>
  readonly Resource?: OneOrMore<string>
  readonly NotResource?: OneOrMore<string>
  readonly Condition?: ConditionBlock
}

/** What the caller brings along. */
export interface CallerJsonPolicies {
  readonly identity: readonly JsonPolicy[]
  readonly boundary?: JsonPolicy
  readonly session?: readonly JsonPolicy[]
}

/** And the policy of the resource, if it has one. */
export interface JsonPolicies extends CallerJsonPolicies {
  readonly resource?: JsonPolicy
}

/** The operator whose answers are turned round, to show that a comparison can fail. */
export interface OracleOptions {
  readonly flipped?: string | undefined
}

/** How a statement came to name a caller; what that is worth depends on it. */
type Naming = 'everyone' | 'account' | 'role' | 'session' | 'user' | 'service' | 'federated'

interface Question {
  readonly request: OracleRequest
  readonly options: OracleOptions
}

const list = <T>(value: OneOrMore<T> | undefined): readonly T[] => {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}

/** Whether a request is allowed by a caller's policies and the resource's. */
export function oracleAuthorize(
  policies: JsonPolicies,
  request: OracleRequest,
  options: OracleOptions = {},
): { allowed: boolean } {
  // "No permissions are required to perform this operation" (STS, GetCallerIdentity).
  if (request.action.toLowerCase() === 'sts:getcalleridentity') return { allowed: true }
  const question = { request, options }
  const { caller } = request
  if (isDeniedToCaller(policies, question)) return { allowed: false }
  if (isDeniedByResource(policies.resource, question)) return { allowed: false }
  const namings = findGrants(policies.resource, question)
  if (!('accountId' in caller)) return { allowed: namings.length > 0 }
  const isFromCaller = allowsCaller(policies, question)
  if (caller.accountId !== request.resourceAccountId) {
    return { allowed: isFromCaller && namings.length > 0 }
  }
  return { allowed: isFromCaller || namesDirectly(namings, policies, question) }
}

/** Whether a role's trust policy, and the caller's own policies, let a caller assume it. */
export function oracleTrust(
  trust: JsonPolicy,
  request: OracleRequest,
  policies: CallerJsonPolicies,
  options: OracleOptions = {},
): { allowed: boolean } {
  const question = { request, options }
  const { caller } = request
  if (isDeniedToCaller(policies, question)) return { allowed: false }
  if (isDeniedByResource(trust, question)) return { allowed: false }
  // A trust policy must say yes itself: what the caller's own policies allow does not replace it.
  const namings = findGrants(trust, question)
  if (namings.length === 0) return { allowed: false }
  if (!('accountId' in caller)) return { allowed: true }
  const isFromCaller = allowsCaller(policies, question)
  if (caller.accountId !== request.resourceAccountId) return { allowed: isFromCaller }
  return { allowed: isFromCaller || namesDirectly(namings, policies, question) }
}

/**
 * Whether a resource's policy in the caller's own account is enough without an identity policy.
 * Naming the account hands the decision to that account's identity policies. Naming a role leaves
 * its boundary and its session policy in force. Naming a user, a session or everyone is past both.
 */
function namesDirectly(
  namings: readonly Naming[],
  policies: CallerJsonPolicies,
  question: Question,
): boolean {
  if (namings.some((naming) => ['everyone', 'session', 'user'].includes(naming))) return true
  if (!namings.includes('role')) return false
  return allowsWithin(policies.boundary, question) && allowsSession(policies, question)
}

function isDeniedToCaller(policies: CallerJsonPolicies, question: Question): boolean {
  const all = [...policies.identity, ...list(policies.boundary), ...list(policies.session)]
  return all.some((policy) => hasStatement(policy, 'Deny', question))
}

function isDeniedByResource(policy: JsonPolicy | undefined, question: Question): boolean {
  if (policy === undefined) return false
  return list(policy.Statement).some(
    (statement) =>
      statement.Effect === 'Deny' &&
      findNamings(statement, question.request).length > 0 &&
      applies(statement, policy, question),
  )
}

/** Identity policies, within the boundary, within the session policies. */
function allowsCaller(policies: CallerJsonPolicies, question: Question): boolean {
  // The root user of an account has every permission, and no identity policy.
  if (question.request.caller.kind === 'root') return true
  return (
    policies.identity.some((policy) => hasStatement(policy, 'Allow', question)) &&
    allowsWithin(policies.boundary, question) &&
    allowsSession(policies, question)
  )
}

function allowsWithin(policy: JsonPolicy | undefined, question: Question): boolean {
  return policy === undefined || hasStatement(policy, 'Allow', question)
}

function allowsSession(policies: CallerJsonPolicies, question: Question): boolean {
  if (policies.session === undefined) return true
  return policies.session.some((policy) => hasStatement(policy, 'Allow', question))
}

function hasStatement(policy: JsonPolicy, effect: string, question: Question): boolean {
  return list(policy.Statement).some(
    (statement) => statement.Effect === effect && applies(statement, policy, question),
  )
}

/** All the ways in which the Allow statements of a resource's policy name the caller. */
function findGrants(policy: JsonPolicy | undefined, question: Question): Naming[] {
  if (policy === undefined) return []
  return list(policy.Statement)
    .filter((statement) => statement.Effect === 'Allow' && applies(statement, policy, question))
    .flatMap((statement) => findNamings(statement, question.request))
}

/** Whether action, resource and conditions of a statement fit; its principal is not looked at. */
function applies(statement: JsonStatement, policy: JsonPolicy, question: Question): boolean {
  const { request, options } = question
  const hasVariables = policy.Version === '2012-10-17'
  const context = request.context
  return (
    coversAction(statement, request.action) &&
    coversResource(statement, request.resource, hasVariables ? context : undefined) &&
    holds(statement.Condition ?? {}, { context, hasVariables, flipped: options.flipped })
  )
}

/** Names of services and actions are compared without case. */
function coversAction(statement: JsonStatement, action: string): boolean {
  const isOneOf = (patterns: readonly string[]): boolean =>
    patterns.some((pattern) =>
      covers(
        readTemplate(pattern.toLowerCase(), { wildcards: true, variables: undefined }) ?? [],
        action.toLowerCase(),
      ),
    )
  if (statement.NotAction !== undefined) return !isOneOf(list(statement.NotAction))
  return isOneOf(list(statement.Action))
}

/** A policy on a role (its trust policy) names no resource: the role is the resource. */
function coversResource(
  statement: JsonStatement,
  resource: string,
  variables: Context | undefined,
): boolean {
  const isOneOf = (patterns: readonly string[]): boolean =>
    patterns.some((pattern) => isResource(pattern, resource, variables))
  if (statement.NotResource !== undefined) return !isOneOf(list(statement.NotResource))
  if (statement.Resource === undefined) return true
  return isOneOf(list(statement.Resource))
}

/** In an identity policy the parts that an ARN lacks are stars. Case counts. */
function isResource(pattern: string, resource: string, variables: Context | undefined): boolean {
  if (pattern === '*') return true
  const parts = cutArn(resource)
  if (parts === undefined) return false
  const written = pattern.split(':')
  const whole = [...written, ...Array.from({ length: Math.max(0, 6 - written.length) }, () => '*')]
  const head = whole.slice(0, 5)
  // Variables are replaced in the last part of an ARN only.
  const last = readTemplate(whole.slice(5).join(':'), { wildcards: true, variables })
  if (last === undefined || !covers(last, parts[5] ?? '')) return false
  const headPieces = readTemplate(head.join(':'), { wildcards: true, variables: undefined }) ?? []
  return cutAtColons(headPieces, 5).every((part, at) => covers(part, parts[at] ?? ''))
}

/** How a statement names the caller: an empty list where it does not. */
function findNamings(statement: JsonStatement, request: OracleRequest): Naming[] {
  const { Principal: principal, Effect: effect } = statement
  if (principal === undefined) return []
  const byType = principal === '*' ? { AWS: '*' } : principal
  return Object.entries(byType).flatMap(([type, names]) =>
    list(names)
      .map((name) => findNaming(type, name, request))
      // Whether an Allow for everyone reaches a web identity is not documented: it does not here.
      .filter((naming) => naming !== 'everyone' || effect === 'Deny' || isAwsCaller(request))
      .filter((naming) => naming !== undefined),
  )
}

const isAwsCaller = ({ caller }: OracleRequest): boolean =>
  caller.kind !== 'web-identity' && caller.kind !== 'service'

function findNaming(type: string, name: string, request: OracleRequest): Naming | undefined {
  const { caller, resourceAccountId } = request
  if (type === 'AWS' && name === '*') return 'everyone'
  if (type === 'Service') {
    return caller.kind === 'service' && caller.service === name ? 'service' : undefined
  }
  if (type === 'Federated') {
    if (caller.kind !== 'web-identity' || caller.provider !== name) return undefined
    // An OIDC provider is of use to roles of its own account alone.
    const isElsewhere = name.startsWith('arn:') && cutArn(name)?.[4] !== resourceAccountId
    return isElsewhere ? undefined : 'federated'
  }
  if (!('accountId' in caller)) return undefined
  if (name === caller.accountId) return 'account'
  if (name === `arn:aws:iam::${caller.accountId}:root`) return 'account'
  if (caller.kind === 'user' && name === caller.arn) return 'user'
  if (caller.kind === 'role-session' && name === caller.arn) return 'session'
  if (caller.kind === 'role-session' && name === caller.roleArn) return 'role'
  return undefined
}
