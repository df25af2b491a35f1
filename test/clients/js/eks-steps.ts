/** What the steps on EKS share. */
import type { EKS } from '@aws-sdk/client-eks'
import { IAM } from '@aws-sdk/client-iam'
import { present, SETTINGS } from './checks.ts'
import { trustOf } from './iam-documents.ts'

export interface EksSteps {
  readonly eks: EKS
  /** The sandbox's own cluster. */
  readonly clusterName: string
}

/** How a waiter waits: in seconds, where AWS takes minutes. */
export const waiting = (
  client: EKS,
): { client: EKS; maxWaitTime: number; minDelay: number; maxDelay: number } => ({
  client,
  maxWaitTime: 30,
  minDelay: 1,
  maxDelay: 1,
})

/** Makes a role that a service may assume, and returns its ARN. */
export async function createRole(
  RoleName: string,
  service: string,
  ...actions: readonly string[]
): Promise<string> {
  const AssumeRolePolicyDocument = trustOf(service, ...actions)
  const { Role } = await new IAM(SETTINGS).createRole({ RoleName, AssumeRolePolicyDocument })
  return present(Role?.Arn)
}
