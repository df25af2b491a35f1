import type { Association } from '../../associations/association.ts'
import type { AssociationFact } from './workload-facts.ts'

/** What of an association decides. */
export const associationFact = (found: Association): AssociationFact => ({
  id: found.associationId,
  roleArn: found.roleArn,
  disableSessionTags: found.disableSessionTags,
  createdAtMs: found.createdAtMs,
  ...(found.targetRoleArn !== undefined && { targetRoleArn: found.targetRoleArn }),
  ...(found.externalId !== undefined && { externalId: found.externalId }),
  ...(found.policy !== undefined && { policy: found.policy }),
})
