import { PodroleError } from '../lib/errors.ts'
import type { AwsAccount } from './account.ts'
import { callSdk } from './sdk-fault.ts'

/** What roles need to know of an EKS cluster. */
export interface EksCluster {
  readonly arn: string
  /** Its service account issuer; a cluster has one as soon as it is ACTIVE. */
  readonly issuer?: string
}

/**
 * EKS API, DescribeCluster.
 * @throws ServiceFault `ResourceNotFound`; PodroleError `InvalidServiceAnswer`
 */
export async function describeEksCluster(account: AwsAccount, name: string): Promise<EksCluster> {
  const { DescribeClusterCommand, EKSClient } = await import('@aws-sdk/client-eks')
  const eks = new EKSClient(account.clientConfig)
  const { cluster } = await callSdk(`DescribeCluster ${name} in ${account.region}`, () =>
    eks.send(new DescribeClusterCommand({ name })),
  )
  const issuer = cluster?.identity?.oidc?.issuer
  if (cluster?.arn === undefined) {
    throw new PodroleError('InvalidServiceAnswer', `EKS names no ARN for cluster ${name}`)
  }
  return { arn: cluster.arn, ...(issuer !== undefined && { issuer }) }
}
