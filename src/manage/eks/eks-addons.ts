import type { Addon as WireAddon, AddonInfo, CreateAddonCommandInput } from '@aws-sdk/client-eks'
import { PodroleError } from '../../lib/errors.ts'
import { codeOf } from '../../lib/errors.ts'
import type { Addon, AddonPort, AddonSettings, AddonVersion } from './addon-port.ts'
import { compareAddonVersions } from './addon-version.ts'
import type { EksClient } from './eks-client.ts'

/** The add-on that is EKS Pod Identity's agent. */
export const AGENT_ADDON = 'eks-pod-identity-agent'

/** The add-ons of a cluster. */
export function eksAddons(eks: EksClient, clusterName: string): AddonPort {
  const { call, sdk } = eks
  const of = `of cluster ${clusterName}`
  return {
    place: eks.place,
    list: () =>
      eks.all(`ListAddons ${of}`, async (client, nextToken) => {
        const page = await client.send(new sdk.ListAddonsCommand({ clusterName, nextToken }))
        return { items: page.addons, nextToken: page.nextToken }
      }),
    describe: (addonName) =>
      call(`DescribeAddon ${addonName} ${of}`, async (client) =>
        addonOf(await client.send(new sdk.DescribeAddonCommand({ clusterName, addonName }))),
      ),
    versions: async (addonName, kubernetesVersion) =>
      addonVersions(
        await describeAddonVersions(eks, addonName, kubernetesVersion),
        kubernetesVersion,
      ),
    create: (addon) =>
      call(`CreateAddon ${addon.addonName} ${of}`, async (client) => {
        const input = { clusterName, ...newAddonInput(addon) }
        return addonOf(await client.send(new sdk.CreateAddonCommand(input)))
      }),
    update: (addonName, settings) =>
      call(`UpdateAddon ${addonName} ${of}`, async (client) => {
        const input = { clusterName, addonName, ...inputOf(settings) }
        await client.send(new sdk.UpdateAddonCommand(input))
      }),
    delete: (addonName) =>
      call(`DeleteAddon ${addonName} ${of}`, async (client) => {
        await client.send(new sdk.DeleteAddonCommand({ clusterName, addonName }))
      }),
  }
}

/** The input of CreateAddon, but for the cluster's name. */
export function newAddonInput({
  namespace,
  tags = {},
  ...addon
}: Parameters<AddonPort['create']>[0]): Omit<CreateAddonCommandInput, 'clusterName'> {
  return {
    ...inputOf(addon),
    ...(namespace !== undefined && { namespaceConfig: { namespace } }),
    tags: { ...tags },
  }
}

/** The SDK's types want arrays that may be changed. */
function inputOf<T extends AddonSettings>({
  podIdentityAssociations: some,
  ...rest
}: T): Omit<T, 'podIdentityAssociations'> & {
  podIdentityAssociations?: { serviceAccount: string; roleArn: string }[]
} {
  return {
    ...rest,
    ...(some !== undefined && { podIdentityAssociations: some.map((one) => ({ ...one })) }),
  }
}

/** What EKS says of an add-on for a version of Kubernetes, all pages; nothing for an unknown one. */
export async function describeAddonVersions(
  eks: EksClient,
  addonName: string,
  kubernetesVersion: string,
): Promise<readonly AddonInfo[]> {
  const { sdk } = eks
  try {
    return await eks.all(`DescribeAddonVersions ${addonName}`, async (client, nextToken) => {
      const input = { addonName, kubernetesVersion, nextToken }
      const page = await client.send(new sdk.DescribeAddonVersionsCommand(input))
      return { items: page.addons, nextToken: page.nextToken }
    })
  } catch (error) {
    if (codeOf(error) === 'ResourceNotFound') return []
    throw error
  }
}

/** The newest first. */
export const addonVersions = (
  infos: readonly AddonInfo[],
  kubernetesVersion: string,
): readonly AddonVersion[] =>
  infos
    .flatMap((info) => readVersions(info, kubernetesVersion))
    .toSorted((one, other) => compareAddonVersions(other.version, one.version))

const readVersions = (info: AddonInfo, kubernetesVersion: string): readonly AddonVersion[] =>
  (info.addonVersions ?? []).map((one) => ({
    version: one.addonVersion ?? '',
    isDefault: (one.compatibilities ?? []).some(
      ({ clusterVersion, defaultVersion }) =>
        defaultVersion === true && clusterVersion === kubernetesVersion,
    ),
    requiresIamPermissions: one.requiresIamPermissions === true,
  }))

function addonOf(answer: { readonly addon?: WireAddon | undefined }): Addon {
  const { addon: found } = answer
  if (found?.addonName === undefined) {
    throw new PodroleError('InvalidServiceAnswer', 'EKS answers without an add-on')
  }
  const { configurationValues, serviceAccountRoleArn } = found
  return {
    addonName: found.addonName,
    addonArn: found.addonArn ?? '',
    addonVersion: found.addonVersion ?? '',
    status: found.status ?? '',
    issues: (found.health?.issues ?? []).map(
      ({ code = 'Unknown', message = '' }) => `${code}: ${message}`,
    ),
    podIdentityAssociations: found.podIdentityAssociations ?? [],
    tags: found.tags ?? {},
    ...(serviceAccountRoleArn !== undefined && { serviceAccountRoleArn }),
    ...(configurationValues !== undefined && { configurationValues }),
  }
}
