/** `podrole association update|delete`. */
import type { ServiceAccountName } from '../iam/service-account-name.ts'
import { parseTags, type Tags } from '../iam/tags.ts'
import { systemClock } from '../lib/clock.ts'
import { checkAll } from '../lib/collect-faults.ts'
import { PodroleError } from '../lib/errors.ts'
import { deleteAssociation } from '../manage/eks/association-delete.ts'
import { type AssociationUpdate, updateAssociation } from '../manage/eks/association-update.ts'
import { keepPriorTrust, stateFolder } from '../manage/roles/prior-trust.ts'
import { roleDeletion } from '../manage/roles/role-delete.ts'
import { readPolicy } from './association-create-run.ts'
import { openKube } from './parts/kube-cluster.ts'
import { printChanged } from './association-show-run.ts'
import type { AssociationDeleteFlags, AssociationUpdateFlags } from './commands/association.ts'
import { printData, printNote } from './output.ts'
import { openCluster, readSubject } from './parts/association-cluster.ts'

export async function runUpdate(
  subject: string | undefined,
  flags: AssociationUpdateFlags,
): Promise<void> {
  const update = await readUpdate(subject, flags)
  const cluster = await openCluster(flags)
  const updated = await updateAssociation(cluster, update, {
    adopt: flags.adopt,
    keep: keepPriorTrust(stateFolder(process.env), systemClock),
  })
  printChanged(flags.output, updated)
}

async function readUpdate(
  subject: string | undefined,
  flags: AssociationUpdateFlags,
): Promise<AssociationUpdate> {
  const { adopt, disableSessionTags, removeTags, roleArn, targetRole, targetRoleArn } = flags
  const policy = flags.policy === false ? '' : await readPolicy(flags.policy)
  let serviceAccount: ServiceAccountName | undefined
  let tags: Tags = {}
  const target = targetRole === false ? '' : targetRoleArn
  checkAll('InvalidAssociation', [
    () => {
      serviceAccount = readSubject(subject, flags.serviceAccount)
    },
    () => {
      tags = parseTags(flags.tags)
    },
    () => {
      if (targetRole !== false || targetRoleArn === undefined) return
      throw new PodroleError(
        'InvalidAssociation',
        '--target-role-arn and --no-target-role are given',
      )
    },
    () => {
      const both = removeTags.find((key) => Object.hasOwn(tags, key))
      if (both === undefined) return
      throw new PodroleError('InvalidTag', `tag ${both} is to be set and to be taken away`)
    },
    () => {
      const wishes = [roleArn, target, disableSessionTags, policy]
      const isNothing =
        wishes.every((one) => one === undefined) && flags.tags.length + removeTags.length === 0
      if (!isNothing || adopt) return
      throw new PodroleError('InvalidAssociation', 'nothing is named that is to be changed', {
        hint: 'Wanted --role-arn, --target-role-arn, --disable-session-tags, --policy, --tags or --remove-tags.',
      })
    },
  ])
  return {
    serviceAccount: serviceAccount ?? readSubject(subject, flags.serviceAccount),
    tags,
    removeTags,
    ...(roleArn !== undefined && { roleArn }),
    ...(target !== undefined && { targetRoleArn: target }),
    ...(disableSessionTags !== undefined && { disableSessionTags }),
    ...(policy !== undefined && { policy }),
  }
}

export async function runDelete(
  subject: string | undefined,
  flags: AssociationDeleteFlags,
): Promise<void> {
  const serviceAccount = readSubject(subject, flags.serviceAccount)
  const cluster = await openCluster(flags)
  const kube = flags.deleteServiceAccount ? await openKube(flags) : undefined
  const { account } = cluster
  const { association, done } = await deleteAssociation(cluster, serviceAccount, {
    adopt: flags.adopt,
    keepRole: flags.keepRole,
    ignoreNotFound: flags.ignoreNotFound,
    deleteRole: account === undefined ? undefined : await roleDeletion(account),
    ...(kube !== undefined && { kube }),
  })
  if (flags.output !== 'table') {
    printData(flags.output, { association: association?.associationId ?? null, done }, NO_TABLE)
    return
  }
  for (const line of done) process.stdout.write(`${line}\n`)
  if (done.length === 0) printNote('there was no association: nothing was done')
}

const NO_TABLE = { columns: [], rows: [] }
