/** Where a plan reads: an account, clusters on EKS and on brokers, their Kubernetes. */
import { type AwsAccount, openAccount } from '../../aws/account.ts'
import { formatArn, tryParseArn } from '../../iam/arn.ts'
import type { KubeClient } from '../../kube/client.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import type { DesiredCluster } from '../../manage/desired/desired-state.ts'
import { brokerReader, lonelyReader } from '../../manage/observe/broker-reader.ts'
import { eksReader } from '../../manage/observe/eks-reader.ts'
import { iamReader } from '../../manage/observe/iam-reader.ts'
import { explainingClient } from '../../manage/observe/private-endpoint.ts'
import type { View } from '../../manage/observe/kept-observations.ts'
import { kubeReader } from '../../manage/observe/kube-reader.ts'
import {
  cachedCluster,
  cachedIam,
  cachedKube,
  type ObservationCache,
  type ReadKept,
} from '../../manage/observe/observation-cache.ts'
import type {
  ClusterFacts,
  ClusterReader,
  IamReader,
  KubeReader,
  ObservePlaces,
} from '../../manage/observe/ports.ts'
import { accessOf } from '../role-run.ts'
import { brokerOf, endpointOf, portOfBroker } from './association-cluster.ts'
import { callEks } from './associations.ts'
import { openKube, otherServer } from './kube-cluster.ts'

/** Options of the commands that read files about clusters. */
export interface PlaceFlags {
  readonly profile?: string
  readonly region?: string
  readonly kubeconfig?: string
  readonly context?: string
  /** The kubeconfig's cluster is taken for the one that is meant. */
  readonly trustKubeconfig?: boolean
  /** True where the URL is to come from PODROLE_BROKER_URL. */
  readonly broker?: string | true
  readonly keyFile?: string
  readonly caFile?: string
}

export interface ObserveAround {
  readonly onCall: (operation: string) => void
  /** Told what is worth knowing of the places. */
  readonly note: (text: string) => void
  /** What was read lately is taken from there. */
  readonly cache?: ObservationCache
}

export interface OpenPlaces extends ObservePlaces {
  readonly account: AwsAccount
}

/** @throws ServiceFault; PodroleError `NoAwsCredentials`, `NoAwsRegion`, `AwsUnreachable` */
export async function openPlaces(
  clusters: readonly DesiredCluster[],
  flags: PlaceFlags,
  around: ObserveAround,
): Promise<OpenPlaces> {
  const region = flags.region ?? clusters.find((one) => one.region !== undefined)?.region
  const account = await openAccount(accessOf({ ...flags, ...(region !== undefined && { region }) }))
  around.onCall('GetCallerIdentity')
  const { cache, onCall } = around
  const openIam = (): Promise<IamReader> =>
    iamReader(account, { environment: process.env, clock: systemClock, onCall })
  const openCluster = (desired: DesiredCluster): Promise<ClusterReader> =>
    openClusterReader(account, desired, flags, onCall)
  const kube = async (desired: DesiredCluster, facts: ClusterFacts): Promise<KubeReader> => {
    const client = await openClusterKube(desired, facts, { flags, isAlone: clusters.length === 1 })
    const explained = explainingClient(client, { name: desired.name, ...facts })
    const isTrusted = flags.trustKubeconfig === true
    if (isTrusted) for (const text of otherServer(facts.endpoint, client)) around.note(text)
    return kubeReader(explained, isTrusted ? undefined : facts, onCall)
  }
  if (cache === undefined) return { account, iam: await openIam(), cluster: openCluster, kube }
  const read = (desired?: DesiredCluster): ReadKept => cache.of(viewOf(account, flags, desired))
  return {
    account,
    iam: cachedIam(account, read(), openIam),
    cluster: (desired) => Promise.resolve(cachedCluster(read(desired), () => openCluster(desired))),
    kube: async (desired, facts) => cachedKube(read(desired), await kube(desired, facts)),
  }
}

