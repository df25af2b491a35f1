/** `podrole association create`. */
import { tryParseArn } from '../iam/arn.ts'
import { formatServiceAccountName, type ServiceAccountName } from '../iam/service-account-name.ts'
import { parseTags, type Tags } from '../iam/tags.ts'
import { systemClock } from '../lib/clock.ts'
import { checkAll } from '../lib/collect-faults.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
import { findAddon } from '../manage/eks/addon-port.ts'
import { agentNote } from '../manage/eks/agent-note.ts'
import { type AssociationWishes, createAssociation } from '../manage/eks/association-create.ts'
import { checkAssociation } from '../manage/eks/association-request.ts'
import { associationTag } from '../manage/eks/association-role.ts'
import { AGENT_ADDON, eksAddons } from '../manage/eks/eks-addons.ts'
import { openEks } from '../manage/eks/eks-client.ts'
import { permissionsOf } from '../manage/eks/role-permissions.ts'
import { ownerHash, roleNameFor } from '../manage/role-name.ts'
import { keepPriorTrust, stateFolder } from '../manage/roles/prior-trust.ts'
import {
  checkRequestInAccount,
  readRoleRequest,
  type RoleRequest,
} from '../manage/roles/role-request.ts'
import type { AssociationCreateFlags } from './commands/association.ts'
import { printChanged } from './association-show-run.ts'
import { openCluster, type OpenCluster, readSubject } from './parts/association-cluster.ts'
import { openKube, otherServer } from './parts/kube-cluster.ts'
import { readText } from './role-run.ts'

interface ReadFlags {
  readonly serviceAccount: ServiceAccountName
  readonly tags: Tags
  readonly policy?: string
  /** The inline policy of a role that is made. */
  readonly permissions?: string
}

export async function runCreate(
  subject: string | undefined,
  flags: AssociationCreateFlags,
): Promise<void> {
  const read = await readFlags(subject, flags)
  const cluster = await openCluster(flags)
  const kube = flags.createServiceAccount ? await openKube(flags) : undefined
  const created = await createAssociation(cluster, wishesOf(flags, read, cluster), {
    keep: keepPriorTrust(stateFolder(process.env), systemClock),
    ...(kube !== undefined && { kube }),
  })
  const isNew = created.done.length > 0
  const notes = [
    ...created.notes,
    ...otherServer(cluster.eks?.endpoint, kube),
    ...(isNew ? await nextSteps(cluster, read.serviceAccount) : []),
  ]
  printChanged(flags.output, { ...created, notes })
}

/** Everything that can be checked without a call, told at once. */
async function readFlags(
  subject: string | undefined,
  flags: AssociationCreateFlags,
): Promise<ReadFlags> {
  const permissions = await readPolicy(flags.permissionPolicy)
  const policy = await readPolicy(flags.policy)
  const read: { -readonly [K in keyof ReadFlags]?: ReadFlags[K] } = {}
  if (policy !== undefined) read.policy = policy
  if (permissions !== undefined) read.permissions = permissions
  checkAll('InvalidAssociation', [
    () => {
      read.serviceAccount = readSubject(subject, flags.serviceAccount)
    },
    () => {
      read.tags = parseTags(flags.tags)
    },
    () => checkRoleOptions(flags),
    () => {
      if (flags.roleArn !== undefined) return
      // The partition is not known yet, and makes no difference to what is wrong.
      requestOf(flags, permissions, 'aws')
    },
    () => checkSettings(flags, policy),
  ])
  return read as ReadFlags
}

/** A role that is made, as its options say; its tags are read elsewhere. */
function requestOf(
  flags: AssociationCreateFlags,
  policy: string | undefined,
  partition: string,
): RoleRequest {
  const { permissionPolicyArns: policyArns, permissionsBoundaryArn, wellKnownPolicies } = flags
  const wishes = {
    policyArns,
    wellKnown: wellKnownPolicies,
    ...(policy !== undefined && { policy }),
  }
  return readRoleRequest({
    name: flags.roleName ?? 'podrole',
    tags: [],
    ...permissionsOf(wishes, partition),
    ...(permissionsBoundaryArn !== undefined && { permissionsBoundary: permissionsBoundaryArn }),
  })
}

