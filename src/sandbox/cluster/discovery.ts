import { algorithmsOf, discoveryDocument } from '../../issuer/documents.ts'
import type { ClusterCore } from './core.ts'
import { omit } from './objects.ts'
import {
  apiVersionOf,
  type Registry,
  type ResourceType,
  type Subresource,
} from './resource-types.ts'

/** The version that the sandbox speaks; build metadata says what it is. */
export const VERSION = {
  major: '1',
  minor: '36',
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitVersion: 'v1.36.3+podrole',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2026-01-01T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: 'sandbox/sandbox',
}

/** `/api`, `/apis`, `/apis/GROUP` and `/…/VERSION`; undefined for any other path. */
export function discoveryAt(registry: Registry, pathname: string): unknown {
  const [root, first, second, ...more] = pathname.split('/').slice(1)
  if (more.length > 0) return undefined
  if (root === 'api') {
    if (first === undefined) {
      const versions = [...(registry.groups().get('') ?? [])]
      return { kind: 'APIVersions', versions, serverAddressByClientCIDRs: [] }
    }
    return second === undefined ? resourcesOf(registry, '', first) : undefined
  }
  if (root !== 'apis') return undefined
  if (first === undefined) {
    const groups = [...registry.groups().keys()].filter((group) => group !== '')
    return {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: groups.map((group) => groupOf(registry, group)),
    }
  }
  if (second !== undefined) return resourcesOf(registry, first, second)
  if (first === '' || !registry.groups().has(first)) return undefined
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(registry, first) }
}

function groupOf(registry: Registry, group: string): Record<string, unknown> {
  const versions = [...(registry.groups().get(group) ?? [])].map((version) => ({
    groupVersion: apiVersionOf({ group, version }),
    version,
  }))
  return { name: group, versions, preferredVersion: versions[0] }
}

function resourcesOf(registry: Registry, group: string, version: string): unknown {
  if (!registry.hasVersion(group, version)) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources: typesOf(registry, group, version).flatMap((type) => [
      {
        name: type.plural,
        singularName: type.singular,
        namespaced: type.namespaced,
        kind: type.kind,
        verbs: type.verbs,
        ...(type.shortNames.length > 0 && { shortNames: type.shortNames }),
        ...(type.categories !== undefined && { categories: type.categories }),
      },
      ...type.subresources.map((subresource) => ({
        name: `${type.plural}/${subresource.name}`,
        singularName: '',
        namespaced: type.namespaced,
        ...(subresource.group !== undefined && {
          group: subresource.group,
          version: subresource.version,
        }),
        kind: subresource.kind ?? type.kind,
        verbs: subresource.verbs,
      })),
    ]),
  }
}

const typesOf = (registry: Registry, group: string, version: string): ResourceType[] =>
  registry.types.filter((type) => type.group === group && type.version === version)

/** Discovery in one document (apidiscovery.k8s.io/v2), for `/api` and `/apis`. */
export function aggregatedDiscovery(registry: Registry, isCore: boolean): unknown {
  const groups = [...registry.groups()].filter(([group]) => (group === '') === isCore)
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map(([group, versions]) => ({
      metadata: { ...(group !== '' && { name: group }), creationTimestamp: null },
      versions: [...versions].map((version) => ({
        version,
        resources: typesOf(registry, group, version).map(aggregatedResource),
        freshness: 'Current',
      })),
    })),
  }
}

function aggregatedResource(type: ResourceType): unknown {
  const kindOf = (subresource?: Subresource): unknown => ({
    group: subresource?.group ?? type.group,
    version: subresource?.version ?? type.version,
    kind: subresource?.kind ?? type.kind,
  })
  return {
    resource: type.plural,
    responseKind: kindOf(),
    scope: type.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: type.singular,
    verbs: type.verbs,
    ...(type.shortNames.length > 0 && { shortNames: type.shortNames }),
    ...(type.categories !== undefined && { categories: type.categories }),
    ...(type.subresources.length > 0 && {
      subresources: type.subresources.map((subresource) => ({
        subresource: subresource.name,
        responseKind: kindOf(subresource),
        verbs: subresource.verbs,
      })),
    }),
  }
}

/** The API server's own discovery document, whose keys are at its own `/openid/v1/jwks`. */
export function openidConfiguration(core: ClusterCore, origin: string): unknown {
  const document = discoveryDocument(core.issuer, {
    algorithms: algorithmsOf(core.tokenKeys.jwks()),
    jwksUri: `${origin}/openid/v1/jwks`,
  })
  return omit(document, 'claims_supported')
}
