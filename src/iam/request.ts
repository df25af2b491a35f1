/** Who makes a request, as policies see it. */
export type Caller =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'root'; readonly accountId: string; readonly arn: string }
  | {
      readonly kind: 'user'
      readonly accountId: string
      readonly arn: string
      readonly userId: string
    }
  | {
      readonly kind: 'role-session'
      readonly accountId: string
      /** The session's: `arn:aws:sts::1:assumed-role/NAME/SESSION`, without the role's path. */
      readonly arn: string
      /** The role's, with its path: what `aws:PrincipalArn` holds. */
      readonly roleArn: string
      readonly roleId: string
      readonly sessionName: string
    }
  | {
      readonly kind: 'federated-user'
      readonly accountId: string
      /** The session's: `arn:aws:sts::1:federated-user/NAME`, what `aws:PrincipalArn` holds. */
      readonly arn: string
      /** `1:NAME` */
      readonly userId: string
      /** The user that it was begun by, within whose policies it stays. */
      readonly userArn: string
    }
  | {
      readonly kind: 'web-identity'
      /** ARN of the IAM OIDC provider, or one of the built-in names. */
      readonly provider: string
    }
  | { readonly kind: 'service'; readonly service: string }

/** Condition keys of a request; names are compared without case. An array is a multivalued key. */
export type ContextKeys = Readonly<Record<string, string | readonly string[]>>

/** One question to the evaluator. */
export interface AccessRequest {
  readonly caller: Caller
  /** `s3:GetObject` */
  readonly action: string
  /** ARN, or `*` where the action has no resource. */
  readonly resource: string
  /** The account that owns the resource. */
  readonly resourceAccountId: string
  readonly context: ContextKeys
}