/** JSON as it is typed, or a file of it. */
export async function readPolicy(text: string | undefined): Promise<string | undefined> {
  if (text === undefined) return undefined
  return text.trimStart().startsWith('{') ? text : readText(text)
}

const MADE_ROLE = {
  roleName: '--role-name',
  permissionPolicy: '--permission-policy',
  permissionsBoundaryArn: '--permissions-boundary-arn',
} as const

function checkRoleOptions(flags: AssociationCreateFlags): void {
  const made: string[] = Object.entries(MADE_ROLE).flatMap(([key, option]) =>
    flags[key as keyof typeof MADE_ROLE] === undefined ? [] : [option],
  )
  if (flags.permissionPolicyArns.length > 0) made.push('--permission-policy-arns')
  if (flags.wellKnownPolicies.length > 0) made.push('--well-known-policies')
  if (flags.roleArn !== undefined && made.length > 0) {
    throw new PodroleError(
      'InvalidRole',
      `${made.join(', ')} ${made.length === 1 ? 'is' : 'are'} for a role that is made, and --role-arn names one that is there`,
      { hint: 'Leave out the one or the other.' },
    )
  }
  const permissions = made.filter((option) => /^--(?:permission-policy|well-known)/.test(option))
  if (flags.roleArn === undefined && permissions.length === 0) {
    throw new PodroleError(
      'InvalidRole',
      'neither a role nor permissions for a new one are given',
      {
        hint: 'Wanted --role-arn, --permission-policy, --permission-policy-arns or --well-known-policies.',
      },
    )
  }
}

/** EKS's rules, as far as they ask for no account: that is known once it was asked. */
function checkSettings(flags: AssociationCreateFlags, policy: string | undefined): void {
  const { cluster, disableSessionTags, roleArn, targetRoleArn } = flags
  const { partition = 'aws' } = tryParseArn(roleArn ?? targetRoleArn ?? '') ?? {}
  checkAssociation(
    {
      clusterName: cluster,
      namespace: 'x',
      serviceAccount: 'x',
      roleArn: roleArn ?? `arn:${partition}:iam::000000000000:role/x`,
      ...(targetRoleArn !== undefined && { targetRoleArn }),
      ...(disableSessionTags !== undefined && { disableSessionTags }),
      ...(policy !== undefined && { policy }),
    },
    { partition },
  )
}

function wishesOf(
  flags: AssociationCreateFlags,
  read: ReadFlags,
  cluster: OpenCluster,
): AssociationWishes {
  const { permissions, policy, serviceAccount, tags } = read
  const { disableSessionTags, roleArn, roleName, targetRoleArn } = flags
  const settings = {
    serviceAccount,
    tags,
    ...(targetRoleArn !== undefined && { targetRoleArn }),
    ...(disableSessionTags !== undefined && { disableSessionTags }),
    ...(policy !== undefined && { policy }),
  }
  if (roleArn !== undefined) return { settings, role: { arn: roleArn } }
  const owner = { clusterArn: cluster.clusterArn, ...serviceAccount }
  const named = {
    ...requestOf(flags, permissions, cluster.partition),
    name: roleName ?? roleNameFor(owner),
    tags: { ...tags, ...associationTag(ownerHash(owner)) },
  }
  if (cluster.account !== undefined) checkRequestInAccount(named, cluster.account)
  return { settings, role: { request: named } }
}

/** What is still missing until a pod gets the role. */
async function nextSteps(
  cluster: OpenCluster,
  serviceAccount: ServiceAccountName,
): Promise<readonly string[]> {
  const label = formatServiceAccountName(serviceAccount)
  const restart = `pods of ${label} that run already get it when they are made again: kubectl -n ${serviceAccount.namespace} rollout restart …`
  const { account, clusterName, eks } = cluster
  if (eks === undefined || eks.autoMode || account === undefined) return [restart]
  try {
    const addon = await findAddon(eksAddons(await openEks(account), clusterName), AGENT_ADDON)
    return [restart, agentNote(addon, clusterName) ?? []].flat()
  } catch (error) {
    if (codeOf(error) !== 'AccessDenied') throw error
    return [restart]
  }
}
