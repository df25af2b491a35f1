import { newUniqueId } from '../identifiers.ts'
import { nameKey, type RoleRecord } from '../records.ts'
import type { World } from '../world.ts'

/** A role that is there without anybody's call, as services of AWS make them. */
export interface InstalledRole {
  readonly accountId: string
  readonly roleName: string
  /** `/` by default. */
  readonly path?: string
  readonly description?: string
  /** The service that may assume it: `ec2.amazonaws.com`. */
  readonly service: string
  readonly maxSessionSeconds: number
  /** Name → JSON text. */
  readonly inlinePolicies?: Readonly<Record<string, string>>
  readonly attachedPolicyArns?: readonly string[]
}

/** Puts a role there; one of that name stays and gets the inline policies. Its record. */
export function installRole(
  { tables, partition, clock }: Pick<World, 'tables' | 'partition' | 'clock'>,
  spec: InstalledRole,
): RoleRecord {
  const { accountId, roleName, path = '/', inlinePolicies = {}, description } = spec
  const key = nameKey(accountId, roleName)
  const known = tables.roles.get(key)
  const role: RoleRecord =
    known === undefined
      ? {
          accountId,
          roleName,
          path,
          roleId: newUniqueId('AROA'),
          arn: `arn:${partition}:iam::${accountId}:role${path}${roleName}`,
          ...(description !== undefined && { description }),
          maxSessionSeconds: spec.maxSessionSeconds,
          trustPolicy: serviceTrust(spec.service),
          trustPrincipalIds: {},
          inlinePolicies,
          attachedPolicyArns: spec.attachedPolicyArns ?? [],
          tags: {},
          createdAtMs: clock.now(),
        }
      : { ...known, inlinePolicies: { ...known.inlinePolicies, ...inlinePolicies } }
  tables.roles.set(key, role)
  return role
}

const serviceTrust = (service: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
  })
