/** Where a trust policy's issuer or cluster comes from: EKS, a broker, or as it was typed. */
import type { AwsAccount } from '../../aws/account.ts'
import { describeEksCluster } from '../../aws/eks-cluster.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { TargetRequest, TrustTarget } from '../../manage/roles/trust-target.ts'
import { brokerEndpoint } from '../broker-client.ts'
import type { TrustFlags } from '../commands/role.ts'
import { callEks } from './associations.ts'

/** @throws ServiceFault; PodroleError `NoClusterIssuer`, `NoClusters`, `NoBrokerKey` */
export async function resolveTarget(
  request: TargetRequest,
  account: AwsAccount,
  flags: TrustFlags,
): Promise<TrustTarget> {
  switch (request.kind) {
    case 'issuer':
      return { way: 'irsa', issuer: request.issuer, ...audienceOf(request) }
    case 'cluster':
      return clusterTarget(request, account)
    case 'fleet':
      return fleetTarget(request, account, flags)
    default:
      return request satisfies never
  }
}

const audienceOf = ({ audience }: { readonly audience?: string }): { readonly audience?: string } =>
  audience === undefined ? {} : { audience }

async function clusterTarget(
  request: Extract<TargetRequest, { kind: 'cluster' }>,
  account: AwsAccount,
): Promise<TrustTarget> {
  const { disableSessionTags = false } = request
  // So that trust in a cluster can be taken back when the cluster is gone.
  if (request.method === 'pod-identity' && request.name.startsWith('arn:')) {
    return { way: 'pod-identity', clusterArn: request.name, disableSessionTags }
  }
  const { arn, issuer } = await describeEksCluster(account, request.name)
  if (request.method === 'pod-identity') {
    return { way: 'pod-identity', clusterArn: arn, disableSessionTags }
  }
  if (issuer !== undefined) return { way: 'irsa', issuer, ...audienceOf(request) }
  throw new PodroleError('NoClusterIssuer', `cluster ${request.name} has no issuer yet`, {
    hint: 'It has one as soon as it is ACTIVE.',
  })
}

async function fleetTarget(
  request: Extract<TargetRequest, { kind: 'fleet' }>,
  account: AwsAccount,
  flags: TrustFlags,
): Promise<TrustTarget> {
  const { clusters, disableSessionTags = false, issuer } = request
  const target =
    issuer === undefined
      ? await brokerTarget(clusters, account, flags)
      : ({ way: 'fleet', issuer, clusters } as const)
  return { ...target, ...(disableSessionTags && { disableSessionTags }) }
}

/** A broker tells its fleet issuer, and its clusters where none are named. */
async function brokerTarget(
  clusters: readonly string[],
  account: AwsAccount,
  flags: TrustFlags,
): Promise<Extract<TrustTarget, { way: 'fleet' }>> {
  const { broker = '', caFile, keyFile } = flags
  if (keyFile === undefined) {
    throw new PodroleError('NoBrokerKey', 'the broker is to be asked, and no key for it is given', {
      hint: 'Name one with --key-file or PODROLE_BROKER_KEY_FILE.',
    })
  }
  const endpoint = await brokerEndpoint({
    broker,
    keyFile,
    region: account.region,
    ...(caFile !== undefined && { caFile }),
  })
  const told = await callEks(endpoint, 'GET', '/podrole/v1/issuer')
  const { issuer } = told['issuer'] as { issuer: string }
  if (clusters.length > 0) return { way: 'fleet', issuer, clusters }
  const answer = await callEks(endpoint, 'GET', '/podrole/v1/clusters')
  const known = answer['clusters'] as { name: string }[]
  if (known.length === 0) {
    throw new PodroleError('NoClusters', `broker ${broker} has no cluster yet`, {
      hint: "Name those that the role is for with --clusters, such as 'prod-*', or register one ('podrole cluster register').",
    })
  }
  return { way: 'fleet', issuer, clusters: known.map(({ name }) => name) }
}
