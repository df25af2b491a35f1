import type { DesiredAddon } from '../desired/desired-state.ts'
import { addonVersions, describeAddonVersions } from '../eks/eks-addons.ts'
import type { EksClient } from '../eks/eks-client.ts'
import type { AddonOffer } from '../plan/observed-state.ts'

/** Where EKS names no namespace (EKS API, AddonInfo `defaultNamespace`). */
const NAMESPACE = 'kube-system'

/** What EKS has of an add-on for a version of Kubernetes; undefined where it has none. */
export async function readAddonOffer(
  eks: EksClient,
  addon: DesiredAddon,
  kubernetesVersion: string,
): Promise<AddonOffer | undefined> {
  const infos = await describeAddonVersions(eks, addon.name, kubernetesVersion)
  const versions = addonVersions(infos, kubernetesVersion)
  const [latest] = versions
  if (latest === undefined) return undefined
  const defaultVersion = versions.find(({ isDefault }) => isDefault)?.version ?? latest.version
  return {
    name: addon.name,
    defaultVersion,
    latestVersion: latest.version,
    namespace:
      infos.find(({ defaultNamespace }) => defaultNamespace)?.defaultNamespace ?? NAMESPACE,
    recommended: needsRecommendation(addon)
      ? await readRecommended(eks, addon.name, versionOf(addon, defaultVersion, latest.version))
      : [],
  }
}

const needsRecommendation = ({ identity }: DesiredAddon): boolean =>
  identity.kind === 'recommended' || identity.kind === 'irsa'

function versionOf({ version }: DesiredAddon, defaultVersion: string, latest: string): string {
  if (version === 'latest') return latest
  return version === undefined || version === 'default' ? defaultVersion : version
}

/** EKS API, DescribeAddonConfiguration. */
function readRecommended(
  { call, sdk }: EksClient,
  addonName: string,
  addonVersion: string,
): Promise<AddonOffer['recommended']> {
  return call(`DescribeAddonConfiguration ${addonName} ${addonVersion}`, async (client) => {
    const input = { addonName, addonVersion }
    const answer = await client.send(new sdk.DescribeAddonConfigurationCommand(input))
    return (answer.podIdentityConfiguration ?? []).map(
      ({ recommendedManagedPolicies = [], serviceAccount = '' }) => ({
        serviceAccount,
        policyArns: recommendedManagedPolicies,
      }),
    )
  })
}
