import { checkPathSegmentName } from '../names.ts'
import type { ResourceType } from '../resource-types.ts'
import { any, bool, keptBool, keptInt, list, map, obj, str, time } from '../schema.ts'
import { OBJECT_REFERENCE } from './metadata.ts'

const REVIEW = {
  version: 'v1',
  shortNames: [],
  namespaced: false,
  verbs: ['create'],
  subresources: [],
  isVirtual: true,
  nameRule: checkPathSegmentName,
} as const

const RESOURCE_ATTRIBUTES = obj({
  namespace: str,
  verb: str,
  group: str,
  version: str,
  resource: str,
  subresource: str,
  name: str,
  fieldSelector: any,
  labelSelector: any,
})
const NON_RESOURCE_ATTRIBUTES = obj({ path: str, verb: str })

export const TOKEN_REVIEWS: ResourceType = {
  ...REVIEW,
  group: 'authentication.k8s.io',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  singular: 'tokenreview',
  schema: obj({ spec: obj({ token: str, audiences: list(str) }), status: any }),
}

export const SELF_SUBJECT_REVIEWS: ResourceType = {
  ...REVIEW,
  group: 'authentication.k8s.io',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  singular: 'selfsubjectreview',
  schema: obj({ status: any }),
}

export const SUBJECT_ACCESS_REVIEWS: ResourceType = {
  ...REVIEW,
  group: 'authorization.k8s.io',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  singular: 'subjectaccessreview',
  schema: obj({
    spec: obj({
      resourceAttributes: RESOURCE_ATTRIBUTES,
      nonResourceAttributes: NON_RESOURCE_ATTRIBUTES,
      user: str,
      groups: list(str),
      extra: map(list(str)),
      uid: str,
    }),
    status: any,
  }),
}

export const SELF_SUBJECT_ACCESS_REVIEWS: ResourceType = {
  ...REVIEW,
  group: 'authorization.k8s.io',
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  singular: 'selfsubjectaccessreview',
  schema: obj({
    spec: obj({
      resourceAttributes: RESOURCE_ATTRIBUTES,
      nonResourceAttributes: NON_RESOURCE_ATTRIBUTES,
    }),
    status: any,
  }),
}

export const LOCAL_SUBJECT_ACCESS_REVIEWS: ResourceType = {
  ...SUBJECT_ACCESS_REVIEWS,
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  singular: 'localsubjectaccessreview',
  namespaced: true,
}

export const SELF_SUBJECT_RULES_REVIEWS: ResourceType = {
  ...REVIEW,
  group: 'authorization.k8s.io',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  singular: 'selfsubjectrulesreview',
  schema: obj({ spec: obj({ namespace: str }), status: any }),
}

/** What the token subresource of a service account takes and gives. */
export const TOKEN_REQUEST = obj({
  spec: obj({
    audiences: list(str),
    expirationSeconds: keptInt,
    boundObjectRef: OBJECT_REFERENCE,
  }),
  status: obj({ token: str, expirationTimestamp: time }),
})

/** What the binding subresource of a pod takes. */
export const BINDING = obj({ target: OBJECT_REFERENCE })

/** A DeleteOptions body. */
export const DELETE_OPTIONS = obj({
  gracePeriodSeconds: keptInt,
  preconditions: obj({ uid: str, resourceVersion: str }),
  orphanDependents: keptBool,
  propagationPolicy: str,
  dryRun: list(str),
  ignoreStoreReadErrorWithClusterBreakingPotential: bool,
})
