import type { QueryOperations } from '../wire/call-table.ts'
import { POLICY_OPERATIONS } from './managed-policies.ts'
import { PROVIDER_OPERATIONS } from './providers.ts'
import { ROLE_POLICY_OPERATIONS } from './role-policies.ts'
import { ROLE_OPERATIONS } from './roles.ts'

/** IAM's operations, API version 2010-05-08. */
export const IAM_OPERATIONS: QueryOperations = {
  ...ROLE_OPERATIONS,
  ...ROLE_POLICY_OPERATIONS,
  ...POLICY_OPERATIONS,
  ...PROVIDER_OPERATIONS,
}
