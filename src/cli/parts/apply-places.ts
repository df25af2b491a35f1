/** Where an apply acts: an account, clusters on EKS and on brokers, their Kubernetes. */
import { type AwsAccount, openAccount } from '../../aws/account.ts'
import { parseArn } from '../../iam/arn.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { ApplyPlaces } from '../../manage/apply/action-port.ts'
import { type ClusterPort, clusterPort } from '../../manage/apply/cluster-port.ts'
import { eksPlaces } from '../../manage/apply/eks-places.ts'
import { iamPort } from '../../manage/apply/iam-port.ts'
import { kubePort } from '../../manage/apply/kube-port.ts'
import {
  workloadIdentityPort,
  type WorkloadIdentityPort,
} from '../../manage/apply/workload-identity-port.ts'
import type { DesiredCluster } from '../../manage/desired/desired-state.ts'
import { explainingClient } from '../../manage/observe/private-endpoint.ts'
import { identityFault, kubeIdentity } from '../../manage/observe/kube-identity.ts'
import { issuerOf } from '../../manage/observe/kube-reader.ts'
import { IDENTITY_HINT } from '../../manage/plan/begin-plan.ts'
import { openEks } from '../../manage/eks/eks-client.ts'
import { keepPriorTrust, stateFolder } from '../../manage/roles/prior-trust.ts'
import type { WorkloadIdentityStep } from '../../manage/workload-identity/enable.ts'
import { accessOf } from '../role-run.ts'
import type { ApplySource, KnownFacts } from './apply-source.ts'
import { brokerOf, endpointOf, portOfBroker } from './association-cluster.ts'
import { openClusterKube, type PlaceFlags } from './observe-places.ts'

const ADDON_TIMEOUT_MS = 900_000

/** What is to be known of a cluster to reach it. */
export type ReachedCluster = Pick<DesiredCluster, 'name' | 'kind' | 'region' | 'broker'>

export interface ReachFlags extends PlaceFlags {
  /** Of awsWorkloadIdentity's webhook. */
  readonly image?: string
}

export interface ApplyAccount {
  /** Refused where the credentials are of another one. */
  readonly accountId: string
  readonly factsOf: ApplySource['factsOf']
  readonly note: (text: string) => void
}

export interface OpenApplyPlaces extends ApplyPlaces {
  readonly account: () => Promise<AwsAccount>
  /** Undefined where no kubeconfig leads to the cluster. */
  readonly kubeOf: (arn: string) => Promise<KubeClient | undefined>
}

/**
 * Each place is opened once, when it is needed: who does one half of a plan has no way to the other.
 * A cluster's Kubernetes is one only where the kubeconfig leads to it.
 * Their functions throw PodroleError `NoAwsCredentials`, `WrongAccount`, `NoKubeAccess`,
 * `OtherCluster`, …; ServiceFault.
 */
export function openApplyPlaces(
  clusters: readonly ReachedCluster[],
  flags: ReachFlags,
  { accountId, factsOf, note }: ApplyAccount,
): OpenApplyPlaces {
  const account = once(async () => accountOf(clusters, flags, accountId))
  const kube = once(async (arn: string) => {
    const cluster = clusterOf(clusters, arn)
    const around = { flags, isAlone: clusters.length === 1 }
    const facts = await factsOf(cluster)
    const opened = explainingClient(await openClusterKube(cluster, { arn }, around), {
      ...facts,
      name: cluster.name,
    })
    if (flags.trustKubeconfig !== true) await requireSame(opened, cluster.name, facts)
    return opened
  })
  const iam = once(async () =>
    iamPort(await account(''), keepPriorTrust(stateFolder(process.env), systemClock)),
  )
  return {
    account: () => account(''),
    iam: () => iam(''),
    cluster: once(async (arn) =>
      openCluster(() => account(''), clusterOf(clusters, arn), { arn, flags, note }),
    ),
    kube: async (arn) => kubePort(await kube(arn)),
    workloadIdentity: once(async (arn) => {
      const { name } = clusterOf(clusters, arn)
      return openWorkloadIdentity({ arn, name, kube: await kube(arn) }, flags, note)
    }),
    kubeOf: async (arn) => {
      try {
        return await kube(arn)
      } catch (error) {
        if (/^(?:NoKubeAccess|InvalidKubeconfig)$/.test(codeOf(error) ?? '')) return undefined
        throw error
      }
    },
  }
}

