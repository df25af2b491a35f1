import { OWNER_TAG } from '../../iam/tags.ts'
import { PodroleError } from '../../lib/errors.ts'
import {
  type Addon,
  type AddonPort,
  type AddonSettings,
  type AddonVersion,
  findAddon,
} from './addon-port.ts'
import { compareAddonVersions } from './addon-version.ts'
import { type AddonWait, waitUntilActive, waitUntilGone } from './addon-wait.ts'
import type { AssociationPort } from './association-port.ts'

/** A cluster whose add-ons are managed, and how commands name it: `--cluster prod`. */
export interface AddonCluster {
  readonly port: AddonPort
  readonly associations: AssociationPort
  readonly clusterName: string
  /** `1.36` */
  readonly kubernetesVersion: string
  readonly options: string
}

/** What is asked for; `latest`, `default` or a version. */
export interface AddonWish {
  readonly addonName: string
  readonly version?: string
  readonly resolveConflicts?: NonNullable<AddonSettings['resolveConflicts']>
}

export interface AddonOutcome {
  readonly addon: Addon
  /** One sentence each; none where all was as asked for. */
  readonly done: readonly string[]
}

/**
 * The version that a wish means, of those that work with the cluster.
 * @throws PodroleError `NoAddonVersion`, naming those that there are
 */
export function chooseVersion(
  versions: readonly AddonVersion[],
  wish: {
    readonly addonName: string
    readonly version: string
    readonly kubernetesVersion: string
  },
): string {
  const { addonName, kubernetesVersion, version } = wish
  const [newest] = versions
  const found =
    version === 'latest'
      ? newest
      : version === 'default'
        ? (versions.find(({ isDefault }) => isDefault) ?? newest)
        : versions.find((one) => one.version === version)
  if (found !== undefined) return found.version
  throw new PodroleError(
    'NoAddonVersion',
    newest === undefined
      ? `EKS has no version of add-on ${addonName} for Kubernetes ${kubernetesVersion}`
      : `add-on ${addonName} has no version ${JSON.stringify(version.slice(0, 100))} for Kubernetes ${kubernetesVersion}`,
    newest === undefined
      ? {}
      : {
          hint: `Wanted latest, default or one of ${versions
            .slice(0, 10)
            .map((one) => one.version)
            .join(', ')}.`,
        },
  )
}

/**
 * Makes an add-on and waits until it is ACTIVE; one that is there is waited for.
 * @throws PodroleError `AddonDiffers`, `NoAddonVersion`, `AddonFailed`, `AddonTimeout`; ServiceFault
 */
export async function enableAddon(
  cluster: AddonCluster,
  wish: AddonWish,
  wait: AddonWait,
): Promise<AddonOutcome> {
  const { port } = cluster
  const { addonName, resolveConflicts, version } = wish
  let found = await findAddon(port, addonName)
  if (found?.status === 'DELETING') {
    await waitUntilGone(port, addonName, wait)
    found = undefined
  }
  const wanted =
    found !== undefined && version === undefined
      ? found.addonVersion
      : await versionFor(cluster, addonName, version ?? 'default')
  if (found !== undefined && found.addonVersion !== wanted) {
    throw new PodroleError(
      'AddonDiffers',
      `add-on ${addonName} is there with version ${found.addonVersion}, not ${wanted}`,
      { hint: `podrole addon update ${addonName} ${cluster.options} --addon-version ${wanted}` },
    )
  }
  const isNew = found === undefined
  if (isNew) {
    await port.create({
      addonName,
      addonVersion: wanted,
      tags: OWNER_TAG,
      ...(resolveConflicts !== undefined && { resolveConflicts }),
    })
  }
  const addon = await waitUntilActive(port, { addonName, addonVersion: wanted }, wait)
  return { addon, done: isNew ? [`add-on ${addonName} ${wanted} is ACTIVE`] : [] }
}

async function versionFor(
  { kubernetesVersion, port }: AddonCluster,
  addonName: string,
  version: string,
): Promise<string> {
  const versions = await port.versions(addonName, kubernetesVersion)
  return chooseVersion(versions, { addonName, version, kubernetesVersion })
}

/**
 * Gives an add-on another version and waits until it is ACTIVE. `latest` and `default` never go
 * back; a version by its name may.
 * @throws PodroleError `NoAddon`, `NoAddonVersion`, `AddonFailed`, `AddonTimeout`; ServiceFault
 */
export async function updateAddon(
  cluster: AddonCluster,
  wish: AddonWish,
  wait: AddonWait,
): Promise<AddonOutcome> {
  const { port } = cluster
  const { addonName, resolveConflicts, version = 'default' } = wish
  const found = await findAddon(port, addonName)
  if (found === undefined) throw noAddon(cluster, addonName)
  const chosen = await versionFor(cluster, addonName, version)
  const isBack = compareAddonVersions(chosen, found.addonVersion) < 0
  const wanted = isBack && chosen !== version ? found.addonVersion : chosen
  if (wanted === found.addonVersion) {
    return { addon: await waitUntilActive(port, found, wait), done: [] }
  }
  const { serviceAccountRoleArn } = found
  await port.update(addonName, {
    addonVersion: wanted,
    ...(serviceAccountRoleArn !== undefined && { serviceAccountRoleArn }),
    ...(resolveConflicts !== undefined && { resolveConflicts }),
  })
  const addon = await waitUntilActive(port, { addonName, addonVersion: wanted }, wait)
  return { addon, done: [`add-on ${addonName}: ${found.addonVersion} → ${wanted}`] }
}

/** Who has an association, and gets credentials by the agent alone: `shop/orders`. */
export async function dependentsOf(associations: AssociationPort): Promise<readonly string[]> {
  const found = await associations.list()
  return found.map(({ namespace, serviceAccount }) => `${namespace}/${serviceAccount}`).sort()
}

/**
 * Deletes the agent's add-on and waits until it is gone. While service accounts get credentials by
 * it, by force alone.
 * @throws PodroleError `NoAddon`, `AddonInUse`, `AddonFailed`, `AddonTimeout`; ServiceFault
 */
export async function disableAgent(
  cluster: AddonCluster,
  addonName: string,
  options: { readonly force: boolean; readonly wait: AddonWait },
): Promise<{ readonly lost: readonly string[] }> {
  const { associations, clusterName, port } = cluster
  const [found, lost] = await Promise.all([findAddon(port, addonName), dependentsOf(associations)])
  if (found === undefined) throw noAddon(cluster, addonName)
  if (lost.length > 0 && !options.force) {
    const shown = lost.slice(0, MOST_SHOWN)
    const more = lost.length - shown.length
    throw new PodroleError(
      'AddonInUse',
      `${lost.length} service account(s) of cluster ${clusterName} get their credentials by add-on ${addonName} and would lose them: ${shown.join(', ')}${more > 0 ? `, and ${more} more (podrole association list ${cluster.options})` : ''}`,
      { hint: '--force disables it all the same.' },
    )
  }
  if (found.status !== 'DELETING') await port.delete(addonName)
  await waitUntilGone(port, addonName, options.wait)
  return { lost }
}

const MOST_SHOWN = 50

export const noAddon = (
  { clusterName, options }: Pick<AddonCluster, 'clusterName' | 'options'>,
  addonName: string,
): PodroleError =>
  new PodroleError('NoAddon', `cluster ${clusterName} has no add-on ${addonName}`, {
    hint: `Enable it: podrole addon enable ${addonName} ${options}`,
  })
