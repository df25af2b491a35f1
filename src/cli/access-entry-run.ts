/** `podrole access-entry`. */
import { openAccount } from '../aws/account.ts'
import { describeEksCluster } from '../aws/eks-cluster.ts'
import { tryParseArn } from '../iam/arn.ts'
import { isOwned } from '../iam/tags.ts'
import { checkAll } from '../lib/collect-faults.ts'
import { PodroleError } from '../lib/errors.ts'
import {
  createAccessEntry,
  deleteAccessEntry,
  type EntryCluster,
  noEntry,
  updateAccessEntry,
} from '../manage/eks/access-entry-apply.ts'
import {
  describeAccessEntries,
  findAccessEntry,
  type ObservedEntry,
} from '../manage/eks/access-entry-port.ts'
import { readAccessEntry } from '../manage/eks/access-entry-request.ts'
import { formatAccessPolicy, readPolicyArn } from '../manage/eks/access-policy-request.ts'
import { eksAccessEntries } from '../manage/eks/eks-access-entries.ts'
import { openEks } from '../manage/eks/eks-client.ts'
import type {
  EksClusterFlags,
  EntryCreateFlags,
  EntryDeleteFlags,
  EntryUpdateFlags,
  PrincipalFlags,
} from './commands/access-entry.ts'
import { printData, printNote } from './output.ts'
import { accessOf } from './role-run.ts'

export async function runCreate(
  principal: string | undefined,
  flags: EntryCreateFlags,
): Promise<void> {
  const { kubernetesGroups, kubernetesUsername, tags, type } = flags
  const request = readAccessEntry({
    principalArn: readPrincipal(principal, flags),
    accessPolicies: flags.accessPolicy,
    tags,
    ...(type !== undefined && { type }),
    ...(kubernetesUsername !== undefined && { username: kubernetesUsername }),
    ...(kubernetesGroups !== undefined && { kubernetesGroups }),
  })
  printOutcome(flags, await createAccessEntry(await openCluster(flags), request))
}

export async function runList(flags: EksClusterFlags): Promise<void> {
  const { port } = await openCluster(flags)
  const entries = (await describeAccessEntries(port)).toSorted((one, other) =>
    one.principalArn < other.principalArn ? -1 : 1,
  )
  printData(flags.output, entries.map(shownOf), {
    columns: ['principal arn', 'type', 'groups', 'access policies', 'owner'],
    rows: entries.map((entry) => [
      entry.principalArn,
      entry.type,
      entry.kubernetesGroups.join(',') || '-',
      entry.accessPolicies.map(formatAccessPolicy).join(' ') || '-',
      isOwned(entry.tags) ? 'podrole' : '-',
    ]),
  })
}

