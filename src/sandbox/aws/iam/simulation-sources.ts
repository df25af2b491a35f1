import type { Caller } from '../../../iam/request.ts'
import { groupsOfUser } from '../identity/policies.ts'
import { defaultDocument, nameKey } from '../records.ts'
import { accountOf, type Call } from '../world.ts'
import type { PolicyHolder } from './entity-policies.ts'
import { invalidInput, noSuchEntity } from './faults.ts'

/** A policy that is simulated, with where it comes from. */
export interface SimulatedPolicy {
  /** Its name among those of one question. */
  readonly name: string
  /** What answers show in the place of the name. */
  readonly id?: string
  readonly text: string
  readonly type: 'user' | 'group' | 'role' | 'aws-managed' | 'user-managed' | 'resource' | 'none'
}

/** A role, user or group whose policies are simulated. */
export interface PrincipalSource {
  readonly caller: Caller
  readonly policies: readonly SimulatedPolicy[]
  readonly boundary: readonly SimulatedPolicy[]
  readonly tags: Readonly<Record<string, string>>
}

const ARN = /^arn:[a-z0-9-]+:iam::(\d{12}):(user|role|group)\/(?:.*\/)?([\w+=,.@-]+)$/

/** The role, user or group of that ARN. @throws AwsFault `InvalidInput`, `NoSuchEntity` */
export function readPrincipalSource(call: Call, arn: string): PrincipalSource {
  const [, accountId = '', kind, name = ''] = ARN.exec(arn) ?? []
  if (kind === undefined || accountId !== accountOf(call)) {
    throw invalidInput(`Invalid Entity Arn: ${arn} does not clearly define entity type and name.`)
  }
  const { tables } = call.world
  const key = nameKey(accountId, name)
  if (kind === 'role') {
    const role = tables.roles.get(key)
    if (role === undefined) throw noSuchEntity(`The role with name ${name} cannot be found.`)
    const sessionName = 'simulation'
    const caller: Caller = {
      kind: 'role-session',
      accountId,
      arn: `arn:${call.world.partition}:sts::${accountId}:assumed-role/${role.roleName}/${sessionName}`,
      roleArn: role.arn,
      roleId: role.roleId,
      sessionName,
    }
    return { caller, tags: role.tags, ...sourcesOf(call, 'role', role.roleName, role) }
  }
  if (kind === 'group') {
    const group = tables.groups.get(key)
    if (group === undefined) throw noSuchEntity(`The group with name ${name} cannot be found.`)
    const caller: Caller = { kind: 'user', accountId, arn: group.arn, userId: group.groupId }
    return { caller, tags: {}, ...sourcesOf(call, 'group', group.groupName, group) }
  }
  const user = tables.users.get(key)
  if (user === undefined) throw noSuchEntity(`The user with name ${name} cannot be found.`)
  const own = sourcesOf(call, 'user', user.userName, user)
  const shared = groupsOfUser(tables, user).flatMap(
    (group) => sourcesOf(call, 'group', group.groupName, group).policies,
  )
  const caller: Caller = { kind: 'user', accountId, arn: user.arn, userId: user.userId }
  return { caller, tags: user.tags, ...own, policies: [...own.policies, ...shared] }
}

function sourcesOf(
  call: Call,
  type: 'role' | 'group' | 'user',
  name: string,
  holder: PolicyHolder & { readonly boundaryArn?: string },
): Pick<PrincipalSource, 'policies' | 'boundary'> {
  const inline = Object.entries(holder.inlinePolicies).map(
    ([policyName, text]): SimulatedPolicy => ({
      name: `${type}_${name}_${policyName}`,
      text,
      type,
    }),
  )
  const attached = holder.attachedPolicyArns.flatMap((arn) => managed(call, arn))
  const boundary = holder.boundaryArn === undefined ? [] : managed(call, holder.boundaryArn)
  return { policies: [...inline, ...attached], boundary }
}

function managed(call: Call, arn: string): readonly SimulatedPolicy[] {
  const policy = call.world.tables.policies.get(arn)
  if (policy === undefined) return []
  const type = policy.accountId === 'aws' ? 'aws-managed' : 'user-managed'
  return [{ name: arn, id: policy.policyName, text: defaultDocument(policy), type }]
}

/** CallerArn names a user and nothing else. @throws AwsFault `InvalidInput` */
export function userOfArn(call: Call, arn: string): Caller {
  const [, accountId = '', kind, name = ''] = ARN.exec(arn) ?? []
  if (kind !== 'user') throw invalidInput(`CallerArn must be the ARN of an IAM user: ${arn}`)
  const user = call.world.tables.users.get(nameKey(accountId, name))
  const userId = user?.arn === arn ? user.userId : 'AIDASIMULATEDUSER0000'
  return { kind: 'user', accountId, arn, userId }
}
