import { lookUpContext } from './context-lookup.ts'
import type { PrincipalMatch } from './principal.ts'
import { describeCaller } from './principal.ts'
import type { AccessRequest, Caller } from './request.ts'
import { judgePolicy } from './statement.ts'
import type {
  EvaluationScope,
  JudgedStatement,
  PolicyUse,
  PolicySource,
  StatementOutcome,
} from './statement.ts'

export type { PolicySource, StatementOutcome } from './statement.ts'

/** The policies that speak about a request. */
export interface Policies {
  /** Attached to the caller; none for anonymous callers, web identities and services. */
  readonly identity: readonly PolicySource[]
  /** The caller's permissions boundary. */
  readonly boundary?: PolicySource
  /** The session's policies; a request must be allowed by one of them. */
  readonly session?: readonly PolicySource[]
  /** Service control policies over the caller's account; each must allow. */
  readonly organization?: readonly PolicySource[]
  /** The resource's own policy, such as a bucket policy. */
  readonly resource?: PolicySource
}

/** Why a request is allowed or not; the codes are stable. */
export type DecisionReason =
  | 'allowed-by-identity-policy'
  | 'allowed-by-resource-policy'
  | 'allowed-by-identity-and-resource-policy'
  | 'allowed-by-trust-policy'
  | 'allowed-by-identity-and-trust-policy'
  | 'allowed-as-root'
  | 'allowed-always'
  | 'explicit-deny-in-identity-policy'
  | 'explicit-deny-in-boundary'
  | 'explicit-deny-in-session-policy'
  | 'explicit-deny-in-resource-policy'
  | 'explicit-deny-in-trust-policy'
  | 'explicit-deny-in-service-control-policy'
  | 'service-control-policy-does-not-allow'
  | 'no-identity-policy-allows'
  | 'boundary-does-not-allow'
  | 'session-policy-does-not-allow'
  | 'resource-policy-does-not-allow'
  | 'trust-policy-does-not-allow'
  | 'root-cannot-assume-roles'

/** A verdict, with what every statement said, in the order of the policies. */
export interface Decision {
  readonly allowed: boolean
  readonly reason: DecisionReason
  /** One sentence. */
  readonly text: string
  readonly statements: readonly StatementOutcome[]
}

type SignedCaller = Extract<Caller, { readonly accountId: string }>

interface Evaluation {
  readonly request: AccessRequest
  readonly judged: readonly JudgedStatement[]
  readonly hasBoundary: boolean
  readonly hasSessionPolicy: boolean
  /** Whether each of the organization's policies allows; true where there is none. */
  readonly organizationAllows: boolean
  /** The policy of the other side: the resource's, or the role's trust policy. */
  readonly side: 'resource' | 'trust'
}

const NO_POLICIES: Policies = { identity: [] }

/**
 * No permissions are required for these, and an explicit Deny does not refuse them either.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_getsessiontoken.html
 */
const ALLOWED_ALWAYS: ReadonlySet<string> = new Set([
  'sts:getcalleridentity',
  'sts:getsessiontoken',
])

/**
 * Decides a request: identity policies within boundary and session policies, joined with the
 * resource's policy in the same account, both needed across accounts. An explicit Deny anywhere
 * wins. `context` must hold the caller's own keys (`principalContext`). Of an organization's
 * policies, those of service control limit every caller of the account, its root user too; those of
 * resource control are not known here.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 */
export function authorize(request: AccessRequest, policies: Policies): Decision {
  const { caller } = request
  const signed = asSigned(caller)
  const own = signed === undefined ? NO_POLICIES : policies
  const evaluation = evaluatePolicies(request, own, 'resource', policies.resource)
  if (signed !== undefined && ALLOWED_ALWAYS.has(request.action.toLowerCase())) {
    return decide(evaluation, 'allowed-always')
  }
  const denied = explicitDeny(evaluation)
  if (denied !== undefined) return decide(evaluation, denied)
  if (!evaluation.organizationAllows) {
    return decide(evaluation, 'service-control-policy-does-not-allow')
  }
  if (signed === undefined) {
    const granted = grants(evaluation, 'resource').length > 0
    return decide(
      evaluation,
      granted ? 'allowed-by-resource-policy' : 'resource-policy-does-not-allow',
    )
  }
  const sameAccount = signed.accountId === request.resourceAccountId
  if (signed.kind === 'root' && sameAccount) return decide(evaluation, 'allowed-as-root')
  if (sameAccount) return decide(evaluation, decideWithinAccount(evaluation))
  return decide(evaluation, decideAcrossAccounts(evaluation, signed))
}

