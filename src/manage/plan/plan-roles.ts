/** All roles of a plan: grouped by name, shared, given, and those that nothing asks for any more. */
import { isDeepStrictEqual } from 'node:util'
import { parseArn } from '../../iam/arn.ts'
import { messageOf } from '../../lib/errors.ts'
import type { MadeRole } from '../desired/desired-state.ts'
import type { PlanContext } from './context.ts'
import { givenTrust } from './given-trust.ts'
import { EMPTY_TRUST } from '../../iam/trust-edit.ts'
import type { ObservedCluster, PlanRole } from './observed-state.ts'
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import { newTrust, ownTrustAfter } from './own-trust.ts'
import { clusterOfTags } from './ownership.ts'
import { roleNameFor } from '../role-name.ts'
import { isTooLong, placesOf, planMadeRole } from './role-steps.ts'
import { providerArnOf, type RoleUse } from './role-uses.ts'
import { shardsOf } from './shards.ts'

/** The role of a use, and the steps after which it may be given away. */
export interface UsedRole {
  readonly arn: string
  readonly after: readonly string[]
}

export interface RolesPlan {
  /** Undefined where the role is refused. */
  of(use: RoleUse): UsedRole | undefined
  /** Lower-case names of roles that are to be there. */
  readonly names: ReadonlySet<string>
}

interface Group {
  readonly name: string
  readonly role: MadeRole
  readonly uses: RoleUse[]
  /** Podrole named it for a service account, whose it is. */
  isNamedByUs: boolean
  /** What is asked of it, once another asks in other words. */
  spec?: string
}

/** Plans the roles of all uses; `providers` are the steps that make OIDC providers, by ARN. */
export function planRoles(
  context: PlanContext,
  uses: readonly RoleUse[],
  providers: ReadonlyMap<string, string>,
): RolesPlan {
  const planned = new Map<RoleUse, UsedRole>()
  const names = new Set<string>()
  const current = currentRoles()
  for (const group of groupsOf(context, uses)) {
    const { role } = group
    const conditions = role.trustConditions
    const quota = context.observed.trustQuota
    const shards = quota.isLive
      ? shardsOf({
          ...group,
          conditions,
          quota: quota.value,
          findRole: context.findRole,
          othersIn: (found) => othersIn(context, found),
          currentRole: current,
        })
      : [{ name: group.name, uses: group.uses, trust: newTrust(group.uses, conditions) }]
    for (const shard of shards) {
      names.add(shard.name.toLowerCase())
      const after = shard.uses.flatMap((use) => providerSteps(use, providers))
      const wanted = { ...shard, role, after: [...new Set(after)] }
      const ready = planMadeRole(context, wanted)
      if (ready === undefined) continue
      const used = { arn: context.roleArnOf(shard.name), after: ready }
      for (const use of shard.uses) planned.set(use, used)
    }
  }
  planGivenRoles(context, uses, { planned, names })
  return { of: (use) => planned.get(use), names }
}

/** Looks up the role that a use has by its association or annotation; a cluster is read once. */
export function currentRoles(): (use: RoleUse) => string | undefined {
  const known = new Map<ObservedCluster, ReadonlyMap<string, string>>()
  const read = (cluster: ObservedCluster): ReadonlyMap<string, string> =>
    new Map([
      ...cluster.associations.map(
        ({ serviceAccount: { name, namespace }, settings }) =>
          [`association ${namespace}/${name}`, settings.roleArn] as const,
      ),
      ...cluster.serviceAccounts.map(
        ({ annotations, serviceAccount: { name, namespace } }) =>
          [`annotation ${namespace}/${name}`, annotations[ROLE_ANNOTATION] ?? ''] as const,
      ),
    ])
  return ({ block, cluster, serviceAccount: { name, namespace } }) => {
    const roles = known.get(cluster) ?? read(cluster)
    known.set(cluster, roles)
    const way = block === 'iam.serviceAccounts' ? 'annotation' : 'association'
    return roles.get(`${way} ${namespace}/${name}`)
  }
}

/** What stays in a trust policy when everything goes that files speak of. */
function othersIn({ spoken }: PlanContext, { arn, tags, trustPolicy }: PlanRole): number {
  const nobody = { uses: [], conditions: {}, roleArn: arn, madeFor: clusterOfTags(tags) }
  try {
    return ownTrustAfter(trustPolicy, nobody, spoken).after.length - EMPTY_TRUST.length
  } catch {
    return 0
  }
}

const providerSteps = (
  { by, cluster }: RoleUse,
  providers: ReadonlyMap<string, string>,
): readonly string[] => {
  if (by.way === 'pod-identity') return []
  const step = providers.get(providerArnOf(cluster.arn, by.issuer))
  return step === undefined ? [] : [step]
}

function groupsOf(context: PlanContext, uses: readonly RoleUse[]): Iterable<Group> {
  const groups = new Map<string, Group>()
  for (const use of uses) {
    const { cluster, role, serviceAccount } = use
    if (role.kind !== 'made') continue
    const name = role.name ?? roleNameFor({ clusterArn: cluster.arn, ...serviceAccount })
    const group = groups.get(name.toLowerCase())
    if (group === undefined) {
      const isNamedByUs = role.name === undefined
      groups.set(name.toLowerCase(), { name, role, uses: [use], isNamedByUs })
    } else if (joins(context, group, use)) {
      group.uses.push(use)
      group.isNamedByUs ||= role.name === undefined
    }
  }
  return groups.values()
}

