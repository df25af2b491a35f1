/** Which grammar a policy document obeys; a permissions boundary is an `identity` policy. */
export type PolicyKind = 'identity' | 'trust' | 'session' | 'resource'

/** A policy document that obeys the grammar of its kind; made by `parsePolicy` only. */
export interface PolicyDocument {
  readonly kind: PolicyKind
  /** `2008-10-17` where the document names none: variables are literal text then. */
  readonly version: '2008-10-17' | '2012-10-17'
  readonly id?: string
  readonly statements: readonly PolicyStatement[]
}

export interface PolicyStatement {
  readonly sid?: string
  readonly effect: 'Allow' | 'Deny'
  /** Exactly one of principals and notPrincipals in trust and resource policies, else neither. */
  readonly principals?: readonly PolicyPrincipal[]
  readonly notPrincipals?: readonly PolicyPrincipal[]
  /** Exactly one of actions and notActions, as written. */
  readonly actions?: readonly string[]
  readonly notActions?: readonly string[]
  /** Exactly one of resources and notResources, as written; neither in a trust policy. */
  readonly resources?: readonly string[]
  readonly notResources?: readonly string[]
  /** All must hold. */
  readonly conditions: readonly PolicyCondition[]
}

/** `"*"` alone is read as `{ type: 'AWS', value: '*' }`, which means the same. */
export interface PolicyPrincipal {
  readonly type: PrincipalType
  readonly value: string
}

export type PrincipalType = 'AWS' | 'Federated' | 'Service' | 'CanonicalUser'

/** One key of one operator of a Condition block. */
export interface PolicyCondition {
  /** As written, with prefix and suffix: `ForAllValues:StringLikeIfExists`. */
  readonly operatorName: string
  readonly operator: ConditionOperator
  readonly key: string
  /** One of them must match; numbers and booleans as their text. */
  readonly values: readonly string[]
}

export interface ConditionOperator {
  readonly set?: 'ForAllValues' | 'ForAnyValue'
  readonly base: BaseOperator
  readonly ifExists: boolean
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html */
export const BASE_OPERATORS = [
  'StringEquals',
  'StringNotEquals',
  'StringEqualsIgnoreCase',
  'StringNotEqualsIgnoreCase',
  'StringLike',
  'StringNotLike',
  'NumericEquals',
  'NumericNotEquals',
  'NumericLessThan',
  'NumericLessThanEquals',
  'NumericGreaterThan',
  'NumericGreaterThanEquals',
  'DateEquals',
  'DateNotEquals',
  'DateLessThan',
  'DateLessThanEquals',
  'DateGreaterThan',
  'DateGreaterThanEquals',
  'Bool',
  'BinaryEquals',
  'IpAddress',
  'NotIpAddress',
  'ArnEquals',
  'ArnLike',
  'ArnNotEquals',
  'ArnNotLike',
  'Null',
] as const

export type BaseOperator = (typeof BASE_OPERATORS)[number]
