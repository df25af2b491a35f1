import { authenticateToken } from './authentication.ts'
import type { AccessAttributes } from './authorization.ts'
import type { ClusterCore, Operation } from './core.ts'
import { decodeResource } from './decoding.ts'
import { fieldFault, invalid, type Cause } from './faults.ts'
import { formatTime, isRecord, listAt, recordAt, stringAt, type JsonRecord } from './objects.ts'
import { apiVersionOf, type ResourceType } from './resource-types.ts'
import {
  SELF_SUBJECT_ACCESS_REVIEWS,
  SELF_SUBJECT_REVIEWS,
  SUBJECT_ACCESS_REVIEWS,
  TOKEN_REVIEWS,
} from './types/reviews.ts'
import { userInfoObject, type UserInfo } from './users.ts'

/**
 * Answers the types that are questions: TokenReview, SelfSubjectReview and the access reviews.
 * @throws ApiFault Invalid, BadRequest
 */
export async function answerReview(
  core: ClusterCore,
  type: ResourceType,
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
  if (type === SELF_SUBJECT_ACCESS_REVIEWS) {
    return answer(reviewAccess(core, type, spec, operation.user))
  }
  return answer(reviewAccess(core, SUBJECT_ACCESS_REVIEWS, spec, subjectOf(spec)))
}

async function reviewToken(core: ClusterCore, spec: JsonRecord): Promise<JsonRecord> {
  const token = stringAt(spec, 'token')
  if (token === '') {
    throw invalid(TOKEN_REVIEWS, '', [fieldFault.required('spec.token', 'token is required')])
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
  return { username: stringAt(spec, 'user'), groups }
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
