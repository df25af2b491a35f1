import type { Association } from '../../associations/association.ts'
import {
  formatServiceAccountName,
  type ServiceAccountName,
} from '../../iam/service-account-name.ts'
import { isOwned, missingTags, OWNER_TAG, type Tags } from '../../iam/tags.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { IAM_PATIENCE, type Patience, retryWhile } from '../../lib/waiting.ts'
import { ownerHash } from '../role-name.ts'
import type { KeepPriorTrust } from '../roles/prior-trust.ts'
import { changeTrust } from '../roles/trust-change.ts'
import { isNotSeen } from './association-create.ts'
import { type AssociationCluster, trustHint } from './association-place.ts'
import { type AssociationChange, findAssociation } from './association-port.ts'
import { checkAssociation, isSamePolicy, requireOwn } from './association-request.ts'
import { ASSOCIATION_TAG, checkRole, partsOf } from './association-role.ts'

/** What is to be otherwise; what is undefined stays as it is. */
export interface AssociationUpdate extends AssociationChange {
  readonly serviceAccount: ServiceAccountName
  readonly tags: Tags
  readonly removeTags: readonly string[]
}

export interface UpdatedAssociation {
  readonly association: Association
  /** One sentence each; none where all was as asked for. */
  readonly done: readonly string[]
  readonly notes: readonly string[]
}

export interface UpdateOptions {
  /** Changes one that podrole did not make, and makes it podrole's own where tags can be changed. */
  readonly adopt: boolean
  readonly keep: KeepPriorTrust
  readonly patience?: Patience
}

/**
 * Changes an association member by member; what is not named stays. Its role's permissions are never
 * touched, and its trust policy only where podrole made the role for this service account and the
 * session tags go or come.
 * @throws PodroleError `NoAssociation`, `AddonOwned`, `AssociationNotOwned`, `InvalidAssociation`,
 * `TagsAreFixed`, `NoSuchRole`, `RoleDoesNotTrust`; ServiceFault
 */
export async function updateAssociation(
  cluster: AssociationCluster,
  update: AssociationUpdate,
  options: UpdateOptions,
): Promise<UpdatedAssociation> {
  const { associations } = cluster
  const found = await findAssociation(associations, update.serviceAccount)
  if (found === undefined) throw noAssociation(cluster, update.serviceAccount)
  requireOwn(found, { verb: 'update', adopt: options.adopt })
  const change = changeOf(update, found)
  checkChanged(cluster, found, change)
  const tags = tagChangeOf(update, found)
  const role = await prepareRole(cluster, { found, change, update }, options)
  const done = [...role.done]
  let association = found
  if (Object.keys(change).length > 0) {
    const act = (): Promise<Association> => associations.update(found.associationId, change)
    const { patience = IAM_PATIENCE } = options
    association = await (role.isSeen ? retryWhile(act, isNotSeen, patience) : act())
    done.push(`association ${found.associationId}: ${describeChange(change)}`)
  }
  done.push(...(await changeTags(cluster, found, tags)))
  // What EKS answers, not what it shows: a read may be behind.
  const kept = Object.entries(association.tags).filter(([key]) => !tags.remove.includes(key))
  const tagsNow = { ...Object.fromEntries(kept), ...tags.add }
  return { association: { ...association, tags: tagsNow }, done, notes: role.notes }
}

/** What of it is not so yet. */
function changeOf(update: AssociationUpdate, found: Association): AssociationChange {
  const { disableSessionTags, policy, roleArn, targetRoleArn } = update
  const isOther = (wish: string | undefined, is: string | undefined): wish is string =>
    wish !== undefined && wish !== (is ?? '')
  return {
    ...(isOther(roleArn, found.roleArn) && { roleArn }),
    ...(isOther(targetRoleArn, found.targetRoleArn) && { targetRoleArn }),
    ...(disableSessionTags !== undefined &&
      disableSessionTags !== found.disableSessionTags && { disableSessionTags }),
    ...(isOther(policy, found.policy) && !isSamePolicy(policy, found.policy) && { policy }),
  }
}

function checkChanged(
  cluster: AssociationCluster,
  found: Association,
  change: AssociationChange,
): void {
  const { clusterName, partition, roleAccountId } = cluster
  const { policy, targetRoleArn, ...rest } = { ...found, ...change }
  checkAssociation(
    {
      ...rest,
      clusterName,
      ...(targetRoleArn && { targetRoleArn }),
      ...(policy && { policy }),
    },
    { partition, ...(roleAccountId !== undefined && { roleAccountId }) },
  )
}

