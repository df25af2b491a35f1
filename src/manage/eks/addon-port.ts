import type { Tags } from '../../iam/tags.ts'
import { mapLimited } from '../../lib/map-limited.ts'
import { AT_ONCE, orGone } from './association-port.ts'

/** An EKS add-on as a cluster has it. */
export interface Addon {
  readonly addonName: string
  readonly addonArn: string
  readonly addonVersion: string
  /** `ACTIVE`, `CREATING`, `DEGRADED`, `CREATE_FAILED`, … */
  readonly status: string
  /** What EKS says is wrong with it, one sentence each. */
  readonly issues: readonly string[]
  readonly serviceAccountRoleArn?: string
  /** ARNs of the associations that it owns. */
  readonly podIdentityAssociations: readonly string[]
  readonly configurationValues?: string
  readonly tags: Tags
}

/** A version of an add-on that works with a version of Kubernetes. */
export interface AddonVersion {
  readonly version: string
  /** What EKS installs where nobody says otherwise. */
  readonly isDefault: boolean
  readonly requiresIamPermissions: boolean
}

/** What `update` sets; all of it may be left out. */
export interface AddonSettings {
  readonly addonVersion?: string
  /** What becomes of settings on the cluster that are not EKS's own. */
  readonly resolveConflicts?: 'OVERWRITE' | 'NONE' | 'PRESERVE'
  /** All of them, in the place of those that it has. */
  readonly podIdentityAssociations?: readonly {
    readonly serviceAccount: string
    readonly roleArn: string
  }[]
  /** Its role by IRSA; EKS takes away one that is not named again. */
  readonly serviceAccountRoleArn?: string
}

/**
 * The add-ons of an EKS cluster. Faults are ServiceFault with AWS's codes: `ResourceNotFound`,
 * `ResourceInUse`, `InvalidParameter`, `InvalidRequest`, `AccessDenied`.
 */
export interface AddonPort {
  readonly place: string
  /** Names, all pages. */
  list(): Promise<readonly string[]>
  describe(addonName: string): Promise<Addon>
  /** Those that work with a version of Kubernetes, the newest first; none for an unknown add-on. */
  versions(addonName: string, kubernetesVersion: string): Promise<readonly AddonVersion[]>
  create(
    addon: AddonSettings & {
      readonly addonName: string
      readonly tags?: Tags
      /** JSON or YAML. */
      readonly configurationValues?: string
      readonly namespace?: string
    },
  ): Promise<Addon>
  update(addonName: string, settings: AddonSettings): Promise<void>
  delete(addonName: string): Promise<void>
}

/** An add-on; undefined where the cluster does not have it. */
export const findAddon = (port: AddonPort, addonName: string): Promise<Addon | undefined> =>
  orGone(() => port.describe(addonName))

/** All add-ons of the cluster, a call for each, some at a time. */
export async function describeAddons(port: AddonPort): Promise<readonly Addon[]> {
  const found = await mapLimited(await port.list(), AT_ONCE, (name) => findAddon(port, name))
  return found.filter((one) => one !== undefined)
}
