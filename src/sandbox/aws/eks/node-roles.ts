/** The roles that nodes and Fargate's pods run with. */
import { authorize } from '../identity/authorization.ts'
import { documentOf } from '../identity/policies.ts'
import type { ClusterRecord } from '../records.ts'
import { findRole } from '../sts/parameters.ts'
import { accountOf, type Call } from '../world.ts'
import { clusterKeyOf, putEntry } from './access-entries.ts'
import { readPrincipal } from './access-entry-rules.ts'
import { accessEntryKey, authenticationModeOf } from './access-entry-source.ts'
import { invalidParameter } from './body.ts'

export interface NodeRole {
  readonly cluster: ClusterRecord
  readonly roleArn: string
  /** Who must be trusted: `ec2.amazonaws.com`, `eks-fargate-pods.amazonaws.com`. */
  readonly service: string
  /** The type of its access entry. */
  readonly entryType: 'EC2_LINUX' | 'EC2_WINDOWS' | 'FARGATE_LINUX'
}

/**
 * The caller may pass the role to EKS, it exists and trusts the service.
 * Source: EKS User Guide, "Amazon EKS node IAM role" and "Amazon EKS Pod execution IAM role".
 * @throws AwsFault `InvalidParameterException`, `AccessDeniedException`
 */
export function checkNodeRole(call: Call, { roleArn, service }: NodeRole): void {
  authorize(call, {
    action: 'iam:PassRole',
    resource: roleArn,
    context: { 'iam:PassedToService': 'eks.amazonaws.com' },
  })
  const role = findRole(call.world.tables, roleArn)
  if (role?.accountId !== accountOf(call)) {
    throw invalidParameter(`The role ${roleArn.slice(0, 200)} cannot be found.`)
  }
  const trusted = documentOf(role.trustPolicy, 'trust').statements.some(
    (statement) =>
      statement.effect === 'Allow' &&
      (statement.principals ?? []).some(
        ({ type, value }) => type === 'Service' && value === service,
      ),
  )
  if (!trusted) {
    throw invalidParameter(`Misconfigured role: its trust policy must allow ${service}`)
  }
}

/** EKS makes the entry of a node role by itself, where the cluster knows entries. */
export function admitNodeRole(call: Call, { cluster, roleArn, entryType }: NodeRole): void {
  if (authenticationModeOf(cluster) === 'CONFIG_MAP') return
  const { world } = call
  if (world.tables.accessEntries.has(accessEntryKey(clusterKeyOf(cluster), roleArn))) return
  const principal = readPrincipal(world.tables, roleArn, entryType)
  putEntry(world, { cluster, principal, type: entryType }, call.nowMs)
}