interface TagChange {
  readonly add: Tags
  readonly remove: readonly string[]
}

function tagChangeOf(update: AssociationUpdate, found: Association): TagChange {
  const add = missingTags(update.tags, found.tags)
  const remove = update.removeTags.filter((key) => Object.hasOwn(found.tags, key))
  return { add: { ...add, ...(!isOwned(found.tags) && OWNER_TAG) }, remove }
}

async function changeTags(
  { associations: { tagging } }: AssociationCluster,
  { associationArn }: Association,
  { add, remove }: TagChange,
): Promise<readonly string[]> {
  const done: string[] = []
  const keys = Object.keys(add)
  if (keys.length > 0) {
    await tagging.tag(associationArn, add)
    done.push(`tagged ${keys.join(', ')}`)
  }
  if (remove.length > 0) {
    await tagging.untag(associationArn, remove)
    done.push(`tags ${remove.join(', ')} taken away`)
  }
  return done
}

/** A role that is new to the association, or that is asked in another way, must admit it. */
async function prepareRole(
  cluster: AssociationCluster,
  what: {
    readonly found: Association
    readonly change: AssociationChange
    readonly update: AssociationUpdate
  },
  options: UpdateOptions,
): Promise<{ done: readonly string[]; notes: readonly string[]; isSeen: boolean }> {
  const { change, found, update } = what
  const { disableSessionTags, roleArn } = { ...found, ...change }
  if (change.roleArn === undefined && change.disableSessionTags === undefined) {
    return { done: [], notes: [], isSeen: false }
  }
  const { serviceAccount } = update
  const grant = cluster.grant(serviceAccount, disableSessionTags)
  const label = formatServiceAccountName(serviceAccount)
  const { name } = partsOf(roleArn)
  const hint = trustHint(cluster, { roleName: name, serviceAccount: label, grant })
  const { patience } = options
  const asked = { roleArn, grant, hint, ...(patience !== undefined && { patience }) }
  try {
    const { notes, role } = await checkRole(cluster.roles, asked)
    return { done: [], notes, isSeen: role !== undefined }
  } catch (error) {
    const isOwn = codeOf(error) === 'RoleDoesNotTrust' && (await isMadeFor(cluster, update, name))
    if (!isOwn || cluster.roles === undefined) throw error
    const { keep } = options
    const asks = { change: 'add' as const, grant, dryRun: false, keep }
    await changeTrust(cluster.roles, name, {
      ...asks,
      ...(patience !== undefined && { patience }),
    })
    return { done: [`trust policy of role ${name} written`], notes: [], isSeen: true }
  }
}

/** Whether podrole made the role for this service account. */
async function isMadeFor(
  { clusterArn, roles }: AssociationCluster,
  { serviceAccount }: AssociationUpdate,
  roleName: string,
): Promise<boolean> {
  const { tags = {} } = (await roles?.get(roleName)) ?? {}
  return isOwned(tags) && tags[ASSOCIATION_TAG] === ownerHash({ clusterArn, ...serviceAccount })
}

export const noAssociation = (
  { associations, clusterName, options }: AssociationCluster,
  serviceAccount: ServiceAccountName,
): PodroleError => {
  const label = formatServiceAccountName(serviceAccount)
  return new PodroleError(
    'NoAssociation',
    `service account ${label} has no association in cluster ${clusterName} (${associations.place})`,
    { hint: `Make one: podrole association create ${label} ${options} --role-arn …` },
  )
}

function describeChange({
  disableSessionTags,
  policy,
  roleArn,
  targetRoleArn,
}: AssociationChange): string {
  const told = (what: string, value: string | undefined): readonly string[] =>
    value === undefined ? [] : [value === '' ? `${what} taken away` : `${what} ${value}`]
  return [
    ...told('role', roleArn),
    ...told('target role', targetRoleArn),
    ...(disableSessionTags === undefined
      ? []
      : [`session tags ${disableSessionTags ? 'off' : 'on'}`]),
    ...told('session policy', policy === undefined || policy === '' ? policy : 'written'),
  ].join('; ')
}
