/** The Kubernetes versions that EKS offers, with their support at the call's time. */
import { authorize } from '../identity/authorization.ts'
import type { JsonInput, JsonRoute } from '../wire/json.ts'
import type { Call } from '../world.ts'
import { invalidParameter, pageOfList } from './body.ts'
import versions from './cluster-versions.json'
import { DEFAULT_VERSION } from './clusters.ts'

/**
 * Days of the release calendar. Source: EKS User Guide, "Understand the Kubernetes version lifecycle
 * on EKS". A version without them is in standard support.
 */
interface ClusterVersion {
  readonly version: string
  readonly released?: string
  readonly standardSupportEnds?: string
  readonly extendedSupportEnds?: string
}

const VERSIONS: readonly ClusterVersion[] = versions
const STATUSES = ['STANDARD_SUPPORT', 'EXTENDED_SUPPORT', 'UNSUPPORTED'] as const

const isPast = (day: string | undefined, nowMs: number): boolean =>
  day !== undefined && Date.parse(day) <= nowMs

function statusOf(one: ClusterVersion, nowMs: number): (typeof STATUSES)[number] {
  if (isPast(one.extendedSupportEnds, nowMs)) return 'UNSUPPORTED'
  return isPast(one.standardSupportEnds, nowMs) ? 'EXTENDED_SUPPORT' : 'STANDARD_SUPPORT'
}

/** The deprecated spelling: `standard-support`. */
const oldStatus = (status: string): string => status.toLowerCase().replaceAll('_', '-')

const seconds = (day: string): number => Date.parse(day) / 1000

function versionNode(one: ClusterVersion, nowMs: number): Readonly<Record<string, unknown>> {
  const versionStatus = statusOf(one, nowMs)
  const { released, standardSupportEnds, extendedSupportEnds } = one
  return {
    clusterVersion: one.version,
    clusterType: 'eks',
    defaultPlatformVersion: 'eks.1',
    defaultVersion: one.version === DEFAULT_VERSION,
    ...(released !== undefined && { releaseDate: seconds(released) }),
    ...(standardSupportEnds !== undefined && {
      endOfStandardSupportDate: seconds(standardSupportEnds),
    }),
    ...(extendedSupportEnds !== undefined && {
      endOfExtendedSupportDate: seconds(extendedSupportEnds),
    }),
    status: oldStatus(versionStatus),
    versionStatus,
  }
}

/** @throws AwsFault `InvalidParameterException` */
function readStatus(query: URLSearchParams): string | undefined {
  const status = query.get('versionStatus')
  const old = query.get('status')
  const found = STATUSES.find((one) => one === status || oldStatus(one) === old)
  if (found !== undefined || (status === null && old === null)) return found
  throw invalidParameter(`versionStatus must be one of: ${STATUSES.join(', ')}`)
}

function readFlag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name) ?? 'false'
  if (text === 'true' || text === 'false') return text === 'true'
  throw invalidParameter(`${name} must be true or false`)
}

/** Those that are supported, unless all are asked for, or some by name or status. */
async function describeClusterVersions(call: Call, input: JsonInput): Promise<unknown> {
  const { searchParams } = input.url
  authorize(call, { action: 'eks:DescribeClusterVersions', resource: '*' })
  const status = readStatus(searchParams)
  const onlyDefault = readFlag(searchParams, 'defaultOnly')
  const all = readFlag(searchParams, 'includeAll')
  const named = searchParams.getAll('clusterVersions')
  const type = searchParams.get('clusterType') ?? 'eks'
  const found = VERSIONS.filter((one) => {
    const now = statusOf(one, call.nowMs)
    if (type !== 'eks' || (onlyDefault && one.version !== DEFAULT_VERSION)) return false
    if (named.length > 0) return named.includes(one.version)
    return status === undefined ? all || now !== 'UNSUPPORTED' : now === status
  })
  // The newest first.
  const { items, more } = pageOfList(input, found, ({ version }) =>
    String(1000 - Number(version.slice(2))),
  )
  return { clusterVersions: items.map((one) => versionNode(one, call.nowMs)), ...more }
}

export const CLUSTER_VERSION_ROUTES: readonly JsonRoute[] = [
  {
    operation: 'DescribeClusterVersions',
    method: 'GET',
    path: '/cluster-versions',
    run: describeClusterVersions,
  },
]
