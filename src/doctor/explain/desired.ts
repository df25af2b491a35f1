/** Fixes as fragments of desired state, in eksctl's ClusterConfig, which plan and apply take. */
import { stringify } from 'yaml'
import type { WorkloadFacts } from '../facts/workload-facts.ts'
import type { Fix } from './fix.ts'

/** Undefined where EKS did not tell of the cluster. */
export function desiredOnEks(
  { account, cluster }: WorkloadFacts,
  text: string,
  parts: Readonly<Record<string, unknown>>,
): Fix | undefined {
  const { arn, kind, name } = cluster
  if (kind !== 'eks' || name === undefined || arn === undefined) return undefined
  const document = {
    apiVersion: 'eksctl.io/v1alpha5',
    kind: 'ClusterConfig',
    metadata: { name, region: account.region },
    ...parts,
  }
  return { kind: 'desired', text, yaml: stringify(document) }
}
