/** What a cluster is asked to have that Describe tells again. Source: EKS API Reference, "Cluster". */
import {
  booleanMember,
  invalidParameter,
  type JsonObject,
  objectMember,
  objectsMember,
  textsMember,
} from './body.ts'

const LOG_TYPES = ['api', 'audit', 'authenticator', 'controllerManager', 'scheduler'] as const

/**
 * What Describe tells of logs after a change: the types that are on, then those that are off.
 * @param before what it told, or what a change of before asked for
 * @throws AwsFault `InvalidParameterException`
 */
export function mergeLogging(before: JsonObject, change: JsonObject): JsonObject {
  const on = new Set<string>()
  for (const logging of [before, change]) {
    for (const setup of objectsMember(logging, 'clusterLogging') ?? []) {
      const enabled = booleanMember(setup, 'enabled') ?? false
      for (const type of textsMember(setup, 'types') ?? []) {
        if (!LOG_TYPES.some((known) => known === type)) {
          throw invalidParameter(
            `${type.slice(0, 40)} is no type of log: wanted ${LOG_TYPES.join(', ')}`,
          )
        }
        if (enabled) on.add(type)
        else on.delete(type)
      }
    }
  }
  const [enabled, disabled] = [true, false].map((wanted) =>
    LOG_TYPES.filter((type) => on.has(type) === wanted),
  )
  const setups = [
    { types: enabled, enabled: true },
    { types: disabled, enabled: false },
  ]
  return { clusterLogging: setups.filter(({ types = [] }) => types.length > 0) }
}

const KEPT_MEMBERS = [
  'computeConfig',
  'kubernetesNetworkConfig',
  'remoteNetworkConfig',
  'storageConfig',
  'upgradePolicy',
  'zonalShiftConfig',
]

/** What CreateCluster asks for. @throws AwsFault `InvalidParameterException` */
export function readKeptMembers(body: JsonObject): JsonObject {
  const kept: Record<string, unknown> = {}
  for (const name of KEPT_MEMBERS) {
    const value = objectMember(body, name)
    if (value !== undefined) kept[name] = value
  }
  const encryption = objectsMember(body, 'encryptionConfig')
  return {
    ...kept,
    ...(encryption !== undefined && { encryptionConfig: encryption }),
    logging: mergeLogging({}, objectMember(body, 'logging') ?? {}),
  }
}

/** What Describe tells of them, with what a cluster has that was not asked for. */
export const membersNode = (members: JsonObject): JsonObject => ({
  upgradePolicy: { supportType: 'EXTENDED' },
  ...members,
  logging: mergeLogging({}, objectMember(members, 'logging') ?? {}),
  kubernetesNetworkConfig: {
    serviceIpv4Cidr: '10.100.0.0/16',
    ipFamily: 'ipv4',
    ...objectMember(members, 'kubernetesNetworkConfig'),
  },
  resourcesVpcConfig: {
    subnetIds: [],
    securityGroupIds: [],
    endpointPublicAccess: true,
    endpointPrivateAccess: false,
    publicAccessCidrs: ['0.0.0.0/0'],
    ...objectMember(members, 'resourcesVpcConfig'),
  },
})
