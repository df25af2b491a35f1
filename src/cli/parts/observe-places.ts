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
import { kubeReader } from '../../manage/observe/kube-reader.ts'
import type { ClusterFacts, ClusterReader, ObservePlaces } from '../../manage/observe/ports.ts'
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
  const { onCall } = around
  return {
    account,
    iam: await iamReader(account, { environment: process.env, clock: systemClock, onCall }),
    cluster: (desired) => openClusterReader(account, desired, flags, onCall),
    kube: async (desired, facts) => {
      const kube = await openClusterKube(desired, facts, { flags, isAlone: clusters.length === 1 })
      const isTrusted = flags.trustKubeconfig === true
      if (isTrusted) for (const text of otherServer(facts.endpoint, kube)) around.note(text)
      return kubeReader(kube, isTrusted ? undefined : facts, onCall)
    },
  }
}

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
  const broker = desired.kind === 'self-managed' ? (brokerOf(flags) ?? desired.broker) : undefined
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
