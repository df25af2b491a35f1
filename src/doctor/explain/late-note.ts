import type { ClusterFact } from '../facts/workload-facts.ts'

/**
 * What goes with "there is no association": EKS tells of a new one late, by seconds (EKS User Guide,
 * "Learn how EKS Pod Identity grants pods access to AWS services"), and nothing else that can be
 * read tells of it. A broker tells at once.
 */
export const lateNote = ({ kind }: ClusterFact): string =>
  kind === 'eks' ? ' (EKS may not tell yet of one that was just made)' : ''
