import { authenticateToken } from './authentication.ts'
import type { AccessAttributes } from './authorization.ts'
import type { ClusterCore, Operation } from './core.ts'
import { decodeResource } from './decoding.ts'
import { badRequest, fieldFault, invalid, type Cause } from './faults.ts'
import { formatTime, isRecord, listAt, recordAt, stringAt, type JsonRecord } from './objects.ts'
import { apiVersionOf, type ResourceType } from './resource-types.ts'
import {
  LOCAL_SUBJECT_ACCESS_REVIEWS,
  SELF_SUBJECT_ACCESS_REVIEWS,
  SELF_SUBJECT_REVIEWS,
  SELF_SUBJECT_RULES_REVIEWS,
  TOKEN_REVIEWS,
} from './types/reviews.ts'
import { nodeOf, userInfoObject, type UserInfo } from './users.ts'

/**
 * Answers the types that are questions: TokenReview, SelfSubjectReview and the access reviews.
 * @throws ApiFault Invalid, BadRequest
 */
export async function answerReview(
  core: ClusterCore,
  { type, namespace }: { readonly type: ResourceType; readonly namespace?: string },
  body: JsonRecord,
  operation: Operation,
): Promise<JsonRecord> {
  const review = decodeResource(type, body, operation)
  const spec = recordAt(review, 'spec')
  const answer = (status: JsonRecord): JsonRecord => ({
    kind: type.kind,
    apiVersion: apiVersionOf(type),
    metadata: { creationTimestamp: formatTime(core.clock.now()) },
    ...(type !== SELF_SUBJECT_REVIEWS && { spec }),
    status,
  })
  if (type === SELF_SUBJECT_REVIEWS) return answer({ userInfo: userInfoObject(operation.user) })
  if (type === TOKEN_REVIEWS) return answer(await reviewToken(core, spec))
  if (type === SELF_SUBJECT_RULES_REVIEWS) return answer(reviewRules(core, spec, operation.user))
  if (type === LOCAL_SUBJECT_ACCESS_REVIEWS) checkLocal(type, spec, namespace ?? '')
  if (type === SELF_SUBJECT_ACCESS_REVIEWS) {
    return answer(reviewAccess(core, type, spec, operation.user))
  }
  return answer(reviewAccess(core, type, spec, subjectOf(spec)))
}

async function reviewToken(core: ClusterCore, spec: JsonRecord): Promise<JsonRecord> {
  const token = stringAt(spec, 'token')
  if (token === '') {
    throw badRequest('token is required for TokenReview in authentication')
  }
  const asked = listAt(spec, 'audiences').map(String)
  const verdict = await authenticateToken(core, token, asked.length > 0 ? asked : core.apiAudiences)
  if ('refusal' in verdict) return { user: {}, error: `invalid bearer token: ${verdict.refusal}` }
  return {
    authenticated: true,
    user: userInfoObject(verdict.user),
    audiences: verdict.audiences,
  }
}

function subjectOf(spec: JsonRecord): UserInfo {
  const groups = listAt(spec, 'groups').map(String)
  const extra = Object.entries(recordAt(spec, 'extra')).map(
    ([key, values]) => [key, Array.isArray(values) ? values.map(String) : []] as const,
  )
  return {
    username: stringAt(spec, 'user'),
    groups,
    ...(extra.length > 0 && { extra: Object.fromEntries(extra) }),
  }
}

function checkLocal(type: ResourceType, spec: JsonRecord, namespace: string): void {
  const asked = recordAt(spec, 'resourceAttributes')
  const path = spec['nonResourceAttributes']
  if (path !== undefined) {
    const says = 'disallowed on this kind of request'
    throw invalid(type, '', [fieldFault.invalid('spec.nonResourceAttributes', path, says)])
  }
  if (stringAt(asked, 'namespace') !== namespace) {
    throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`)
  }
}

function reviewRules(core: ClusterCore, spec: JsonRecord, user: UserInfo): JsonRecord {
  const namespace = stringAt(spec, 'namespace')
  if (namespace === '') throw badRequest('no namespace on request')
  const grants = core.rbac.grantsOf(user, namespace)
  const rules = grants.flatMap((grant) => grant.rules)
  const faults = grants.flatMap(({ fault }) => fault ?? [])
  if (nodeOf(user) !== undefined) {
    faults.push('node authorizer does not support user rule resolution')
  }
  if (core.eks !== undefined) {
    faults.push('webhook authorizer does not support user rule resolution')
  }
  return {
    resourceRules: rules.filter((rule) => rule.nonResourceURLs === undefined),
    nonResourceRules: grants
      .filter((grant) => grant.isClusterWide)
      .flatMap((grant) => grant.rules.filter((rule) => rule.nonResourceURLs !== undefined)),
    incomplete: faults.length > 0,
    ...(faults.length > 0 && { evaluationError: faults.join(', ') }),
  }
}

function reviewAccess(
  core: ClusterCore,
  type: ResourceType,
  spec: JsonRecord,
  user: UserInfo,
): JsonRecord {
  const resource = spec['resourceAttributes']
  const path = spec['nonResourceAttributes']
  const causes: Cause[] = []
  if (isRecord(resource) === isRecord(path)) {
    causes.push(
      fieldFault.invalid(
        'spec.resourceAttributes',
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    )
  }
  if (user.username === '' && user.groups.length === 0) {
    causes.push(
      fieldFault.invalid('spec.user', '', 'at least one of user or group must be specified'),
    )
  }
  if (causes.length > 0) throw invalid(type, '', causes)
  const verdict = core.authorize(isRecord(path) ? pathAccess(path, user) : access(resource, user))
  return {
    allowed: verdict.allowed,
    ...(verdict.reason !== '' && { reason: verdict.reason }),
  }
}

const pathAccess = (path: JsonRecord, user: UserInfo): AccessAttributes => ({
  user,
  verb: stringAt(path, 'verb'),
  path: stringAt(path, 'path'),
})

function access(resource: unknown, user: UserInfo): AccessAttributes {
  const [namespace, name, subresource] = ['namespace', 'name', 'subresource'].map((field) =>
    stringAt(resource, field),
  )
  return {
    user,
    verb: stringAt(resource, 'verb'),
    resource: {
      group: stringAt(resource, 'group'),
      plural: stringAt(resource, 'resource'),
      ...(namespace && { namespace }),
      ...(name && { name }),
      ...(subresource && { subresource }),
    },
  }
}
