import type { Association } from '../../associations/association.ts'
import { roleArn } from '../../iam/arn.ts'
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import { isOwned } from '../../iam/tags.ts'
import type { KubeClient } from '../../kube/client.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { askUntil, IAM_PATIENCE, type Patience, retryWhile } from '../../lib/waiting.ts'
import type { KeepPriorTrust } from '../roles/prior-trust.ts'
import { ensureRole } from '../roles/role-apply.ts'
import type { RoleRequest } from '../roles/role-request.ts'
import { type AssociationCluster, trustHint } from './association-place.ts'
import { findAssociation, type NewAssociation } from './association-port.ts'
import {
  type AssociationSettings,
  checkAssociation,
  differencesOf,
  newAssociation,
  requireOwn,
} from './association-request.ts'
import { checkRole, partsOf } from './association-role.ts'
import { makeServiceAccount, planServiceAccount } from './service-account.ts'

/** An association as it is to be, with the role that it has or that is made for it. */
export interface AssociationWishes {
  readonly settings: AssociationSettings
  readonly role: { readonly arn: string } | { readonly request: RoleRequest }
}

export interface CreateOptions {
  readonly keep: KeepPriorTrust
  /** Where the service account is to be made, if it is missing. */
  readonly kube?: KubeClient
  readonly patience?: Patience
}

export interface CreatedAssociation {
  readonly association: Association
  /** What was done, one sentence each; none where everything was there. */
  readonly done: readonly string[]
  /** What the reader should know, one sentence each. */
  readonly notes: readonly string[]
}

/**
 * Makes an association, its role and its service account as asked for, in the order role, service
 * account, association, so that none points at nothing. What is there as asked for is left as it
 * is; run again after a failure, it goes on.
 * @throws PodroleError `AssociationDiffers`, `InvalidAssociation`, `NoSuchRole`, `RoleDoesNotTrust`
 * and those of `ensureRole`; ServiceFault
 */
export async function createAssociation(
  cluster: AssociationCluster,
  wishes: AssociationWishes,
  options: CreateOptions,
): Promise<CreatedAssociation> {
  const { settings } = wishes
  const { serviceAccount } = settings
  const [found, plan] = await Promise.all([
    findAssociation(cluster.associations, serviceAccount),
    options.kube === undefined ? [] : planServiceAccount(options.kube, serviceAccount),
  ])
  const expected = newAssociation(settings, expectedArn(cluster, wishes.role))
  check(cluster, expected)
  refuseDifferent(cluster, expected, found)
  const role = await prepareRole(cluster, wishes, options)
  const wanted = newAssociation(settings, role.arn)
  const before = [...role.done]
  try {
    if (options.kube !== undefined) {
      before.push(...(await makeServiceAccount(options.kube, serviceAccount, plan)))
    }
    const { association, isNew } =
      found === undefined
        ? await create(cluster, wanted, role.patience)
        : { association: found, isNew: false }
    const label = formatServiceAccountName(serviceAccount)
    return {
      association,
      done: isNew
        ? [...before, `association ${association.associationId} of ${label} made`]
        : before,
      notes: role.notes,
    }
  } catch (error) {
    throw halfMade(before, error)
  }
}

function expectedArn({ roles }: AssociationCluster, role: AssociationWishes['role']): string {
  if ('arn' in role) return role.arn
  if (roles === undefined) throw noCredentials()
  return roleArn({ ...roles, ...role.request })
}

interface PreparedRole {
  readonly arn: string
  readonly done: readonly string[]
  readonly notes: readonly string[]
  /** How long EKS may not know yet what IAM does; not at all where IAM was not asked. */
  readonly patience: Patience | undefined
}

