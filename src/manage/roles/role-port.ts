import type { QuotaReading } from '../../aws/iam-quotas.ts'
import type { Tags } from '../../iam/tags.ts'

/** A role as IAM has it. */
export interface ObservedRole {
  readonly name: string
  readonly arn: string
  readonly path: string
  readonly description?: string
  readonly maxSessionSeconds: number
  /** Its exact text. */
  readonly trustPolicy: string
  readonly boundaryArn?: string
  readonly tags: Tags
  readonly policyArns: readonly string[]
  /** The inline policy of podrole's name, where there is one. */
  readonly policy?: string
}

/** A role to be made. */
export interface NewRole {
  readonly name: string
  readonly trustPolicy: string
  readonly path?: string
  readonly description?: string
  readonly maxSessionSeconds?: number
  readonly boundaryArn?: string
  readonly tags: Tags
}

/** What podrole asks of IAM for the roles of one account. Faults carry AWS's codes. */
export interface RolePort {
  readonly partition: string
  readonly accountId: string
  /** Undefined where there is no role of that name. */
  get(name: string): Promise<ObservedRole | undefined>
  /** Its trust policy alone. @throws ServiceFault `NoSuchEntity` */
  trustPolicyOf(name: string): Promise<string>
  /** The ARN. */
  create(role: NewRole): Promise<string>
  attach(name: string, policyArn: string): Promise<void>
  putPolicy(name: string, policy: string): Promise<void>
  tag(name: string, tags: Tags): Promise<void>
  putTrustPolicy(name: string, trustPolicy: string): Promise<void>
  /** The client ids of an OIDC provider; undefined where the account has none with that ARN. */
  clientIdsOf(providerArn: string): Promise<readonly string[] | undefined>
  trustQuota(): Promise<QuotaReading>
}

/** The name of the inline policy that podrole gives a role. */
export const POLICY_NAME = 'podrole'
