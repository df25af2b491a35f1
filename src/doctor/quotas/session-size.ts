import type { QuotaAssociation, QuotaCluster } from './facts.ts'

/** What Kubernetes and EKS fill the tags with that nobody can know before a pod runs. */
const POD_NAME_BYTES = 63
const POD_UID_BYTES = 36

/**
 * Bytes of the six session tags, keys and values, and of the session policy of a pod's session: what
 * its token must at least carry, before AWS packs it. How AWS packs is not documented.
 * https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
 */
export function sessionBytes(
  { arn, name }: Pick<QuotaCluster, 'arn' | 'name'>,
  association: QuotaAssociation,
): number {
  const { disableSessionTags = false, namespace, serviceAccount, sessionPolicy = '' } = association
  const policy = Buffer.byteLength(sessionPolicy)
  if (disableSessionTags) return policy
  const tags: Readonly<Record<string, number>> = {
    'eks-cluster-arn': arn.length,
    'eks-cluster-name': name.length,
    'kubernetes-namespace': namespace.length,
    'kubernetes-service-account': serviceAccount.length,
    'kubernetes-pod-name': POD_NAME_BYTES,
    'kubernetes-pod-uid': POD_UID_BYTES,
  }
  return Object.entries(tags).reduce((sum, [key, value]) => sum + key.length + value, policy)
}
