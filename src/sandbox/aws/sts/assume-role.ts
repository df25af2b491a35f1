import { decideTrust, deniedFault, isClosed } from '../identity/authorization.ts'
import { startSession, type StartedSession } from '../identity/sessions.ts'
import { checkTags, requestTagKeys, type Tag } from '../iam/tags.ts'
import type { ContextKeys } from '../../../iam/request.ts'
import { quotaValue } from '../quotas/quotas.ts'
import type { SessionRecord } from '../records.ts'
import type { ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Call } from '../world.ts'
import {
  checkDuration,
  EXTERNAL_ID,
  findRole,
  readRoleArn,
  readRoleParameters,
  readSessionPolicies,
  readSessionTags,
  SOURCE_IDENTITY,
} from './parameters.ts'
import { sessionMembers } from './results.ts'

/** A role that a signed caller wants to become. */
export interface AssumeRoleRequest {
  readonly roleArn: string
  readonly sessionName: string
  readonly durationSeconds: number
  readonly tags: readonly Tag[]
  readonly transitiveKeys: readonly string[]
  readonly externalId?: string | undefined
  readonly sourceIdentity?: string | undefined
  readonly policy: string | undefined
  readonly policyArns: readonly string[]
  readonly minimumTokenSize?: number | undefined
}

export function assumeRoleOperation(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const common = readRoleParameters(call, parameters, constraints)
  const { tags, transitiveKeys } = readSessionTags(call, parameters, constraints)
  const id = parameters.get('ExternalId')
  const externalId = constraints.text('externalId', id, EXTERNAL_ID)
  const source = parameters.get('SourceIdentity')
  const sourceIdentity = constraints.text('sourceIdentity', source, SOURCE_IDENTITY)
  constraints.check()
  const request = { ...common, tags, transitiveKeys, externalId, sourceIdentity }
  return sessionMembers(assumeRole(call, request))
}

/**
 * Begins a session of a role for a signed caller, by the rules of role chaining where the caller is
 * a session itself. Source: AWS STS API Reference, AssumeRole; IAM User Guide, "Pass session tags
 * in AWS STS", "Monitor and control actions taken with assumed roles".
 * @throws AwsFault
 */
export function assumeRole(call: Call, request: AssumeRoleRequest): StartedSession {
  const { tables } = call.world
  const { caller, key } = call.identity
  const { accountId } = readRoleArn(request.roleArn)
  const policies = readSessionPolicies(tables, accountId, request)
  const from = key?.session
  const tags = joinTags(request, from)
  const sourceIdentity = joinSourceIdentity(request, from)
  const role = findRole(tables, request.roleArn)
  const refuse = (action: string): AwsFault =>
    deniedFault(call, { action, resource: request.roleArn }, undefined)
  if (role === undefined || isClosed(call, 'sts:AssumeRole')) throw refuse('sts:AssumeRole')
  const context = assumeContext(request, tags, sourceIdentity)
  const needed = [
    'sts:AssumeRole',
    ...(tags.all.length > 0 ? ['sts:TagSession'] : []),
    ...(sourceIdentity === undefined ? [] : ['sts:SetSourceIdentity']),
  ]
  for (const action of needed) {
    const decision = decideTrust(call, { caller, key, action, role, context })
    if (!decision.allowed) {
      throw deniedFault(call, { action, resource: request.roleArn }, decision)
    }
  }
  checkDuration(role, request.durationSeconds)
  const chained = quotaValue(tables, role.accountId, 'chainedSessionSeconds')
  if (from !== undefined && request.durationSeconds > chained) {
    throw new AwsFault(
      'ValidationError',
      'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
    )
  }
  return startSession(call.world, {
    role,
    sessionName: request.sessionName,
    durationSeconds: request.durationSeconds,
    region: call.region,
    tags: Object.fromEntries(tags.all.map(({ Key, Value }) => [Key, Value])),
    transitiveTagKeys: tags.transitive,
    sourceIdentity,
    policies,
    minimumTokenSize: request.minimumTokenSize,
  })
}

interface JoinedTags {
  readonly all: readonly Tag[]
  readonly transitive: readonly string[]
}

export const invalidTags = (message: string): AwsFault =>
  new AwsFault('InvalidParameterValue', message)

/** The tags that were asked for and those that are inherited. */
function joinTags(request: AssumeRoleRequest, from: SessionRecord | undefined): JoinedTags {
  checkTags(request.tags, { fault: invalidTags })
  const asked = new Set(request.tags.map(({ Key }) => Key.toLowerCase()))
  for (const name of request.transitiveKeys) {
    if (asked.has(name.toLowerCase())) continue
    throw invalidTags('The specified transitive tag key must be included in the requested tags.')
  }
  const inherited: Tag[] = []
  for (const name of from?.transitiveTagKeys ?? []) {
    if (asked.has(name.toLowerCase())) {
      throw invalidTags(
        "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
      )
    }
    const [key, value] =
      Object.entries(from?.tags ?? {}).find(([one]) => one.toLowerCase() === name.toLowerCase()) ??
      []
    if (key !== undefined && value !== undefined) inherited.push({ Key: key, Value: value })
  }
  return {
    all: [...request.tags, ...inherited],
    transitive: [...request.transitiveKeys, ...inherited.map(({ Key }) => Key)],
  }
}

/** Set once, a source identity stays. */
function joinSourceIdentity(
  request: AssumeRoleRequest,
  from: SessionRecord | undefined,
): string | undefined {
  const { sourceIdentity } = request
  if (from?.sourceIdentity === undefined) return sourceIdentity
  if (sourceIdentity === undefined || sourceIdentity === from.sourceIdentity) {
    return from.sourceIdentity
  }
  throw new AwsFault(
    'ValidationError',
    'The source identity is already set for this assume role session',
  )
}

function assumeContext(
  request: AssumeRoleRequest,
  tags: JoinedTags,
  sourceIdentity: string | undefined,
): ContextKeys {
  return {
    ...requestTagKeys(tags.all),
    ...(tags.transitive.length > 0 && { 'sts:TransitiveTagKeys': tags.transitive }),
    ...(request.externalId !== undefined && { 'sts:ExternalId': request.externalId }),
    ...(sourceIdentity !== undefined && { 'sts:SourceIdentity': sourceIdentity }),
    'sts:RoleSessionName': request.sessionName,
  }
}