/** Of a cluster, or of IAM. What else leads elsewhere is in it. */
function viewOf(
  { accountId, callerArn, region: home }: AwsAccount,
  flags: PlaceFlags,
  cluster?: DesiredCluster,
): View {
  const settings = Object.entries(process.env)
    .filter(([name]) => /^AWS_(?:ENDPOINT_URL|IGNORE_CONFIGURED_ENDPOINT|CONFIG_FILE)/.test(name))
    .map(([name, value]) => `${name}=${value ?? ''}`)
  const broker = cluster?.kind === 'self-managed' ? brokerFor(cluster, flags) : undefined
  return {
    accountId,
    caller: callerOf(callerArn),
    region: cluster === undefined ? '' : (cluster.region ?? home),
    cluster: cluster?.name ?? '',
    ways: [
      flags.profile ?? process.env['AWS_PROFILE'] ?? '',
      broker ?? '',
      flags.keyFile ?? '',
      cluster?.kind ?? '',
      cluster?.issuer ?? '',
      flags.trustKubeconfig === true ? 'trusted' : '',
      ...settings.toSorted(),
    ],
  }
}

/** A role's sessions have names of their own, which some tools make up each time. */
const callerOf = (arn: string): string => arn.replace(/(:assumed-role\/[^/]+)\/.*$/, '$1')

const brokerFor = (desired: DesiredCluster, flags: PlaceFlags): string | undefined =>
  brokerOf(flags) ?? desired.broker

async function openClusterReader(
  account: AwsAccount,
  desired: DesiredCluster,
  flags: PlaceFlags,
  onCall: (operation: string) => void,
): Promise<ClusterReader> {
  const { name, region = account.region } = desired
  if (desired.kind === 'eks') {
    const clientConfig = { ...account.clientConfig, region }
    return eksReader({ ...account, region, clientConfig }, name, onCall)
  }
  // A cluster of which only document 002's add-on is spoken of has no broker.
  const broker = desired.kind === 'self-managed' ? brokerFor(desired, flags) : undefined
  if (broker !== undefined) return openBrokerReader(name, broker, { ...flags, region }, onCall)
  const { accountId, partition } = account
  return lonelyReader({
    arn: formatArn({ partition, service: 'eks', region, accountId, resource: `cluster/${name}` }),
    region,
    isAutoMode: false,
    ...(desired.issuer !== undefined && { issuer: desired.issuer }),
  })
}

async function openBrokerReader(
  name: string,
  broker: string,
  flags: PlaceFlags & { readonly region: string },
  onCall: (operation: string) => void,
): Promise<ClusterReader> {
  const endpoint = await endpointOf(flags, broker)
  const path = `/podrole/v1/clusters/${encodeURIComponent(name)}`
  const facts = async (): Promise<ClusterFacts> => {
    onCall('GET /podrole/v1/clusters')
    const told = await callBroker(() => callEks(endpoint, 'GET', path))
    const arn = String(told['arn'])
    return {
      arn,
      region: tryParseArn(arn)?.region ?? flags.region,
      isAutoMode: false,
      issuer: String(told['issuer']),
      fleetIssuer: String(told['oidcProviderUrl']),
    }
  }
  return brokerReader(portOfBroker({ cluster: name }, broker, endpoint), facts)
}

/** The codes of EKS's wire as the SDK has them. */
async function callBroker<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    const code = codeOf(error) ?? ''
    if (!code.endsWith('Exception')) throw error
    throw new PodroleError(code.replace(/Exception$/, ''), messageOf(error), { cause: error })
  }
}

/**
 * One cluster is the kubeconfig's current context, or the one that is named. Of several, each has
 * its own: named by its ARN, as `aws eks update-kubeconfig` does, or by its name.
 */
export async function openClusterKube(
  { name }: Pick<DesiredCluster, 'name'>,
  { arn }: Pick<ClusterFacts, 'arn'>,
  { flags, isAlone }: { readonly flags: PlaceFlags; readonly isAlone: boolean },
): Promise<KubeClient> {
  if (isAlone) return openKube(flags)
  if (flags.context !== undefined) {
    throw new PodroleError(
      'InvalidContext',
      `--context ${flags.context} is for one cluster alone`,
      {
        hint: 'Of several clusters, each has a context of its ARN or of its name.',
      },
    )
  }
  try {
    return await openKube({ ...flags, context: arn })
  } catch (error) {
    if (codeOf(error) !== 'InvalidKubeconfig') throw error
    return openKube({ ...flags, context: name })
  }
}
