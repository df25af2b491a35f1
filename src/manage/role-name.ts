import { createHash } from 'node:crypto'

/** For whom podrole makes a role. */
export interface RoleOwner {
  /** `arn:PARTITION:eks:REGION:ACCOUNT:cluster/NAME`, or with `podrole` in place of `eks`. */
  readonly clusterArn: string
  readonly namespace: string
  readonly name: string
}

/** IAM's limit. */
const MAX_ROLE_NAME = 64
const HASH_DIGITS = 12

/**
 * The name of a role that podrole names: `podrole-CLUSTER-` and twelve hexadecimal digits, the same
 * in every run, and another one for every service account of every cluster; a long cluster's name is
 * cut.
 */
export function roleNameFor(owner: RoleOwner): string {
  const cluster = owner.clusterArn.split('/').at(-1) ?? ''
  const room = MAX_ROLE_NAME - 'podrole--'.length - HASH_DIGITS
  return `podrole-${cluster.slice(0, room)}-${ownerHash(owner)}`
}

/** Twelve hexadecimal digits of a SHA-256 over the cluster's ARN, the namespace and the name. */
export function ownerHash({ clusterArn, name, namespace }: RoleOwner): string {
  const parts = JSON.stringify([clusterArn, namespace, name])
  return createHash('sha256').update(parts).digest('hex').slice(0, HASH_DIGITS)
}
