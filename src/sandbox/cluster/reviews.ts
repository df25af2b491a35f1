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
  target: { readonly type: ResourceType; readonly namespace?: string },
  body: JsonRecord,
  operation: Operation,
): Promise<JsonRecord> {
  const { type, namespace } = target
  const review = decodeResource(type, body, operation)
  const spec = recordAt(review, 'spec')
  const hasSpec = type !== SELF_SUBJECT_REVIEWS
  const answer = (status: JsonRecord): JsonRecord => ({
    kind: type.kind,
    apiVersion: apiVersionOf(type),
    metadata: {
      creationTimestamp: formatTime(core.clock.now()),
      ...(namespace !== undefined && { namespace }),
    },
    ...(hasSpec && { spec: type === SELF_SUBJECT_RULES_REVIEWS ? {} : spec }),
    status,
  })
  if (type === SELF_SUBJECT_REVIEWS) return answer({ userInfo: userInfoObject(operation.user) })
  if (type === TOKEN_REVIEWS) return answer(await reviewToken(core, spec))
  if (type === SELF_SUBJECT_RULES_REVIEWS) return answer(reviewRules(core, spec, operation.user))
  const user = type === SELF_SUBJECT_ACCESS_REVIEWS ? operation.user : subjectOf(spec)
  return answer(reviewAccess(core, target, review, user))
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

/** Faults of the metadata of an access review, which has none but a local one's namespace. */
function validateReviewMetadata(type: ResourceType, metadata: JsonRecord): Cause[] {
  const isLocal = type === LOCAL_SUBJECT_ACCESS_REVIEWS
  const ignored = isLocal ? ['namespace', 'managedFields'] : ['managedFields']
  const fields = Object.keys(metadata).filter((field) => !ignored.includes(field))
  if (fields.length === 0) return []
  const says = `must be empty${isLocal ? ' except for namespace' : ''}`
  return [fieldFault.invalid('metadata', metadata, says)]
}

function validateLocal(spec: JsonRecord, namespace: string): Cause[] {
  const { resourceAttributes: asked, nonResourceAttributes: path } = spec
  const about = stringAt(asked, 'namespace')
  return [
    ...(isRecord(asked) && about !== namespace
      ? [
          fieldFault.invalid(
            'spec.resourceAttributes.namespace',
            about,
            'must match metadata.namespace',
          ),
        ]
      : []),
    ...(isRecord(path)
      ? [
          fieldFault.invalid(
            'spec.nonResourceAttributes',
            shownPath(path),
            'disallowed on this kind of request',
          ),
        ]
      : []),
  ]
}

/** The attributes as kube-apiserver shows them in a fault: by Go's names. */
const shownPath = (path: JsonRecord): JsonRecord => ({
  Path: stringAt(path, 'path'),
  Verb: stringAt(path, 'verb'),
})

function validateAccess(spec: JsonRecord): Cause[] {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec
  if (isRecord(resource) && isRecord(path)) {
    return [
      fieldFault.invalid(
        'spec.nonResourceAttributes',
        shownPath(path),
        'cannot be specified in combination with resourceAttributes',
      ),
    ]
  }
  return isRecord(resource) || isRecord(path)
    ? []
    : [
        fieldFault.invalid(
          'spec.resourceAttributes',
          null,
          'exactly one of nonResourceAttributes or resourceAttributes must be specified',
        ),
      ]
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

/** @throws ApiFault Invalid, which names no kind: kube-apiserver's does not either */
function reviewAccess(
  core: ClusterCore,
  { type, namespace }: { readonly type: ResourceType; readonly namespace?: string },
  review: JsonRecord,
  user: UserInfo,
): JsonRecord {
  const spec = recordAt(review, 'spec')
  const causes = validateAccess(spec)
  if (user.username === '' && user.groups.length === 0) {
    const says = 'at least one of user or group must be specified'
    causes.push(fieldFault.invalid('spec.user', '', says))
  }
  causes.push(...validateSelectors(spec['resourceAttributes']))
  causes.push(...validateReviewMetadata(type, recordAt(review, 'metadata')))
  if (type === LOCAL_SUBJECT_ACCESS_REVIEWS) causes.push(...validateLocal(spec, namespace ?? ''))
  if (causes.length > 0) throw invalid({ group: type.group, kind: '' }, '', causes)
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec
  const verdict = core.authorize(isRecord(path) ? pathAccess(path, user) : access(resource, user))
  return {
    allowed: verdict.allowed,
    ...(verdict.reason !== '' && { reason: verdict.reason }),
  }
}

/** Faults of the selectors that narrow what is asked; they change no answer here. */
function validateSelectors(resource: unknown): Cause[] {
  return ['fieldSelector', 'labelSelector'].flatMap((field) => {
    const selector = isRecord(resource) ? resource[field] : undefined
    if (!isRecord(selector)) return []
    const at = `spec.resourceAttributes.${field}`
    const raw = stringAt(selector, 'rawSelector')
    const count = listAt(selector, 'requirements').length
    if (raw !== '' && count > 0) {
      const says = 'may not specified at the same time as requirements'
      return [fieldFault.invalid(`${at}.rawSelector`, raw, says)]
    }
    if (raw !== '' || count > 0) return []
    const says = `when ${at} is specified, requirements or rawSelector is required`
    return [fieldFault.required(`${at}.requirements`, says)]
  })
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