/**
 * Decides an action of the AssumeRole family on a role. The trust policy must allow it explicitly.
 * A web identity or a service is judged by the trust policy alone; so is a caller of the same
 * account that the policy names itself (not by its account).
 * `request.resource` is the role's ARN and `request.resourceAccountId` its account.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
 */
export function authorizeTrust(
  request: AccessRequest,
  trust: PolicySource,
  caller: Policies,
): Decision {
  const signed = asSigned(request.caller)
  const own = signed === undefined ? NO_POLICIES : caller
  const evaluation = evaluatePolicies(request, own, 'trust', trust)
  const denied = explicitDeny(evaluation)
  if (denied !== undefined) return decide(evaluation, denied)
  if (!evaluation.organizationAllows) {
    return decide(evaluation, 'service-control-policy-does-not-allow')
  }
  if (signed?.kind === 'root') return decide(evaluation, 'root-cannot-assume-roles')
  const named = grants(evaluation, 'trust')
  if (named.length === 0) return decide(evaluation, 'trust-policy-does-not-allow')
  if (signed === undefined) {
    const known = request.caller.kind !== 'anonymous'
    return decide(evaluation, known ? 'allowed-by-trust-policy' : 'trust-policy-does-not-allow')
  }
  if (signed.accountId === request.resourceAccountId) {
    const direct = decideByName(evaluation, named)
    if (direct === 'granted') return decide(evaluation, 'allowed-by-trust-policy')
    if (direct !== undefined) return decide(evaluation, direct)
  }
  return decide(evaluation, identityFault(evaluation) ?? 'allowed-by-identity-and-trust-policy')
}

function asSigned(caller: Caller): SignedCaller | undefined {
  return 'accountId' in caller ? caller : undefined
}

function evaluatePolicies(
  request: AccessRequest,
  own: Policies,
  side: 'resource' | 'trust',
  sidePolicy: PolicySource | undefined,
): Evaluation {
  const scope: EvaluationScope = {
    request,
    context: lookUpContext(request.context),
    hasBoundary: own.boundary !== undefined,
  }
  const boundary = own.boundary === undefined ? [] : [own.boundary]
  const session = own.session ?? []
  const judge = (sources: readonly PolicySource[], use: PolicyUse): readonly JudgedStatement[] =>
    sources.flatMap((source) => judgePolicy(source, use, scope))
  const organization = (own.organization ?? []).map((source) => judge([source], 'organization'))
  return {
    request,
    judged: [
      ...organization.flat(),
      ...judge(sidePolicy === undefined ? [] : [sidePolicy], side),
      ...judge(own.identity, 'identity'),
      ...judge(boundary, 'boundary'),
      ...judge(session, 'session'),
    ],
    hasBoundary: boundary.length > 0,
    hasSessionPolicy: session.length > 0,
    organizationAllows: organization.every((judged) =>
      judged.some(({ outcome }) => outcome.matched && outcome.effect === 'Allow'),
    ),
    side,
  }
}

function explicitDeny(evaluation: Evaluation): DecisionReason | undefined {
  const denied = evaluation.judged.find(
    ({ outcome }) => outcome.matched && outcome.effect === 'Deny',
  )
  if (denied === undefined) return undefined
  switch (denied.outcome.policyUse) {
    case 'identity':
      return 'explicit-deny-in-identity-policy'
    case 'boundary':
      return 'explicit-deny-in-boundary'
    case 'session':
      return 'explicit-deny-in-session-policy'
    case 'resource':
      return 'explicit-deny-in-resource-policy'
    case 'trust':
      return 'explicit-deny-in-trust-policy'
    case 'organization':
      return 'explicit-deny-in-service-control-policy'
    default:
      return denied.outcome.policyUse satisfies never
  }
}

/** The Allow statements of a resource or trust policy that matched. */
function grants(evaluation: Evaluation, side: 'resource' | 'trust'): readonly JudgedStatement[] {
  return evaluation.judged.filter(
    ({ outcome }) => outcome.matched && outcome.effect === 'Allow' && outcome.policyUse === side,
  )
}

