import { createHash, randomBytes } from 'node:crypto'
import type { AssociationKey } from './association.ts'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'
const ID_LENGTH = 17

/** The form of an association's id: `a-` and 17 lower-case letters and digits. */
export const ASSOCIATION_ID_PATTERN = /^a-[a-z0-9]{17}$/

/** A new association id: `a-` and 17 lower-case letters and digits, evenly drawn. */
export function generateAssociationId(): string {
  let id = 'a-'
  while (id.length < ID_LENGTH + 2) {
    for (const byte of randomBytes(32)) {
      // 252 is the largest multiple of 36 in a byte: the rest would favour some letters.
      if (byte < 252 && id.length < ID_LENGTH + 2) id += ALPHABET[byte % 36] ?? ''
    }
  }
  return id
}

/**
 * The association id of a create request that carries a client request token: the same request sent
 * again gets the same id, also by another process or after a restart, so that a retry is recognised
 * without keeping the tokens. `parts` are the cluster's ARN, the token and the request's values.
 */
export function deriveAssociationId(parts: readonly string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  let rest = BigInt(`0x${digest}`)
  let id = 'a-'
  while (id.length < ID_LENGTH + 2) {
    id += ALPHABET[Number(rest % 36n)] ?? ''
    rest /= 36n
  }
  return id
}

/** Where a cluster lives, read from its ARN. */
export interface ClusterPlace {
  readonly partition: string
  readonly service: string
  readonly region: string
  readonly accountId: string
  readonly clusterName: string
}

/**
 * Reads a cluster's ARN: `arn:PARTITION:eks:REGION:ACCOUNT:cluster/NAME`, or with the service
 * `podrole` for a cluster of a broker.
 */
export function readClusterArn(arn: string): ClusterPlace | undefined {
  const match = /^arn:([^:]+):(eks|podrole):([^:]+):(\d{12}):cluster\/([^:/]+)$/.exec(arn)
  const [, partition, service, region, accountId, clusterName] = match ?? []
  if (!partition || !service || !region || !accountId || !clusterName) return undefined
  return { partition, service, region, accountId, clusterName }
}

/** `arn:PARTITION:SERVICE:REGION:ACCOUNT:podidentityassociation/CLUSTER/ID` */
export function associationArnOf(cluster: ClusterPlace, associationId: string): string {
  const { partition, service, region, accountId, clusterName } = cluster
  return `arn:${partition}:${service}:${region}:${accountId}:podidentityassociation/${clusterName}/${associationId}`
}

/**
 * The `sts:ExternalId` that a target role is assumed with where session tags are off:
 * `region/account/cluster-name/namespace/service-account-name`.
 * Source: EKS User Guide, "Access AWS resources using EKS Pod Identity target IAM roles".
 */
export function externalIdOf(cluster: ClusterPlace, key: AssociationKey): string {
  return [
    cluster.region,
    cluster.accountId,
    key.clusterName,
    key.namespace,
    key.serviceAccount,
  ].join('/')
}
