/** `podrole addon`. */
import { openAccount } from '../aws/account.ts'
import { describeEksCluster } from '../aws/eks-cluster.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import { mapLimited } from '../lib/map-limited.ts'
import {
  type AddonCluster,
  type AddonOutcome,
  type AddonWish,
  dependentsOf,
  disableAgent,
  enableAddon,
  updateAddon,
} from '../manage/eks/addon-apply.ts'
import {
  type Addon,
  type AddonPort,
  type AddonVersion,
  describeAddons,
  findAddon,
} from '../manage/eks/addon-port.ts'
import { compareAddonVersions } from '../manage/eks/addon-version.ts'
import type { AddonWait } from '../manage/eks/addon-wait.ts'
import { AT_ONCE, orGone } from '../manage/eks/association-port.ts'
import { eksAddons } from '../manage/eks/eks-addons.ts'
import { eksAssociations } from '../manage/eks/eks-associations.ts'
import { openEks } from '../manage/eks/eks-client.ts'
import { WORKLOAD_IDENTITY as ADDON } from '../manage/desired/checks/cluster.ts'
import type { ListedWorkloadIdentity } from './addon-workload-identity.ts'
import { refuseForeign } from './addon-options.ts'
import type {
  AddonDisableFlags,
  AddonFlags,
  AddonPlaceFlags,
  AddonVersionFlags,
} from './commands/addon.ts'
import { printData, printNote } from './output.ts'
import { accessOf } from './role-run.ts'

export async function runEnable(addonName: string, flags: AddonVersionFlags): Promise<void> {
  if (addonName === ADDON) {
    const { enableOrUpdate } = await import('./addon-workload-identity.ts')
    return enableOrUpdate(flags, { isUpdate: false })
  }
  refuseWorkloadIdentity(flags)
  const wait = waitOf(flags)
  const { cluster, autoMode } = await openCluster(flags)
  if (autoMode) {
    printNote(
      `cluster ${flags.cluster} has EKS Auto Mode, whose nodes have the agent built in: the add-on is for other nodes alone`,
    )
  }
  printOutcome(flags, await enableAddon(cluster, wishOf(addonName, flags), wait))
}

export async function runUpdate(addonName: string, flags: AddonVersionFlags): Promise<void> {
  if (addonName === ADDON) {
    const { enableOrUpdate } = await import('./addon-workload-identity.ts')
    return enableOrUpdate(flags, { isUpdate: true })
  }
  refuseWorkloadIdentity(flags)
  const wait = waitOf(flags)
  const { cluster } = await openCluster(flags)
  printOutcome(flags, await updateAddon(cluster, wishOf(addonName, flags), wait))
}

export async function runDisable(addonName: string, flags: AddonDisableFlags): Promise<void> {
  if (addonName === ADDON) {
    const { disable } = await import('./addon-workload-identity.ts')
    return disable(flags)
  }
  const wait = waitOf(flags)
  const { cluster } = await openCluster(flags)
  const { lost } = await disableAgent(cluster, addonName, { force: flags.force, wait })
  if (flags.output !== 'table') printData(flags.output, { addonName, lost }, NO_TABLE)
  else process.stdout.write(`add-on ${addonName} deleted\n`)
  if (lost.length > 0) {
    printNote(
      `${lost.length} service account(s) get no new credentials any more; what their pods hold ends within six hours: ${lost.join(', ')}`,
    )
  }
}

export async function runList(flags: AddonPlaceFlags): Promise<void> {
  const [ofEks, own] = await Promise.all([listOfEks(flags), listWorkloadIdentity(flags)])
  if (ofEks === undefined && own === undefined) {
    throw new PodroleError(
      'ResourceNotFound',
      `there is no EKS cluster ${flags.cluster}, and the kubeconfig leads to no cluster where ${ADDON} was enabled as ${flags.cluster}`,
    )
  }
  const rows = ofEks ?? []
  printData(flags.output, own === undefined ? rows : [...rows, own], {
    columns: ['add-on', 'version', 'status', 'default', 'latest', 'issues'],
    rows: [
      ...rows.map((row) => [
        row.addonName,
        row.addonVersion,
        row.status,
        row.defaultVersion ?? '-',
        row.latestVersion ?? '-',
        row.issues.join('; ') || '-',
      ]),
      ...(own === undefined ? [] : [[own.addonName, own.image || '-', own.status, '-', '-', '-']]),
    ],
  })
}

type ListedAddon = Addon & ReturnType<typeof versionsOf>

/** Undefined where EKS has no such cluster. */
async function listOfEks(flags: AddonPlaceFlags): Promise<readonly ListedAddon[] | undefined> {
  const opened = await orGone(() => openCluster(flags))
  if (opened === undefined) return undefined
  const { kubernetesVersion, port } = opened.cluster
  return mapLimited(await describeAddons(port), AT_ONCE, async (addon) => {
    const versions = await port.versions(addon.addonName, kubernetesVersion)
    return { ...addon, ...versionsOf(versions, addon.addonVersion) }
  })
}