/** Who enables it needs AWS only where the keys of its issuer are not published yet. */
async function openWorkloadIdentity(
  { arn, kube, name }: { readonly arn: string; readonly name: string; readonly kube: KubeClient },
  { image, profile }: ReachFlags,
  note: (text: string) => void,
): Promise<WorkloadIdentityPort> {
  const { workloadIdentityPorts } = await import('./workload-identity.ts')
  const place = {
    account: parseArn(arn),
    kube,
    flags: { createBucket: false, check: true, ...(profile !== undefined && { profile }) },
    timeoutMs: ADDON_TIMEOUT_MS,
    tell: ({ lines, step }: WorkloadIdentityStep) =>
      lines.forEach((line) => note(`${step}: ${line}`)),
  }
  const webhook = image === undefined ? {} : { image }
  return workloadIdentityPort(workloadIdentityPorts(place), { cluster: name, webhook })
}

async function accountOf(
  clusters: readonly ReachedCluster[],
  flags: PlaceFlags,
  accountId: string,
): Promise<AwsAccount> {
  const region = flags.region ?? clusters.find((one) => one.region !== undefined)?.region
  const account = await openAccount(accessOf({ ...flags, ...(region !== undefined && { region }) }))
  if (account.accountId === accountId) return account
  throw new PodroleError(
    'WrongAccount',
    `the plan is for account ${accountId}, the credentials are of ${account.accountId}`,
    { hint: 'Use a profile of that account.' },
  )
}

/** @throws PodroleError `OtherCluster` */
async function requireSame(
  kube: KubeClient,
  name: string,
  facts: KnownFacts | undefined,
): Promise<void> {
  if (facts === undefined) return
  const reached = { server: kube.server, issuer: () => issuerOf(kube) }
  const fault = identityFault(await kubeIdentity(facts, reached), name)
  if (fault !== undefined) throw new PodroleError('OtherCluster', fault, { hint: IDENTITY_HINT })
}

function once<T>(open: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const opened = new Map<string, Promise<T>>()
  return (key) => {
    const one = opened.get(key) ?? open(key)
    opened.set(key, one)
    return one
  }
}

function clusterOf(clusters: readonly ReachedCluster[], arn: string): ReachedCluster {
  const name = arn.slice(arn.indexOf('/') + 1)
  const found = clusters.find((one) => one.name === name)
  if (found !== undefined) return found
  throw new PodroleError('NoCluster', `the files do not name cluster ${arn}`, {
    hint: 'Go on with the files that the apply was begun with.',
  })
}

async function openCluster(
  openedAccount: () => Promise<AwsAccount>,
  desired: ReachedCluster,
  around: {
    readonly arn: string
    readonly flags: PlaceFlags
    readonly note: (text: string) => void
  },
): Promise<ClusterPort> {
  const { arn, flags, note } = around
  const { name } = desired
  const { region } = parseArn(arn)
  if (desired.kind === 'eks') {
    const account = await openedAccount()
    const clientConfig = { ...account.clientConfig, region }
    const eks = await openEks({ ...account, region, clientConfig })
    return clusterPort(eksPlaces(eks, name, { timeoutMs: ADDON_TIMEOUT_MS, onProgress: note }))
  }
  const broker = brokerOf(flags) ?? desired.broker
  if (broker === undefined) {
    throw new PodroleError('NoBroker', `no broker is named for cluster ${name}`, {
      hint: 'Name one with --broker or in the file.',
    })
  }
  const endpoint = await endpointOf({ ...flags, region }, broker)
  return clusterPort({ associations: portOfBroker({ cluster: name }, broker, endpoint) })
}