/** Whether it is the same role that the use asks for. */
function joins({ draft }: PlanContext, group: Group, use: RoleUse): boolean {
  const { cluster, path, role, serviceAccount } = use
  const [first] = group.uses
  if (role.kind !== 'made' || first === undefined) return false
  const isSameHolder =
    first.cluster.arn === cluster.arn &&
    first.serviceAccount.namespace === serviceAccount.namespace &&
    first.serviceAccount.name === serviceAccount.name
  if ((group.isNamedByUs || role.name === undefined) && !isSameHolder) {
    draft.refuse({
      code: 'RoleTaken',
      path,
      text: `role name ${group.name} is the one of ${first.path}`,
      hint: 'Give the role another name.',
    })
    return false
  }
  // Nearly always they are written alike, and only what is not is brought into one order.
  if (isDeepStrictEqual(role, group.role)) return true
  group.spec ??= specOf(group.role)
  if (specOf(role) === group.spec) return true
  draft.refuse({
    code: 'RoleDiffers',
    path,
    text: `role ${group.name} is asked for by ${first.path} too, with other permissions, tags or conditions`,
    hint: 'Ask for the same in both places, or give the roles names of their own.',
  })
  return false
}

const specOf = ({ boundaryArn, inline, policyArns, tags, trustConditions }: MadeRole): string =>
  JSON.stringify([
    boundaryArn,
    policyArns.toSorted(),
    sortedEntries(inline),
    sortedEntries(tags),
    trustConditions,
  ])

const sortedEntries = (record: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(record)
    .map((entry) => JSON.stringify(entry))
    .sort()

/** Roles that somebody else made: who is to have one must be let in. */
function planGivenRoles(
  context: PlanContext,
  uses: readonly RoleUse[],
  into: { readonly planned: Map<RoleUse, UsedRole>; readonly names: Set<string> },
): void {
  const byArn = new Map<string, RoleUse[]>()
  for (const use of uses) {
    if (use.role.kind !== 'given') continue
    const { arn } = use.role
    const those = byArn.get(arn)
    if (those === undefined) byArn.set(arn, [use])
    else those.push(use)
  }
  for (const [arn, those] of byArn) {
    const after = planGivenRole(context, arn, those)
    if (after === undefined) continue
    into.names.add(nameOf(arn).toLowerCase())
    for (const use of those) into.planned.set(use, { arn, after })
  }
}

const nameOf = (arn: string): string => arn.split('/').at(-1) ?? ''

function planGivenRole(
  context: PlanContext,
  arn: string,
  uses: readonly RoleUse[],
): readonly string[] | undefined {
  const { draft, findRole, observed, options } = context
  const places = placesOf(uses)
  const { accountId, partition } = parseArn(arn)
  if (accountId !== observed.accountId || partition !== observed.partition) {
    const hint =
      "A role of another account can be the targetRoleARN of one of the cluster's account."
    const text = `role ${arn} is not of the cluster's account ${observed.accountId}`
    draft.refuse({ code: 'WrongAccount', ...places, text, hint })
    return undefined
  }
  if (options.isIamUnseen === true) return []
  const found = findRole(nameOf(arn))
  if (found?.arn !== arn) {
    const other = found === undefined ? '' : `; there is ${found.arn}`
    const hint =
      'Make it first, or let podrole make one with permissionPolicyARNs or permissionPolicy.'
    draft.refuse({ code: 'NoRole', ...places, text: `there is no role ${arn}${other}`, hint })
    return undefined
  }
  const before = found.trustPolicy
  try {
    const edit = givenTrust(before, uses)
    for (const { code, text } of edit.remarks) {
      if (code === 'denied-by-statement' || code === 'long-subject') {
        draft.remark({ code: 'trust', text: `role ${found.name}: ${text}` })
      }
    }
    for (const { keys, subject } of edit.conditional) {
      const text = `role ${found.name} lets in ${subject} where its conditions on ${keys.join(', ')} hold`
      draft.remark({ code: 'trust', text })
    }
    if (edit.after === before) return []
    if (isTooLong(context, { name: found.name, uses }, edit)) return undefined
    if (options.adopt) {
      return [
        draft.step({
          do: 'put-trust',
          phase: 'admit',
          role: found.name,
          before,
          after: edit.after,
        }),
      ]
    }
    draft.refuse({
      code: 'RoleNotTrusting',
      ...places,
      text: `role ${arn}, which podrole did not make, does not let in ${edit.subjects.join(', ')}`,
      hint: `--adopt adds a statement to its trust policy, as podrole role trust add ${found.name} does.`,
    })
  } catch (error) {
    const text = `the trust policy of role ${arn} cannot be read: ${messageOf(error)}`
    draft.refuse({ code: 'TrustPolicyUnreadable', ...places, text, hint: 'Mend it by hand first.' })
  }
  return undefined
}
