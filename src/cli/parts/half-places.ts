/** Where a plan of one half looks: the other side is not asked, and nothing is needed of it. */
import { documentedIamQuota } from '../../aws/iam-quotas.ts'
import { parseArn, tryParseArn } from '../../iam/arn.ts'
import { partitionOfRegion } from '../../iam/partitions.ts'
import { STS_AUDIENCE } from '../../iam/trust-document.ts'
import { PodroleError } from '../../lib/errors.ts'
import { loadKubeAccess } from '../../kube/kubeconfig.ts'
import type { DesiredCluster } from '../../manage/desired/desired-state.ts'
import { lonelyReader } from '../../manage/observe/broker-reader.ts'
import { kubeReader } from '../../manage/observe/kube-reader.ts'
import type { KubeReader, ObservePlaces } from '../../manage/observe/ports.ts'
import { type ObserveAround, openClusterKube, type PlaceFlags } from './observe-places.ts'

/** A Kubernetes that was not looked at. */
export const UNSEEN_KUBE: KubeReader = {
  server: '',
  identity: async () => ({ kind: 'same' }),
  serviceAccounts: async () => [],
  namespaces: async () => [],
  workloadIdentity: async () => ({ status: 'disabled', isDeclared: false }),
}

/** Stands for an issuer that only AWS's half reads; no step of Kubernetes has it. */
const UNSEEN_ISSUER = 'https://unseen.invalid'

/**
 * Kubernetes alone. Its service accounts name roles by their ARNs, which are the same whether the
 * roles are there or not: of AWS only partition and account are needed.
 * @throws PodroleError `NoAccountKnown`, …
 */
export async function openKubePlaces(
  clusters: readonly DesiredCluster[],
  flags: PlaceFlags,
  { note, onCall }: ObserveAround,
): Promise<ObservePlaces> {
  const isAlone = clusters.length === 1
  const keyOf = ({ name, region = '' }: DesiredCluster): string => `${name}@${region}`
  const arns = new Map<string, string>()
  for (const one of clusters) arns.set(keyOf(one), await clusterArnOf(one, flags, isAlone))
  const [first = ''] = arns.values()
  const { accountId, partition } = parseArn(first)
  note(`AWS is not looked at; roles are those of account ${accountId}`)
  return {
    iam: {
      partition,
      accountId,
      roles: async () => [],
      provider: async (arn) => ({ arn, clientIds: [STS_AUDIENCE], tags: {} }),
      trustQuota: async () => {
        const value = documentedIamQuota('trust-policy-characters')
        return { value, isLive: false, text: `${value} (AWS's default; nobody asked)` }
      },
    },
    cluster: async (desired) => {
      const arn = arns.get(keyOf(desired)) ?? ''
      const { region } = parseArn(arn)
      const issuers = { issuer: UNSEEN_ISSUER, fleetIssuer: UNSEEN_ISSUER }
      return lonelyReader({ arn, region, ...issuers, isAutoMode: false })
    },
    kube: async (desired, facts) => {
      const known = flags.trustKubeconfig === true ? undefined : knownOf(desired)
      return kubeReader(await openClusterKube(desired, facts, { flags, isAlone }), known, onCall)
    },
  }
}

/** What only AWS knows of a cluster cannot be compared: its issuer can where the file names it. */
export const knownOf = ({ issuer }: DesiredCluster): { readonly issuer: string } | undefined =>
  issuer === undefined ? undefined : { issuer }

/** What of a file's cluster the half without AWS plans. */
export const kubernetesPartOf = (desired: DesiredCluster): DesiredCluster => {
  const { access: _access, addons: _addons, withOidc: _withOidc, ...kept } = desired
  return kept
}

/** `aws eks update-kubeconfig` calls a context by the ARN of its cluster. */
async function clusterArnOf(
  { accountId, broker, kind, name, region }: DesiredCluster,
  { context, kubeconfig }: PlaceFlags,
  isAlone: boolean,
): Promise<string> {
  if (accountId !== undefined && region !== undefined) {
    const service = kind === 'self-managed' && broker !== undefined ? 'podrole' : 'eks'
    return `arn:${partitionOfRegion(region).id}:${service}:${region}:${accountId}:cluster/${name}`
  }
  const used = isAlone
    ? (
        await loadKubeAccess({
          environment: process.env,
          ...(kubeconfig !== undefined && { kubeconfig }),
          ...(context !== undefined && { context }),
        })
      ).context
    : undefined
  const arn = tryParseArn(used ?? '')
  if (arn?.service === 'eks' && arn.resource === `cluster/${name}`) return used ?? ''
  throw new PodroleError(
    'NoAccountKnown',
    `without AWS nothing tells the account and region of cluster ${name}`,
    {
      hint: 'Apply a plan file, or name metadata.accountID and metadata.region in the file, or a kubeconfig context that is the ARN of the cluster.',
    },
  )
}