export async function runDescribe(
  principal: string | undefined,
  flags: EksClusterFlags & PrincipalFlags,
): Promise<void> {
  const principalArn = readPrincipal(principal, flags)
  const cluster = await openCluster(flags)
  const found = await findAccessEntry(cluster.port, principalArn)
  if (found === undefined) throw noEntry(cluster, principalArn)
  const shown = shownOf(found)
  const rows = Object.entries(shown).map(([field, value]) => [
    field,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  printData(flags.output, shown, { columns: ['field', 'value'], rows })
}

export async function runUpdate(
  principal: string | undefined,
  flags: EntryUpdateFlags,
): Promise<void> {
  const { accessPolicy, adopt, kubernetesUsername, removeTags, tags } = flags
  const principalArn = readPrincipal(principal, flags)
  const groups = flags.kubernetesGroups === false ? [] : flags.kubernetesGroups
  const { partition = 'aws' } = tryParseArn(principalArn) ?? {}
  const removePolicies: string[] = []
  const wishes = {
    principalArn,
    accessPolicies: accessPolicy,
    tags,
    ...(kubernetesUsername !== undefined && { username: kubernetesUsername }),
    ...(groups !== undefined && { kubernetesGroups: groups }),
  }
  checkAll('InvalidAccessEntry', [
    () => readAccessEntry(wishes),
    ...flags.removeAccessPolicy.map((text) => () => {
      removePolicies.push(readPolicyArn(text, partition))
    }),
    () => {
      const given = [accessPolicy, flags.removeAccessPolicy, tags, removeTags].flat()
      if (adopt || groups !== undefined || kubernetesUsername !== undefined || given.length > 0) {
        return
      }
      throw new PodroleError('InvalidAccessEntry', 'nothing is named that is to be changed', {
        hint: 'Wanted --access-policy, --remove-access-policy, --kubernetes-groups, --kubernetes-username, --tags or --remove-tags.',
      })
    },
  ])
  const update = { ...wishes, removePolicies, removeTags }
  printOutcome(flags, await updateAccessEntry(await openCluster(flags), update, { adopt }))
}

export async function runDelete(
  principal: string | undefined,
  flags: EntryDeleteFlags,
): Promise<void> {
  const principalArn = readPrincipal(principal, flags)
  const deleted = await deleteAccessEntry(await openCluster(flags), principalArn, flags)
  const done = deleted === undefined ? [] : [`access entry of ${principalArn} deleted`]
  if (flags.output !== 'table') {
    const entry = deleted === undefined ? null : shownOf(deleted)
    printData(flags.output, { entry, done }, NO_TABLE)
  } else if (deleted === undefined) printNote('there was no access entry: nothing was done')
  else process.stdout.write(`${done.join('')}\n`)
}

const NO_TABLE = { columns: [], rows: [] }

/** @throws PodroleError `NoAccessEntries`: the cluster's authentication mode knows none */
async function openCluster(flags: EksClusterFlags): Promise<EntryCluster> {
  const account = await openAccount(accessOf(flags))
  const [{ authenticationMode }, eks] = await Promise.all([
    describeEksCluster(account, flags.cluster),
    openEks(account),
  ])
  if (authenticationMode === 'CONFIG_MAP') {
    throw new PodroleError(
      'NoAccessEntries',
      `cluster ${flags.cluster} has authentication mode CONFIG_MAP, which knows no access entries`,
      {
        hint: `Change it (there is no way back): aws eks update-cluster-config --name ${flags.cluster} --access-config authenticationMode=API_AND_CONFIG_MAP`,
      },
    )
  }
  return {
    port: eksAccessEntries(eks, flags.cluster),
    clusterName: flags.cluster,
    options: `--cluster ${flags.cluster}`,
  }
}

function readPrincipal(positional: string | undefined, { principalArn }: PrincipalFlags): string {
  const text = positional ?? principalArn
  if (text !== undefined && (principalArn ?? text) === text) return text
  throw new PodroleError(
    'NoPrincipal',
    text === undefined ? 'no IAM role or user is given' : 'two principals are given: wanted one',
    { hint: 'Name one by its ARN, arn:aws:iam::ACCOUNT:role/NAME.' },
  )
}

/** With EKS's own names; times in ISO 8601. */
function shownOf(entry: ObservedEntry): Readonly<Record<string, unknown>> {
  const { createdAtMs, modifiedAtMs, ...rest } = entry
  return {
    ...rest,
    createdAt: new Date(createdAtMs).toISOString(),
    modifiedAt: new Date(modifiedAtMs).toISOString(),
  }
}

function printOutcome(
  flags: EksClusterFlags,
  { done, entry }: { readonly entry: ObservedEntry; readonly done: readonly string[] },
): void {
  for (const line of done) printNote(line)
  if (done.length === 0) {
    printNote(`access entry of ${entry.principalArn} is there as asked for: nothing was done`)
  }
  if (flags.output === 'table') process.stdout.write(`${entry.accessEntryArn}\n`)
  else printData(flags.output, { entry: shownOf(entry), done }, NO_TABLE)
}
