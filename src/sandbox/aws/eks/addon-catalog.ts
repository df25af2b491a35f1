/** The add-ons that the sandbox knows: records of what EKS offers, nothing that runs. */
import { authorize } from '../identity/authorization.ts'
import type { JsonInput, JsonRoute } from '../wire/json.ts'
import type { Call } from '../world.ts'
import catalog from './addon-catalog.json'
import { invalidParameter, notFound, pageOfList } from './body.ts'

export interface CatalogAddon {
  readonly addonName: string
  readonly type: string
  readonly namespace: string
  /** The newest first: the default. */
  readonly versions: readonly string[]
  readonly requiresIamPermissions: boolean
  readonly podIdentity: readonly {
    readonly serviceAccount: string
    /** Below `policy/`. */
    readonly policies: readonly string[]
  }[]
}

const ADDONS: readonly CatalogAddon[] = catalog

export const findAddon = (name: string): CatalogAddon | undefined =>
  ADDONS.find(({ addonName }) => addonName === name)

/** What the sandbox's catalogue says each version works with. */
const CLUSTER_VERSIONS = ['1.36', '1.35', '1.34', '1.33', '1.32']

async function describeAddonVersions(call: Call, input: JsonInput): Promise<unknown> {
  authorize(call, { action: 'eks:DescribeAddonVersions', resource: '*' })
  const { searchParams } = input.url
  const name = searchParams.get('addonName')
  const clusterVersion = searchParams.get('kubernetesVersion')
  if (name !== null && findAddon(name) === undefined) {
    throw notFound(`Addon ${name.slice(0, 100)} not found`, { addonName: name.slice(0, 100) })
  }
  if (clusterVersion !== null && !/^1\.\d{1,2}$/.test(clusterVersion)) {
    throw invalidParameter('kubernetesVersion is not valid')
  }
  const types = searchParams.getAll('types')
  const others = [...searchParams.getAll('publishers'), ...searchParams.getAll('owners')]
  const found = ADDONS.filter(
    (addon) =>
      (name === null || addon.addonName === name) &&
      (types.length === 0 || types.includes(addon.type)) &&
      (others.length === 0 || others.some((one) => one === 'eks' || one === 'aws')) &&
      (clusterVersion === null || CLUSTER_VERSIONS.includes(clusterVersion)),
  )
  const { items, more } = pageOfList(input, found, ({ addonName }) => addonName)
  return { addons: items.map((addon) => addonInfo(addon, clusterVersion)), ...more }
}

function addonInfo(addon: CatalogAddon, clusterVersion: string | null): unknown {
  const versions = CLUSTER_VERSIONS.filter(
    (one) => clusterVersion === null || one === clusterVersion,
  )
  return {
    addonName: addon.addonName,
    type: addon.type,
    publisher: 'eks',
    owner: 'aws',
    defaultNamespace: addon.namespace,
    addonVersions: addon.versions.map((addonVersion, index) => ({
      addonVersion,
      architecture: ['amd64', 'arm64'],
      computeTypes: ['ec2', 'auto', 'hybrid'],
      compatibilities: versions.map((version) => ({
        clusterVersion: version,
        platformVersions: ['*'],
        defaultVersion: index === 0,
      })),
      requiresConfiguration: false,
      requiresIamPermissions: addon.requiresIamPermissions,
    })),
  }
}

async function describeAddonConfiguration(call: Call, input: JsonInput): Promise<unknown> {
  authorize(call, { action: 'eks:DescribeAddonConfiguration', resource: '*' })
  const { searchParams } = input.url
  const addonName = searchParams.get('addonName') ?? ''
  const addonVersion = searchParams.get('addonVersion') ?? ''
  if (addonName === '' || addonVersion === '') {
    throw invalidParameter('addonName and addonVersion are required')
  }
  const addon = findAddon(addonName)
  if (addon === undefined || !addon.versions.includes(addonVersion)) {
    throw notFound(
      `Addon ${addonName.slice(0, 100)} has no version ${addonVersion.slice(0, 100)}`,
      {
        addonName: addonName.slice(0, 100),
      },
    )
  }
  return {
    addonName,
    addonVersion,
    configurationSchema: JSON.stringify({
      $schema: 'http://json-schema.org/draft-06/schema#',
      type: 'object',
    }),
    podIdentityConfiguration: addon.podIdentity.map(({ serviceAccount, policies }) => ({
      serviceAccount,
      recommendedManagedPolicies: policies.map(
        (path) => `arn:${call.world.partition}:iam::aws:policy/${path}`,
      ),
    })),
  }
}

export const ADDON_CATALOG_ROUTES: readonly JsonRoute[] = [
  {
    operation: 'DescribeAddonVersions',
    method: 'GET',
    path: '/addons/supported-versions',
    run: describeAddonVersions,
  },
  {
    operation: 'DescribeAddonConfiguration',
    method: 'GET',
    path: '/addons/configuration-schemas',
    run: describeAddonConfiguration,
  },
]
