import {
  authorize as decide,
  authorizeTrust,
  type Decision,
  type Policies,
} from '../../../iam/evaluate.ts'
import { principalContext } from '../../../iam/principal.ts'
import type { AccessRequest, Caller, ContextKeys } from '../../../iam/request.ts'
import type { PrincipalIds } from '../iam/principals.ts'
import { SANDBOX_USER_AGENT } from '../decisions.ts'
import type { KeyRecord, RoleRecord, Tables, Tags } from '../records.ts'
import { nameKey } from '../records.ts'
import { AwsFault } from '../wire/fault.ts'
import { accountOf, type Call, callerName, type Protocol } from '../world.ts'
import { policiesOfKey, roleOfKey, sideSource } from './policies.ts'

/** A permission that a call needs. */
export interface Ask {
  /** `iam:GetRole` */
  readonly action: string
  readonly resource: string
  /** Owner of the resource; the caller's own account by default. */
  readonly accountId?: string
  readonly context?: ContextKeys
  /** The resource's own policy. */
  readonly resourcePolicy?: { readonly text: string; readonly principalIds: PrincipalIds }
}

/**
 * What a user's temporary credentials without MFA cannot call, and a federated user's. Source: IAM
 * User Guide, "Compare AWS STS credentials".
 */
const CLOSED_TO_USER_SESSIONS = /^(?:iam:(?!PassRole$)|sts:(?!AssumeRole$|GetCallerIdentity$))/
const CLOSED_TO_FEDERATED_USERS = /^(?:iam:(?!PassRole$)|sts:(?!GetCallerIdentity$))/

/** Whether no policy can open an action to the credentials of a call. */
export function isClosed(call: Call, action: string): boolean {
  const temporary = call.identity.key?.temporary
  if (temporary === undefined) return false
  const closed =
    temporary.federated === undefined ? CLOSED_TO_USER_SESSIONS : CLOSED_TO_FEDERATED_USERS
  return closed.test(action)
}

/** @throws AwsFault `AccessDenied`, in the form of the call's protocol */
export function authorize(call: Call, ask: Ask): void {
  if (isClosed(call, ask.action)) throw deniedFault(call, ask, undefined)
  const decision = decideAsk(call, ask)
  if (!decision.allowed) throw deniedFault(call, ask, decision)
}

/** The same decision, recorded too, for what only changes an answer's form. */
export function isAllowed(call: Call, ask: Ask): boolean {
  return decideAsk(call, ask).allowed
}

export const decideAsk = (call: Call, ask: Ask): Decision => judgeAsk(call, ask).decision

/** A decision with all that it was made from. */
export interface JudgedAsk {
  readonly request: AccessRequest
  readonly policies: Policies
  readonly decision: Decision
}

export function judgeAsk(call: Call, ask: Ask): JudgedAsk {
  const { seen: tables } = call.world
  const { caller, key } = call.identity
  const side =
    ask.resourcePolicy === undefined
      ? undefined
      : sideSource(tables, { name: ask.resource, ...ask.resourcePolicy }, 'resource')
  const request: AccessRequest = {
    caller,
    action: ask.action,
    resource: ask.resource,
    resourceAccountId: ask.accountId ?? accountOf(call),
    context: { ...callContext(call), ...identityContext(tables, caller, key), ...ask.context },
  }
  const own = policiesOfKey(tables, key)
  const policies = { ...own, ...(side !== undefined && { resource: side }) }
  const decision = decide(request, policies)
  recordDecision(call, { caller, ...ask }, decision)
  return { request, policies, decision }
}

/** Whoever wants to become a role, with what it brings along. */
export interface TrustAsk {
  readonly caller: Caller
  /** The key whose policies count; none for web identities and services. */
  readonly key: KeyRecord | undefined
  /** `sts:AssumeRole`, `sts:TagSession`, … */
  readonly action: string
  readonly role: RoleRecord
  readonly context: ContextKeys
}

/** One action of the AssumeRole family on a role, decided by its trust policy. */
export function decideTrust(call: Call, ask: TrustAsk): Decision {
  const { seen: tables } = call.world
  const { role, caller, key, action } = ask
  const trust = {
    name: `trust policy of ${role.roleName}`,
    text: role.trustPolicy,
    principalIds: role.trustPrincipalIds,
  }
  const request: AccessRequest = {
    caller,
    action,
    resource: role.arn,
    resourceAccountId: role.accountId,
    context: {
      ...callContext(call),
      ...identityContext(tables, caller, key),
      ...Object.fromEntries(
        Object.entries(role.tags).map(([name, value]) => [`aws:ResourceTag/${name}`, value]),
      ),
      ...ask.context,
    },
  }
  const decision = authorizeTrust(
    request,
    sideSource(tables, trust, 'trust'),
    policiesOfKey(tables, key),
  )
  recordDecision(call, { caller, action, resource: role.arn }, decision)
  return decision
}

/**
 * Keys of the request itself. Source: IAM User Guide, "AWS global condition context keys".
 */
