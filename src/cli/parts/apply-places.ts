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
import { workloadIdentityPort } from '../../manage/apply/workload-identity-port.ts'
import type { DesiredCluster } from '../../manage/desired/desired-state.ts'
import { identityFault, kubeIdentity } from '../../manage/observe/kube-identity.ts'
import { issuerOf } from '../../manage/observe/kube-reader.ts'
import type { ObservePlaces } from '../../manage/observe/ports.ts'
import { IDENTITY_HINT } from '../../manage/plan/begin-plan.ts'
import { openEks } from '../../manage/eks/eks-client.ts'
import { keepPriorTrust, stateFolder } from '../../manage/roles/prior-trust.ts'
import type { WorkloadIdentityStep } from '../../manage/workload-identity/enable.ts'
import { accessOf } from '../role-run.ts'
import { brokerOf, endpointOf, portOfBroker } from './association-cluster.ts'
import { openClusterKube, type PlaceFlags } from './observe-places.ts'

const ADDON_TIMEOUT_MS = 900_000

export interface OpenApplyPlaces extends ApplyPlaces {
  /** Undefined where no kubeconfig leads to the cluster. */
  readonly kubeOf: (arn: string) => Promise<KubeClient | undefined>
}

/**
 * Each place is opened once. A cluster's Kubernetes is one only where the kubeconfig leads to it.
 * @throws PodroleError `NoAwsCredentials`, …; ServiceFault
 */
export async function openApplyPlaces(
  clusters: readonly DesiredCluster[],
  flags: PlaceFlags & {
    /** Of awsWorkloadIdentity's webhook. */
    readonly image?: string
  },
  { note, places }: { readonly note: (text: string) => void; readonly places: ObservePlaces },
): Promise<OpenApplyPlaces> {
  const region = flags.region ?? clusters.find((one) => one.region !== undefined)?.region
  const account = await openAccount(accessOf({ ...flags, ...(region !== undefined && { region }) }))
  const kube = once(async (arn: string) => {
    const desired = desiredOf(clusters, arn)
    const opened = await openClusterKube(
      desired,
      { arn },
      { flags, isAlone: clusters.length === 1 },
    )
    if (flags.trustKubeconfig !== true) await requireSame(opened, desired, places)
    return opened
  })
  const iam = once(async () =>
    iamPort(account, keepPriorTrust(stateFolder(process.env), systemClock)),
  )
  return {
    iam: () => iam(''),
    cluster: once((arn) => openCluster(account, desiredOf(clusters, arn), { arn, flags, note })),
    kube: async (arn) => kubePort(await kube(arn)),
    workloadIdentity: once(async (arn) => {
      const { workloadIdentityPorts } = await import('./workload-identity.ts')
      const place = {
        account: { ...account, region: parseArn(arn).region },
        kube: await kube(arn),
        flags: { createBucket: false, check: true, ...profileOf(flags) },
        timeoutMs: ADDON_TIMEOUT_MS,
        tell: ({ lines, step }: WorkloadIdentityStep) =>
          lines.forEach((line) => note(`${step}: ${line}`)),
      }
      const wish = {
        cluster: desiredOf(clusters, arn).name,
        webhook: flags.image === undefined ? {} : { image: flags.image },
      }
      return workloadIdentityPort(workloadIdentityPorts(place, { hasProvider: true }), wish)
    }),
    kubeOf: async (arn) => {
      try {
        return await kube(arn)
      } catch (error) {
        if (codeOf(error) === 'NoKubeAccess' || codeOf(error) === 'InvalidKubeconfig')
          return undefined
        throw error
      }
    },
  }
}

/** @throws PodroleError `OtherCluster` */
async function requireSame(
  kube: KubeClient,
  desired: DesiredCluster,
  places: ObservePlaces,
): Promise<void> {
  const facts = await (await places.cluster(desired)).facts()
  if (facts === undefined) return
  const reached = { server: kube.server, issuer: () => issuerOf(kube) }
  const fault = identityFault(await kubeIdentity(facts, reached), desired.name)
  if (fault !== undefined) throw new PodroleError('OtherCluster', fault, { hint: IDENTITY_HINT })
}

const profileOf = ({ profile }: PlaceFlags): { readonly profile?: string } =>
  profile === undefined ? {} : { profile }

function once<T>(open: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const opened = new Map<string, Promise<T>>()
  return (key) => {
    const one = opened.get(key) ?? open(key)
    opened.set(key, one)
    return one
  }
}

function desiredOf(clusters: readonly DesiredCluster[], arn: string): DesiredCluster {
  const name = arn.slice(arn.indexOf('/') + 1)
  const found = clusters.find((one) => one.name === name)
  if (found !== undefined) return found
  throw new PodroleError('NoCluster', `the files do not name cluster ${arn}`, {
    hint: 'Go on with the files that the apply was begun with.',
  })
}

async function openCluster(
  account: AwsAccount,
  desired: DesiredCluster,
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