/** Who asks EKS need not reach the cluster's Kubernetes; that is told then. */
async function listWorkloadIdentity(
  flags: AddonPlaceFlags,
): Promise<ListedWorkloadIdentity | undefined> {
  const { listed } = await import('./addon-workload-identity.ts')
  try {
    return await listed(flags)
  } catch (error) {
    printNote(`whether it has ${ADDON} is not known: ${messageOf(error)}`)
    return undefined
  }
}

export async function runStatus(addonName: string, flags: AddonPlaceFlags): Promise<void> {
  if (addonName === ADDON) {
    const { showStatus } = await import('./addon-workload-identity.ts')
    return showStatus(flags)
  }
  const { autoMode, cluster } = await openCluster(flags)
  const { associations, kubernetesVersion, port } = cluster
  const [addon, versions, serviceAccounts] = await Promise.all([
    findAddon(port, addonName),
    port.versions(addonName, kubernetesVersion),
    dependentsOf(associations),
  ])
  const { addonVersion = '-', issues = [], status = 'not enabled' } = addon ?? {}
  const {
    defaultVersion = '-',
    latestVersion = '-',
    updateAvailable,
  } = versionsOf(versions, addon?.addonVersion)
  const shown = {
    addonName,
    status,
    addonVersion: addon?.addonVersion ?? null,
    defaultVersion,
    latestVersion,
    updateAvailable,
    issues,
    kubernetesVersion,
    autoMode,
    serviceAccounts,
  }
  printData(flags.output, shown, {
    columns: ['field', 'value'],
    rows: [
      ['status', status],
      ['version', addonVersion],
      ['default version', defaultVersion],
      ['latest version', latestVersion],
      ['update available', updateAvailable ? 'yes' : 'no'],
      ['issues', issues.join('; ') || 'none'],
      ['Kubernetes', kubernetesVersion],
      ['Auto Mode', autoMode ? 'yes, its nodes have an agent built in' : 'no'],
      ['service accounts', `${serviceAccounts.length} with an association`],
    ],
  })
}

/** @throws PodroleError `ContradictoryOptions` */
function refuseWorkloadIdentity(flags: AddonVersionFlags): void {
  const { check, createBucket, issuer, namespace, to } = flags
  refuseForeign({ to, createBucket, issuer, namespace, noCheck: check ? undefined : true })
}

function versionsOf(
  versions: readonly AddonVersion[],
  present: string | undefined,
): {
  readonly defaultVersion?: string
  readonly latestVersion?: string
  readonly updateAvailable: boolean
} {
  const [latest] = versions
  const byDefault = versions.find(({ isDefault }) => isDefault)
  return {
    ...(byDefault !== undefined && { defaultVersion: byDefault.version }),
    ...(latest !== undefined && { latestVersion: latest.version }),
    updateAvailable:
      latest !== undefined &&
      present !== undefined &&
      compareAddonVersions(latest.version, present) > 0,
  }
}

async function openCluster(
  flags: AddonPlaceFlags,
): Promise<{ readonly cluster: AddonCluster; readonly autoMode: boolean }> {
  const account = await openAccount(accessOf(flags))
  const [{ autoMode, version }, eks] = await Promise.all([
    describeEksCluster(account, flags.cluster),
    openEks(account),
  ])
  const port: AddonPort = eksAddons(eks, flags.cluster)
  return {
    cluster: {
      port,
      associations: eksAssociations(eks, flags.cluster),
      clusterName: flags.cluster,
      kubernetesVersion: version,
      options: `--cluster ${flags.cluster}`,
    },
    autoMode,
  }
}

const wishOf = (
  addonName: string,
  { addonVersion, resolveConflicts }: AddonVersionFlags,
): AddonWish => ({
  addonName,
  ...(addonVersion !== undefined && { version: addonVersion }),
  ...(resolveConflicts !== undefined && { resolveConflicts }),
})

/** @throws PodroleError `InvalidDuration` */
const waitOf = ({ timeout }: AddonFlags): AddonWait => ({
  timeoutMs: parseDurationMs(timeout),
  onProgress: printNote,
  firstDelayMs: 500,
})

function printOutcome(flags: AddonVersionFlags, { addon, done }: AddonOutcome): void {
  for (const line of done) printNote(line)
  if (done.length === 0) {
    printNote(`add-on ${addon.addonName} ${addon.addonVersion} is there: nothing was done`)
  }
  if (flags.output === 'table') process.stdout.write(`${addon.addonArn}\n`)
  else printData(flags.output, { addon, done }, NO_TABLE)
}

const NO_TABLE = { columns: [], rows: [] }