function callContext(call: Call): ContextKeys {
  return {
    'aws:CurrentTime': new Date(call.nowMs).toISOString(),
    'aws:EpochTime': String(Math.floor(call.nowMs / 1000)),
    'aws:SecureTransport': String(call.secure),
    'aws:RequestedRegion': call.service === 'iam' ? 'us-east-1' : call.region,
    'aws:SourceIp': call.sourceIp,
    ...(call.userAgent !== '' && { 'aws:UserAgent': call.userAgent }),
  }
}

/** Keys of the caller: who it is, and the tags, source identity and claims of its session. */
function identityContext(tables: Tables, caller: Caller, key: KeyRecord | undefined): ContextKeys {
  const context: Record<string, string | readonly string[]> = { ...principalContext(caller) }
  if (key?.session === undefined) {
    const user = key && tables.users.get(nameKey(key.accountId, key.userName ?? ''))
    const temporary = key?.temporary
    Object.assign(context, principalTags(user?.tags ?? {}, temporary?.federated?.tags ?? {}))
    if (temporary !== undefined) {
      context['aws:TokenIssueTime'] = new Date(temporary.issuedAtMs).toISOString()
      if (temporary.federated === undefined) context['aws:MultiFactorAuthPresent'] = 'false'
    }
    return context
  }
  const { session } = key
  Object.assign(context, principalTags(roleOfKey(tables, key)?.tags ?? {}, session.tags))
  if (session.sourceIdentity !== undefined) context['aws:SourceIdentity'] = session.sourceIdentity
  context['aws:TokenIssueTime'] = new Date(session.issuedAtMs).toISOString()
  return { ...context, ...session.context }
}

/** A session tag beats the tag of the same key, whose case does not count, of who began it. */
function principalTags(own: Tags, ofSession: Tags): Readonly<Record<string, string>> {
  const tags = new Map<string, [string, string]>()
  for (const [name, value] of [...Object.entries(own), ...Object.entries(ofSession)]) {
    tags.set(name.toLowerCase(), [`aws:PrincipalTag/${name}`, value])
  }
  return Object.fromEntries(tags.values())
}

function recordDecision(
  call: Call,
  what: { readonly caller: Caller; readonly action: string; readonly resource: string },
  decision: Decision,
): void {
  call.world.decisions.record({
    atMs: call.nowMs,
    requestId: call.requestId,
    service: call.service,
    operation: call.operation,
    caller: callerName(what.caller),
    action: what.action,
    resource: what.resource,
    allowed: decision.allowed,
    reason: decision.reason,
    text: decision.text,
    statements: decision.statements,
    ...(decision.allowed && call.userAgent === SANDBOX_USER_AGENT && { isRoutine: true }),
  })
}

/** How each protocol names a refusal. */
const DENIED: Readonly<Record<Protocol, string>> = {
  query: 'AccessDenied',
  json: 'AccessDeniedException',
  s3: 'AccessDenied',
}

const BECAUSE: Readonly<Partial<Record<Decision['reason'], string>>> = {
  'explicit-deny-in-identity-policy': 'with an explicit deny in an identity-based policy',
  'explicit-deny-in-service-control-policy': 'with an explicit deny in a service control policy',
  'service-control-policy-does-not-allow':
    'because no service control policy allows the ACTION action',
  'explicit-deny-in-boundary': 'with an explicit deny in a permissions boundary',
  'explicit-deny-in-session-policy': 'with an explicit deny in a session policy',
  'explicit-deny-in-resource-policy': 'with an explicit deny in a resource-based policy',
  'explicit-deny-in-trust-policy': 'with an explicit deny in a resource-based policy',
  'no-identity-policy-allows': 'because no identity-based policy allows the ACTION action',
  'boundary-does-not-allow': 'because no permissions boundary allows the ACTION action',
  'session-policy-does-not-allow': 'because no session policy allows the ACTION action',
  'resource-policy-does-not-allow': 'because no resource-based policy allows the ACTION action',
  'trust-policy-does-not-allow': 'because no resource-based policy allows the ACTION action',
}

/** Source: IAM User Guide, "Troubleshoot access denied error messages". */
export function deniedFault(
  call: Call,
  ask: Pick<Ask, 'action' | 'resource'>,
  decision: Decision | undefined,
): AwsFault {
  const code = DENIED[call.protocol]
  const details = { status: 403, logged: decision !== undefined }
  const { caller } = call.identity
  if (caller.kind === 'anonymous') return new AwsFault(code, 'Access Denied', details)
  const what = `User: ${callerName(caller)} is not authorized to perform: ${ask.action} on resource: ${quoteResource(call, ask.resource)}`
  return new AwsFault(code, what + becauseOf(ask.action, decision), details)
}

/** How a refusal goes on where a decision says why. */
export function becauseOf(action: string, decision: Decision | undefined): string {
  const because = decision === undefined ? undefined : BECAUSE[decision.reason]
  return because === undefined ? '' : ` ${because.replace('ACTION', action)}`
}

const quoteResource = (call: Call, resource: string): string =>
  call.protocol === 's3' ? `"${resource}"` : resource
