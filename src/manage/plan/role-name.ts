import { createHash } from 'node:crypto'
import type { ServiceAccountName } from '../../iam/service-account-name.ts'

const PREFIX = 'podrole-'
/** IAM: a role's name has 1 to 64 characters. */
const MAX_LENGTH = 64
const HASH_DIGITS = 12

/**
 * The name of the role that podrole makes for a service account of a cluster: `podrole-CLUSTER-`
 * and a hash, the same in every run. The cluster's name is cut so that all is 64 characters at
 * most; the hash tells regions, accounts and service accounts apart.
 */
export function roleNameOf(
  cluster: { readonly arn: string; readonly name: string },
  { name, namespace }: ServiceAccountName,
): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([cluster.arn, namespace, name]))
    .digest('hex')
    .slice(0, HASH_DIGITS)
  const room = MAX_LENGTH - PREFIX.length - HASH_DIGITS - 1
  return `${PREFIX}${cluster.name.slice(0, room)}-${hash}`
}
