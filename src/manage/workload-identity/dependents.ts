import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import type { PlanServiceAccount, WorkloadIdentity } from '../plan/observed-state.ts'

/** Who has a role by its annotation: `shop/orders`. */
export const annotatedOf = (
  serviceAccounts: readonly Pick<PlanServiceAccount, 'serviceAccount' | 'annotations'>[],
): readonly string[] =>
  serviceAccounts
    .filter(({ annotations }) => annotations[ROLE_ANNOTATION] !== undefined)
    .map(({ serviceAccount }) => formatServiceAccountName(serviceAccount))
    .sort()

/** Who loses their role with the add-on: nobody where the webhook is another's, which stays. */
export const losesAccessOf = (
  { webhook }: Pick<WorkloadIdentity, 'webhook'>,
  serviceAccounts: Parameters<typeof annotatedOf>[0],
): readonly string[] =>
  webhook === 'found' || webhook === 'eks' ? [] : annotatedOf(serviceAccounts)