function allows(evaluation: Evaluation, use: PolicyUse): boolean {
  return evaluation.judged.some(
    ({ outcome }) => outcome.matched && outcome.effect === 'Allow' && outcome.policyUse === use,
  )
}

/** What keeps the caller's own side from allowing: identity policy, boundary or session policy. */
function identityFault(evaluation: Evaluation): DecisionReason | undefined {
  const fault = allows(evaluation, 'identity') ? undefined : 'no-identity-policy-allows'
  return fault ?? limitFault(evaluation)
}

function limitFault(evaluation: Evaluation): DecisionReason | undefined {
  if (evaluation.hasBoundary && !allows(evaluation, 'boundary')) return 'boundary-does-not-allow'
  if (evaluation.hasSessionPolicy && !allows(evaluation, 'session')) {
    return 'session-policy-does-not-allow'
  }
  return undefined
}

/**
 * What the other side's policy gives by itself in the same account: all to a caller that it names
 * exactly or by `*`, to a role's session what boundary and session policy leave, nothing to a
 * caller that it names by the account.
 */
function decideByName(
  evaluation: Evaluation,
  named: readonly JudgedStatement[],
): 'granted' | DecisionReason | undefined {
  const ways = new Set<PrincipalMatch | undefined>(named.map(({ principal }) => principal))
  if (ways.has('exact') || ways.has('everyone')) return 'granted'
  if (ways.has('role')) return limitFault(evaluation) ?? 'granted'
  return undefined
}

function decideWithinAccount(evaluation: Evaluation): DecisionReason {
  const named = grants(evaluation, 'resource')
  const direct = decideByName(evaluation, named)
  if (direct === 'granted') return 'allowed-by-resource-policy'
  const fault = identityFault(evaluation)
  if (fault === undefined) return 'allowed-by-identity-policy'
  return fault === 'no-identity-policy-allows' ? (direct ?? fault) : fault
}

function decideAcrossAccounts(evaluation: Evaluation, caller: SignedCaller): DecisionReason {
  const fault = caller.kind === 'root' ? undefined : identityFault(evaluation)
  if (grants(evaluation, 'resource').length === 0) return fault ?? 'resource-policy-does-not-allow'
  return fault ?? 'allowed-by-identity-and-resource-policy'
}

function decide(evaluation: Evaluation, reason: DecisionReason): Decision {
  const { request } = evaluation
  const allowed = reason.startsWith('allowed-')
  const verb = allowed ? 'may' : 'may not'
  const what = `${describeCaller(request.caller)} ${verb} call ${request.action} on ${request.resource}`
  return {
    allowed,
    reason,
    text: `${what}: ${REASON_TEXTS[reason]}`,
    statements: evaluation.judged.map(({ outcome }) => outcome),
  }
}

const REASON_TEXTS: Readonly<Record<DecisionReason, string>> = {
  'allowed-by-identity-policy': 'an identity policy allows it',
  'allowed-by-resource-policy': "the resource's policy allows it",
  'allowed-by-identity-and-resource-policy':
    "an identity policy and the resource's policy, of another account, both allow it",
  'allowed-by-trust-policy': "the role's trust policy allows it",
  'allowed-by-identity-and-trust-policy':
    "an identity policy and the role's trust policy both allow it",
  'allowed-as-root': 'the root user of the account may do everything that no policy denies',
  'allowed-always': 'no policy can refuse this action',
  'explicit-deny-in-identity-policy': 'an identity policy denies it explicitly',
  'explicit-deny-in-boundary': 'the permissions boundary denies it explicitly',
  'explicit-deny-in-session-policy': 'a session policy denies it explicitly',
  'explicit-deny-in-resource-policy': "the resource's policy denies it explicitly",
  'explicit-deny-in-trust-policy': "the role's trust policy denies it explicitly",
  'explicit-deny-in-service-control-policy': 'a service control policy denies it explicitly',
  'service-control-policy-does-not-allow': 'not every service control policy allows it',
  'no-identity-policy-allows': 'no identity policy allows it',
  'boundary-does-not-allow': 'the permissions boundary does not allow it',
  'session-policy-does-not-allow': 'no session policy allows it',
  'resource-policy-does-not-allow': "the resource's policy does not allow it",
  'trust-policy-does-not-allow': "no statement of the role's trust policy allows it",
  'root-cannot-assume-roles': 'a root user cannot assume a role',
}
