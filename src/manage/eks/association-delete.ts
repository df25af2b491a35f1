import type { Association } from '../../associations/association.ts'
import { roleArn } from '../../iam/arn.ts'
import {
  formatServiceAccountName,
  type ServiceAccountName,
} from '../../iam/service-account-name.ts'
import type { KubeClient } from '../../kube/client.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { askUntil, type Patience } from '../../lib/waiting.ts'
import { ownerHash, roleNameFor } from '../role-name.ts'
import type { DeleteRole } from '../roles/role-delete.ts'
import type { ObservedRole } from '../roles/role-port.ts'
import type { AssociationCluster } from './association-place.ts'
import { describeAssociations, findAssociation, orGone } from './association-port.ts'
import { requireOwn } from './association-request.ts'
import { partsOf, whyKeepRole } from './association-role.ts'
import { noAssociation } from './association-update.ts'
import { deleteOwnServiceAccount } from './service-account.ts'

export interface DeleteOptions {
  /** Also an association that podrole did not make. */
  readonly adopt: boolean
  /** Leaves the role alone, also one that podrole made for the association. */
  readonly keepRole: boolean
  /** A missing association is no fault. */
  readonly ignoreNotFound: boolean
  readonly deleteRole?: DeleteRole | undefined
  /** Where the service account is to be deleted too, if podrole made it. */
  readonly kube?: KubeClient
}

export interface DeletedAssociation {
  /** Undefined where there was none. */
  readonly association?: Association
  /** What was deleted and what stays, one sentence each. */
  readonly done: readonly string[]
}

/**
 * Deletes an association, then the role that podrole made for it and that nobody else has. Where an
 * earlier run was cut short, the role of podrole's own naming is still found.
 * @throws PodroleError `NoAssociation`, `AddonOwned`, `AssociationNotOwned`, `RoleLeft`;
 * ServiceFault
 */
export async function deleteAssociation(
  cluster: AssociationCluster,
  serviceAccount: ServiceAccountName,
  options: DeleteOptions,
): Promise<DeletedAssociation> {
  const { associations } = cluster
  const found = await findSurely(cluster, serviceAccount, options.keepRole)
  const done: string[] = []
  if (found !== undefined) {
    requireOwn(found, { verb: 'delete', adopt: options.adopt })
    await orGone(() => associations.delete(found.associationId))
    const label = formatServiceAccountName(serviceAccount)
    done.push(`association ${found.associationId} of ${label} deleted`)
  }
  done.push(...(await removeRole(cluster, { found, serviceAccount, before: done }, options)))
  if (found === undefined && done.length === 0 && !options.ignoreNotFound) {
    throw noAssociation(cluster, serviceAccount)
  }
  if (options.kube !== undefined) {
    done.push(await deleteOwnServiceAccount(options.kube, serviceAccount))
  }
  return { done, ...(found !== undefined && { association: found }) }
}

/** A list that is behind must not make a role look left over. */
const LIST_PATIENCE: Patience = { totalMs: 2000, firstDelayMs: 250, maxDelayMs: 1000 }

/** The association; where there is none and yet a role for it, it is looked for again. */
async function findSurely(
  cluster: AssociationCluster,
  serviceAccount: ServiceAccountName,
  keepRole: boolean,
): Promise<Association | undefined> {
  const find = (): Promise<Association | undefined> =>
    findAssociation(cluster.associations, serviceAccount)
  const found = await find()
  if (found !== undefined || keepRole) return found
  const left = await roleOf(cluster, undefined, serviceAccount).catch(unlessForbidden)
  if (left === undefined) return undefined
  return askUntil(find, (one) => one !== undefined, LIST_PATIENCE)
}

/** Who may not read roles has none to delete. */
function unlessForbidden(thrown: unknown): undefined {
  if (codeOf(thrown) !== 'AccessDenied') throw thrown
}

async function removeRole(
  cluster: AssociationCluster,
  what: {
    readonly found: Association | undefined
    readonly serviceAccount: ServiceAccountName
    readonly before: readonly string[]
  },
  { deleteRole, keepRole }: DeleteOptions,
): Promise<readonly string[]> {
  const { found, serviceAccount } = what
  if (keepRole || deleteRole === undefined || cluster.roles === undefined) return []
  try {
    const role = await roleOf(cluster, found?.roleArn, serviceAccount)
    if (role === undefined) return []
    const why = await whyKeep(cluster, role, what)
    if (why === undefined) {
      await deleteRole(role.name)
      return [`role ${role.name} deleted`]
    }
    return found === undefined ? [] : [`role ${role.name} stays: ${why}`]
  } catch (error) {
    if (codeOf(error) === 'AccessDenied') {
      return what.before.length === 0 ? [] : [`its role stays: ${messageOf(error)}`]
    }
    if (what.before.length === 0) throw error
    throw new PodroleError(
      'RoleLeft',
      `${what.before.join('; ')}; then its role could not be deleted: ${messageOf(error)}`,
      { hint: leftHint(cluster, what), cause: error },
    )
  }
}

/** A role of podrole's own naming is found again when its association is gone. */
function leftHint(
  { clusterArn }: AssociationCluster,
  what: { readonly found: Association | undefined; readonly serviceAccount: ServiceAccountName },
): string {
  const { name } = partsOf(what.found?.roleArn ?? '')
  return name === roleNameFor({ clusterArn, ...what.serviceAccount })
    ? 'Run the same command again: it goes on from there.'
    : `Delete it when its policies are gone: aws iam delete-role --role-name ${name}`
}

/** The association's role, or the one that podrole would have named for it. */
async function roleOf(
  { clusterArn, roles }: AssociationCluster,
  arn: string | undefined,
  serviceAccount: ServiceAccountName,
): Promise<ObservedRole | undefined> {
  if (roles === undefined) return undefined
  const named = roleArn({ ...roles, name: roleNameFor({ clusterArn, ...serviceAccount }) })
  const { accountId, name } = partsOf(arn ?? named)
  if (accountId !== roles.accountId) return undefined
  const role = await roles.get(name)
  return arn === undefined || role?.arn === arn ? role : undefined
}

async function whyKeep(
  cluster: AssociationCluster,
  role: ObservedRole,
  what: { readonly found: Association | undefined; readonly serviceAccount: ServiceAccountName },
): Promise<string | undefined> {
  const { found, serviceAccount } = what
  const asked = {
    hash: ownerHash({ clusterArn: cluster.clusterArn, ...serviceAccount }),
    grant: cluster.grant(serviceAccount, found?.disableSessionTags ?? false),
  }
  // What IAM says alone may settle it: the associations are many calls.
  const why = whyKeepRole(role, { ...asked, others: [] })
  if (why !== undefined) return why
  const all = await describeAssociations(cluster.associations)
  const others = all.filter(({ associationId }) => associationId !== found?.associationId)
  return whyKeepRole(role, { ...asked, others })
}
