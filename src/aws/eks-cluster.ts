import { PodroleError } from '../lib/errors.ts'
import type { AwsAccount } from './account.ts'
import { callSdk } from './sdk-fault.ts'
import { outlastThrottling } from './throttling.ts'

/** What is known of an EKS cluster, as far as identity goes. */
export interface EksCluster {
  readonly arn: string
  /** Its service account issuer; a cluster has one as soon as it is ACTIVE. */
  readonly issuer?: string
  /** `1.36` */
  readonly version: string
  /** `ACTIVE`, `CREATING`, … */
  readonly status: string
  /** Of its API server. */
  readonly endpoint?: string
  /** Its API server is reached from its own network alone: `endpointPublicAccess` is off. */
  readonly isPrivate: boolean
  /** Access entries work with the last two. */
  readonly authenticationMode: 'CONFIG_MAP' | 'API_AND_CONFIG_MAP' | 'API'
  /** EKS Auto Mode, whose nodes have the Pod Identity agent built in. */
  readonly autoMode: boolean
}

/**
 * EKS API, DescribeCluster.
 * @throws ServiceFault `ResourceNotFound`; PodroleError `InvalidServiceAnswer`
 */
export async function describeEksCluster(account: AwsAccount, name: string): Promise<EksCluster> {
  const { DescribeClusterCommand, EKSClient } = await import('@aws-sdk/client-eks')
  const eks = new EKSClient(account.clientConfig)
  const { cluster } = await outlastThrottling(() =>
    callSdk(`DescribeCluster ${name} in ${account.region}`, () =>
      eks.send(new DescribeClusterCommand({ name })),
    ),
  )
  if (cluster?.arn === undefined) {
    throw new PodroleError('InvalidServiceAnswer', `EKS names no ARN for cluster ${name}`)
  }
  const issuer = cluster.identity?.oidc?.issuer
  const { endpoint } = cluster
  return {
    arn: cluster.arn,
    version: cluster.version ?? '',
    status: cluster.status ?? '',
    // Clusters from before access entries say nothing (EKS User Guide, "Authentication modes").
    authenticationMode: cluster.accessConfig?.authenticationMode ?? 'CONFIG_MAP',
    isPrivate: cluster.resourcesVpcConfig?.endpointPublicAccess === false,
    autoMode: cluster.computeConfig?.enabled === true,
    ...(issuer !== undefined && { issuer }),
    ...(endpoint !== undefined && { endpoint }),
  }
}