async function prepareRole(
  cluster: AssociationCluster,
  { role, settings }: AssociationWishes,
  options: CreateOptions,
): Promise<PreparedRole> {
  const { disableSessionTags = false, serviceAccount } = settings
  const grant = cluster.grant(serviceAccount, disableSessionTags)
  const { patience = IAM_PATIENCE } = options
  if ('arn' in role) {
    const { name } = partsOf(role.arn)
    const label = formatServiceAccountName(serviceAccount)
    const hint = trustHint(cluster, { roleName: name, serviceAccount: label, grant })
    const checked = await checkRole(cluster.roles, { roleArn: role.arn, grant, hint })
    return {
      arn: role.arn,
      done: [],
      notes: checked.notes,
      patience: checked.role === undefined ? undefined : patience,
    }
  }
  if (cluster.roles === undefined) throw noCredentials()
  const { arn, done, plan, priorFile } = await ensureRole(
    cluster.roles,
    { request: role.request, grant },
    { adopt: false, keep: options.keep, patience },
  )
  const notes = plan.remarks.map(({ text }) => text)
  if (priorFile !== undefined) notes.push(`its trust policy as it was: ${priorFile}`)
  return { arn, done, notes, patience }
}

const noCredentials = (): PodroleError =>
  new PodroleError('NoAwsCredentials', 'a role is to be made, and there are no AWS credentials', {
    hint: 'Set AWS_PROFILE, or name a role that is there with --role-arn.',
  })

function check(cluster: AssociationCluster, wanted: NewAssociation): void {
  const { clusterName, partition, roleAccountId } = cluster
  checkAssociation(
    { clusterName, ...wanted },
    { partition, ...(roleAccountId !== undefined && { roleAccountId }) },
  )
}

function refuseDifferent(
  cluster: AssociationCluster,
  wanted: NewAssociation,
  found: Association | undefined,
): void {
  const differences = found === undefined ? [] : differencesOf(wanted, found)
  if (found === undefined || differences.length === 0) return
  // An add-on's own is refused with the add-on's command.
  requireOwn(found, { verb: 'update', adopt: true })
  const label = `${found.namespace}/${found.serviceAccount}`
  const adopt = isOwned(found.tags) ? [] : ['--adopt']
  const options = [...differences.map(({ option }) => option), ...adopt].join(' ')
  throw new PodroleError(
    'AssociationDiffers',
    `service account ${label} has association ${found.associationId} already, and it differs: ${differences.map(({ text }) => text).join('; ')}`,
    { hint: `Change it: podrole association update ${label} ${cluster.options} ${options}` },
  )
}

async function create(
  cluster: AssociationCluster,
  wanted: NewAssociation,
  patience: Patience | undefined,
): Promise<{ readonly association: Association; readonly isNew: boolean }> {
  const act = (): Promise<Association> => cluster.associations.create(wanted)
  try {
    const association = await (patience === undefined
      ? act()
      : retryWhile(act, isNotSeen, patience))
    return { association, isNew: true }
  } catch (error) {
    if (codeOf(error) !== 'ResourceInUse') throw error
    // Somebody else made it just now.
    const { namespace, serviceAccount: name } = wanted
    const found = await askUntil(
      () => findAssociation(cluster.associations, { namespace, name }),
      (one) => one !== undefined,
      patience ?? IAM_PATIENCE,
    )
    if (found === undefined) throw error
    refuseDifferent(cluster, wanted, found)
    return { association: found, isNew: false }
  }
}

/** EKS does not see yet what IAM was told about the role; the words are EKS's. */
export const isNotSeen = (thrown: unknown): boolean =>
  codeOf(thrown) === 'InvalidParameter' &&
  /Role provided in the request does not exist|Trust policy of the role provided is invalid/i.test(
    messageOf(thrown),
  )

function halfMade(done: readonly string[], error: unknown): unknown {
  if (done.length === 0) return error
  return new PodroleError(
    'AssociationHalfMade',
    `${done.join('; ')}; then it failed: ${messageOf(error)}`,
    { hint: 'Mend that and run the same command again: it goes on from there.', cause: error },
  )
}
