import type { QueryOperations } from '../wire/call-table.ts'
import { ACCESS_KEY_OPERATIONS } from './access-keys.ts'
import { ACCOUNT_OPERATIONS } from './account.ts'
import { GROUP_OPERATIONS } from './groups.ts'
import { INSTANCE_PROFILE_OPERATIONS } from './instance-profiles.ts'
import { POLICY_OPERATIONS } from './managed-policies.ts'
import { PROVIDER_OPERATIONS } from './providers.ts'
import { ROLE_OPERATIONS } from './roles.ts'
import { SERVICE_LINKED_ROLE_OPERATIONS } from './service-linked-roles.ts'
import { SIMULATION_OPERATIONS } from './simulation.ts'
import { USER_OPERATIONS } from './users.ts'

/** IAM's operations, API version 2010-05-08. */
export const IAM_OPERATIONS: QueryOperations = {
  ...ROLE_OPERATIONS,
  ...SERVICE_LINKED_ROLE_OPERATIONS,
  ...POLICY_OPERATIONS,
  ...PROVIDER_OPERATIONS,
  ...USER_OPERATIONS,
  ...ACCESS_KEY_OPERATIONS,
  ...GROUP_OPERATIONS,
  ...INSTANCE_PROFILE_OPERATIONS,
  ...ACCOUNT_OPERATIONS,
  ...SIMULATION_OPERATIONS,
}
